/* SPDX-License-Identifier: Apache-2.0 */
#include "host/reference_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { KEPT = 5 };

/* Frames 1..count, the first one an IDR. */
static struct reference_window sent(uint32_t count)
{
    struct reference_window window = {0};
    for (uint32_t frame = 1; frame <= count; frame++)
        reference_window_add(&window, frame, frame == 1);
    return window;
}

static void assert_answer(struct reference_window *window, uint32_t first, uint32_t last, enum reference_answer wanted,
                          int wanted_count)
{
    int count = -1;
    assert_int_equal(reference_window_lose(window, first, last, KEPT, &count), wanted);
    assert_int_equal(count, wanted_count);
}

static void all_from_the_first_lost_one_on_is_forgotten(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    assert_answer(&window, 18, 18, REFERENCE_FORGET, 3);
    window = sent(20);
    assert_answer(&window, 20, 20, REFERENCE_FORGET, 1);
    window = sent(20);
    assert_answer(&window, 17, 19, REFERENCE_FORGET, 4);
}

static void a_loss_as_long_as_the_buffer_leaves_nothing(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    assert_answer(&window, 16, 18, REFERENCE_NONE_LEFT, 5);
    assert_answer(&window, 1, 20, REFERENCE_NONE_LEFT, 20);
}

static void an_encoder_that_keeps_one_picture_has_nothing_else(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    int count;
    for (int kept = 0; kept < 2; kept++)
        assert_int_equal(reference_window_lose(&window, 20, 20, kept, &count), REFERENCE_NONE_LEFT);
    assert_int_equal(reference_window_lose(&window, 20, 20, 2, &count), REFERENCE_FORGET);
}

static void a_lost_idr_needs_another(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    reference_window_add(&window, 21, true);
    assert_answer(&window, 21, 21, REFERENCE_NONE_LEFT, 1);
    reference_window_add(&window, 22, false);
    assert_answer(&window, 21, 22, REFERENCE_NONE_LEFT, 2);
    assert_answer(&window, 22, 22, REFERENCE_FORGET, 1);
}

static void what_an_idr_has_answered_needs_no_other(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    reference_window_add(&window, 21, true);
    for (uint32_t last = 15; last <= 20; last++)
        assert_answer(&window, 15, last, REFERENCE_ANSWERED, -1);
    assert_answer(&window, 15, 21, REFERENCE_NONE_LEFT, 7);
}

static void the_repeats_of_a_round_trip_are_answered_once(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    assert_answer(&window, 19, 19, REFERENCE_FORGET, 2);
    reference_window_add(&window, 21, false);
    assert_answer(&window, 19, 19, REFERENCE_ANSWERED, -1);
    assert_answer(&window, 19, 20, REFERENCE_ANSWERED, -1);
    assert_answer(&window, 20, 20, REFERENCE_ANSWERED, -1);
}

static void the_picture_after_an_invalidation_may_be_lost_too(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    assert_answer(&window, 19, 19, REFERENCE_FORGET, 2);
    reference_window_add(&window, 21, false);
    assert_answer(&window, 19, 21, REFERENCE_FORGET, 3);
    reference_window_add(&window, 22, false); /* 18 is the fifth, and the only one the client has */
    assert_answer(&window, 22, 22, REFERENCE_FORGET, 1);
    reference_window_add(&window, 23, false); /* which is not kept any more */
    assert_answer(&window, 23, 23, REFERENCE_NONE_LEFT, 1);
}

static void after_a_return_only_what_came_since_is_known(void **state)
{
    (void)state;
    struct reference_window window = sent(20);
    assert_answer(&window, 12, 18, REFERENCE_NONE_LEFT, 9);
    reference_window_return(&window, 12);
    assert_answer(&window, 12, 20, REFERENCE_ANSWERED, -1);
    reference_window_add(&window, 21, false);
    assert_answer(&window, 12, 20, REFERENCE_ANSWERED, -1);
    struct reference_window lost = window;
    assert_answer(&lost, 12, 21, REFERENCE_NONE_LEFT, 10);
    reference_window_add(&window, 22, false);
    assert_answer(&window, 22, 22, REFERENCE_FORGET, 1);
    reference_window_add(&window, 23, false);
    assert_answer(&window, 21, 23, REFERENCE_NONE_LEFT, 3);
}

static void a_picture_that_was_not_sent_breaks_the_chain_until_an_idr(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {20 /* too large: its number goes to the next one */, 22 /* lost on the way */};
    for (int i = 0; i < 2; i++) {
        struct reference_window window = sent(20);
        reference_window_add(&window, numbers[i], false);
        reference_window_add(&window, numbers[i] + 1, false);
        reference_window_add(&window, numbers[i] + 2, false);
        assert_answer(&window, numbers[i] + 2, numbers[i] + 2, REFERENCE_NONE_LEFT, 1);
        reference_window_add(&window, 30, true);
        reference_window_add(&window, 31, false);
        assert_answer(&window, 31, 31, REFERENCE_FORGET, 1);
    }
}

static void frames_that_do_not_exist_need_an_idr(void **state)
{
    (void)state;
    struct reference_window window = sent(20), nothing = {0};
    assert_answer(&window, 20, 21, REFERENCE_IDR, -1);
    assert_answer(&window, 20, 19, REFERENCE_IDR, -1);
    assert_answer(&window, UINT32_MAX, UINT32_MAX, REFERENCE_IDR, -1);
    assert_answer(&window, 0, UINT32_MAX, REFERENCE_IDR, -1);
    assert_answer(&nothing, 1, 1, REFERENCE_IDR, -1);
    assert_answer(&nothing, 0, 0, REFERENCE_IDR, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_from_the_first_lost_one_on_is_forgotten),
        cmocka_unit_test(a_loss_as_long_as_the_buffer_leaves_nothing),
        cmocka_unit_test(an_encoder_that_keeps_one_picture_has_nothing_else),
        cmocka_unit_test(a_lost_idr_needs_another),
        cmocka_unit_test(what_an_idr_has_answered_needs_no_other),
        cmocka_unit_test(the_repeats_of_a_round_trip_are_answered_once),
        cmocka_unit_test(the_picture_after_an_invalidation_may_be_lost_too),
        cmocka_unit_test(after_a_return_only_what_came_since_is_known),
        cmocka_unit_test(a_picture_that_was_not_sent_breaks_the_chain_until_an_idr),
        cmocka_unit_test(frames_that_do_not_exist_need_an_idr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
