/* SPDX-License-Identifier: Apache-2.0 */
/* The sound of a session from a server that the test plays, over the loopback interface, into a decoder. */
#include "host/sound.h"

#include "audio/source.h"
#include "audio/source_backend.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "net/udp.h"

#include <math.h>
#include <openssl/evp.h>
#include <opus_multistream.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PERIOD = AUDIO_PERIOD, WAIT_MS = 5000 };

/* --- the sound server: pushes when the test does --- */

struct server {
    struct audio_backend base;
    const struct audio_backend_events *events;
    void *ctx;
    bool open, silenced;
    long pushed;
};

static struct server *server; /* made by create() */

static void server_destroy(struct audio_backend *base)
{
    free(base);
}

static void server_open(struct audio_backend *base, int channels)
{
    (void)channels;
    ((struct server *)base)->open = true;
}

static void server_close(struct audio_backend *base)
{
    ((struct server *)base)->open = false;
}

static void server_silence(struct audio_backend *base, bool silence)
{
    ((struct server *)base)->silenced = silence;
}

static void server_stored(struct audio_backend *base, bool stored)
{
    (void)base, (void)stored;
}

static struct audio_backend *server_create(const struct audio_backend_config *config);

static const struct audio_backend_ops server_ops = {
    .name = "test",
    .create = server_create,
    .destroy = server_destroy,
    .open = server_open,
    .close = server_close,
    .silence_host = server_silence,
    .note_stored = server_stored,
};

static struct audio_backend *server_create(const struct audio_backend_config *config)
{
    server = calloc(1, sizeof(*server));
    assert_non_null(server);
    server->base.ops = &server_ops;
    server->events = config->events;
    server->ctx = config->ctx;
    return &server->base;
}

/* One period of a tone per channel: 500 Hz more for each. */
static void push(int channels)
{
    float samples[PERIOD * AUDIO_CHANNELS_MAX];
    for (int i = 0; i < PERIOD * channels; i++) {
        double at = (double)(server->pushed + i / channels) / AUDIO_RATE;
        samples[i] = (float)(.3 * sin(2 * M_PI * 500 * (i % channels + 1) * at));
    }
    server->pushed += PERIOD;
    server->events->push(server->ctx, samples, PERIOD, channels, clock_now_ns());
}

/* --- */

struct rig {
    struct audio_source *source;
    struct udp_socket *host, *client;
    struct sound_config config;
    struct sound *sound;
    uint8_t datagram[2048];
    size_t size;
};

static int begin(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct address any;
    assert_true(address_parse("127.0.0.1", 0, &any));
    rig->host = udp_socket_create(&any);
    rig->client = udp_socket_create(&any);
    rig->source = audio_source_create(&(struct audio_source_config){.ops = &server_ops});
    assert_true(rig->host && rig->client && rig->source);
    rig->config = (struct sound_config){
        .source = rig->source,
        .layout = sound_layout(NULL, 2, false),
        .packet_ms = 5,
        .sender = {.socket = rig->host, .dscp = true},
    };
    udp_socket_local(rig->client, &rig->config.sender.destination);
    *state = rig;
    return 0;
}

static int finish(void **state)
{
    struct rig *rig = *state;
    sound_destroy(rig->sound);
    assert_false(server->open || server->silenced);
    audio_source_destroy(rig->source);
    udp_socket_destroy(rig->host);
    udp_socket_destroy(rig->client);
    free(rig);
    return 0;
}

static void start(struct rig *rig)
{
    rig->sound = sound_start(&rig->config);
    assert_non_null(rig->sound);
    assert_true(server->open);
}

/* The next datagram of this payload type; parity comes in between. */
static void receive(struct rig *rig, struct udp_socket *at, uint8_t type)
{
    struct address peer, local;
    do {
        struct pollfd wait = {.fd = udp_socket_fd(at), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        assert_int_equal(udp_receive(at, rig->datagram, sizeof(rig->datagram), &rig->size, &peer, &local),
                         UDP_RECEIVED);
    } while (rig->datagram[1] != type);
}

static void each_packet_leaves_when_its_samples_are_there(void **state)
{
    struct rig *rig = *state;
    start(rig);
    uint16_t first = 0;
    for (int n = 0; n < 12; n++) {
        push(2);
        receive(rig, rig->client, 97);
        if (n == 0)
            first = bytes_get_u16be(rig->datagram + 2); /* silence may have been sent before */
        assert_int_equal(rig->size, 12 + 60);
        if (n % 4 == 3)
            receive(rig, rig->client, 127);
    }
    assert_true(bytes_get_u16be(rig->datagram + 2) >= first);
    sound_stop(rig->sound);
    struct sound_report report;
    sound_take_report(rig->sound, &report);
    assert_true(report.sender.packets >= 12);
    assert_int_equal(report.sender.send_errors + report.sender.refused + report.encode_failures, 0);
    assert_true(report.latency.count >= 12);
    assert_true(sound_heartbeat(rig->sound) != NULL);
}

static size_t open_packet(const struct rig *rig, const uint8_t *key, uint32_t key_id, uint8_t *ret_plain)
{
    uint8_t iv[16] = {0};
    int size = 0, rest = 0;
    bytes_put_u32be(iv, key_id + bytes_get_u16be(rig->datagram + 2));
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(context, EVP_aes_128_cbc(), NULL, key, iv), 1);
    assert_int_equal(EVP_DecryptUpdate(context, ret_plain, &size, rig->datagram + 12, (int)rig->size - 12), 1);
    assert_int_equal(EVP_DecryptFinal_ex(context, ret_plain + size, &rest), 1);
    EVP_CIPHER_CTX_free(context);
    return (size_t)(size + rest);
}

static double level(const float *samples, int frames, int channels, int channel, double hz)
{
    double re = 0, im = 0;
    for (int i = 0; i < frames; i++) {
        re += samples[i * channels + channel] * cos(2 * M_PI * hz * i / AUDIO_RATE);
        im += samples[i * channels + channel] * sin(2 * M_PI * hz * i / AUDIO_RATE);
    }
    return 2 * sqrt(re * re + im * im) / frames;
}

static void encrypted_surround_arrives_with_each_tone_in_its_channel(void **state)
{
    enum { PACKETS = 60, FRAMES = 2 * PERIOD, CHANNELS = 6 };
    struct rig *rig = *state;
    uint8_t key[16] = "0123456789abcde", plain[2048];
    rig->config.layout = sound_layout("642012453", 6, false);
    rig->config.packet_ms = 10;
    rig->config.silence_host = true;
    rig->config.sender.key = key;
    rig->config.sender.key_id = (uint32_t)-3;
    start(rig);
    assert_true(server->silenced);
    int problem;
    OpusMSDecoder *decoder =
        opus_multistream_decoder_create(AUDIO_RATE, CHANNELS, 4, 2, (const uint8_t[]){0, 1, 2, 3, 4, 5}, &problem);
    float *heard = malloc(sizeof(*heard) * PACKETS * FRAMES * CHANNELS);
    for (int n = 0; n < PACKETS; n++) {
        push(CHANNELS);
        push(CHANNELS);
        receive(rig, rig->client, 97);
        assert_int_equal(rig->size, 12 + 336);
        size_t size = open_packet(rig, key, (uint32_t)-3, plain);
        assert_int_equal(size, 320);
        assert_int_equal(
            opus_multistream_decode_float(decoder, plain, (opus_int32)size, heard + n * FRAMES * CHANNELS, FRAMES, 0),
            FRAMES);
    }
    for (int c = 0; c < CHANNELS; c++) {
        int loudest = 0;
        for (int t = 1; t < CHANNELS; t++) {
            const float *end = heard + PACKETS / 2 * FRAMES * CHANNELS;
            if (level(end, PACKETS / 2 * FRAMES, CHANNELS, c, 500 * (t + 1)) >
                level(end, PACKETS / 2 * FRAMES, CHANNELS, c, 500 * (loudest + 1)))
                loudest = t;
        }
        assert_int_equal(loudest, c);
    }
    free(heard);
    opus_multistream_decoder_destroy(decoder);
}

static void a_client_whose_port_changes_is_followed(void **state)
{
    struct rig *rig = *state;
    struct address any, there;
    assert_true(address_parse("127.0.0.1", 0, &any));
    struct udp_socket *other = udp_socket_create(&any);
    udp_socket_local(other, &there);
    start(rig);
    push(2);
    receive(rig, rig->client, 97);
    sound_set_port(rig->sound, address_port(&there));
    for (int n = 0; n < 4; n++)
        push(2);
    receive(rig, other, 97);
    udp_socket_destroy(other);
}

static void without_any_samples_silence_is_sent(void **state)
{
    struct rig *rig = *state;
    rig->config.packet_ms = 20; /* made of two readings */
    start(rig);
    for (int n = 0; n < 8; n++) {
        receive(rig, rig->client, 97);
        assert_int_equal(bytes_get_u16be(rig->datagram + 2), n);
        assert_int_equal(bytes_get_u32be(rig->datagram + 4), n * 20);
        assert_int_equal(rig->size, 12 + 240);
    }
}

static void the_clients_own_layout_is_used_if_it_fits(void **state)
{
    (void)state;
    struct sdp_layout layout = sound_layout("642012453", 6, false);
    assert_int_equal(layout.mapping[3], 3);
    layout = sound_layout("642012453", 8, false); /* not of this channel count: the standard one */
    assert_int_equal(layout.channels, 8);
    layout = sound_layout("", 6, false);
    assert_int_equal(layout.mapping[2], 4);
    layout = sound_layout(NULL, 6, true);
    assert_int_equal(layout.streams, 6);
    layout = sound_layout("212012", 2, true);
    assert_int_equal(layout.streams, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(each_packet_leaves_when_its_samples_are_there),
        TEST(encrypted_surround_arrives_with_each_tone_in_its_channel),
        TEST(a_client_whose_port_changes_is_followed),
        TEST(without_any_samples_silence_is_sent),
        cmocka_unit_test(the_clients_own_layout_is_used_if_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
