/* SPDX-License-Identifier: Apache-2.0 */
/* Real sockets on the loopback interface; the test plays the client. */
#include "net/video_sender.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "hang.h"
#include "net/gso.h"
#include "net/udp.h"
#include "plain_fec.h"
#include "protocol/crypto.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PACKET_SIZE = 128, SHARD = PACKET_SIZE + 16, PAYLOAD = PACKET_SIZE - 16, SEAL = 32, PACKETS_MAX = 1200 };

static const uint8_t key[16] = "0123456789abcdef";

struct rig {
    struct udp_socket *host, *client;
    struct gso_policy *gso;
    struct video_sender *sender;
    struct gcm *gcm; /* NULL: plain */
};

struct options {
    bool sealed, no_gso;
    int bitrate_kbps;
};

static struct udp_socket *open_loopback(void)
{
    struct address bind;
    assert_true(address_parse("127.0.0.1", 0, &bind));
    struct udp_socket *socket = udp_socket_create(&bind);
    assert_non_null(socket);
    return socket;
}

static struct rig rig_create(struct options options)
{
    static const char *const off[] = {"lo"};
    struct rig rig = {.host = open_loopback(), .client = open_loopback()};
    rig.gso = gso_policy_create(off, options.no_gso ? 1 : 0);
    rig.gcm = options.sealed ? gcm_create(key) : NULL;
    struct video_sender_config config = {
        .socket = rig.host,
        .gso = rig.gso,
        .packet_size = PACKET_SIZE,
        .fec_percent = 20,
        .min_parity = 2,
        .key = options.sealed ? key : NULL,
        .dscp = true,
        .bitrate_kbps = options.bitrate_kbps,
        .fps_x100 = 6000,
    };
    udp_socket_local(rig.client, &config.destination);
    udp_socket_local(rig.host, &config.source);
    rig.sender = video_sender_create(&config);
    assert_non_null(rig.sender);
    return rig;
}

static void rig_destroy(struct rig *rig)
{
    video_sender_destroy(rig->sender);
    gcm_destroy(rig->gcm);
    gso_policy_destroy(rig->gso);
    udp_socket_destroy(rig->host);
    udp_socket_destroy(rig->client);
}

static void fill(uint8_t *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
}

static void submit(struct rig *rig, const uint8_t *data, size_t size, enum part_type type, int64_t timestamp_ns)
{
    struct au_part part = {
        .data = data, .size = size, .type = type, .parts = 1, .last = true, .timestamp_ns = timestamp_ns};
    assert_true(video_sender_wait_free(rig->sender, clock_now_ns() + 10 * CLOCK_SECOND_NS));
    video_sender_submit(rig->sender, &part);
    assert_true(video_sender_wait_free(rig->sender, clock_now_ns() + 10 * CLOCK_SECOND_NS));
}

/* One packet, opened. The size of the datagram; 0: nothing came for 5 s. */
static size_t receive(struct rig *rig, uint8_t *ret_shard)
{
    uint8_t datagram[SEAL + SHARD + 1];
    struct address peer, local;
    size_t size, prefix = rig->gcm ? SEAL : 0;
    struct pollfd wait = {.fd = udp_socket_fd(rig->client), .events = POLLIN};
    if (poll(&wait, 1, 5000) != 1)
        return 0;
    assert_int_equal(udp_receive(rig->client, datagram, sizeof(datagram), &size, &peer, &local), UDP_RECEIVED);
    assert_int_equal(size, prefix + SHARD);
    if (!rig->gcm)
        memcpy(ret_shard, datagram, SHARD);
    else
        assert_true(gcm_open(rig->gcm, datagram, 12, datagram + SEAL, SHARD, datagram + 16, ret_shard));
    if (rig->gcm)
        assert_memory_equal(datagram + 12, ret_shard + 20, 4); /* the frame number in clear */
    return size;
}

/* A block of the client: `lose` data packets are thrown away and recovered. Returns k. */
static int receive_block(struct rig *rig, int lose, uint8_t shards[255][SHARD])
{
    bool present[255] = {false};
    uint8_t *pointers[255];
    int k = 0, m = 0;
    for (int i = 0; i == 0 || i < k + m; i++) {
        uint8_t shard[SHARD];
        assert_true(receive(rig, shard) > 0);
        uint32_t fec = bytes_get_u32le(shard + 28);
        k = (int)(fec >> 22);
        m = (k * (int)(fec >> 4 & 255) + 99) / 100;
        int index = (int)(fec >> 12 & 1023);
        assert_int_equal(index, i); /* loopback keeps the order */
        assert_int_equal(shard[0], 0x90);
        present[index] = index >= lose;
        if (present[index])
            memcpy(shards[index], shard, SHARD);
    }
    for (int i = 0; i < k + m; i++)
        pointers[i] = shards[i];
    assert_true(lose <= m);
    assert_true(plain_fec_recover(k, m, SHARD, pointers, present));
    return k;
}

/* A frame put together again as a client does it; the frame header stays in front. */
static size_t receive_frame(struct rig *rig, int lose, uint8_t *ret_frame)
{
    static uint8_t shards[255][SHARD];
    size_t size = 0;
    for (int block = 0, last = 0; block <= last; block++) {
        int k = receive_block(rig, lose, shards);
        last = shards[k - 1][27] >> 6; /* the last data packet is never thrown away here */
        assert_int_equal(shards[k - 1][27] >> 4 & 3, block);
        for (int i = 0; i < k; i++) {
            memcpy(ret_frame + size, shards[i] + 32, PAYLOAD);
            size += PAYLOAD;
        }
    }
    return size - PAYLOAD + bytes_get_u16le(ret_frame + 4);
}

static void check_frames(struct options options)
{
    static uint8_t frame[PACKETS_MAX * PAYLOAD], received[PACKETS_MAX * PAYLOAD];
    static const size_t sizes[] = {5000, 1, 300, 103, 104, 105, 25000, 700};
    struct rig rig = rig_create(options);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(frame, sizes[i], (unsigned)i);
        submit(&rig, frame, sizes[i], i == 0 ? PART_IDR : PART_PREDICTED, (int64_t)i * 16666667);
        uint8_t expected[8] = {1, 0, 0, i == 0 ? 2 : 1};
        size_t size = receive_frame(&rig, sizes[i] > 2 * PAYLOAD ? 2 : 0, received);
        bytes_put_u16le(expected + 4, (uint16_t)((sizes[i] + 7) % PAYLOAD + 1));
        assert_int_equal(size, 8 + sizes[i]);
        assert_memory_equal(received, expected, 8);
        assert_memory_equal(received + 8, frame, sizes[i]);
    }
    rig_destroy(&rig);
}

static void a_client_gets_every_frame_plain(void **state)
{
    (void)state;
    check_frames((struct options){0});
}

static void a_client_gets_every_frame_sealed(void **state)
{
    (void)state;
    check_frames((struct options){.sealed = true});
}

static void a_client_gets_every_frame_without_gso(void **state)
{
    (void)state;
    check_frames((struct options){.sealed = true, .no_gso = true});
}

static void wait_for_frame(struct rig *rig, uint64_t frames)
{
    int64_t until_ns = clock_now_ns() + 10 * CLOCK_SECOND_NS;
    while (video_sender_get_counters(rig->sender).frames < frames && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(video_sender_get_counters(rig->sender).frames, frames);
}

static void the_bytes_do_not_depend_on_gso(void **state)
{
    (void)state;
    enum { SIZE = 15000, PACKETS = 134 + 27 };
    static uint8_t frame[SIZE];
    struct rig with = rig_create((struct options){0}), without = rig_create((struct options){.no_gso = true});
    assert_true(video_sender_get_counters(with.sender).gso);
    assert_false(video_sender_get_counters(without.sender).gso);
    for (int i = 0; i < 3; i++) {
        fill(frame, SIZE, (unsigned)i);
        submit(&with, frame, SIZE, PART_PREDICTED, 1000 + i * 1000000);
        submit(&without, frame, SIZE, PART_PREDICTED, 1000 + i * 1000000);
        for (int n = 0; n < PACKETS; n++) {
            uint8_t a[SHARD], b[SHARD];
            assert_true(receive(&with, a) && receive(&without, b));
            assert_memory_equal(a, b, SHARD);
            assert_int_equal(bytes_get_u32be(a + 4), i * 90); /* 1 ms */
        }
    }
    wait_for_frame(&with, 3);
    struct video_sender_counters counters = video_sender_get_counters(with.sender);
    assert_int_equal(counters.packets, 3 * PACKETS);
    assert_int_equal(counters.parity_packets, 3 * 27);
    assert_int_equal(counters.bytes, 3 * PACKETS * SHARD);
    assert_int_equal(counters.send_errors, 0);
    assert_int_equal(counters.newest_frame, 3);
    assert_int_equal(counters.taken_frame, 3);
    rig_destroy(&with);
    rig_destroy(&without);
}

static void what_does_not_fit_is_counted_and_takes_no_number(void **state)
{
    (void)state;
    struct rig rig = rig_create((struct options){0});
    size_t size = 4092 * PAYLOAD; /* the frame header has no room */
    uint8_t *huge = calloc(1, size), shard[SHARD];
    assert_non_null(huge);
    submit(&rig, huge, size, PART_IDR, 0);
    assert_int_equal(video_sender_get_counters(rig.sender).too_large, 1);
    assert_int_equal(video_sender_get_counters(rig.sender).taken_frame, 0);
    submit(&rig, huge, 10, PART_IDR, 0);
    assert_int_equal(video_sender_get_counters(rig.sender).taken_frame, 1);
    assert_true(receive(&rig, shard) > 0);
    assert_int_equal(bytes_get_u32le(shard + 20), 1);
    free(huge);
    rig_destroy(&rig);
}

/* The encoder's next picture overwrites the last one as soon as it may: ThreadSanitizer watches. */
static void bytes_are_free_after_wait_free(void **state)
{
    (void)state;
    enum { SIZE = 3000, FRAMES = 40 };
    static uint8_t frame[SIZE], received[PACKETS_MAX * PAYLOAD];
    struct rig rig = rig_create((struct options){0});
    for (unsigned i = 0; i < FRAMES; i++) {
        fill(frame, SIZE, i);
        submit(&rig, frame, SIZE, PART_PREDICTED, i);
        memset(frame, 0xee, SIZE);
        fill(frame, SIZE, i);
        assert_int_equal(receive_frame(&rig, 0, received), 8 + SIZE);
        assert_memory_equal(received + 8, frame, SIZE);
    }
    rig_destroy(&rig);
}

static uint16_t latency_of(struct rig *rig, int64_t captured_ns)
{
    static uint8_t data[10], received[PACKETS_MAX * PAYLOAD];
    struct au_part part = {.data = data,
                           .size = sizeof(data),
                           .type = PART_PREDICTED,
                           .parts = 1,
                           .last = true,
                           .captured_ns = captured_ns,
                           .timestamp_ns = clock_now_ns()};
    video_sender_submit(rig->sender, &part);
    assert_true(video_sender_wait_free(rig->sender, clock_now_ns() + 10 * CLOCK_SECOND_NS));
    receive_frame(rig, 0, received);
    return bytes_get_u16le(received + 1);
}

static void the_frame_header_tells_the_latency(void **state)
{
    (void)state;
    struct rig rig = rig_create((struct options){0});
    struct stats_summary packetise, send;
    struct stats_samples latency;
    assert_int_equal(latency_of(&rig, 0), 0);
    assert_true(latency_of(&rig, clock_now_ns() - 5 * CLOCK_MS_NS) >= 50);
    assert_int_equal(latency_of(&rig, clock_now_ns() - 60 * CLOCK_SECOND_NS), UINT16_MAX);
    assert_int_equal(latency_of(&rig, clock_now_ns() + 60 * CLOCK_SECOND_NS), 0);
    assert_int_equal(latency_of(&rig, 0), 0);
    video_sender_take_stats(rig.sender, &packetise, &send, &latency); /* the last frame may still be on its way */
    assert_in_range(packetise.count, 4, 5);
    assert_in_range(send.count, 4, 5);
    assert_int_equal(latency.count, 3);
    assert_in_range(latency.us[0], 5 * 1000, 60 * 1000 * 1000 - 1);
    assert_true(latency.us[1] >= 60 * 1000 * 1000);
    assert_int_equal(latency.us[2], 0);
    rig_destroy(&rig);
}

static void the_port_may_change(void **state)
{
    (void)state;
    static const uint8_t data[10];
    struct rig rig = rig_create((struct options){0});
    struct address moved;
    uint8_t shard[SHARD];
    submit(&rig, data, sizeof(data), PART_IDR, 0);
    assert_true(receive(&rig, shard) > 0);
    wait_for_frame(&rig, 1);
    struct udp_socket *before = rig.client;
    rig.client = open_loopback();
    udp_socket_local(rig.client, &moved);
    video_sender_set_port(rig.sender, address_port(&moved));
    submit(&rig, data, sizeof(data), PART_PREDICTED, 1);
    assert_true(receive(&rig, shard) > 0);
    assert_int_equal(bytes_get_u32le(shard + 20), 2);
    udp_socket_destroy(before);
    rig_destroy(&rig);
}

/* A frame that the rate holds back for many seconds; another one waits behind it. */
static void waiting_ends_by_time_by_wake_and_by_destroy(void **state)
{
    (void)state;
    static uint8_t data[100 * PAYLOAD];
    struct rig rig = rig_create((struct options){.bitrate_kbps = 10});
    struct au_part part = {.data = data, .size = sizeof(data), .type = PART_PREDICTED, .parts = 1, .last = true};
    submit(&rig, data, sizeof(data), PART_PREDICTED, 0);
    video_sender_submit(rig.sender, &part);
    assert_false(video_sender_wait_free(rig.sender, clock_now_ns() + CLOCK_MS_NS));
    video_sender_wake(rig.sender);
    assert_false(video_sender_wait_free(rig.sender, clock_now_ns() + 3600 * CLOCK_SECOND_NS));
    rig_destroy(&rig);
}

static void reported_losses_switch_gso_off_and_the_stream_goes_on(void **state)
{
    (void)state;
    static uint8_t data[20 * PAYLOAD], received[PACKETS_MAX * PAYLOAD];
    char names[GSO_INTERFACES_MAX][GSO_NAME_MAX];
    struct rig rig = rig_create((struct options){0});
    int64_t until_ns = clock_now_ns() + 20 * CLOCK_SECOND_NS;
    bool off = false;
    for (uint64_t frame = 1; !off && clock_now_ns() < until_ns; frame++) {
        submit(&rig, data, sizeof(data), PART_PREDICTED, (int64_t)frame);
        receive_frame(&rig, 0, received);
        wait_for_frame(&rig, frame);
        off = video_sender_report_loss(rig.sender);
    }
    assert_true(off);
    assert_false(video_sender_get_counters(rig.sender).gso);
    assert_false(video_sender_report_loss(rig.sender));
    assert_int_equal(gso_policy_list(rig.gso, names), 1);
    assert_string_equal(names[0], "lo");
    submit(&rig, data, sizeof(data), PART_IDR, 0);
    assert_int_equal(receive_frame(&rig, 0, received), 8 + sizeof(data));
    rig_destroy(&rig);
}

static uint64_t sequence_of(const uint8_t *shard)
{
    return bytes_get_u16be(shard + 2);
}

/* The numbers of a whole frame of one block are taken; its first batch hangs, the rest never leaves. */
static void a_thread_that_hangs_is_left_behind_and_numbers_go_on(void **state)
{
    (void)state;
    enum { DATA = 100, PACKETS = 122 }; /* with parity: more than one batch */
    static uint8_t data[DATA * PAYLOAD - 8];
    uint8_t shard[SHARD];
    struct rig rig = rig_create((struct options){.sealed = true, .no_gso = true});
    hang_set_up();
    submit(&rig, data, 1, PART_IDR, 0);
    receive(&rig, shard);
    uint64_t first = sequence_of(shard);
    receive(&rig, shard);
    receive(&rig, shard); /* two of parity */
    wait_for_frame(&rig, 1);
    assert_true(video_sender_replace(rig.sender)); /* it waits for work, or is about to: it is let do so */
    assert_int_equal(video_sender_get_counters(rig.sender).replaced, 0);

    hang_next(HANG_SEND);
    submit(&rig, data, sizeof(data), PART_PREDICTED, CLOCK_SECOND_NS);
    hang_await(HANG_SEND);
    assert_true(heartbeat_age_ns(video_sender_heartbeat(rig.sender), clock_now_ns()) > 0);
    struct au_part waiting = {.data = data, .size = sizeof(data), .type = PART_PREDICTED, .parts = 1, .last = true};
    video_sender_submit(rig.sender, &waiting);
    assert_true(video_sender_replace(rig.sender));
    assert_true(video_sender_wait_free(rig.sender, 0)); /* the part that waited is gone */
    assert_int_equal(video_sender_get_counters(rig.sender).replaced, 1);
    assert_int_equal(video_sender_get_counters(rig.sender).newest_frame, 2);
    assert_int_equal(video_sender_get_counters(rig.sender).taken_frame, 2);
    assert_int_equal(heartbeat_age_ns(video_sender_heartbeat(rig.sender), clock_now_ns()), 0);

    submit(&rig, data, 1, PART_IDR, 2 * CLOCK_SECOND_NS);
    receive(&rig, shard);
    assert_int_equal(bytes_get_u32le(shard + 20), 3);
    assert_true(sequence_of(shard) >= first + 3 + PACKETS + 4 * 255 && sequence_of(shard) < first + 32768);
    assert_int_equal(bytes_get_u32be(shard + 4), 180000);
    receive(&rig, shard);
    receive(&rig, shard);
    wait_for_frame(&rig, 2); /* the one that hung does not count */

    hang_release(HANG_SEND);
    int late = 0; /* what it was at when it hung still comes, and nothing after */
    for (; receive(&rig, shard) && bytes_get_u32le(shard + 20) == 2; late++) {
        if (late == 63)
            submit(&rig, data, 1, PART_PREDICTED, 3 * CLOCK_SECOND_NS);
    }
    assert_int_equal(late, 64);
    assert_int_equal(bytes_get_u32le(shard + 20), 4);
    rig_destroy(&rig);
    hang_tear_down();
}

static struct au_part part_of(const uint8_t *data, size_t size, int part, int parts)
{
    return (struct au_part){
        .data = data, .size = size, .type = PART_IDR, .part = part, .parts = parts, .last = part == parts - 1};
}

/* Each part is at the client before the next one is given; two parity packets of each block are of use. */
static void check_parts(struct options options)
{
    enum { PART = 20 * PAYLOAD, PARTS = 4 };
    static uint8_t data[PARTS * PART], received[PARTS * (PART + PAYLOAD)], shards[255][SHARD];
    struct rig rig = rig_create(options);
    for (unsigned n = 0; n < 3; n++) {
        size_t size = 0;
        fill(data, sizeof(data), n);
        for (int i = 0; i < PARTS; i++) {
            struct au_part part = part_of(data + i * PART, PART, i, PARTS);
            (i ? video_sender_submit_next : video_sender_submit)(rig.sender, &part);
            int k = receive_block(&rig, 2, shards);
            assert_int_equal(shards[k - 1][27], i << 4 | (PARTS - 1) << 6);
            assert_int_equal(bytes_get_u32le(shards[k - 1] + 20), n + 1);
            for (int packet = 0; packet < k; packet++, size += PAYLOAD)
                memcpy(received + size, shards[packet] + 32, PAYLOAD);
            assert_int_equal(video_sender_wait_free(rig.sender, clock_now_ns() + CLOCK_MS_NS), i == PARTS - 1);
        }
        assert_memory_equal(received + 8, data, sizeof(data));
        wait_for_frame(&rig, n + 1);
    }
    assert_int_equal(video_sender_get_counters(rig.sender).newest_frame, 3);
    rig_destroy(&rig);
}

static void parts_leave_before_the_rest_is_there(void **state)
{
    (void)state;
    check_parts((struct options){0});
    check_parts((struct options){.sealed = true, .no_gso = true});
}

/* A block that was repaired is a loss, too. */
static void after_a_loss_pictures_leave_as_a_whole(void **state)
{
    (void)state;
    enum { PART = 20 * PAYLOAD };
    static uint8_t data[2 * PART], shards[255][SHARD];
    for (int repaired = 0; repaired < 2; repaired++) {
        struct rig rig = rig_create((struct options){0});
        struct au_part first = part_of(data, PART, 0, 2), next = part_of(data + PART, PART, 1, 2);
        if (repaired)
            video_sender_report_arrival(rig.sender);
        else
            video_sender_report_loss(rig.sender);
        video_sender_submit(rig.sender, &first);
        video_sender_submit_next(rig.sender, &next);
        int k = receive_block(&rig, 0, shards);
        assert_int_equal(k, 41);
        assert_int_equal(shards[0][27], 0);
        rig_destroy(&rig);
    }
}

/* The rate holds the first part back for many seconds: the others are taken from the encoder all the same. */
static void the_encoder_does_not_wait_for_the_pacer(void **state)
{
    (void)state;
    enum { PART = 100 * PAYLOAD };
    static uint8_t data[4 * PART];
    uint8_t shard[SHARD];
    struct rig rig = rig_create((struct options){.bitrate_kbps = 1});
    for (int i = 0; i < 4; i++) {
        struct au_part part = part_of(data + i * PART, PART, i, 4);
        (i ? video_sender_submit_next : video_sender_submit)(rig.sender, &part);
        if (i == 0)
            assert_true(receive(&rig, shard) > 0); /* its block is under way */
    }
    assert_true(video_sender_wait_free(rig.sender, clock_now_ns() + 10 * CLOCK_SECOND_NS));
    assert_int_equal(video_sender_get_counters(rig.sender).frames, 0);
    rig_destroy(&rig);
}

/* An encoder that fails in a picture, before anything of it has left and after. */
static void a_picture_that_is_given_up_is_not_read_any_more(void **state)
{
    (void)state;
    enum { PART = 20 * PAYLOAD };
    static uint8_t frame[PART], received[PACKETS_MAX * PAYLOAD], shards[255][SHARD];
    struct rig rig = rig_create((struct options){0});
    for (uint32_t n = 0; n < 2; n++) {
        uint8_t *data = malloc(2 * PART);
        assert_non_null(data);
        fill(data, 2 * PART, n);
        struct au_part first = part_of(data, n ? PART : 100, 0, 2), next = part_of(data + first.size, PART, 1, 2);
        video_sender_submit(rig.sender, &first);
        if (n)
            receive_block(&rig, 0, shards);
        video_sender_give_up(rig.sender);
        memset(data, 0xee, 2 * PART);
        video_sender_submit_next(rig.sender, &next); /* comes too late */
        free(data);
        assert_true(video_sender_wait_free(rig.sender, 0));
        assert_int_equal(video_sender_get_counters(rig.sender).taken_frame, n ? 2 : 0);

        fill(frame, PART, n);
        submit(&rig, frame, PART, PART_IDR, n);
        assert_int_equal(receive_frame(&rig, 0, received), 8 + PART);
        assert_int_equal(video_sender_get_counters(rig.sender).taken_frame, n ? 3 : 1);
        assert_memory_equal(received + 8, frame, PART);
    }
    video_sender_give_up(rig.sender); /* of a whole one nothing is given up */
    submit(&rig, frame, PART, PART_IDR, 9);
    video_sender_give_up(rig.sender);
    assert_int_equal(receive_frame(&rig, 0, received), 8 + PART);
    rig_destroy(&rig);
}

/* The first packets tell how long it took until the last part came, the time before. */
static void the_latency_of_a_frame_in_parts_is_that_of_its_last_part(void **state)
{
    (void)state;
    enum { PART = 20 * PAYLOAD };
    static uint8_t data[2 * PART], shards[255][SHARD];
    struct rig rig = rig_create((struct options){0});
    for (int n = 0; n < 2; n++) {
        struct au_part first = part_of(data, PART, 0, 2), next = part_of(data + PART, PART, 1, 2);
        first.captured_ns = clock_now_ns();
        video_sender_submit(rig.sender, &first);
        receive_block(&rig, 0, shards);
        if (n)
            assert_true(bytes_get_u16le(shards[0] + 33) >= 500);
        clock_sleep_until_ns(clock_now_ns() + 50 * CLOCK_MS_NS);
        video_sender_submit_next(rig.sender, &next);
        receive_block(&rig, 0, shards);
        wait_for_frame(&rig, (uint64_t)n + 1);
    }
    rig_destroy(&rig);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_gets_every_frame_plain),
        cmocka_unit_test(a_client_gets_every_frame_sealed),
        cmocka_unit_test(a_client_gets_every_frame_without_gso),
        cmocka_unit_test(the_bytes_do_not_depend_on_gso),
        cmocka_unit_test(what_does_not_fit_is_counted_and_takes_no_number),
        cmocka_unit_test(bytes_are_free_after_wait_free),
        cmocka_unit_test(the_frame_header_tells_the_latency),
        cmocka_unit_test(parts_leave_before_the_rest_is_there),
        cmocka_unit_test(after_a_loss_pictures_leave_as_a_whole),
        cmocka_unit_test(the_encoder_does_not_wait_for_the_pacer),
        cmocka_unit_test(a_picture_that_is_given_up_is_not_read_any_more),
        cmocka_unit_test(the_latency_of_a_frame_in_parts_is_that_of_its_last_part),
        cmocka_unit_test(the_port_may_change),
        cmocka_unit_test(waiting_ends_by_time_by_wake_and_by_destroy),
        cmocka_unit_test(reported_losses_switch_gso_off_and_the_stream_goes_on),
        cmocka_unit_test(a_thread_that_hangs_is_left_behind_and_numbers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
