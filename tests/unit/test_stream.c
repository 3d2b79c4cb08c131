/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of the status picture to a socket on the loopback interface, with the real encoder and sender; a call into
 * either is made to hang (hang.c), and the test plays the client.
 */
#include "host/stream.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "hang.h"
#include "net/gso.h"
#include "net/udp.h"
#include "protocol/crypto.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PACKET_SIZE = 1024, SHARD = PACKET_SIZE + 16, SEAL = 32, COUNTERS_MAX = 20000, IDR = 2, IDLE_FPS = 50 };

static const uint8_t key[16] = "0123456789abcdef";
static const char first_name[] = "x264", second_name[] = "x264"; /* two entries of a list that can be told apart */

struct rig {
    struct display *display;
    struct udp_socket *host, *client;
    struct gso_policy *gso;
    struct gcm *gcm;
    struct stream *stream;
    atomic_int failures;
    uint64_t counters[COUNTERS_MAX]; /* of all packets: the changing part of the IV */
    int counter_count;
    uint32_t newest_frame; /* received, at least in part */
};

static struct udp_socket *open_loopback(void)
{
    struct address bind;
    assert_true(address_parse("127.0.0.1", 0, &bind));
    struct udp_socket *socket = udp_socket_create(&bind);
    assert_non_null(socket);
    return socket;
}

static void on_failed(void *ctx)
{
    struct rig *rig = ctx;
    atomic_fetch_add(&rig->failures, 1);
}

static void rig_start(struct rig *rig, const struct encoder_report *const *encoders, int encoder_count)
{
    memset(rig, 0, sizeof(*rig));
    rig->display = display_create(&(struct display_config){.name = "none", .output = "auto"});
    rig->host = open_loopback();
    rig->client = open_loopback();
    rig->gso = gso_policy_create(NULL, 0);
    rig->gcm = gcm_create(key);
    struct stream_config config = {
        .display = rig->display,
        .view = {.layout = {.width = 320, .height = 180}, .fps_x100 = 6000},
        .encoder = {.codec = ENCODER_H264, .bitrate_kbps = 4000, .slices = 1, .max_reference_frames = 1},
        .encoder_count = encoder_count,
        .sender = {.socket = rig->host,
                   .gso = rig->gso,
                   .packet_size = PACKET_SIZE,
                   .fec_percent = 20,
                   .key = key,
                   .bitrate_kbps = 20000},
        .idle_fps = IDLE_FPS,
        .failed = on_failed,
        .ctx = rig,
    };
    memcpy(config.encoders, encoders, (size_t)encoder_count * sizeof(encoders[0]));
    rig->stream = stream_create(&config);
    assert_non_null(rig->stream);
    assert_null(stream_heartbeat(rig->stream, STREAM_SEND));
    struct address destination, source;
    udp_socket_local(rig->client, &destination);
    udp_socket_local(rig->host, &source);
    assert_true(stream_start(rig->stream, &destination, &source));
}

static void rig_start_one(struct rig *rig)
{
    static const struct encoder_report x264 = {.name = first_name, .usable = true};
    const struct encoder_report *const encoders[] = {&x264};
    rig_start(rig, encoders, 1);
}

static int compare_counters(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void rig_finish(struct rig *rig)
{
    stream_destroy(rig->stream);
    display_destroy(rig->display);
    gcm_destroy(rig->gcm);
    gso_policy_destroy(rig->gso);
    udp_socket_destroy(rig->host);
    udp_socket_destroy(rig->client);
    qsort(rig->counters, (size_t)rig->counter_count, sizeof(rig->counters[0]), compare_counters);
    for (int i = 1; i < rig->counter_count; i++)
        assert_true(rig->counters[i - 1] < rig->counters[i]); /* no IV was used twice */
}

struct packet {
    uint32_t frame, timestamp;
    uint64_t counter;
    int type; /* of the frame; only in its first packet, else 0 */
    bool is_repeat;
};

static struct packet receive(struct rig *rig)
{
    uint8_t datagram[SEAL + SHARD + 1], shard[SHARD];
    struct address peer, local;
    size_t size;
    struct pollfd wait = {.fd = udp_socket_fd(rig->client), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 30000), 1);
    assert_int_equal(udp_receive(rig->client, datagram, sizeof(datagram), &size, &peer, &local), UDP_RECEIVED);
    assert_int_equal(size, SEAL + SHARD);
    assert_true(gcm_open(rig->gcm, datagram, 12, datagram + SEAL, SHARD, datagram + 16, shard));
    struct packet packet = {.frame = bytes_get_u32le(shard + 20),
                            .timestamp = bytes_get_u32be(shard + 4),
                            .counter = bytes_get_u32le(datagram)};
    assert_int_equal(bytes_get_u16be(shard + 2), packet.counter & 0xFFFF);
    bool is_first = (bytes_get_u32le(shard + 28) >> 12 & 1023) == 0 && shard[27] >> 4 == 0;
    packet.type = is_first ? shard[32 + 3] : 0;
    packet.is_repeat = is_first && bytes_get_u16le(shard + 32 + 1) == 0;
    assert_true(rig->counter_count < COUNTERS_MAX);
    rig->counters[rig->counter_count++] = packet.counter;
    if (packet.frame > rig->newest_frame)
        rig->newest_frame = packet.frame;
    return packet;
}

static struct packet receive_frame_start(struct rig *rig)
{
    for (;;) {
        struct packet packet = receive(rig);
        if (packet.type)
            return packet;
    }
}

static void receive_frames(struct rig *rig, int count)
{
    while (count-- > 0)
        receive_frame_start(rig);
}

static struct stream_report report(struct rig *rig)
{
    struct stream_report now;
    stream_take_report(rig->stream, &now);
    return now;
}

/* Makes the encoder hang, and takes in what was sent before. The number of the newest frame. */
static uint32_t hang_encoder(struct rig *rig)
{
    hang_next(HANG_ENCODE);
    stream_request_idr(rig->stream); /* libx264 is not asked for a repeat with nothing to refine */
    hang_await(HANG_ENCODE);
    struct stream_report now;
    do
        now = report(rig);
    while (now.sender.frames < now.pictures + now.repeats);
    while (rig->newest_frame < now.sender.newest_frame)
        receive(rig);
    return now.sender.newest_frame;
}

static int count_threads(void)
{
    int count = -2; /* . and .. */
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void await_threads(int count)
{
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS;
    while (count_threads() > count && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(count_threads(), count);
}

static void a_still_picture_is_sent_and_repeated(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    assert_int_equal(receive_frame_start(&rig).type, IDR);
    for (uint32_t frame = 2; frame < 10; frame++)
        assert_int_equal(receive_frame_start(&rig).frame, frame);
    struct stream_report now = report(&rig);
    assert_string_equal(now.encoder, "x264");
    assert_true(now.software);
    assert_true(now.encode_ns > 0);
    assert_true(now.repeats > 0);
    assert_int_equal(now.replaced, 0);
    rig_finish(&rig);
}

static uint32_t receive_idr(struct rig *rig)
{
    struct packet packet;
    do
        packet = receive_frame_start(rig);
    while (packet.type != IDR);
    return packet.frame;
}

/* A client that allows one reference frame. */
static void frames_that_the_client_misses_are_answered_once_and_by_an_idr(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    receive_frames(&rig, 5);
    stream_report_missing(rig.stream, 3, 4);
    uint32_t idr = receive_idr(&rig);
    assert_true(idr > 5);
    for (uint32_t last = 3; last < idr; last++) /* of the round trip: that IDR is under way to the client */
        stream_report_missing(rig.stream, 3, last);
    for (int i = 0; i < 20; i++)
        assert_int_not_equal(receive_frame_start(&rig).type, IDR);
    stream_report_missing(rig.stream, idr, idr);
    assert_true(receive_idr(&rig) > idr + 20);
    stream_report_missing(rig.stream, 1, 0); /* no such frames: whoever says that is helped in any case */
    receive_idr(&rig);
    rig_finish(&rig);
}

static void a_lower_rate_holds_for_repeats_too(void **state)
{
    enum { DISTANCE = 90000 / 10 - 1, UNDER_WAY_MAX = 120 };
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    stream_set_rate(rig.stream, 1000);
    uint32_t before = receive_frame_start(&rig).timestamp;
    int under_way = 0;
    for (int repeats = 0; repeats < 4;) {
        struct packet now = receive_frame_start(&rig);
        if (now.is_repeat && now.timestamp - before < DISTANCE) {
            assert_int_equal(repeats, 0);
            assert_true(++under_way <= UNDER_WAY_MAX);
        } else if (now.is_repeat) { /* a picture comes when there is one */
            repeats++;
        }
        before = now.timestamp;
    }
    rig_finish(&rig);
}

static void a_stage_at_work_is_let_go_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    assert_true(stream_replace(rig.stream, STREAM_ENCODE));
    assert_true(stream_replace(rig.stream, STREAM_SEND));
    receive_frames(&rig, 3);
    rig_finish(&rig);
}

static void a_hung_encoder_is_replaced_by_the_next_of_the_list(void **state)
{
    (void)state;
    struct rig rig;
    const struct encoder_report first = {.name = first_name, .usable = true, .hardware = true};
    const struct encoder_report second = {.name = second_name, .usable = true};
    const struct encoder_report *const encoders[] = {&first, &second};
    int threads = count_threads();
    rig_start(&rig, encoders, 2);
    receive_frames(&rig, 3);
    int threads_then = count_threads();
    assert_ptr_equal(report(&rig).encoder, first_name);
    assert_false(report(&rig).software);

    uint32_t frame = hang_encoder(&rig);
    assert_true(heartbeat_age_ns(stream_heartbeat(rig.stream, STREAM_ENCODE), clock_now_ns()) > 0);
    struct stream_report before = report(&rig);
    assert_true(stream_replace(rig.stream, STREAM_ENCODE));
    struct packet packet = receive_frame_start(&rig);
    assert_int_equal(packet.type, IDR);
    assert_int_equal(packet.frame, frame + 1);
    receive_frames(&rig, 5);
    struct stream_report now = report(&rig);
    assert_ptr_equal(now.encoder, second_name);
    assert_true(now.software);
    assert_int_equal(now.replaced, 1);
    assert_int_equal(now.encoder_failures, 0);
    struct stream_failure failures[STREAM_ENCODERS_MAX];
    assert_int_equal(stream_take_failures(rig.stream, failures), 1);
    assert_ptr_equal(failures[0].encoder, first_name);
    assert_true(failures[0].hung);
    assert_int_equal(stream_take_failures(rig.stream, failures), 0); /* told once */
    assert_true(now.repeats > before.repeats && now.view.pictures > before.view.pictures && now.idrs > before.idrs);

    hang_release(HANG_ENCODE); /* the old thread goes away, and nobody notices */
    await_threads(threads_then);
    frame = receive_frame_start(&rig).frame;
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(receive_frame_start(&rig).frame, frame + i);
    assert_int_equal(atomic_load(&rig.failures), 0);
    rig_finish(&rig);
    assert_int_equal(count_threads(), threads);
}

static void encoders_for_other_pictures_are_passed_over(void **state)
{
    (void)state;
    struct rig rig;
    static const struct encoder_report first = {.name = first_name, .usable = true, .hardware = true};
    static const struct encoder_report other = {.name = "other", .usable = true, .format = FRAME_BGR0};
    static const struct encoder_report second = {.name = second_name, .usable = true};
    const struct encoder_report *const encoders[] = {&first, &other, &second};
    int threads = count_threads();
    rig_start(&rig, encoders, 3);
    receive_frames(&rig, 3);
    hang_encoder(&rig);
    assert_true(stream_replace(rig.stream, STREAM_ENCODE));
    receive_frames(&rig, 3);
    assert_ptr_equal(report(&rig).encoder, second_name);
    hang_release(HANG_ENCODE);
    rig_finish(&rig);
    await_threads(threads);
}

/* The last of the list is used again, as long as not too many of it hang. */
static void an_encoder_that_hangs_again_and_again_ends_the_session(void **state)
{
    (void)state;
    struct rig rig;
    int threads = count_threads(), hangs = 0;
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    for (;; hangs++) {
        hang_next(HANG_ENCODE);
        stream_request_idr(rig.stream);
        hang_await(HANG_ENCODE);
        if (!stream_replace(rig.stream, STREAM_ENCODE))
            break;
        receive_frames(&rig, 3);
    }
    assert_true(hangs >= 2 && hangs <= 8);
    assert_int_equal(report(&rig).replaced, hangs);
    rig_finish(&rig); /* leaves the last one behind too */
    hang_release(HANG_ENCODE);
    await_threads(threads);
}

static void a_hung_encoder_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct rig rig;
    int threads = count_threads();
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    hang_encoder(&rig);
    rig_finish(&rig);
    hang_release(HANG_ENCODE); /* after all that it has used is gone */
    await_threads(threads);
}

static void a_hung_send_thread_is_replaced_and_no_number_is_used_twice(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    int threads = count_threads();
    hang_next(HANG_SEND);
    hang_await(HANG_SEND);
    assert_true(heartbeat_age_ns(stream_heartbeat(rig.stream, STREAM_SEND), clock_now_ns()) > 0);
    assert_true(stream_replace(rig.stream, STREAM_SEND));
    struct stream_report now = report(&rig);
    assert_int_equal(now.replaced, 1);
    uint32_t hung_frame = now.sender.newest_frame;
    struct packet packet;
    do
        packet = receive_frame_start(&rig);
    while (packet.frame < hung_frame);
    if (packet.frame == hung_frame)
        packet = receive_frame_start(&rig);
    assert_int_equal(packet.frame, hung_frame + 1);
    while (packet.type != IDR) /* a P picture may have been made before the request came */
        packet = receive_frame_start(&rig);
    receive_frames(&rig, 5);
    hang_release(HANG_SEND);
    await_threads(threads);
    uint32_t newest = report(&rig).sender.newest_frame;
    while (packet.frame <= newest + 5)
        packet = receive_frame_start(&rig);
    assert_int_equal(report(&rig).sender.send_errors, 0);
    rig_finish(&rig);
}

static void a_hung_send_thread_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct rig rig;
    int threads = count_threads();
    rig_start_one(&rig);
    receive_frames(&rig, 3);
    hang_next(HANG_SEND);
    hang_await(HANG_SEND);
    rig_finish(&rig);
    hang_release(HANG_SEND); /* after all that it has used is gone, but for the socket */
    await_threads(threads);
}

static void an_encoder_that_cannot_be_made_after_a_hang_is_told(void **state)
{
    (void)state;
    struct rig rig;
    static const struct encoder_report first = {.name = first_name, .usable = true};
    static const struct encoder_report missing = {.name = "no such encoder", .usable = true};
    const struct encoder_report *const encoders[] = {&first, &missing};
    rig_start(&rig, encoders, 2);
    receive_frames(&rig, 3);
    hang_encoder(&rig);
    assert_true(stream_replace(rig.stream, STREAM_ENCODE));
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS;
    while (!atomic_load(&rig.failures) && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(atomic_load(&rig.failures), 1);
    assert_string_equal(report(&rig).encoder, "");
    struct stream_failure failures[STREAM_ENCODERS_MAX];
    assert_int_equal(stream_take_failures(rig.stream, failures), 2);
    assert_true(failures[0].hung && !failures[1].hung);
    assert_string_equal(failures[1].encoder, missing.name);
    hang_release(HANG_ENCODE);
    rig_finish(&rig);
}

static void the_only_encoder_is_made_anew_when_it_fails_after_a_while(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_one(&rig);
    int64_t until_ns = clock_now_ns() + 3 * CLOCK_SECOND_NS;
    while (clock_now_ns() < until_ns)
        receive_frames(&rig, 1);
    hang_fail_encode();
    stream_request_idr(rig.stream);
    while (report(&rig).idrs < 2)
        receive_frames(&rig, 1);
    assert_int_equal(report(&rig).encoder_failures, 1);
    assert_string_equal(report(&rig).encoder, "x264");
    hang_fail_encode(); /* at once again: it is no good */
    stream_request_idr(rig.stream);
    until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS;
    while (!atomic_load(&rig.failures) && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(atomic_load(&rig.failures), 1);
    rig_finish(&rig);
}

static int set_up(void **state)
{
    (void)state;
    hang_set_up();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hang_tear_down();
    return 0;
}

#define HANG_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        HANG_TEST(a_still_picture_is_sent_and_repeated),
        HANG_TEST(frames_that_the_client_misses_are_answered_once_and_by_an_idr),
        HANG_TEST(a_lower_rate_holds_for_repeats_too),
        HANG_TEST(a_stage_at_work_is_let_go_on),
        HANG_TEST(a_hung_encoder_is_replaced_by_the_next_of_the_list),
        HANG_TEST(encoders_for_other_pictures_are_passed_over),
        HANG_TEST(an_encoder_that_hangs_again_and_again_ends_the_session),
        HANG_TEST(a_hung_encoder_does_not_hold_up_the_end),
        HANG_TEST(a_hung_send_thread_is_replaced_and_no_number_is_used_twice),
        HANG_TEST(a_hung_send_thread_does_not_hold_up_the_end),
        HANG_TEST(an_encoder_that_cannot_be_made_after_a_hang_is_told),
        HANG_TEST(the_only_encoder_is_made_anew_when_it_fails_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
