/* SPDX-License-Identifier: Apache-2.0 */
#include "host/encode_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS       INT64_C(1000000)
#define SECOND   (1000 * MS)
#define PX_1080P (1920 * 1080)
#define PX_1440P (2560 * 1440)

static struct encode_budget_entry software(int64_t pixels, int fps, int64_t encode_ns)
{
    return (struct encode_budget_entry){
        .software = true, .pixels = pixels, .wished_fps_x100 = fps * 100, .encode_ns = encode_ns};
}

static const char *reason(const struct encode_budget_entry *entry, const struct encode_budget_entry *entries,
                          size_t count, int cores)
{
    static char text[ENCODE_BUDGET_REASON_MAX];
    encode_budget_reason(entry, entries, count, cores, text);
    return text;
}

static void one_session_keeps_its_rate_whatever_it_costs(void **state)
{
    (void)state;
    struct encode_budget_entry one = software(PX_1440P, 120, 100 * MS);
    encode_budget_share(&one, 1, 1, SECOND);
    assert_int_equal(one.fps_x100, 12000);
    assert_string_equal(reason(&one, &one, 1, 1), "");
}

static void what_an_encoder_is_known_to_hold_limits_the_first_session_too(void **state)
{
    (void)state;
    struct encode_budget_entry one = software(PX_1440P, 60, 5 * MS);
    one.held_fps_x100 = 2250;
    encode_budget_share(&one, 1, 8, SECOND);
    assert_int_equal(one.fps_x100, 2250);
    assert_non_null(strstr(reason(&one, &one, 1, 8), "Software holds 23 of 60 pictures per second"));
    one.held_fps_x100 = 300; /* less is no stream */
    encode_budget_share(&one, 1, 8, 2 * SECOND);
    assert_int_equal(one.fps_x100, ENCODE_BUDGET_FPS_X100_MIN);
    one.held_fps_x100 = 6000;
    encode_budget_share(&one, 1, 8, 3 * SECOND);
    assert_int_equal(one.fps_x100, 6000);
    assert_string_equal(reason(&one, &one, 1, 8), "");
    one.held_fps_x100 = 2250;
    one.software = false; /* the GPU is back */
    encode_budget_share(&one, 1, 8, 4 * SECOND);
    assert_int_equal(one.fps_x100, 6000);
}

static void two_cheap_encodes_both_have_all(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 4 * MS), software(PX_1080P, 60, 4 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[0].fps_x100, 6000);
    assert_int_equal(two[1].fps_x100, 6000);
}

static void a_desktop_that_stands_still_leaves_the_cores_to_others(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    two[0].made_fps_x100 = 100;
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[1].fps_x100, 6000);
    two[0].made_fps_x100 = 6001; /* it moves: at once there is less */
    encode_budget_share(two, 2, 2, 2 * SECOND);
    assert_int_equal(two[0].fps_x100, 6000);
    assert_int_equal(two[1].fps_x100, 3000);
}

static void the_later_of_two_dear_encodes_gets_what_is_left(void **state)
{
    (void)state;
    /* 12 ms are 15.6 ms of core time: 936 of 1500 ms for the first; the rest carries 36 pictures */
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[0].fps_x100, 6000);
    assert_int_equal(two[1].fps_x100, 3000);
    assert_string_equal(reason(&two[0], two, 2, 2), "");
    assert_string_equal(reason(&two[1], two, 2, 2),
                        "Two software encodes do not fit 2 cores: 30 of 60 pictures per second. A hardware encoder, or "
                        "a smaller picture, would give the full rate.");
}

static void nobody_gets_less_than_ten(void **state)
{
    (void)state;
    struct encode_budget_entry three[] = {software(PX_1440P, 60, 40 * MS), software(PX_1440P, 60, 40 * MS),
                                          software(PX_1440P, 5, 40 * MS)};
    encode_budget_share(three, 3, 1, SECOND);
    assert_int_equal(three[1].fps_x100, 1000);
    assert_int_equal(three[2].fps_x100, 500);
    assert_memory_equal(reason(&three[1], three, 3, 1), "Three software encodes do not fit 1 core: 10 of 60", 50);
}

static void an_odd_wish_is_kept_or_stepped_down_from(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1080P, 60, 1 * MS), software(PX_1080P, 60, 1 * MS)};
    two[1].wished_fps_x100 = 5994;
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[1].fps_x100, 5994);
    two[1].encode_ns = 20 * MS;
    encode_budget_share(two, 2, 2, 2 * SECOND);
    assert_int_equal(two[1].fps_x100, 5000);
}

static void hardware_encoders_are_left_alone_and_cost_nothing(void **state)
{
    (void)state;
    struct encode_budget_entry three[] = {software(PX_1440P, 60, 40 * MS), software(PX_1440P, 60, 12 * MS),
                                          software(PX_1080P, 30, 9 * MS)};
    three[0].software = false;
    encode_budget_share(three, 3, 2, SECOND);
    assert_int_equal(three[0].fps_x100, 6000);
    assert_int_equal(three[1].fps_x100, 6000);
    assert_int_equal(three[2].fps_x100, 3000);
}

static void an_unknown_cost_is_that_of_the_others_pixels(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 0)};
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[1].fps_x100, 3000);
    two[1] = software(PX_1440P / 4, 60, 0);
    encode_budget_share(two, 2, 2, SECOND);
    assert_int_equal(two[1].fps_x100, 6000);
}

static void with_nothing_known_a_usual_cost_is_taken(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 0), software(PX_1440P, 60, 0)};
    encode_budget_share(two, 2, 8, SECOND);
    assert_int_equal(two[1].fps_x100, 6000);
    two[1].fps_x100 = 0;
    encode_budget_share(two, 2, 1, SECOND);
    assert_int_equal(two[1].fps_x100, 1000);
}

static void a_rate_falls_at_once_and_rises_after_five_seconds_of_room(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 4 * MS), software(PX_1440P, 60, 4 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    two[1].encode_ns = two[0].encode_ns = 12 * MS;
    encode_budget_share(two, 2, 2, 2 * SECOND);
    assert_int_equal(two[1].fps_x100, 3000);
    two[1].encode_ns = two[0].encode_ns = 4 * MS;
    encode_budget_share(two, 2, 2, 10 * SECOND);
    encode_budget_share(two, 2, 2, 15 * SECOND - 1);
    assert_int_equal(two[1].fps_x100, 3000);
    encode_budget_share(two, 2, 2, 15 * SECOND);
    assert_int_equal(two[1].fps_x100, 6000);
}

static void room_that_comes_and_goes_does_not_count(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    for (int64_t now_ns = 2 * SECOND; now_ns < 30 * SECOND; now_ns += SECOND) {
        two[0].encode_ns = now_ns / SECOND % 4 ? 4 * MS : 12 * MS;
        encode_budget_share(two, 2, 2, now_ns);
        assert_int_equal(two[1].fps_x100, 3000);
    }
}

static void it_rises_to_what_always_fitted_in_that_time(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    two[0].encode_ns = 4 * MS; /* 312 of 1500 ms: 76 pictures fit */
    encode_budget_share(two, 2, 2, 2 * SECOND);
    two[0].encode_ns = 9 * MS; /* 702 ms: 51 */
    encode_budget_share(two, 2, 2, 4 * SECOND);
    two[0].encode_ns = 4 * MS;
    encode_budget_share(two, 2, 2, 7 * SECOND);
    assert_int_equal(two[1].fps_x100, 5000);
}

/* The cost is that of two encodes at full rate only while both run at it. Returns how often the rate was raised. */
static int raises_within(struct encode_budget_entry two[2], int64_t from_ns, int64_t to_ns)
{
    int raises = 0, before = two[1].fps_x100;
    for (int64_t now_ns = from_ns; now_ns < to_ns; now_ns += SECOND / 4) {
        two[0].encode_ns = two[1].encode_ns = two[1].fps_x100 == 6000 ? 12 * MS : 8 * MS;
        encode_budget_share(two, 2, 2, now_ns);
        raises += two[1].fps_x100 > before;
        before = two[1].fps_x100;
    }
    return raises;
}

static void an_increase_that_was_taken_back_is_tried_less_and_less(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    assert_in_range(raises_within(two, 2 * SECOND, 60 * SECOND), 1, 4);
    assert_in_range(raises_within(two, 100 * SECOND, 300 * SECOND), 1, 3);
}

static void who_becomes_the_first_has_all_at_once(void **state)
{
    (void)state;
    struct encode_budget_entry two[] = {software(PX_1440P, 60, 12 * MS), software(PX_1440P, 60, 12 * MS)};
    encode_budget_share(two, 2, 2, SECOND);
    encode_budget_share(&two[1], 1, 2, SECOND + 1);
    assert_int_equal(two[1].fps_x100, 6000);
}

static void sixteen_encodes_are_counted_in_digits(void **state)
{
    (void)state;
    struct encode_budget_entry many[16];
    for (int i = 0; i < 16; i++)
        many[i] = software(PX_1080P, 60, 8 * MS);
    encode_budget_share(many, 16, 2, SECOND);
    assert_memory_equal(reason(&many[15], many, 16, 2), "16 software encodes do not fit 2 cores", 38);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_keeps_its_rate_whatever_it_costs),
        cmocka_unit_test(what_an_encoder_is_known_to_hold_limits_the_first_session_too),
        cmocka_unit_test(two_cheap_encodes_both_have_all),
        cmocka_unit_test(a_desktop_that_stands_still_leaves_the_cores_to_others),
        cmocka_unit_test(the_later_of_two_dear_encodes_gets_what_is_left),
        cmocka_unit_test(nobody_gets_less_than_ten),
        cmocka_unit_test(an_odd_wish_is_kept_or_stepped_down_from),
        cmocka_unit_test(hardware_encoders_are_left_alone_and_cost_nothing),
        cmocka_unit_test(an_unknown_cost_is_that_of_the_others_pixels),
        cmocka_unit_test(with_nothing_known_a_usual_cost_is_taken),
        cmocka_unit_test(a_rate_falls_at_once_and_rises_after_five_seconds_of_room),
        cmocka_unit_test(room_that_comes_and_goes_does_not_count),
        cmocka_unit_test(it_rises_to_what_always_fitted_in_that_time),
        cmocka_unit_test(an_increase_that_was_taken_back_is_tried_less_and_less),
        cmocka_unit_test(who_becomes_the_first_has_all_at_once),
        cmocka_unit_test(sixteen_encodes_are_counted_in_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
