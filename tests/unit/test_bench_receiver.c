/* SPDX-License-Identifier: Apache-2.0 */
/* host/bench_receiver.c: which frames arrived, when, told from the packets that our own packetiser makes. */
#include "host/bench_receiver.h"

#include "base/clock.h"
#include "protocol/video_packet.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PACKET_SIZE = 1392, FRAMES = 4, LARGE = 400000 /* three blocks at 20 % */, LATENCY_100US = 73, LEFT_OUT = 5 };
#define START_NS (100 * CLOCK_SECOND_NS)

struct rig {
    struct video_packetiser *packetiser;
    uint8_t unit[LARGE];
    struct bench_frame frames[FRAMES];
    size_t count;
    int64_t now_ns; /* of the last datagram; they arrive 1 us apart */
    size_t bytes;
    int blocks, data, sent;
};

static int make_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->packetiser = video_packetiser_create(
        &(struct video_packetiser_config){.packet_size = PACKET_SIZE, .fec_percent = 20, .min_parity = 2});
    assert_non_null(rig->packetiser);
    rig->now_ns = START_NS;
    *state = rig;
    return 0;
}

static int end_rig(void **state)
{
    struct rig *rig = *state;
    video_packetiser_destroy(rig->packetiser);
    free(rig);
    return 0;
}

/* One frame; the datagram with number `left_out` does not arrive (-1: all do). */
static void send_frame(struct rig *rig, size_t size, int latency_100us, int left_out)
{
    const struct video_frame_info info = {.type = 1, .latency_100us = (uint16_t)latency_100us, .timestamp_90khz = 7};
    video_packetiser_begin(rig->packetiser);
    rig->blocks = video_packetiser_load(rig->packetiser, rig->unit, size, 0, 1, &info);
    rig->bytes = 0, rig->data = 0, rig->sent = 0;
    for (int block = 0; block < rig->blocks; block++) {
        struct video_datagrams datagrams;
        assert_true(video_packetiser_build(rig->packetiser, block, &datagrams));
        rig->data += datagrams.count - datagrams.parity;
        for (int i = 0; i < datagrams.count; i++, rig->sent++) {
            rig->now_ns += CLOCK_US_NS;
            if (rig->sent == left_out)
                continue;
            assert_true(bench_frame_take(rig->frames, FRAMES, &rig->count, datagrams.base + (size_t)i * datagrams.size,
                                         datagrams.size, rig->now_ns));
            rig->bytes += datagrams.size;
        }
    }
}

static void a_small_frame_is_complete_with_its_only_data_packet(void **state)
{
    struct rig *rig = *state;
    send_frame(rig, 100, LATENCY_100US, -1);
    assert_int_equal(rig->count, 1);
    assert_true(rig->sent > 1);
    assert_int_equal(rig->frames[0].number, 1);
    assert_int_equal(rig->frames[0].completed_ns, START_NS + CLOCK_US_NS); /* not the parity's arrival */
    assert_int_equal(rig->frames[0].captured_ns, START_NS + CLOCK_US_NS - LATENCY_100US * 100 * CLOCK_US_NS);
    assert_int_equal(rig->frames[0].bytes, rig->bytes);
    assert_false(rig->frames[0].is_repeat);
}

static void a_frame_of_several_blocks_is_complete_with_the_last_ones_data(void **state)
{
    struct rig *rig = *state;
    send_frame(rig, LARGE, LATENCY_100US, -1);
    assert_true(rig->blocks > 1);
    const struct bench_frame *frame = &rig->frames[0];
    int data = 0;
    for (int i = 0; i < BENCH_BLOCKS_MAX; i++)
        data += frame->data[i];
    assert_int_equal(frame->blocks, rig->blocks);
    assert_int_equal(data, rig->data);
    assert_true(frame->completed_ns < rig->now_ns && frame->completed_ns > START_NS + rig->data * CLOCK_US_NS);
    assert_int_equal(frame->bytes, rig->bytes);
}

static void a_lost_data_packet_leaves_its_frame_incomplete(void **state)
{
    struct rig *rig = *state;
    send_frame(rig, LARGE, LATENCY_100US, LEFT_OUT);
    send_frame(rig, 5000, LATENCY_100US, -1);
    assert_int_equal(rig->count, 2);
    assert_int_equal(rig->frames[0].completed_ns, 0);
    assert_true(rig->frames[1].completed_ns > 0);
    assert_int_equal(rig->frames[1].number, 2);
}

static void a_repeat_is_told_by_its_latency(void **state)
{
    struct rig *rig = *state;
    send_frame(rig, 100, 0, -1);
    assert_true(rig->frames[0].is_repeat);
}

static void what_has_no_room_or_is_no_packet_is_refused(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[64] = {0x90};
    for (int i = 0; i < FRAMES; i++)
        send_frame(rig, 100, LATENCY_100US, -1);
    packet[20] = 99; /* frame number */
    assert_false(bench_frame_take(rig->frames, FRAMES, &rig->count, packet, sizeof(packet), START_NS));
    assert_int_equal(rig->count, FRAMES);
    rig->count = 0;
    for (size_t size = 0; size < 40; size++)
        assert_false(bench_frame_take(rig->frames, FRAMES, &rig->count, packet, size, START_NS));
    packet[0] = 0x80;
    assert_false(bench_frame_take(rig->frames, FRAMES, &rig->count, packet, sizeof(packet), START_NS));
    assert_int_equal(rig->count, 0);
}

static void the_thread_notes_what_arrives_at_its_address(void **state)
{
    (void)state;
    struct address address;
    struct bench_receiver *receiver = bench_receiver_create(FRAMES);
    assert_non_null(receiver);
    bench_receiver_address(receiver, &address);
    uint8_t packet[64] = {0x90, [20] = 5, [26] = 0x10, [28] = 0, [30] = 0x40 /* one data packet */, [32] = 1, [33] = 9};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int64_t before_ns = clock_now_ns();
    assert_int_equal(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&address.os, address.size),
                     sizeof(packet));
    int64_t after_ns = clock_now_ns();
    while (!bench_receiver_first_ns(receiver))
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    bench_receiver_stop(receiver);
    size_t count;
    const struct bench_frame *frames = bench_receiver_frames(receiver, &count);
    assert_int_equal(count, 1);
    assert_int_equal(frames[0].number, 5);
    /* The kernel's stamp is on the wall clock, which is decades away. */
    assert_true(frames[0].completed_ns > before_ns - CLOCK_SECOND_NS);
    assert_true(frames[0].completed_ns < after_ns + CLOCK_SECOND_NS);
    bench_receiver_destroy(receiver);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_frame_is_complete_with_its_only_data_packet, make_rig, end_rig),
        cmocka_unit_test_setup_teardown(a_frame_of_several_blocks_is_complete_with_the_last_ones_data, make_rig,
                                        end_rig),
        cmocka_unit_test_setup_teardown(a_lost_data_packet_leaves_its_frame_incomplete, make_rig, end_rig),
        cmocka_unit_test_setup_teardown(a_repeat_is_told_by_its_latency, make_rig, end_rig),
        cmocka_unit_test_setup_teardown(what_has_no_room_or_is_no_packet_is_refused, make_rig, end_rig),
        cmocka_unit_test(the_thread_notes_what_arrives_at_its_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
