/* SPDX-License-Identifier: Apache-2.0 */
/* The clock is a number of the test. A sample says which frame it is: small steps, so that a jump shows. */
#include "audio/ring.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { P = AUDIO_PERIOD };
#define STEP   (1.0f / 65536)
#define PERIOD (5 * CLOCK_MS_NS)
#define START  CLOCK_SECOND_NS

struct rig {
    struct audio_ring *ring;
    int64_t now_ns, taken_ns;
    long pushed; /* frames */
    float out[AUDIO_BACKLOG * AUDIO_CHANNELS_MAX];
};

static int begin(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->ring = malloc(sizeof(*rig->ring));
    rig->now_ns = START;
    audio_ring_init(rig->ring, 2);
    *state = rig;
    return 0;
}

static int finish(void **state)
{
    struct rig *rig = *state;
    free(rig->ring);
    free(rig);
    return 0;
}

static void push(struct rig *rig, size_t frames)
{
    float *samples = malloc(frames * 2 * sizeof(*samples));
    for (size_t i = 0; i < frames; i++, rig->pushed++) {
        samples[2 * i] = (float)rig->pushed * STEP;
        samples[2 * i + 1] = -(float)rig->pushed * STEP;
    }
    audio_ring_push(rig->ring, samples, frames, rig->now_ns, rig->now_ns);
    free(samples);
}

static int64_t take(struct rig *rig, size_t frames)
{
    return audio_ring_take(rig->ring, rig->out, frames, rig->now_ns, &rig->taken_ns);
}

static void is_frame(const struct rig *rig, size_t at, long frame)
{
    assert_float_equal(rig->out[2 * at], (float)frame * STEP, 1e-6);
    assert_float_equal(rig->out[2 * at + 1], -(float)frame * STEP, 1e-6);
}

static void is_run(const struct rig *rig, size_t from, size_t to, long first)
{
    for (size_t i = from; i < to; i++)
        is_frame(rig, i, first + (long)(i - from));
}

static void what_is_pushed_comes_out_in_order_and_at_once(void **state)
{
    struct rig *rig = *state;
    for (int n = 0; n < 200; n++, rig->now_ns += PERIOD) {
        push(rig, P);
        assert_int_equal(take(rig, P), 0);
        is_run(rig, n ? 0 : AUDIO_RING_FADE, P, n ? (long)n * P : AUDIO_RING_FADE); /* the first sound fades in */
        assert_int_equal(rig->taken_ns, rig->now_ns);
        assert_true(take(rig, P) > rig->now_ns);
    }
    assert_int_equal(rig->ring->dropped_frames + rig->ring->silent_frames, 0);
}

static void the_time_taken_is_that_of_the_last_frame_given(void **state)
{
    struct rig *rig = *state;
    push(rig, 3 * P);
    for (int n = 0; n < 3; n++) {
        assert_int_equal(take(rig, P), 0);
        assert_int_equal(rig->taken_ns, START - (2 - n) * PERIOD);
    }
}

static void a_backlog_over_20_ms_loses_its_oldest_frames_without_a_jump(void **state)
{
    struct rig *rig = *state;
    push(rig, P);
    assert_int_equal(take(rig, P), 0);
    for (int n = 0; n < 10; n++, rig->now_ns += PERIOD)
        push(rig, P); /* 50 ms nobody reads */
    assert_int_equal(rig->ring->count, AUDIO_BACKLOG);
    assert_int_equal(rig->ring->dropped_frames, 10 * P - AUDIO_BACKLOG);
    long newest_kept = P + 10 * P - AUDIO_BACKLOG;
    assert_int_equal(take(rig, P), 0);
    /* from what would have been next to what was kept, and at no point beside the two */
    assert_true(fabsf(rig->out[0] - (float)P * STEP) < 20 * STEP);
    for (size_t i = 1; i < AUDIO_RING_FADE; i++) {
        float rise = rig->out[2 * i] - rig->out[2 * i - 2];
        assert_true(rise > 0 && rise < 20 * STEP);
    }
    is_run(rig, AUDIO_RING_FADE, P, newest_kept + AUDIO_RING_FADE);
    assert_int_equal(take(rig, P), 0);
    is_run(rig, 0, P, newest_kept + P);
}

static void a_server_that_gives_more_than_20_ms_at_a_time_loses_nothing(void **state)
{
    struct rig *rig = *state;
    long taken = 0;
    for (int n = 0; n < 100; n++, rig->now_ns += 1024 * CLOCK_SECOND_NS / AUDIO_RATE) {
        push(rig, 1024);
        while (take(rig, P) == 0) {
            is_run(rig, taken ? 0 : AUDIO_RING_FADE, P, taken ? taken : AUDIO_RING_FADE);
            taken += P;
        }
    }
    assert_int_equal(rig->ring->dropped_frames + rig->ring->silent_frames, 0);
    push(rig, 3 * AUDIO_RING_PUSH_MAX); /* and nothing is written beyond the ring */
    assert_true(rig->ring->count <= AUDIO_RING_CAPACITY);
}

/* As pipewire-pulse does in a virtual machine: 1024 frames every 21 ms, sent as four periods and the rest. */
static void steps_of_a_server_that_come_in_pieces_lose_nothing(void **state)
{
    struct rig *rig = *state;
    uint64_t dropped = 0;
    for (int n = 0; n < 100; n++, rig->now_ns += 1024 * CLOCK_SECOND_NS / AUDIO_RATE) {
        if (n == 1)
            dropped = rig->ring->dropped_frames; /* the first one could be a backlog */
        for (int piece = 0; piece < 5; piece++)
            push(rig, piece < 4 ? P : 1024 - 4 * P);
        while (take(rig, 2 * P) == 0)
            ;
    }
    assert_int_equal(rig->ring->dropped_frames, dropped);
    assert_int_equal(rig->ring->silent_frames, 0);
    for (int n = 0; n < 1000; n++) /* and nothing is written beyond the ring */
        push(rig, AUDIO_RING_PUSH_MAX);
    rig->now_ns += PERIOD;
    for (int n = 0; n < 1000; n++)
        push(rig, P);
    assert_true(rig->ring->count <= AUDIO_RING_CAPACITY);
}

static void silence_comes_at_the_rate_of_the_clock_before_anything_was_pushed(void **state)
{
    struct rig *rig = *state;
    int64_t until_ns = take(rig, P);
    assert_int_equal(until_ns, START + PERIOD);
    for (int n = 1; n <= 50; n++) {
        rig->now_ns = START + n * PERIOD + (n % 3) * CLOCK_US_NS; /* woken a little late */
        assert_int_equal(take(rig, P), 0);
        assert_int_equal(rig->taken_ns, START + n * PERIOD);
        for (size_t i = 0; i < 2 * P; i++)
            assert_true(rig->out[i] == 0);
        assert_int_equal(take(rig, P), START + (n + 1) * PERIOD);
    }
    assert_int_equal(rig->ring->silent_frames, 50 * P);
}

static void silence_that_was_missed_is_not_caught_up_with(void **state)
{
    struct rig *rig = *state;
    take(rig, P);
    rig->now_ns += CLOCK_SECOND_NS;
    int given = 0;
    while (take(rig, P) == 0)
        given++;
    assert_true(given <= 2);
}

static void a_sound_that_stops_sinks_to_silence_and_comes_back_without_a_jump(void **state)
{
    struct rig *rig = *state;
    rig->pushed = 20000; /* loud */
    take(rig, P);
    for (int n = 0; n < 20; n++, rig->now_ns += PERIOD) {
        push(rig, P);
        assert_int_equal(take(rig, P), 0);
    }
    push(rig, 100);
    float before = rig->out[2 * P - 2];
    int64_t until_ns;
    while ((until_ns = take(rig, P)) != 0)
        rig->now_ns = until_ns;
    for (size_t i = 0; i < P; i++) { /* the 100 that were left, then down */
        assert_true(fabsf(rig->out[2 * i] - before) < 0.02f);
        before = rig->out[2 * i];
    }
    assert_true(before == 0);
    assert_int_equal(rig->ring->silent_frames, P - 100);
    rig->now_ns += PERIOD;
    assert_int_equal(take(rig, P), 0);
    assert_true(rig->out[0] == 0);

    push(rig, P);
    assert_int_equal(take(rig, P), 0);
    assert_true(fabsf(rig->out[0]) < 0.02f);
    is_run(rig, AUDIO_RING_FADE, P, rig->pushed - P + AUDIO_RING_FADE);
}

static void late_samples_are_waited_for_while_they_trickle(void **state)
{
    struct rig *rig = *state;
    take(rig, 2 * P);
    push(rig, P); /* half of what is wanted: no silence is put in between */
    rig->now_ns += 7 * CLOCK_MS_NS;
    assert_true(take(rig, 2 * P) > rig->now_ns);
    push(rig, P);
    assert_int_equal(take(rig, 2 * P), 0);
    is_run(rig, AUDIO_RING_FADE, 2 * P, AUDIO_RING_FADE);
    assert_int_equal(rig->ring->silent_frames, 0);
}

/* Two clocks that differ, and a reader that is late now and then: nothing but the counted frames is lost. */
static void frames_are_given_once_or_counted(void **state)
{
    struct rig *rig = *state;
    uint32_t seed = 7;
    long given = 0;
    for (int n = 0; n < 3000; n++) {
        seed = seed * 1664525u + 1013904223u;
        push(rig, (seed >> 16) % 5 * 120);
        rig->now_ns += PERIOD;
        if ((seed >> 24) % 4)
            continue;
        while (take(rig, P) == 0)
            given += P;
    }
    assert_int_equal(given + (long)rig->ring->dropped_frames + (long)rig->ring->count - (long)rig->ring->silent_frames,
                     rig->pushed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(what_is_pushed_comes_out_in_order_and_at_once),
        TEST(the_time_taken_is_that_of_the_last_frame_given),
        TEST(a_backlog_over_20_ms_loses_its_oldest_frames_without_a_jump),
        TEST(a_server_that_gives_more_than_20_ms_at_a_time_loses_nothing),
        TEST(steps_of_a_server_that_come_in_pieces_lose_nothing),
        TEST(silence_comes_at_the_rate_of_the_clock_before_anything_was_pushed),
        TEST(silence_that_was_missed_is_not_caught_up_with),
        TEST(a_sound_that_stops_sinks_to_silence_and_comes_back_without_a_jump),
        TEST(late_samples_are_waited_for_while_they_trickle),
        TEST(frames_are_given_once_or_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
