/* SPDX-License-Identifier: Apache-2.0 */
#include "input/seat_internal.h"

#include "seat_rig.h"

#include <stdio.h>

/* Places are of the far edge: 0.5 of 1920 pixels is 959.5. */

static void the_device_comes_with_the_first_event_and_goes_with_the_client(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_HOVER, 1, 0.5f, 0.5f);
    rig_expect(rig, "add_device 0 touch\n");
    rig_touch(rig->a, INPUT_HOVER, 1, 0.5f, 0.5f);
    rig_expect(rig, "");
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_LEAVE});
    rig_expect(rig, "add_device 1 pen\n");
    seat_leave(rig->a);
    rig->a = NULL;
    rig_expect(rig, "remove_device 0\nremove_device 1\n");
}

static void each_client_has_its_own_devices(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_DOWN, 9, 0, 0);
    rig_touch(rig->b, INPUT_DOWN, 9, 1, 1);
    rig_expect(rig, "add_device 0 touch\ntouch 0 | 0: 0.0 0.0 p0.50 0.0x0.0 0\n"
                    "add_device 1 touch\ntouch 1 | 0: 1919.0 1079.0 p0.50 0.0x0.0 0\n");
    rig_touch(rig->a, INPUT_UP, 9, 0, 0);
    rig_expect(rig, "touch 0\n");
}

static void without_a_device_touches_are_dropped_and_it_is_asked_for_once(void **state)
{
    struct rig *rig = *state;
    rig->recorder.no_devices = true;
    rig_touch(rig->a, INPUT_DOWN, 1, 0, 0);
    rig_touch(rig->a, INPUT_UP, 1, 0, 0);
    rig_expect(rig, "add_device none\n");
    assert_int_equal(rig_counters(rig->a).unsupported, 2);
}

static void fingers_come_move_and_go(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_DOWN, 1000, 0, 0);
    rig_touch(rig->a, INPUT_DOWN, 7, 1, 1);
    input_recorder_forget(&rig->recorder);
    rig_touch(rig->a, INPUT_MOVED, 1000, 0.5f, 0.5f);
    rig_expect(rig, "touch 0 | 0: 959.5 539.5 p0.50 0.0x0.0 0 | 1: 1919.0 1079.0 p0.50 0.0x0.0 0\n");
    rig_touch(rig->a, INPUT_UP, 1000, 0.5f, 0.5f);
    rig_expect(rig, "touch 0 | 1: 1919.0 1079.0 p0.50 0.0x0.0 0\n");
    rig_touch(rig->a, INPUT_DOWN, 8, 0, 0); /* the lowest free place */
    rig_expect(rig, "touch 0 | 0: 0.0 0.0 p0.50 0.0x0.0 0 | 1: 1919.0 1079.0 p0.50 0.0x0.0 0\n");
    assert_int_equal(rig_counters(rig->a).done, 5);
}

static void down_of_a_known_finger_is_a_move(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_DOWN, 5, 0, 0);
    rig_touch(rig->a, INPUT_DOWN, 5, 1, 0);
    rig_expect(rig, "add_device 0 touch\ntouch 0 | 0: 0.0 0.0 p0.50 0.0x0.0 0\n"
                    "touch 0 | 0: 1919.0 0.0 p0.50 0.0x0.0 0\n");
}

static void unknown_fingers_neither_move_nor_lift(void **state)
{
    struct rig *rig = *state;
    static const enum input_contact events[] = {INPUT_MOVED, INPUT_UP,    INPUT_CANCEL,    INPUT_BUTTON_ONLY,
                                                INPUT_LEAVE, INPUT_HOVER, INPUT_CANCEL_ALL};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        rig_touch(rig->a, events[i], 5, 0, 0);
    rig_expect(rig, "add_device 0 touch\n");
    assert_int_equal(rig_counters(rig->a).ignored, 7);
}

static void a_finger_is_lifted_by_what_says_that_it_does_not_touch(void **state)
{
    struct rig *rig = *state;
    static const enum input_contact events[] = {INPUT_UP, INPUT_CANCEL, INPUT_LEAVE, INPUT_HOVER};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        rig_touch(rig->a, INPUT_DOWN, 5, 0, 0);
        input_recorder_forget(&rig->recorder);
        rig_touch(rig->a, events[i], 5, 0, 0);
        rig_expect(rig, "touch 0\n");
    }
}

static void cancel_all_lifts_all_fingers_of_this_client(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->b, INPUT_DOWN, 1, 0, 0);
    for (uint32_t pointer = 0; pointer < 5; pointer++)
        rig_touch(rig->a, INPUT_DOWN, pointer, 0, 0);
    input_recorder_forget(&rig->recorder);
    rig_touch(rig->a, INPUT_CANCEL_ALL, 77, 0, 0);
    rig_expect(rig, "touch 1\n");
}

static void a_seventeenth_finger_cancels_the_others(void **state)
{
    struct rig *rig = *state;
    for (uint32_t pointer = 100; pointer < 116; pointer++)
        rig_touch(rig->a, INPUT_DOWN, pointer, 0, 0);
    assert_non_null(strstr(rig->recorder.log, " | 15: 0.0 0.0"));
    input_recorder_forget(&rig->recorder);
    rig_touch(rig->a, INPUT_DOWN, 116, 1, 1);
    assert_string_equal(rig->recorder.log, "touch 0\nflush\ntouch 0 | 0: 1919.0 1079.0 p0.50 0.0x0.0 0\nflush\n");
    input_recorder_forget(&rig->recorder);
    rig_touch(rig->a, INPUT_MOVED, 100, 0, 0); /* no longer known */
    rig_expect(rig, "");
}

static void fingers_are_lifted_with_the_client_and_with_the_right(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_DOWN, 1, 0, 0);
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_DOWN});
    input_recorder_forget(&rig->recorder);
    seat_client_set_rights(rig->a, SEAT_KEYBOARD | SEAT_MOUSE);
    seat_settle(rig->seat);
    rig_expect(rig, "touch 0\npen 1 b0 0.0 0.0 p0.00 d0.00 t0 0\n");
    seat_client_set_rights(rig->a, SEAT_EVERYTHING);
    rig_touch(rig->a, INPUT_DOWN, 1, 0, 0);
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER});
    input_recorder_forget(&rig->recorder);
    seat_leave(rig->a);
    rig->a = NULL;
    rig_expect(rig, "touch 0\npen 1 b0 0.0 0.0 p0.00 d0.00 t0 0\nremove_device 0\nremove_device 1\n");
}

static void a_finger_can_be_lifted_where_nothing_can_be_placed(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_DOWN, 1, 0, 0);
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_DOWN, .pressure = 1.0f});
    rig_set_screen(rig, 0, 0, (struct rect){0}, ":0");
    input_recorder_forget(&rig->recorder);
    rig_touch(rig->a, INPUT_MOVED, 1, 1, 1);
    rig_touch(rig->a, INPUT_DOWN, 2, 1, 1);
    rig_touch(rig->a, INPUT_UP, 1, 1, 1);
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_MOVED});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_UP});
    rig_expect(rig, "touch 0\npen 1 range b0 0.0 0.0 p0.00 d0.00 t0 0\n");
    assert_int_equal(rig_counters(rig->a).unplaced, 3);
}

static void touch_with(struct rig *rig, int rotation, float major, float minor)
{
    struct input_event event = {.kind = INPUT_TOUCH};
    event.touch = (struct input_touch){.event = INPUT_DOWN, .rotation = rotation, .major = major, .minor = minor};
    seat_event(rig->a, &event);
}

static void the_ellipse_is_scaled_along_its_axes(void **state)
{
    struct rig *rig = *state;
    rig_touch(rig->a, INPUT_HOVER, 0, 0, 0);
    input_recorder_forget(&rig->recorder);
    touch_with(rig, 0, 0.1f, 0.05f);
    touch_with(rig, 90, 0.1f, 0.05f);
    touch_with(rig, 0, 0.1f, 0);                   /* a circle */
    touch_with(rig, INPUT_UNKNOWN_ANGLE, 0.1f, 0); /* sqrt((192^2 + 108^2) / 2) */
    rig_expect(rig, "touch 0 | 0: 0.0 0.0 p0.00 192.0x54.0 0\n"
                    "touch 0 | 0: 0.0 0.0 p0.00 108.0x96.0 90\n"
                    "touch 0 | 0: 0.0 0.0 p0.00 192.0x108.0 0\n"
                    "touch 0 | 0: 0.0 0.0 p0.00 155.8x155.8 0\n");
}

static void rotation_becomes_an_orientation_of_90_at_most(void **state)
{
    struct rig *rig = *state;
    static const int pairs[][2] = {{0, 0},     {45, 45},   {90, 90},   {91, 89},   {180, 0},
                                   {225, -45}, {269, -89}, {270, -90}, {271, -89}, {359, -1}};
    rig_touch(rig->a, INPUT_HOVER, 0, 0, 0);
    input_recorder_forget(&rig->recorder);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "touch 0 | 0: 0.0 0.0 p0.00 0.0x0.0 %d\n", pairs[i][1]);
        touch_with(rig, pairs[i][0], 0, 0);
        rig_expect(rig, line);
    }
}

/* --- pen --- */

static void a_pen_hovers_draws_and_leaves(void **state)
{
    struct rig *rig = *state;
    struct input_pen pen = {.event = INPUT_HOVER,
                            .tool = INPUT_TOOL_PEN,
                            .rotation = INPUT_UNKNOWN_ANGLE,
                            .tilt = INPUT_UNKNOWN_ANGLE,
                            .pressure = 0.25f};
    rig_pen(rig->a, &pen);
    rig_expect(rig, "add_device 0 pen\npen 0 range b0 0.0 0.0 p0.00 d0.25 t0 0\n");
    pen.event = INPUT_DOWN;
    pen.x = pen.y = 1;
    pen.buttons = 2;
    rig_pen(rig->a, &pen);
    pen.event = INPUT_MOVED;
    pen.pressure = 0;
    rig_pen(rig->a, &pen);
    rig_expect(rig, "pen 0 range touches b2 1919.0 1079.0 p0.25 d0.00 t0 0\n"
                    "pen 0 range touches b2 1919.0 1079.0 p0.50 d0.00 t0 0\n"); /* unknown pressure is a middling one */
    pen.event = INPUT_UP;
    rig_pen(rig->a, &pen);
    pen.event = INPUT_LEAVE;
    rig_pen(rig->a, &pen);
    rig_expect(rig, "pen 0 range b2 1919.0 1079.0 p0.00 d0.00 t0 0\npen 0 b0 1919.0 1079.0 p0.00 d0.00 t0 0\n");
}

static void a_pen_that_is_not_down_neither_moves_nor_lifts(void **state)
{
    struct rig *rig = *state;
    static const uint8_t events[] = {INPUT_MOVED,      INPUT_UP,    INPUT_CANCEL,
                                     INPUT_CANCEL_ALL, INPUT_LEAVE, INPUT_BUTTON_ONLY};
    for (size_t i = 0; i < sizeof(events); i++)
        rig_pen(rig->a, &(struct input_pen){.event = events[i], .buttons = 1});
    rig_expect(rig, "add_device 0 pen\n");
    assert_int_equal(rig_counters(rig->a).ignored, 6);
}

static void an_unknown_tool_is_the_one_before_or_a_pen(void **state)
{
    struct rig *rig = *state;
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER, .tool = INPUT_TOOL_UNKNOWN});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER, .tool = INPUT_TOOL_ERASER});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_DOWN, .tool = INPUT_TOOL_UNKNOWN, .pressure = 1});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_CANCEL});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER, .tool = INPUT_TOOL_UNKNOWN});
    rig_expect(rig, "add_device 0 pen\npen 0 range b0 0.0 0.0 p0.00 d0.00 t0 0\n"
                    "pen 0 range eraser b0 0.0 0.0 p0.00 d0.00 t0 0\n"
                    "pen 0 range touches eraser b0 0.0 0.0 p1.00 d0.00 t0 0\n"
                    "pen 0 eraser b0 0.0 0.0 p0.00 d0.00 t0 0\n"
                    "pen 0 range b0 0.0 0.0 p0.00 d0.00 t0 0\n");
}

static void buttons_alone_change_nothing_else(void **state)
{
    struct rig *rig = *state;
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_DOWN, .x = 1, .pressure = 1});
    input_recorder_forget(&rig->recorder);
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_BUTTON_ONLY, .buttons = 5});
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_BUTTON_ONLY, .buttons = 5});
    rig_expect(rig, "pen 0 range touches b5 1919.0 0.0 p1.00 d0.00 t0 0\n");
}

static void tilt_is_split_into_axes(void **state)
{
    struct rig *rig = *state;
    /* rotation, tilt; tilt x, tilt y. Leaning by 30 degrees towards 90: all of it in x; towards 45: tan(30)/sqrt(2). */
    static const int rows[][4] = {{90, 30, -30, 0}, {0, 30, 0, 30},    {180, 60, 0, -60},
                                  {270, 45, 45, 0}, {45, 30, -22, 22}, {123, 0, 0, 0},
                                  {-1, 30, 0, 0},   {90, -1, 0, 0},    {90, 90, -90, 0}};
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER});
    input_recorder_forget(&rig->recorder);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig_pen(rig->a, &(struct input_pen){.event = INPUT_HOVER, .rotation = rows[i][0], .tilt = rows[i][1]});
        char line[80];
        snprintf(line, sizeof(line), "pen 0 range b0 0.0 0.0 p0.00 d0.00 t%d %d\n", rows[i][2], rows[i][3]);
        rig_expect(rig, line);
    }
}

static void touch_and_pen_are_each_optional(void **state)
{
    struct rig *rig = *state;
    rig->recorder.can = INJECTOR_CAN_PEN;
    rig_touch(rig->a, INPUT_DOWN, 1, 0, 0);
    rig_expect(rig, "");
    rig->recorder.can = INJECTOR_CAN_TOUCH;
    rig_pen(rig->a, &(struct input_pen){.event = INPUT_DOWN});
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).unsupported, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_device_comes_with_the_first_event_and_goes_with_the_client),
        TEST(each_client_has_its_own_devices),
        TEST(without_a_device_touches_are_dropped_and_it_is_asked_for_once),
        TEST(fingers_come_move_and_go),
        TEST(down_of_a_known_finger_is_a_move),
        TEST(unknown_fingers_neither_move_nor_lift),
        TEST(a_finger_is_lifted_by_what_says_that_it_does_not_touch),
        TEST(cancel_all_lifts_all_fingers_of_this_client),
        TEST(a_seventeenth_finger_cancels_the_others),
        TEST(fingers_are_lifted_with_the_client_and_with_the_right),
        TEST(a_finger_can_be_lifted_where_nothing_can_be_placed),
        TEST(the_ellipse_is_scaled_along_its_axes),
        TEST(rotation_becomes_an_orientation_of_90_at_most),
        TEST(a_pen_hovers_draws_and_leaves),
        TEST(a_pen_that_is_not_down_neither_moves_nor_lifts),
        TEST(an_unknown_tool_is_the_one_before_or_a_pen),
        TEST(buttons_alone_change_nothing_else),
        TEST(tilt_is_split_into_axes),
        TEST(touch_and_pen_are_each_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
