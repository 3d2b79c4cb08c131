/* SPDX-License-Identifier: Apache-2.0 */
#include "input/seat.h"

#include "base/thread.h"
#include "input_vectors.h"
#include "seat_rig.h"

static void buttons_have_their_codes(void **state)
{
    struct rig *rig = *state;
    for (uint8_t button = 1; button <= 5; button++) {
        rig_button(rig->a, button, true);
        rig_button(rig->a, button, false);
    }
    rig_expect(rig, "button 272 down\nbutton 272 up\n"   /* left */
                    "button 274 down\nbutton 274 up\n"   /* middle */
                    "button 273 down\nbutton 273 up\n"   /* right */
                    "button 275 down\nbutton 275 up\n"   /* back */
                    "button 276 down\nbutton 276 up\n"); /* forward */
}

static void a_button_is_up_when_the_last_client_lets_go(void **state)
{
    struct rig *rig = *state;
    rig_button(rig->a, 1, true);
    rig_button(rig->a, 1, true);
    rig_button(rig->b, 1, true);
    rig_button(rig->a, 1, false);
    rig_button(rig->a, 1, false);
    rig_expect(rig, "button 272 down\n");
    assert_int_equal(rig_counters(rig->a).ignored, 2);
    seat_leave(rig->b);
    rig->b = NULL;
    rig_expect(rig, "button 272 up\n");
}

static void motion_and_scrolling_are_passed_on_as_they_are(void **state)
{
    struct rig *rig = *state;
    struct input_event event = {.kind = INPUT_MOVE};
    event.move.dx = -32768;
    event.move.dy = 7;
    seat_event(rig->a, &event);
    event = (struct input_event){.kind = INPUT_SCROLL};
    event.scroll.horizontal = false;
    event.scroll.amount = -17;
    seat_event(rig->a, &event);
    event.scroll.horizontal = true;
    event.scroll.amount = 120;
    seat_event(rig->a, &event);
    rig_expect(rig, "move -32768 7\nscroll vertical -17\nscroll horizontal 120\n");
}

static void places_land_on_the_captured_part_of_the_screen(void **state)
{
    struct rig *rig = *state;
    rig_move_to(rig->a, 0, 0, 1919, 1079);
    rig_move_to(rig->a, 1919, 1079, 1919, 1079);
    rig_expect(rig, "move_to 0.0 0.0\nmove_to 1919.0 1079.0\n");
    /* The right one of two outputs, 4:3, so that there are bars. */
    rig_set_screen(rig, 3072, 1080, (struct rect){1920, 0, 1152, 864}, ":0");
    rig_move_to(rig->a, 0, 0, 1919, 1079);
    rig_move_to(rig->a, 1919, 1079, 1919, 1079);
    rig_expect(rig, "screen 3072x1080 :0 0\nmove_to 1920.0 0.0\nmove_to 3071.0 863.0\n");
}

static void each_client_has_its_own_picture(void **state)
{
    struct rig *rig = *state;
    struct seat_client *c = rig_join(rig, 800, 1080); /* 800x450 in the middle */
    rig_move_to(c, 0, 0, 799, 1079);
    rig_move_to(c, 799, 1079 - 315, 799, 1079);
    rig_expect(rig, "move_to 0.0 0.0\nmove_to 1919.0 1079.0\n");
    seat_leave(c);
}

static void places_are_dropped_while_the_geometry_is_unknown(void **state)
{
    struct rig *rig = *state;
    rig_set_screen(rig, 0, 0, (struct rect){0, 0, 1920, 1080}, ":0");
    rig_move_to(rig->a, 5, 5, 1919, 1079);
    rig_set_screen(rig, 1920, 1080, (struct rect){0, 0, 0, 0}, ":0");
    rig_move_to(rig->a, 5, 5, 1919, 1079);
    rig_expect(rig, "screen 0x0 :0 0\nscreen 1920x1080 :0 0\n");
    assert_int_equal(rig_counters(rig->a).unplaced, 2);
}

static void an_unchanged_screen_is_not_told_again(void **state)
{
    struct rig *rig = *state;
    rig_set_screen(rig, 1920, 1080, (struct rect){0, 0, 1920, 1080}, ":0");
    rig_set_screen(rig, 1920, 1080, (struct rect){0, 0, 960, 1080}, ":0"); /* another part of it */
    rig_expect(rig, "");
}

static void another_display_finds_nothing_held(void **state)
{
    struct rig *rig = *state;
    rig_key(rig->a, 0x41, true, 0);
    rig_button(rig->b, 3, true);
    rig_set_screen(rig, 1280, 720, (struct rect){0, 0, 1280, 720}, ":0"); /* a new mode: they stay */
    rig_expect(rig, "key 30 61 down\nbutton 273 down\nscreen 1280x720 :0 0\n");
    rig_set_screen(rig, 1280, 720, (struct rect){0, 0, 1280, 720}, ":1");
    assert_non_null(strstr(rig->recorder.log, "key 30 61 up\n"));
    assert_non_null(strstr(rig->recorder.log, "button 273 up\n"));
    const char *last = strstr(rig->recorder.log, "screen 1280x720 :1 0\n");
    assert_true(last && strcmp(last, "screen 1280x720 :1 0\n") == 0);
    input_recorder_forget(&rig->recorder);
}

static void a_client_without_rights_only_looks(void **state)
{
    struct rig *rig = *state;
    struct input_event pad = {.kind = INPUT_PAD_ARRIVAL};
    seat_client_set_rights(rig->a, 0);
    rig_key(rig->a, 0x41, true, 0);
    rig_move_to(rig->a, 5, 5, 1919, 1079);
    rig_button(rig->a, 1, true);
    rig_touch(rig->a, INPUT_DOWN, 1, 0.5f, 0.5f);
    seat_event(rig->a, &pad);
    rig_expect(rig, "");
    struct seat_counters counters = rig_counters(rig->a);
    assert_int_equal(counters.denied[0], 1);
    assert_int_equal(counters.denied[1], 2);
    assert_int_equal(counters.denied[2], 1);
    assert_int_equal(counters.denied[3], 1);
    assert_int_equal(counters.done, 0);
}

static void controllers_go_nowhere_yet(void **state)
{
    struct rig *rig = *state;
    for (int kind = INPUT_PAD_STATE; kind <= INPUT_PAD_HAPTICS; kind++) {
        struct input_event event = {.kind = (enum input_kind)kind};
        seat_event(rig->a, &event);
    }
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).unsupported, 6);
}

static void without_an_injector_events_are_counted_only(void **state)
{
    (void)state;
    struct rig rig = {.seat = seat_create(NULL)};
    rig.a = rig_join(&rig, 1920, 1080);
    rig_set_screen(&rig, 1920, 1080, (struct rect){0, 0, 1920, 1080}, ":0");
    rig_key(rig.a, 0x41, true, 0);
    rig_button(rig.a, 1, true);
    rig_move_to(rig.a, 1, 1, 2, 2);
    rig_touch(rig.a, INPUT_DOWN, 1, 0.5f, 0.5f);
    rig_pen(rig.a, &(struct input_pen){.event = INPUT_DOWN});
    assert_int_equal(rig_counters(rig.a).unsupported, 5);
    seat_client_set_rights(rig.a, 0);
    seat_settle(rig.seat);
    seat_leave(rig.a);
    seat_destroy(rig.seat);
}

static void pointing_is_not_asked_of_an_injector_that_cannot(void **state)
{
    struct rig *rig = *state;
    struct input_event event = {.kind = INPUT_MOVE};
    rig->recorder.can = INJECTOR_CAN_KEYS;
    seat_event(rig->a, &event);
    rig_move_to(rig->a, 1, 1, 2, 2);
    rig_button(rig->a, 1, true);
    event.kind = INPUT_SCROLL;
    seat_event(rig->a, &event);
    rig_expect(rig, "");
    assert_int_equal(rig_counters(rig->a).unsupported, 4);
}

static void feature_bit_0_needs_touch_and_pen(void **state)
{
    (void)state;
    assert_int_equal(seat_feature_bits(RIG_CAN_ALL), 1);
    assert_int_equal(seat_feature_bits(INJECTOR_CAN_TOUCH | INJECTOR_CAN_PEN), 1);
    assert_int_equal(seat_feature_bits(RIG_CAN_ALL & ~INJECTOR_CAN_PEN), 0);
    assert_int_equal(seat_feature_bits(RIG_CAN_ALL & ~INJECTOR_CAN_TOUCH), 0);
    assert_int_equal(seat_feature_bits(0), 0);
}

/* Everything recorded of a client, in its order; at the end nothing is held. */
static void recorded_packets_leave_nothing_behind(void **state)
{
    struct rig *rig = *state;
    json_t *root = input_vectors_load(), *vector;
    size_t i;
    json_array_foreach(json_object_get(root, "valid"), i, vector)
    {
        size_t size;
        uint8_t *packet = input_vectors_packet(vector, &size);
        struct input_event event;
        assert_int_equal(input_decode(packet, size, &event), INPUT_OK);
        seat_event(rig->a, &event);
        free(packet);
    }
    json_decref(root);
    seat_leave(rig->a);
    rig->a = NULL;
    int downs = 0, ups = 0;
    for (const char *at = rig->recorder.log; *at; at += strcspn(at, "\n") + 1) {
        size_t length = strcspn(at, "\n");
        downs += length > 5 && strncmp(at + length - 5, " down", 5) == 0;
        ups += length > 3 && strncmp(at + length - 3, " up", 3) == 0;
    }
    assert_true(downs > 20);
    assert_int_equal(downs, ups);
    input_recorder_forget(&rig->recorder);
}

struct meddler {
    struct rig *rig;
    struct seat_client *client;
};

static void meddle(void *arg)
{
    struct meddler *self = arg;
    for (int i = 0; i < 2000; i++) {
        struct injector_screen screen = {.width = 640 + i, .height = 480, .display = ":0"};
        seat_set_geometry(self->rig->seat, (struct rect){0, 0, 640 + i, 480}, &screen);
        seat_client_set_rights(self->client, i % 2 ? SEAT_EVERYTHING : SEAT_MOUSE);
        rig_counters(self->client);
    }
}

static void other_threads_may_set_rights_and_geometry(void **state)
{
    struct rig *rig = *state;
    struct meddler meddler = {rig, rig->b};
    struct thread thread = {0};
    assert_true(thread_start(&thread, "meddler", meddle, &meddler));
    for (int i = 0; i < 500; i++) {
        rig_move_to(rig->b, i, i, 1000, 1000);
        rig_key(rig->b, 0x41, i % 2 == 0, 0);
        input_recorder_forget(&rig->recorder);
    }
    thread_join(&thread);
    rig_move_to(rig->b, 1, 1, 1, 1);
    assert_non_null(strstr(rig->recorder.log, "move_to 2638.0 479.0\n"));
    input_recorder_forget(&rig->recorder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(buttons_have_their_codes),
        TEST(a_button_is_up_when_the_last_client_lets_go),
        TEST(motion_and_scrolling_are_passed_on_as_they_are),
        TEST(places_land_on_the_captured_part_of_the_screen),
        TEST(each_client_has_its_own_picture),
        TEST(places_are_dropped_while_the_geometry_is_unknown),
        TEST(an_unchanged_screen_is_not_told_again),
        TEST(another_display_finds_nothing_held),
        TEST(a_client_without_rights_only_looks),
        TEST(controllers_go_nowhere_yet),
        cmocka_unit_test(without_an_injector_events_are_counted_only),
        TEST(pointing_is_not_asked_of_an_injector_that_cannot),
        cmocka_unit_test(feature_bit_0_needs_touch_and_pen),
        TEST(recorded_packets_leave_nothing_behind),
        TEST(other_threads_may_set_rights_and_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
