/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/opus_encoder.h"

#include "protocol/audio_packet.h"

#include <jansson.h>
#include <math.h>
#include <opus_multistream.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 48000, PACKETS = 100 };

/* Those of a pair lie bands apart: at low rates Opus tells the sides of one band apart only roughly. */
static double tone_hz(int channel)
{
    static const int hz[8] = {500, 3000, 1000, 200, 1500, 5000, 2000, 7000};
    return hz[channel];
}

/* Level of a frequency in one channel, by Goertzel's sum. */
static double level(const float *samples, size_t frames, int channels, int channel, double hz)
{
    double w = 2 * M_PI * hz / RATE, a = 0, b = 0;
    for (size_t i = 0; i < frames; i++) {
        double next = samples[i * (size_t)channels + (size_t)channel] + 2 * cos(w) * a - b;
        b = a;
        a = next;
    }
    return 2 * sqrt(a * a + b * b - 2 * cos(w) * a * b) / (double)frames;
}

/* What clients make of a line of DESCRIBE: the last digit of normal-quality surround goes to the place of LFE. */
static void client_mapping(const char *digits, bool high_quality, int *ret_streams, int *ret_coupled,
                           unsigned char ret_mapping[8])
{
    int channels = digits[0] - '0';
    *ret_streams = digits[1] - '0';
    *ret_coupled = digits[2] - '0';
    for (int c = 0; c < channels; c++)
        ret_mapping[c] = (unsigned char)(digits[3 + c] - '0');
    if (channels > 2 && !high_quality) {
        unsigned char lfe = ret_mapping[channels - 1];
        memmove(ret_mapping + 4, ret_mapping + 3, (size_t)channels - 4);
        ret_mapping[3] = lfe;
    }
}

struct trip {
    const struct sdp_layout *layout;
    bool high_quality;
    int packet_ms;
    const char *digits; /* of the line that the client reads */
    size_t size;        /* every packet must have */
};

/* A tone per channel through the encoder and a client's decoder; the decoded samples, freed by the caller. */
static float *travel(const struct trip *trip, size_t *ret_frames)
{
    int channels = trip->layout->channels, streams, coupled, problem;
    unsigned char mapping[8];
    client_mapping(trip->digits, trip->high_quality, &streams, &coupled, mapping);
    struct audio_encoder *encoder = audio_encoder_create(&(struct audio_encoder_config){
        .layout = *trip->layout, .high_quality = trip->high_quality, .packet_ms = trip->packet_ms});
    OpusMSDecoder *decoder = opus_multistream_decoder_create(RATE, channels, streams, coupled, mapping, &problem);
    assert_non_null(encoder);
    assert_non_null(decoder);
    size_t frames = audio_encoder_frames(encoder);
    assert_int_equal(frames, 48 * trip->packet_ms);
    assert_int_equal(audio_encoder_size(encoder), trip->size);
    float *in = malloc(frames * (size_t)channels * sizeof(*in));
    float *out = malloc(PACKETS * frames * (size_t)channels * sizeof(*out));
    uint8_t *packet = malloc(trip->size); /* exactly: a sanitizer sees a byte more */
    for (size_t n = 0; n < PACKETS; n++) {
        for (size_t i = 0; i < frames * (size_t)channels; i++) {
            int channel = (int)(i % (size_t)channels);
            double at = (double)(n * frames + i / (size_t)channels) / RATE;
            in[i] = (float)(.3 * sin(2 * M_PI * tone_hz(channel) * at));
        }
        memset(packet, 0, trip->size);
        assert_true(audio_encoder_encode(encoder, in, packet));
        assert_int_equal(opus_multistream_decode_float(decoder, packet, (opus_int32)trip->size,
                                                       out + n * frames * (size_t)channels, (int)frames, 0),
                         frames);
    }
    opus_multistream_decoder_destroy(decoder);
    audio_encoder_destroy(encoder);
    free(in);
    free(packet);
    *ret_frames = PACKETS * frames;
    return out;
}

static void each_channel_has_its_own_tone_alone(const struct trip *trip)
{
    size_t frames;
    int channels = trip->layout->channels;
    float *out = travel(trip, &frames), *settled = out + frames / 5 * (size_t)channels;
    for (int c = 0; c < channels; c++) {
        for (int t = 0; t < channels; t++) {
            double found = level(settled, frames * 4 / 5, channels, c, tone_hz(t));
            if (t == c ? found < .2 || found > .4 : found > .03)
                fail_msg("%s, %d ms: tone %d has level %.3f in channel %d", trip->digits, trip->packet_ms, t, found, c);
        }
    }
    free(out);
}

static void every_layout_has_the_sizes_and_channels_of_the_protocol(void **state)
{
    (void)state;
    static const struct {
        int channels;
        bool high;
        size_t size_5, size_10;
    } rows[] = {{2, false, 60, 120},  {2, true, 320, 640},  {6, false, 160, 320},
                {6, true, 960, 1360}, {8, false, 281, 562}, {8, true, 1280, 1360}}; /* 10 ms high: as much as fits */
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        char digits[SDP_LAYOUT_TEXT];
        const struct sdp_layout *layout = sdp_layout_standard(rows[r].channels, rows[r].high);
        sdp_layout_write(layout, rows[r].high, digits);
        for (int ms = 5; ms <= 10; ms += 5) {
            each_channel_has_its_own_tone_alone(&(struct trip){.layout = layout,
                                                               .high_quality = rows[r].high,
                                                               .packet_ms = ms,
                                                               .digits = digits,
                                                               .size = ms == 5 ? rows[r].size_5 : rows[r].size_10});
        }
    }
}

static void recorded_layouts_have_the_recorded_sizes_and_work(void **state)
{
    (void)state;
    json_t *root = json_load_file(VECTORS_DIR "/audio.json", 0, NULL);
    json_t *list = json_object_get(root, "opus_layouts");
    assert_int_equal(json_array_size(list), 8);
    for (size_t n = 0; n < json_array_size(list); n++) {
        json_t *row = json_array_get(list, n), *mapping = json_object_get(row, "encoder_mapping");
        const char *name = json_string_value(json_object_get(row, "layout"));
        struct sdp_layout layout = {.channels = (int)json_integer_value(json_object_get(row, "channels")),
                                    .streams = (int)json_integer_value(json_object_get(row, "streams")),
                                    .coupled = (int)json_integer_value(json_object_get(row, "coupled"))};
        for (size_t c = 0; c < json_array_size(mapping); c++)
            layout.mapping[c] = (uint8_t)json_integer_value(json_array_get(mapping, c));
        for (int ms = 5; ms <= 10; ms += 5) {
            char key[16];
            snprintf(key, sizeof(key), "bytes_%dms", ms);
            json_t *size = json_object_get(row, key);
            if (!size)
                continue;
            each_channel_has_its_own_tone_alone(
                &(struct trip){.layout = &layout,
                               .high_quality = strstr(name, "high") != NULL,
                               .packet_ms = ms,
                               .digits = json_string_value(json_object_get(row, "advertised")),
                               .size = (size_t)json_integer_value(size)});
        }
    }
    json_decref(root);
}

static void layouts_of_clients_work_too(void **state)
{
    (void)state;
    static const struct {
        const char *digits;
        bool high;
        size_t size;
    } rows[] = {{"642012453", false, 160}, {"633012345", false, 160},   {"651543210", true, 960},
                {"660543210", false, 160}, {"84476543210", false, 281}, {"88010325476", true, 1280}};
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct sdp_layout layout;
        assert_true(sdp_layout_read(rows[r].digits, rows[r].high, &layout));
        each_channel_has_its_own_tone_alone(&(struct trip){.layout = &layout,
                                                           .high_quality = rows[r].high,
                                                           .packet_ms = 5,
                                                           .digits = rows[r].digits,
                                                           .size = rows[r].size});
    }
}

/* Silence, full noise and clicks must not change the size. */
static void every_packet_has_the_same_size_whatever_it_holds(void **state)
{
    (void)state;
    static const int channels[] = {2, 6, 8};
    for (int q = 0; q < 6; q++) {
        struct audio_encoder_config config = {
            .layout = *sdp_layout_standard(channels[q / 2], q % 2), .high_quality = q % 2, .packet_ms = 20};
        config.packet_ms = q % 2 ? 5 : 20; /* 20 ms are asked for by some clients, with normal quality */
        struct audio_encoder *self = audio_encoder_create(&config);
        size_t frames = audio_encoder_frames(self), size = audio_encoder_size(self);
        float *in = calloc(frames * (size_t)config.layout.channels, sizeof(*in));
        uint8_t *packet = malloc(size);
        assert_true(size <= AUDIO_OPUS_MAX);
        uint32_t seed = 1;
        for (int n = 0; n < 60; n++) {
            for (size_t i = 0; i < frames * (size_t)config.layout.channels; i++) {
                seed = seed * 1664525u + 1013904223u;
                in[i] = n / 10 % 2 ? (float)(int32_t)seed / 2147483648.0f : n % 10 == 5 && i < 8 ? 1.0f : 0.0f;
            }
            assert_true(audio_encoder_encode(self, in, packet));
            assert_true(opus_packet_get_nb_channels(packet) >= 1);
        }
        free(in);
        free(packet);
        audio_encoder_destroy(self);
    }
    audio_encoder_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_has_the_sizes_and_channels_of_the_protocol),
        cmocka_unit_test(recorded_layouts_have_the_recorded_sizes_and_work),
        cmocka_unit_test(layouts_of_clients_work_too),
        cmocka_unit_test(every_packet_has_the_same_size_whatever_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
