/* SPDX-License-Identifier: Apache-2.0 */
/* The injector against a recording kernel, an injector for X servers that is a recorder, and a desktop whose sight is
 * the test's. */
#include "base/clock.h"
#include "base/stats.h"
#include "input/backends.h"
#include "input/keymap.h"
#include "input/uinput_device.h"
#include "input/uinput_seen.h"
#include "input_recorder.h"
#include "uinput_recorder.h"

#include <errno.h>
#include <libevdev/libevdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MADE "Keyboard: made\nMouse: made\nPointer: made\nTouch: made\nPen: made\n"

static struct input_recorder other;
static bool has_other, is_seen;
static int64_t now_ns;

int __wrap_injector_probe(const char *wish, struct injector_report ret_reports[INJECTOR_REPORTS_MAX]);
int __wrap_injector_probe(const char *wish, struct injector_report ret_reports[INJECTOR_REPORTS_MAX])
{
    assert_string_equal(wish, "xtest");
    ret_reports[0] = (struct injector_report){.name = "xtest", .usable = has_other, .can = other.can};
    return 1;
}

struct injector *__wrap_injector_create(const char *name);
struct injector *__wrap_injector_create(const char *name)
{
    assert_string_equal(name, "xtest");
    assert_true(has_other);
    return &other.base;
}

struct uinput_seen *__wrap_uinput_seen_create(const char *const *names, int count);
struct uinput_seen *__wrap_uinput_seen_create(const char *const *names, int count)
{
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "Earthshine Keyboard");
    assert_string_equal(names[2], "Earthshine Pointer");
    return (struct uinput_seen *)&is_seen;
}

void __wrap_uinput_seen_destroy(struct uinput_seen *self);
void __wrap_uinput_seen_destroy(struct uinput_seen *self)
{
    (void)self;
}

void __wrap_uinput_seen_set_screen(struct uinput_seen *self, const struct injector_screen *screen);
void __wrap_uinput_seen_set_screen(struct uinput_seen *self, const struct injector_screen *screen)
{
    (void)self;
    (void)screen;
}

bool __wrap_uinput_seen(const struct uinput_seen *self);
bool __wrap_uinput_seen(const struct uinput_seen *self)
{
    (void)self;
    return is_seen;
}

int64_t __real_clock_now_ns(void);
int64_t __wrap_clock_now_ns(void);
int64_t __wrap_clock_now_ns(void)
{
    return now_ns ? now_ns : __real_clock_now_ns();
}

static const struct injector_screen screen = {.width = 1920, .height = 1080, .display = ":0", .generation = 1};

static struct injector *start(void)
{
    struct injector *injector = injector_uinput.create();
    assert_non_null(injector);
    uinput_recorder_expect(MADE);
    injector->ops->set_screen(injector, &screen);
    if (has_other)
        input_recorder_expect(&other, "screen 1920x1080 :0 1\n");
    return injector;
}

static int setup(void **state)
{
    (void)state;
    input_recorder_init(&other, INJECTOR_CAN_KEYS | INJECTOR_CAN_TEXT);
    has_other = is_seen = true;
    now_ns = 0;
    uinput_recorder_refuse_open(0);
    uinput_recorder_refuse_device(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    uinput_recorder_forget();
    input_recorder_forget(&other);
    input_recorder_finish(&other);
    assert_int_equal(uinput_recorder_device_count(), 0);
    return 0;
}

static void end(struct injector *injector)
{
    injector->ops->destroy(injector);
}

/* --- devices --- */

static void the_probe_says_why_it_cannot_and_what_helps(void **state)
{
    (void)state;
    static const struct {
        int open_error, device_error;
        const char *reason;
    } cases[] = {
        {ENOENT, 0, "/dev/uinput is missing; load the kernel's module: modprobe uinput"},
        {EACCES, 0,
         "/dev/uinput cannot be opened: permission denied; install the udev rule 60-earthshine.rules and add the user "
         "to the group input"},
        {EMFILE, 0, "/dev/uinput cannot be opened: Too many open files"},
        {0, EINVAL, "/dev/uinput takes no device: Invalid argument"},
        {0, 0, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct injector_report report = {.name = "uinput"};
        uinput_recorder_refuse_open(cases[i].open_error);
        uinput_recorder_refuse_device(cases[i].device_error);
        injector_uinput.probe(&report);
        assert_string_equal(report.reason, cases[i].reason);
        assert_int_equal(report.usable, !*cases[i].reason);
        assert_int_equal(report.can, *cases[i].reason ? 0 : 63);
    }
    uinput_recorder_expect("Mouse: made\nMouse: gone\n");
}

static void without_an_injector_for_x_there_is_no_text(void **state)
{
    (void)state;
    struct injector_report report = {0};
    has_other = false;
    injector_uinput.probe(&report);
    assert_int_equal(report.can, 63 & ~INJECTOR_CAN_TEXT);
    uinput_recorder_forget();
    struct injector *injector = start();
    assert_int_equal(injector->ops->can(injector), 63 & ~INJECTOR_CAN_TEXT);
    is_seen = false;
    injector->ops->key(injector, KEY_A, 0x61, true);
    injector->ops->key(injector, KEY_A, 0x61, false);
    injector->ops->move(injector, 1, 1);
    injector->ops->button(injector, BTN_LEFT, true);
    injector->ops->button(injector, BTN_LEFT, false);
    injector->ops->scroll(injector, INJECTOR_VERTICAL, 120);
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    end(injector);
}

static void a_device_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    uinput_recorder_refuse_device(ENOMEM);
    assert_null(injector_uinput.create());
    uinput_recorder_expect("");
    input_recorder_expect(&other, "destroy\n");
}

static void each_device_is_told_apart_by_what_it_has(void **state)
{
    (void)state;
    struct injector *injector = start();
    assert_int_equal(injector->ops->add_device(injector, false), 0);
    assert_int_equal(injector->ops->add_device(injector, true), 1);
    assert_string_equal(uinput_recorder_shape("Mouse"),
                        "INPUT_PROP_POINTER; BTN_LEFT; BTN_RIGHT; BTN_MIDDLE; BTN_SIDE; BTN_EXTRA; REL_X; REL_Y; "
                        "REL_HWHEEL; REL_WHEEL; REL_WHEEL_HI_RES; REL_HWHEEL_HI_RES; ");
    assert_string_equal(uinput_recorder_shape("Pointer"), "INPUT_PROP_POINTER; BTN_LEFT; BTN_RIGHT; BTN_MIDDLE; "
                                                          "ABS_X 0..65535 (100); ABS_Y 0..65535 (100); ");
    assert_string_equal(
        uinput_recorder_shape("Touch"),
        "INPUT_PROP_DIRECT; BTN_TOUCH; ABS_X 0..65535 (100); ABS_Y 0..65535 (100); ABS_PRESSURE 0..4096 (0); "
        "ABS_MT_SLOT 0..15 (0); ABS_MT_TOUCH_MAJOR 0..65535 (100); ABS_MT_TOUCH_MINOR 0..65535 (100); "
        "ABS_MT_ORIENTATION -90..90 (0); ABS_MT_POSITION_X 0..65535 (100); ABS_MT_POSITION_Y 0..65535 (100); "
        "ABS_MT_TRACKING_ID 0..65535 (0); ABS_MT_PRESSURE 0..4096 (0); ");
    assert_string_equal(
        uinput_recorder_shape("Pen"),
        "INPUT_PROP_DIRECT; BTN_TOOL_PEN; BTN_TOOL_RUBBER; BTN_STYLUS3; BTN_TOUCH; BTN_STYLUS; BTN_STYLUS2; "
        "ABS_X 0..65535 (100); ABS_Y 0..65535 (100); ABS_PRESSURE 0..4096 (0); ABS_DISTANCE 0..1024 (0); "
        "ABS_TILT_X -90..90 (57); ABS_TILT_Y -90..90 (57); ");
    end(injector);
}

static void the_keyboard_has_every_key_we_know(void **state)
{
    (void)state;
    struct injector *injector = start();
    const char *shape = uinput_recorder_shape("Keyboard");
    for (size_t i = 0; keymap_at(i); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s;", libevdev_event_code_get_name(EV_KEY, keymap_at(i)->code));
        assert_non_null(strstr(shape, name));
    }
    assert_non_null(strstr(shape, "MSC_SCAN; REP_DELAY; REP_PERIOD; "));
    assert_null(strstr(shape, "INPUT_PROP"));
    assert_null(strstr(shape, "BTN_"));
    end(injector);
}

/* --- keys and mouse --- */

static void keys_carry_their_usb_code_and_come_one_at_a_time(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->key(injector, KEY_LEFTSHIFT, 0xffe1, true);
    injector->ops->key(injector, KEY_A, 0x61, true);
    injector->ops->key(injector, KEY_LEFTSHIFT, 0xffe1, false);
    injector->ops->flush(injector);
    uinput_recorder_expect("Keyboard: MSC_SCAN 458977, KEY_LEFTSHIFT 1, SYN_REPORT 0, MSC_SCAN 458756, KEY_A 1, "
                           "SYN_REPORT 0, MSC_SCAN 458977, KEY_LEFTSHIFT 0, SYN_REPORT 0\n");
    injector->ops->key(injector, KEY_A, 0x61, false);
    injector->ops->key(injector, KEY_SLEEP, 0, true); /* no usage */
    injector->ops->key(injector, KEY_SLEEP, 0, false);
    injector->ops->key(injector, KEY_CNT, 0, true); /* no key */
    injector->ops->flush(injector);
    uinput_recorder_expect("Keyboard: MSC_SCAN 458756, KEY_A 0, SYN_REPORT 0, KEY_SLEEP 1, SYN_REPORT 0, KEY_SLEEP 0, "
                           "SYN_REPORT 0\n");
    end(injector);
}

static void nothing_is_written_when_nothing_happened(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->flush(injector);
    injector->ops->move(injector, 0, 0);
    injector->ops->scroll(injector, INJECTOR_VERTICAL, 0);
    injector->ops->flush(injector);
    injector->ops->key(injector, KEY_A, 0x61, false); /* is up */
    injector->ops->button(injector, BTN_LEFT, false);
    injector->ops->button(injector, BTN_FORWARD, true); /* not ours */
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    end(injector);
}

static void motion_is_one_report(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->move(injector, 3, -4);
    injector->ops->flush(injector);
    injector->ops->move(injector, 0, 7);
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: REL_X 3, REL_Y -4, SYN_REPORT 0\nMouse: REL_Y 7, SYN_REPORT 0\n");
    end(injector);
}

static void places_are_the_middle_of_their_pixel(void **state)
{
    (void)state;
    assert_int_equal(uinput_place(0, 1920), 0);
    assert_int_equal(uinput_place(-3, 1920), 0);
    assert_int_equal(uinput_place(1919, 1920), 65535);
    assert_int_equal(uinput_place(1e9, 1920), 65535);
    assert_int_equal(uinput_place(0, 1), 0);
    int before = -1;
    for (int size = 1; size <= 7680; size += size < 64 ? 1 : 959) {
        before = -1;
        for (int pixel = 0; pixel < size; pixel++) {
            int place = uinput_place(pixel, size);
            assert_int_equal((int64_t)place * size / 65536, pixel); /* as X servers and libinput read it */
            assert_true(place > before);
            before = place;
        }
    }
}

static void absolute_motion_goes_over_the_whole_screen(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->move_to(injector, 0, 0);
    injector->ops->flush(injector);
    injector->ops->move_to(injector, 1919, 1079);
    injector->ops->flush(injector);
    injector->ops->move_to(injector, 960, 539.5);
    injector->ops->flush(injector);
    uinput_recorder_expect("Pointer: ABS_X 1, ABS_X 0, ABS_Y 0, SYN_REPORT 0\n"
                           "Pointer: ABS_X 65535, ABS_Y 65535, SYN_REPORT 0\n"
                           "Pointer: ABS_X 32785, ABS_Y 32768, SYN_REPORT 0\n");
    injector->ops->move(injector, 1, 0);
    injector->ops->move_to(injector, 960, 539.5); /* back, which the kernel would take for no news */
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: REL_X 1, SYN_REPORT 0\n"
                           "Pointer: ABS_X 32784, ABS_X 32785, ABS_Y 32768, SYN_REPORT 0\n");
    const struct injector_screen unknown = {.display = ":0", .generation = 2};
    injector->ops->set_screen(injector, &unknown);
    injector->ops->move_to(injector, 5, 5);
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    end(injector);
}

static void buttons_are_of_the_device_that_moved_last(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->button(injector, BTN_LEFT, true);
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: BTN_LEFT 1, SYN_REPORT 0\n");
    injector->ops->move_to(injector, 0, 0);
    injector->ops->button(injector, BTN_RIGHT, true);
    injector->ops->button(injector, BTN_LEFT, false); /* where it is down */
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: BTN_LEFT 0, SYN_REPORT 0\n"
                           "Pointer: ABS_X 1, ABS_X 0, ABS_Y 0, BTN_RIGHT 1, SYN_REPORT 0\n");
    injector->ops->move(injector, 1, 0);
    injector->ops->button(injector, BTN_RIGHT, false);
    injector->ops->button(injector, BTN_EXTRA, true);
    injector->ops->flush(injector);
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: REL_X 1, BTN_EXTRA 1, SYN_REPORT 0\nPointer: BTN_RIGHT 0, SYN_REPORT 0\n");
    injector->ops->button(injector, BTN_EXTRA, false);
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: BTN_EXTRA 0, SYN_REPORT 0\n");
    injector->ops->move_to(injector, 10, 10);
    uinput_recorder_forget();
    injector->ops->button(injector, BTN_SIDE, true); /* the pointer has none */
    injector->ops->flush(injector);
    uinput_recorder_forget();
    injector->ops->button(injector, BTN_SIDE, false);
    injector->ops->flush(injector);
    uinput_recorder_expect("Mouse: BTN_SIDE 0, SYN_REPORT 0\n");
    end(injector);
}

static void the_wheel_has_fractions_and_notches(void **state)
{
    (void)state;
    struct injector *injector = start();
    now_ns = CLOCK_SECOND_NS;
    static const struct {
        enum injector_axis axis;
        int amount, after_ms;
        const char *lines;
    } steps[] = {
        {INJECTOR_VERTICAL, 120, 0, "Mouse: REL_WHEEL_HI_RES 120, REL_WHEEL 1, SYN_REPORT 0\n"},
        {INJECTOR_VERTICAL, -360, 0, "Mouse: REL_WHEEL_HI_RES -360, REL_WHEEL -3, SYN_REPORT 0\n"},
        {INJECTOR_VERTICAL, 80, 0, "Mouse: REL_WHEEL_HI_RES 80, SYN_REPORT 0\n"},
        {INJECTOR_VERTICAL, 80, 0, "Mouse: REL_WHEEL_HI_RES 80, REL_WHEEL 1, SYN_REPORT 0\n"}, /* 40 are left */
        {INJECTOR_VERTICAL, 80, 0, "Mouse: REL_WHEEL_HI_RES 80, REL_WHEEL 1, SYN_REPORT 0\n"},
        {INJECTOR_HORIZONTAL, 60, 0, "Mouse: REL_HWHEEL_HI_RES 60, SYN_REPORT 0\n"},
        {INJECTOR_HORIZONTAL, -60, 0, "Mouse: REL_HWHEEL_HI_RES -60, SYN_REPORT 0\n"}, /* turned: anew */
        {INJECTOR_HORIZONTAL, -60, 0, "Mouse: REL_HWHEEL_HI_RES -60, REL_HWHEEL -1, SYN_REPORT 0\n"},
        {INJECTOR_VERTICAL, 119, 0, "Mouse: REL_WHEEL_HI_RES 119, SYN_REPORT 0\n"},
        {INJECTOR_VERTICAL, 1, 1100, "Mouse: REL_WHEEL_HI_RES 1, SYN_REPORT 0\n"}, /* long ago: anew */
        {INJECTOR_VERTICAL, INT32_MIN, 0, "Mouse: REL_WHEEL_HI_RES -12000, REL_WHEEL -100, SYN_REPORT 0\n"},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        now_ns += steps[i].after_ms * CLOCK_MS_NS;
        injector->ops->scroll(injector, steps[i].axis, steps[i].amount);
        injector->ops->flush(injector);
        uinput_recorder_expect(steps[i].lines);
    }
    end(injector);
}

/* --- which way --- */

static void a_desktop_without_our_devices_gets_all_by_the_other_injector(void **state)
{
    (void)state;
    is_seen = false;
    struct injector *injector = start();
    assert_int_equal(injector->ops->can(injector), 63 & ~(INJECTOR_CAN_TOUCH | INJECTOR_CAN_PEN));
    injector->ops->key(injector, KEY_A, 0x61, true);
    injector->ops->key(injector, KEY_A, 0x61, false);
    injector->ops->move(injector, 1, -1);
    injector->ops->move_to(injector, 10, 20);
    injector->ops->button(injector, BTN_LEFT, true);
    injector->ops->button(injector, BTN_LEFT, false);
    injector->ops->scroll(injector, INJECTOR_VERTICAL, -120);
    injector->ops->flush(injector);
    input_recorder_expect(&other, "key 30 61 down\nkey 30 61 up\nmove 1 -1\nmove_to 10.0 20.0\nbutton 272 down\n"
                                  "button 272 up\nscroll vertical -120\n");
    uinput_recorder_expect("");
    end(injector);
}

static void text_always_goes_by_the_other_injector(void **state)
{
    (void)state;
    struct injector *injector = start();
    assert_int_equal(injector->ops->can(injector), 63);
    const uint32_t text[] = {0x41, 0x20ac};
    injector->ops->text(injector, text, 2);
    injector->ops->flush(injector);
    input_recorder_expect(&other, "text 41 20ac\n");
    uinput_recorder_expect("");
    end(injector);
}

static void what_went_down_one_way_comes_up_the_same_way(void **state)
{
    (void)state;
    struct injector *injector = start();
    injector->ops->key(injector, KEY_A, 0x61, true);
    injector->ops->button(injector, BTN_LEFT, true);
    is_seen = false;
    injector->ops->key(injector, KEY_B, 0x62, true);
    injector->ops->key(injector, KEY_A, 0x61, false);
    injector->ops->move_to(injector, 1, 1);
    injector->ops->button(injector, BTN_RIGHT, true);
    injector->ops->button(injector, BTN_LEFT, false);
    is_seen = true;
    injector->ops->key(injector, KEY_B, 0x62, false);
    injector->ops->button(injector, BTN_RIGHT, false);
    injector->ops->flush(injector);
    uinput_recorder_expect("Keyboard: MSC_SCAN 458756, KEY_A 1, SYN_REPORT 0, MSC_SCAN 458756, KEY_A 0, SYN_REPORT 0\n"
                           "Mouse: BTN_LEFT 1, BTN_LEFT 0, SYN_REPORT 0\n");
    input_recorder_expect(&other, "key 48 62 down\nmove_to 1.0 1.0\nbutton 273 down\nkey 48 62 up\nbutton 273 up\n");
    end(injector);
}

static void the_end_lets_go_of_everything(void **state)
{
    (void)state;
    struct injector *injector = start();
    int touch = injector->ops->add_device(injector, false), pen = injector->ops->add_device(injector, true);
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX] = {[2] = {.active = true}};
    const struct injector_pen near = {.in_range = true, .touches = true, .pressure = 1, .buttons = 2};
    injector->ops->key(injector, KEY_A, 0x61, true);
    injector->ops->move_to(injector, 0, 0);
    injector->ops->button(injector, BTN_MIDDLE, true);
    injector->ops->touch(injector, touch, contacts);
    injector->ops->pen(injector, pen, &near);
    injector->ops->flush(injector);
    uinput_recorder_forget();
    input_recorder_forget(&other);
    injector->ops->destroy(injector);
    uinput_recorder_expect(
        "Keyboard: MSC_SCAN 458756, KEY_A 0, SYN_REPORT 0\nKeyboard: gone\n"
        "Mouse: gone\n"
        "Pointer: BTN_MIDDLE 0, SYN_REPORT 0\nPointer: gone\n"
        "Touch: ABS_MT_SLOT 2, ABS_MT_TRACKING_ID -1, BTN_TOUCH 0, ABS_PRESSURE 0, SYN_REPORT 0\n"
        "Touch: gone\n"
        "Pen: BTN_TOUCH 0, ABS_PRESSURE 0, BTN_STYLUS2 0, BTN_TOOL_PEN 0, SYN_REPORT 0\nPen: gone\n");
    assert_int_equal(input_recorder_count(&other, "destroy"), 1);
}

/* --- touch and pen --- */

static void fingers_have_slots_and_new_numbers(void **state)
{
    (void)state;
    struct injector *injector = start();
    int device = injector->ops->add_device(injector, false);
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX] = {
        {.active = true, .x = 0, .y = 0, .pressure = 0.25, .major = 192, .minor = 96, .orientation = -45}};
    uinput_recorder_forget();
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    uinput_recorder_expect(
        "Touch: ABS_MT_SLOT 0, ABS_MT_TRACKING_ID 0, ABS_MT_POSITION_X 0, ABS_MT_POSITION_Y 0, ABS_MT_PRESSURE 1024, "
        "ABS_MT_TOUCH_MAJOR 6554, ABS_MT_TOUCH_MINOR 3277, ABS_MT_ORIENTATION -45, BTN_TOUCH 1, ABS_X 0, ABS_Y 0, "
        "ABS_PRESSURE 1024, SYN_REPORT 0\n");
    injector->ops->touch(injector, device, contacts); /* nothing new */
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    contacts[0].x = 1919;
    contacts[1] = (struct injector_contact){.active = true, .x = 0, .y = 1079}; /* pressure and size are unknown */
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    uinput_recorder_expect(
        "Touch: ABS_MT_SLOT 0, ABS_MT_POSITION_X 65535, ABS_MT_SLOT 1, ABS_MT_TRACKING_ID 1, ABS_MT_POSITION_X 0, "
        "ABS_MT_POSITION_Y 65535, ABS_MT_PRESSURE 2048, ABS_MT_TOUCH_MAJOR 0, ABS_MT_TOUCH_MINOR 0, "
        "ABS_MT_ORIENTATION 0, ABS_X 65535, SYN_REPORT 0\n");
    contacts[0].active = false; /* the other one is the first now */
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    uinput_recorder_expect("Touch: ABS_MT_SLOT 0, ABS_MT_TRACKING_ID -1, ABS_X 0, ABS_Y 65535, ABS_PRESSURE 2048, "
                           "SYN_REPORT 0\n");
    contacts[0].active = true; /* the slot again, with a number of its own */
    contacts[1].active = false;
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    uinput_recorder_expect(
        "Touch: ABS_MT_SLOT 0, ABS_MT_TRACKING_ID 2, ABS_MT_POSITION_X 65535, ABS_MT_POSITION_Y 0, "
        "ABS_MT_PRESSURE 1024, ABS_MT_TOUCH_MAJOR 6554, ABS_MT_TOUCH_MINOR 3277, ABS_MT_ORIENTATION -45, "
        "ABS_MT_SLOT 1, ABS_MT_TRACKING_ID -1, ABS_X 65535, ABS_Y 0, ABS_PRESSURE 1024, SYN_REPORT 0\n");
    memset(contacts, 0, sizeof(contacts)); /* cancelled */
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    uinput_recorder_expect("Touch: ABS_MT_SLOT 0, ABS_MT_TRACKING_ID -1, BTN_TOUCH 0, ABS_PRESSURE 0, SYN_REPORT 0\n");
    end(injector);
}

static void sixteen_fingers_are_one_write(void **state)
{
    (void)state;
    struct injector *injector = start();
    int device = injector->ops->add_device(injector, false);
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX];
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++)
        contacts[i] = (struct injector_contact){.active = true, .x = i, .y = i};
    uinput_recorder_forget();
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++)
        contacts[i].active = false;
    uinput_recorder_forget();
    injector->ops->touch(injector, device, contacts);
    injector->ops->flush(injector);
    char lines[2048] = "Touch:";
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++)
        snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), " ABS_MT_SLOT %d, ABS_MT_TRACKING_ID -1,", i);
    strcat(lines, " BTN_TOUCH 0, ABS_PRESSURE 0, SYN_REPORT 0\n");
    uinput_recorder_expect(lines);
    end(injector);
}

static void a_pen_comes_near_draws_and_leaves(void **state)
{
    (void)state;
    struct injector *injector = start();
    int device = injector->ops->add_device(injector, true);
    struct injector_pen pen = {.in_range = true, .x = 0, .y = 1079, .distance = 0.5, .tilt_x = -30, .tilt_y = 99};
    uinput_recorder_forget();
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect("Pen: BTN_TOOL_PEN 1, ABS_X 0, ABS_Y 65535, ABS_PRESSURE 0, ABS_DISTANCE 512, "
                           "ABS_TILT_X -30, ABS_TILT_Y 90, SYN_REPORT 0\n");
    pen.touches = true;
    pen.pressure = 0.02; /* as much as counts */
    pen.buttons = 5;
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect("Pen: ABS_PRESSURE 410, ABS_DISTANCE 0, BTN_TOUCH 1, BTN_STYLUS 1, BTN_STYLUS3 1, "
                           "SYN_REPORT 0\n");
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    pen.eraser = true; /* turned round: the one leaves before the other comes */
    pen.buttons = 0;
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect(
        "Pen: BTN_TOUCH 0, ABS_PRESSURE 0, ABS_TILT_X 0, ABS_TILT_Y 0, BTN_STYLUS 0, BTN_STYLUS3 0, BTN_TOOL_PEN 0, "
        "SYN_REPORT 0, BTN_TOOL_RUBBER 1, ABS_X 0, ABS_Y 65535, ABS_PRESSURE 410, ABS_DISTANCE 0, ABS_TILT_X -30, "
        "ABS_TILT_Y 90, BTN_TOUCH 1, SYN_REPORT 0\n");
    pen = (struct injector_pen){.eraser = true};
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect("Pen: BTN_TOUCH 0, ABS_PRESSURE 0, ABS_TILT_X 0, ABS_TILT_Y 0, BTN_TOOL_RUBBER 0, "
                           "SYN_REPORT 0\n");
    injector->ops->pen(injector, device, &pen);
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    end(injector);
}

static void fingers_and_pens_are_only_lifted_when_nobody_sees_them(void **state)
{
    (void)state;
    struct injector *injector = start();
    int touch = injector->ops->add_device(injector, false), pen = injector->ops->add_device(injector, true);
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX] = {{.active = true}};
    struct injector_pen near = {.in_range = true, .touches = true, .pressure = 1};
    injector->ops->touch(injector, touch, contacts);
    injector->ops->pen(injector, pen, &near);
    injector->ops->flush(injector);
    uinput_recorder_forget();
    is_seen = false;
    assert_int_equal(injector->ops->can(injector), 63); /* or the lifting would not come */
    contacts[0].x = 500;
    contacts[1].active = true;
    near.x = 500;
    injector->ops->touch(injector, touch, contacts);
    injector->ops->pen(injector, pen, &near);
    injector->ops->flush(injector);
    uinput_recorder_expect("");
    contacts[0].active = contacts[1].active = false;
    near.touches = false;
    injector->ops->touch(injector, touch, contacts);
    injector->ops->pen(injector, pen, &near);
    injector->ops->flush(injector);
    uinput_recorder_expect("Touch: ABS_MT_SLOT 0, ABS_MT_TRACKING_ID -1, BTN_TOUCH 0, ABS_PRESSURE 0, SYN_REPORT 0\n"
                           "Pen: BTN_TOUCH 0, ABS_PRESSURE 0, ABS_DISTANCE 1, SYN_REPORT 0\n");
    injector->ops->remove_device(injector, touch);
    injector->ops->remove_device(injector, pen);
    assert_int_equal(injector->ops->can(injector), 63 & ~(INJECTOR_CAN_TOUCH | INJECTOR_CAN_PEN));
    end(injector);
}

static void a_device_that_was_left_is_lifted_and_used_again(void **state)
{
    (void)state;
    struct injector *injector = start();
    int first = injector->ops->add_device(injector, false), second = injector->ops->add_device(injector, false);
    assert_int_equal(first, 0);
    assert_int_equal(second, 2); /* 1 is a pen, made with the first finger's device before anybody asked */
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX] = {[7] = {.active = true}};
    injector->ops->touch(injector, first, contacts);
    injector->ops->flush(injector);
    uinput_recorder_forget();
    injector->ops->remove_device(injector, first);
    uinput_recorder_expect("Touch: ABS_MT_SLOT 7, ABS_MT_TRACKING_ID -1, BTN_TOUCH 0, ABS_PRESSURE 0, SYN_REPORT 0\n");
    injector->ops->touch(injector, first, contacts); /* nobody's now */
    injector->ops->remove_device(injector, first);
    injector->ops->remove_device(injector, 99);
    injector->ops->flush(injector);
    assert_int_equal(injector->ops->add_device(injector, true), 1);
    assert_int_equal(injector->ops->add_device(injector, false), first);
    uinput_recorder_expect("");
    uinput_recorder_refuse_open(EACCES);
    assert_int_equal(injector->ops->add_device(injector, false), -1);
    end(injector);
}

static void there_is_a_last_device(void **state)
{
    (void)state;
    struct injector *injector = start();
    for (int i = 0; i < 32; i++)
        assert_int_equal(injector->ops->add_device(injector, i % 2), i);
    assert_int_equal(injector->ops->add_device(injector, false), -1);
    end(injector);
}

/* --- numbers --- */

static void the_time_to_the_write_is_measured(void **state)
{
    (void)state;
    struct injector *injector = start();
    struct stats_summary delay;
    now_ns = CLOCK_SECOND_NS;
    injector->ops->move(injector, 1, 1);
    now_ns += 3 * CLOCK_MS_NS;
    injector->ops->flush(injector);
    injector->ops->flush(injector);
    injector_take_stats(injector, &delay);
    assert_int_equal(delay.count, 1);
    assert_int_equal(delay.max_us, 3000);
    now_ns = 0;
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX] = {0};
    int touch = injector->ops->add_device(injector, false);
    for (int i = 0; i < 1000; i++) {
        for (int c = 0; c < INJECTOR_CONTACTS_MAX; c++)
            contacts[c] = (struct injector_contact){.active = true, .x = i, .y = c};
        injector->ops->touch(injector, touch, contacts);
        injector->ops->flush(injector);
        uinput_recorder_forget();
    }
    injector_take_stats(injector, &delay);
    print_message("16 fingers, call to write: p50 %u us, p99 %u us, max %u us\n", delay.p50_us, delay.p99_us,
                  delay.max_us);
    for (int i = 0; i < 1000; i++) {
        injector->ops->key(injector, KEY_A, 0x61, i % 2 == 0);
        injector->ops->flush(injector);
        uinput_recorder_forget();
    }
    injector_take_stats(injector, &delay);
    print_message("keys, call to write: p50 %u us, p99 %u us, max %u us\n", delay.p50_us, delay.p99_us, delay.max_us);
    assert_int_equal(delay.count, 1000);
    end(injector);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_probe_says_why_it_cannot_and_what_helps, setup, teardown),
        cmocka_unit_test_setup_teardown(without_an_injector_for_x_there_is_no_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_that_cannot_be_made_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(each_device_is_told_apart_by_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(the_keyboard_has_every_key_we_know, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_carry_their_usb_code_and_come_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_when_nothing_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(motion_is_one_report, setup, teardown),
        cmocka_unit_test(places_are_the_middle_of_their_pixel),
        cmocka_unit_test_setup_teardown(absolute_motion_goes_over_the_whole_screen, setup, teardown),
        cmocka_unit_test_setup_teardown(buttons_are_of_the_device_that_moved_last, setup, teardown),
        cmocka_unit_test_setup_teardown(the_wheel_has_fractions_and_notches, setup, teardown),
        cmocka_unit_test_setup_teardown(a_desktop_without_our_devices_gets_all_by_the_other_injector, setup, teardown),
        cmocka_unit_test_setup_teardown(text_always_goes_by_the_other_injector, setup, teardown),
        cmocka_unit_test_setup_teardown(what_went_down_one_way_comes_up_the_same_way, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_lets_go_of_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(fingers_have_slots_and_new_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(sixteen_fingers_are_one_write, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pen_comes_near_draws_and_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(fingers_and_pens_are_only_lifted_when_nobody_sees_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_that_was_left_is_lifted_and_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(there_is_a_last_device, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_to_the_write_is_measured, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
