/* SPDX-License-Identifier: Apache-2.0 */
#include "input/seat_internal.h"

#include "base/clock.h"
#include "seat_rig.h"

enum { A = 0x41, SHIFT = 0xa0, RIGHT_SHIFT = 0xa1, CTRL = 0xa2, ALT_GR = 0xa5, ENTER = 0x0d, WIN = 0x5b, PLUS = 0xbb };

static int64_t now_ns;

int64_t __wrap_clock_now_ns(void);
int64_t __wrap_clock_now_ns(void)
{
    return now_ns;
}

static int set_up(void **state)
{
    now_ns = CLOCK_SECOND_NS;
    return rig_set_up(state);
}

static void a_key_goes_down_and_up_and_each_message_ends_with_a_flush(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, A, true, 0);
    assert_string_equal(rig->recorder.log, "key 30 61 down\nflush\n");
    rig_key(rig->a, A, false, 0);
    rig_expect(rig, "key 30 61 down\nkey 30 61 up\n");
    assert_int_equal(rig_counters(rig->a).done, 2);
}

static void down_twice_and_up_twice_count_once(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, A, false, 0);
    rig_key(rig->a, A, true, 0);
    rig_key(rig->a, A, true, 0);
    rig_key(rig->a, A, false, 0);
    rig_key(rig->a, A, false, 0);
    rig_expect(rig, "key 30 61 down\nkey 30 61 up\n");
    assert_int_equal(rig_counters(rig->a).ignored, 3);
}

static void an_unknown_key_is_ignored(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, 0xff, true, 0);
    rig_key(rig->a, 0xff, false, 0);
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).ignored, 2);
}

static void a_key_is_up_when_the_last_client_lets_go(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, A, true, 0);
    rig_key(rig->b, A, true, 0);
    rig_key(rig->a, A, false, 0);
    rig_expect(rig, "key 30 61 down\n");
    rig_key(rig->b, A, false, 0);
    rig_expect(rig, "key 30 61 up\n");
}

static void two_codes_of_one_key_hold_it_together(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, 0x10, true, 0); /* Shift of old clients */
    rig_key(rig->a, SHIFT, true, 0);
    rig_key(rig->a, 0x10, false, 0);
    rig_expect(rig, "key 42 ffe1 down\n");
    rig_key(rig->a, SHIFT, false, 0);
    rig_expect(rig, "key 42 ffe1 up\n");
}

static void a_key_is_let_go_of_by_code_whatever_the_flags(void **state)
{
    struct rig *rig = *state;
    struct input_event event = {.kind = INPUT_KEY};
    event.key.vk = A;
    event.key.down = true;
    event.key.flags = INPUT_KEY_NOT_NORMALISED;
    seat_event(rig->a, &event);
    rig_key(rig->a, A, false, 0);
    rig_expect(rig, "key 30 61 down\nkey 30 61 up\n");
}

static void the_enter_of_the_keypad_is_told_by_a_modifier_bit(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, ENTER, true, INPUT_MODIFIER_EXTENDED);
    rig_key(rig->a, ENTER, false, 0); /* lets go of what was pressed */
    rig_expect(rig, "key 96 ff8d down\nkey 96 ff8d up\n");
    rig_key(rig->a, ENTER, true, 0);
    rig_key(rig->a, ENTER, false, INPUT_MODIFIER_EXTENDED);
    rig_expect(rig, "key 28 ff0d down\nkey 28 ff0d up\n");
}

static void a_modifier_that_is_not_down_is_pressed_around_the_key(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, PLUS, true, INPUT_MODIFIER_SHIFT);
    rig_expect(rig, "key 42 ffe1 down\nkey 13 3d down\nkey 42 ffe1 up\n");
    rig_key(rig->a, PLUS, false, INPUT_MODIFIER_SHIFT);
    rig_expect(rig, "key 13 3d up\n");
    rig_key(rig->a, A, true, INPUT_MODIFIER_SHIFT | INPUT_MODIFIER_CTRL | INPUT_MODIFIER_ALT | INPUT_MODIFIER_META);
    rig_expect(rig, "key 42 ffe1 down\nkey 29 ffe3 down\nkey 56 ffe9 down\nkey 30 61 down\n"
                    "key 42 ffe1 up\nkey 29 ffe3 up\nkey 56 ffe9 up\n");
}

static void a_modifier_that_is_down_on_either_side_is_left_alone(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, RIGHT_SHIFT, true, INPUT_MODIFIER_SHIFT);
    rig_key(rig->b, ALT_GR, true, INPUT_MODIFIER_ALT);
    rig_expect(rig, "key 54 ffe2 down\nkey 100 ffea down\n");
    rig_key(rig->a, PLUS, true, INPUT_MODIFIER_SHIFT | INPUT_MODIFIER_ALT);
    rig_expect(rig, "key 13 3d down\n");
}

static void modifiers_themselves_are_never_wrapped(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, CTRL, true, INPUT_MODIFIER_SHIFT | INPUT_MODIFIER_CTRL);
    rig_key(rig->a, WIN, true, INPUT_MODIFIER_SHIFT | INPUT_MODIFIER_META);
    rig_expect(rig, "key 29 ffe3 down\nkey 125 ffeb down\n");
}

static void who_leaves_lets_go_of_keys_and_then_of_modifiers(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, SHIFT, true, INPUT_MODIFIER_SHIFT);
    rig_key(rig->a, A, true, INPUT_MODIFIER_SHIFT);
    rig_key(rig->a, 0xbe, true, INPUT_MODIFIER_SHIFT);
    rig_key(rig->b, A, true, 0);
    input_recorder_forget(&rig->recorder);
    seat_leave(rig->a);
    rig->a = NULL;
    assert_int_equal(input_recorder_count(&rig->recorder, "flush"), 1);
    rig_expect(rig, "key 52 2e up\nkey 42 ffe1 up\n"); /* the other one still holds A */
    seat_leave(rig->b);
    rig->b = NULL;
    rig_expect(rig, "key 30 61 up\n");
}

static void a_lost_right_lets_go_and_drops_what_comes(void **state)
{
    struct rig *rig = *state;
    static const uint32_t letter = 'x';
    rig_key(rig->a, A, true, 0);
    rig_button(rig->a, 1, true);
    input_recorder_forget(&rig->recorder);
    seat_client_set_rights(rig->a, SEAT_MOUSE);
    seat_settle(rig->seat);
    rig_expect(rig, "key 30 61 up\n");
    rig_key(rig->a, A, false, 0);
    rig_key(rig->a, A, true, 0);
    rig_text(rig->a, &letter, 1);
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).denied[0], 3);
    seat_client_set_rights(rig->a, SEAT_EVERYTHING);
    rig_key(rig->a, A, true, 0);
    rig_button(rig->a, 1, false);
    rig_expect(rig, "key 30 61 down\nbutton 272 up\n");
}

static void text_is_passed_on_in_one_piece(void **state)
{
    struct rig *rig = *state;
    static const uint32_t text[] = {'a', 0x20ac, 0x1f600};
    rig_text(rig->a, text, 3);
    rig_expect(rig, "text 61 20ac 1f600\n");
}

static void line_ends_and_tabs_of_text_are_keys(void **state)
{
    struct rig *rig = *state;
    static const uint32_t text[] = {'a', '\n', 'b', 'c', '\t', 7, 0x85, 'd', '\r'};
    rig_text(rig->a, text, 9);
    rig_expect(rig, "text 61\nkey 28 ff0d down\nkey 28 ff0d up\ntext 62 63\nkey 15 ff09 down\nkey 15 ff09 up\ntext 64\n"
                    "key 28 ff0d down\nkey 28 ff0d up\n");
}

static void a_flood_of_text_is_cut_off(void **state)
{
    struct rig *rig = *state;
    static const uint32_t text[20] = {'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',
                                      'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'};
    for (int i = 0; i < 15; i++)
        rig_text(rig->a, text, 20);
    assert_int_equal(rig_counters(rig->a).done, 10);
    assert_int_equal(rig_counters(rig->a).flooded, 5);
    now_ns += CLOCK_SECOND_NS / 10; /* room for 20 more */
    rig_text(rig->a, text, 20);
    rig_text(rig->a, text, 1);
    assert_int_equal(rig_counters(rig->a).done, 11);
    rig_text(rig->b, text, 20); /* each client for itself */
    assert_int_equal(rig_counters(rig->b).done, 1);
    now_ns += 100 * CLOCK_SECOND_NS;
    rig_text(rig->a, text, 20);
    assert_int_equal(rig_counters(rig->a).done, 12);
    input_recorder_forget(&rig->recorder);
}

static void what_the_injector_cannot_do_is_not_asked_of_it(void **state)
{
    struct rig *rig = *state;
    static const uint32_t text[] = {'\n'};
    rig->recorder.can = INJECTOR_CAN_TEXT;
    rig_key(rig->a, A, true, 0);
    rig_text(rig->a, text, 1);
    rig_expect(rig, "");
    rig->recorder.can = INJECTOR_CAN_KEYS;
    rig_text(rig->a, text, 1);
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).unsupported, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_goes_down_and_up_and_each_message_ends_with_a_flush),
        TEST(down_twice_and_up_twice_count_once),
        TEST(an_unknown_key_is_ignored),
        TEST(a_key_is_up_when_the_last_client_lets_go),
        TEST(two_codes_of_one_key_hold_it_together),
        TEST(a_key_is_let_go_of_by_code_whatever_the_flags),
        TEST(the_enter_of_the_keypad_is_told_by_a_modifier_bit),
        TEST(a_modifier_that_is_not_down_is_pressed_around_the_key),
        TEST(a_modifier_that_is_down_on_either_side_is_left_alone),
        TEST(modifiers_themselves_are_never_wrapped),
        TEST(who_leaves_lets_go_of_keys_and_then_of_modifiers),
        TEST(a_lost_right_lets_go_and_drops_what_comes),
        TEST(text_is_passed_on_in_one_piece),
        TEST(line_ends_and_tabs_of_text_are_keys),
        TEST(a_flood_of_text_is_cut_off),
        TEST(what_the_injector_cannot_do_is_not_asked_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
