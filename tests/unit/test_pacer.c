/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)
#define START_NS  (INT64_C(1000) * SECOND_NS)

/* A link that takes every batch exactly when it is due. */
struct link {
    struct pacer pacer;
    int64_t now_ns;
    int64_t waited_ns; /* longest wait of one batch */
};

static struct link link_create(int kbps, int fps_x100)
{
    struct link link = {.now_ns = START_NS};
    pacer_init(&link.pacer, kbps, fps_x100);
    return link;
}

static int64_t send_batch(struct link *link, size_t bytes)
{
    int64_t due = pacer_due_ns(&link->pacer, bytes, link->now_ns);
    assert_true(due >= link->now_ns);
    if (due - link->now_ns > link->waited_ns)
        link->waited_ns = due - link->now_ns;
    link->now_ns = due;
    pacer_sent(&link->pacer, bytes, due);
    return due;
}

static void send_frame(struct link *link, size_t bytes, bool idr)
{
    pacer_frame(&link->pacer, idr, link->now_ns);
    for (size_t left = bytes; left > 0;) {
        size_t batch = left < 64000 ? left : 64000;
        send_batch(link, batch);
        left -= batch;
    }
}

static void a_frame_leaves_at_80_percent_of_a_gigabit(void **state)
{
    (void)state;
    struct link link = link_create(0, 6000);
    pacer_frame(&link.pacer, false, START_NS);
    assert_int_equal(send_batch(&link, 64000), START_NS);
    assert_int_equal(send_batch(&link, 64000), START_NS + 640000); /* 64000 * 8 / 0.8 Gbit/s */
    assert_int_equal(send_batch(&link, 1000), START_NS + 1280000);
    pacer_frame(&link.pacer, false, START_NS); /* the next frame waits for the end of this one's schedule */
    assert_int_equal(send_batch(&link, 1000), START_NS + 1290000);
}

static void a_late_wake_up_is_made_up_for_but_only_a_millisecond(void **state)
{
    (void)state;
    struct link link = link_create(0, 6000);
    pacer_frame(&link.pacer, false, START_NS);
    send_batch(&link, 64000);
    assert_int_equal(pacer_due_ns(&link.pacer, 64000, START_NS), START_NS + 640000);
    pacer_sent(&link.pacer, 64000, START_NS + 700000);
    assert_int_equal(pacer_due_ns(&link.pacer, 1, START_NS + 700000), START_NS + 1280000);
    pacer_sent(&link.pacer, 64000, START_NS + 100 * MS_NS);
    assert_int_equal(pacer_due_ns(&link.pacer, 1, START_NS + 99 * MS_NS), START_NS + 99640000); /* from 99 ms */
}

static void frames_of_normal_size_never_wait(void **state)
{
    (void)state;
    struct link link = link_create(20000, 6000); /* a share: 41666 bytes */
    for (int frame = 0; frame < 600; frame++) {
        int64_t jitter = frame % 3 == 0 ? 12 * MS_NS : 0; /* captured late, then two close together */
        link.now_ns = START_NS + frame * SECOND_NS / 60 + jitter;
        send_frame(&link, 39000, false); /* 94 % */
    }
    assert_int_equal(link.waited_ns, 0);
}

static void four_frame_shares_leave_at_once_after_a_pause(void **state)
{
    (void)state;
    struct link link = link_create(20000, 6000);
    send_frame(&link, 60000, false);
    link.now_ns += SECOND_NS;
    link.waited_ns = 0;
    for (int frame = 0; frame < 4; frame++) {
        link.now_ns += 1 * MS_NS; /* only the line matters */
        send_frame(&link, 41600, false);
    }
    assert_int_equal(link.waited_ns, 0);
    send_frame(&link, 41600, false); /* the fifth waits for the rest of its share */
    assert_in_range(link.waited_ns, 10 * MS_NS, 17 * MS_NS);
}

static void no_second_carries_more_than_the_rate(void **state)
{
    (void)state;
    enum { FRAMES = 2000 };
    static int64_t times[FRAMES];
    struct link link = link_create(5000, 3000); /* 625000 bytes a second */
    uint32_t seed = 5;
    for (int frame = 0; frame < FRAMES; frame++) {
        seed = seed * 1664525u + 1013904223u;
        if (seed >> 28 == 0)
            link.now_ns += SECOND_NS; /* idle: the bucket fills */
        send_frame(&link, 30000, false);
        times[frame] = link.now_ns;
    }
    for (int first = 0; first < FRAMES; first++) {
        int count = 0;
        while (first + count < FRAMES && times[first + count] - times[first] < SECOND_NS)
            count++;
        assert_true(count * 30000 <= 625000);
    }
    int64_t least_ns = INT64_C(30000) * FRAMES * SECOND_NS / 625000;
    assert_true(link.now_ns - START_NS < least_ns + least_ns / 8 + 140 * SECOND_NS); /* nor much less */
}

static void a_new_rate_holds_from_its_first_byte_and_owes_nothing(void **state)
{
    (void)state;
    struct link link = link_create(20000, 6000);
    for (int i = 0; i < 60; i++)
        send_frame(&link, 41600, false);
    pacer_set_rate(&link.pacer, 5000);
    link.waited_ns = 0;
    int64_t start_ns = link.now_ns;
    send_frame(&link, 10400, false);
    assert_true(link.waited_ns < MS_NS); /* and not until the last second's 2.5 MB are past */
    for (int i = 0; i < 120; i++)
        send_frame(&link, 10400, false);
    assert_in_range(link.now_ns - start_ns, 118 * SECOND_NS / 60 - 50 * MS_NS, 122 * SECOND_NS / 60);
    pacer_set_rate(&link.pacer, 20000);
    start_ns = link.now_ns;
    for (int i = 0; i < 60; i++)
        send_frame(&link, 41600, false);
    assert_in_range(link.now_ns - start_ns, 0, SECOND_NS);
}

static void an_idr_of_a_tenth_of_a_second_goes_at_line_rate(void **state)
{
    (void)state;
    struct link link = link_create(20000, 6000);
    for (int frame = 0; frame < 60; frame++) {
        link.now_ns = START_NS + frame * SECOND_NS / 60;
        send_frame(&link, 41000, false);
    }
    link.now_ns += SECOND_NS / 60;
    send_frame(&link, 250000, true);
    assert_true(link.waited_ns <= 640000);
    link.now_ns += SECOND_NS / 60;
    send_frame(&link, 41000, false); /* and nothing waits after it */
    assert_true(link.waited_ns <= 640000);
}

static void what_an_idr_has_beyond_that_is_counted(void **state)
{
    (void)state;
    struct link link = link_create(20000, 6000);
    send_frame(&link, 250000 + 4 * 41666 + 250000, true);
    int64_t took = link.now_ns - START_NS;
    assert_in_range(took, 60 * MS_NS, 120 * MS_NS);
}

static void of_many_idrs_one_a_second_goes_beyond_the_rate(void **state)
{
    (void)state;
    enum { FRAMES = 1000, SIZE = 200000, RATE = 2500000 };
    static int64_t times[FRAMES];
    struct link link = link_create(20000, 6000);
    for (int frame = 0; frame < FRAMES; frame++) {
        send_frame(&link, SIZE, true);
        times[frame] = link.now_ns;
    }
    for (int first = 0; first < FRAMES; first++) {
        int count = 0;
        while (first + count < FRAMES && times[first + count] - times[first] < SECOND_NS)
            count++;
        assert_true((count - 1) * SIZE <= RATE + RATE / 10); /* the first one may have begun before */
    }
    link.now_ns += SECOND_NS;
    link.waited_ns = 0;
    send_frame(&link, SIZE, true);
    assert_true(link.waited_ns <= 640000); /* a second later one leaves at once again */
}

static void a_batch_larger_than_the_bucket_still_leaves(void **state)
{
    (void)state;
    struct link link = link_create(100, 6000); /* 12500 bytes a second, a batch is five of them */
    send_frame(&link, 64000, false);
    assert_int_equal(link.now_ns, START_NS);
    send_frame(&link, 64000, false);
    assert_in_range(link.now_ns - START_NS, 5 * SECOND_NS, 6 * SECOND_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_leaves_at_80_percent_of_a_gigabit),
        cmocka_unit_test(a_late_wake_up_is_made_up_for_but_only_a_millisecond),
        cmocka_unit_test(frames_of_normal_size_never_wait),
        cmocka_unit_test(four_frame_shares_leave_at_once_after_a_pause),
        cmocka_unit_test(no_second_carries_more_than_the_rate),
        cmocka_unit_test(a_new_rate_holds_from_its_first_byte_and_owes_nothing),
        cmocka_unit_test(an_idr_of_a_tenth_of_a_second_goes_at_line_rate),
        cmocka_unit_test(what_an_idr_has_beyond_that_is_counted),
        cmocka_unit_test(of_many_idrs_one_a_second_goes_beyond_the_rate),
        cmocka_unit_test(a_batch_larger_than_the_bucket_still_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
