/* SPDX-License-Identifier: Apache-2.0 */
/* The XTest injector on a real Xvfb, watched by a client with a window of its own. */
#include "input/injector.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "input/backends.h"
#include "key_eye.h"
#include "xorg_rig.h"
#include "xvfb_rig.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xkb.h>
#include <xcb/xtest.h>

#include <cmocka.h>

struct scene {
    struct xvfb_rig server;
    struct key_eye eye;
    struct injector *injector;
    unsigned generation;
};

static void connect_injector(struct scene *self)
{
    struct injector_screen screen = {.width = 640, .height = 480, .generation = ++self->generation, .cookie_owner = -1};
    text_copy(screen.display, sizeof(screen.display), self->server.name);
    self->injector->ops->set_screen(self->injector, &screen);
}

static int set_up(void **state)
{
    struct scene *self = calloc(1, sizeof(*self));
    xvfb_rig_start(&self->server, -1, 640, 480);
    key_eye_open(&self->eye, self->server.name);
    self->injector = injector_xtest.create();
    assert_non_null(self->injector);
    connect_injector(self);
    *state = self;
    return 0;
}

static void drop_injector(struct scene *self)
{
    if (self->injector)
        self->injector->ops->destroy(self->injector);
    self->injector = NULL;
}

static int tear_down(void **state)
{
    struct scene *self = *state;
    drop_injector(self);
    key_eye_close(&self->eye);
    xvfb_rig_stop(&self->server);
    free(self);
    return 0;
}

static void press(struct scene *self, uint16_t code, bool down)
{
    self->injector->ops->key(self->injector, code, 0, down);
}

/* From UTF-8. Returns how many. */
static size_t decode(const char *utf8, uint32_t *ret_code_points)
{
    size_t count = 0;
    for (const uint8_t *p = (const uint8_t *)utf8; *p; count++) {
        int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
        uint32_t code_point = more ? *p & (0x3fu >> more) : *p;
        for (p++; more > 0; more--)
            code_point = code_point << 6 | (*p++ & 0x3f);
        ret_code_points[count] = code_point;
    }
    return count;
}

static void type_and_expect(struct scene *self, const char *utf8)
{
    uint32_t code_points[512];
    size_t count = decode(utf8, code_points);
    self->injector->ops->text(self->injector, code_points, count);
    key_eye_await_text(&self->eye, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(self->eye.text[i], code_points[i]);
    key_eye_forget(&self->eye);
}

static void keys_make_what_the_layout_says(void **state)
{
    struct scene *self = *state;
    press(self, KEY_A, true);
    press(self, KEY_A, false);
    press(self, KEY_LEFTSHIFT, true);
    press(self, KEY_1, true);
    press(self, KEY_1, false);
    press(self, KEY_LEFTSHIFT, false);
    press(self, KEY_F12, true);
    press(self, KEY_F12, false);
    key_eye_await_text(&self->eye, 3);
    const uint32_t expected[] = {'a', '!', 0xffc9};
    assert_memory_equal(self->eye.text, expected, sizeof(expected));
}

static void keys_without_a_keycode_are_found_by_keysym_or_ignored(void **state)
{
    struct scene *self = *state;
    press(self, KEY_SELECT, true); /* 353: beyond X's keycodes */
    press(self, KEY_SELECT, false);
    self->injector->ops->key(self->injector, KEY_CLEAR, 0xff0d, true);
    self->injector->ops->key(self->injector, KEY_CLEAR, 0xff0d, false);
    key_eye_await_text(&self->eye, 1);
    assert_int_equal(self->eye.text[0], '\n');
}

static void text_of_any_script_arrives(void **state)
{
    struct scene *self = *state;
    type_and_expect(self, "Hello, World! ~{}|\\ \xc3\xbc\xc3\x9f\n");
    type_and_expect(self, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\t\xe4\xbd\xa0\xe5\xa5\xbd"
                          "\xe3\x81\x8b\xea\xb0\x80\xf0\x9f\x98\x80\xf0\x9f\x9a\x80\n");
}

static void a_burst_of_text_is_complete_and_in_order(void **state)
{
    enum { COUNT = 2000 };
    static const uint32_t some[] = {'a', 'Z', '5', ' ', '\n', 0xe9, 0x416, 0x43b, 0x4f60, 0x597d, 0x1f600, 0x1f680};
    struct scene *self = *state;
    uint32_t text[COUNT], seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = some[(seed >> 16) % (sizeof(some) / sizeof(some[0]))];
    }
    self->injector->ops->text(self->injector, text, COUNT);
    key_eye_await_text(&self->eye, COUNT);
    assert_memory_equal(self->eye.text, text, sizeof(text));
}

static void more_characters_than_spare_keycodes_wait_for_one(void **state)
{
    enum { COUNT = 50 };
    struct scene *self = *state;
    uint32_t text[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        text[i] = 0x4e00 + i;
    self->injector->ops->text(self->injector, text, COUNT);
    press(self, KEY_X, true); /* comes after them */
    press(self, KEY_X, false);
    key_eye_await_text(&self->eye, COUNT + 1);
    assert_memory_equal(self->eye.text, text, sizeof(text));
    assert_int_equal(self->eye.text[COUNT], 'x');
}

static void a_client_may_look_keysyms_up_late(void **state)
{
    struct scene *self = *state;
    uint32_t text[12];
    for (uint32_t i = 0; i < 12; i++)
        text[i] = 0x430 + i;
    self->injector->ops->text(self->injector, text, 6);
    clock_sleep_until_ns(clock_now_ns() + 300 * CLOCK_MS_NS); /* a slow client */
    self->injector->ops->text(self->injector, text + 6, 6);
    clock_sleep_until_ns(clock_now_ns() + 300 * CLOCK_MS_NS);
    key_eye_await_text(&self->eye, 12);
    assert_memory_equal(self->eye.text, text, sizeof(text));
}

static void modifiers_and_locks_do_not_change_the_text(void **state)
{
    enum { SHIFT = 42 + 8, CONTROL = 29 + 8 };
    struct scene *self = *state;
    uint32_t text[8];
    press(self, KEY_CAPSLOCK, true);
    press(self, KEY_CAPSLOCK, false);
    press(self, KEY_LEFTSHIFT, true);
    press(self, KEY_LEFTCTRL, true);
    size_t count = decode("aB\xd0\xb6\xd0\x96", text);
    self->injector->ops->text(self->injector, text, count);
    press(self, KEY_F1, true);
    press(self, KEY_F1, false);
    key_eye_await_text(&self->eye, count + 1);
    assert_memory_equal(self->eye.text, text, count * sizeof(text[0]));
    assert_int_equal(self->eye.text[count], KEY_EYE_CHANGED);
    assert_true(key_eye_is_down(&self->eye, SHIFT));
    assert_true(key_eye_is_down(&self->eye, CONTROL));
    assert_int_equal(key_eye_pointer(&self->eye).mask & 7, 7); /* Shift, Lock, Control */
}

static void spare_keycodes_are_put_back(void **state)
{
    struct scene *self = *state;
    int bare = key_eye_bare_keycodes(&self->eye);
    type_and_expect(self, "\xd0\xb6\xe4\xbd\xa0");
    assert_int_equal(key_eye_bare_keycodes(&self->eye), bare - 2);
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS; /* by itself, some seconds later */
    while (key_eye_bare_keycodes(&self->eye) != bare && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 100 * CLOCK_MS_NS);
    assert_int_equal(key_eye_bare_keycodes(&self->eye), bare);
    key_eye_forget(&self->eye);
    type_and_expect(self, "\xd0\xb6");
    drop_injector(self);
    assert_int_equal(key_eye_bare_keycodes(&self->eye), bare);
}

static void another_programs_change_of_the_keyboard_is_noticed(void **state)
{
    struct scene *self = *state;
    type_and_expect(self, "\xd0\xb6\xe4\xbd\xa0");
    for (int keycode = 9; keycode < 256; keycode++) { /* takes our characters away, and swaps a and b */
        const xcb_keysym_t none = 0, a = 'a', b = 'b';
        const xcb_keysym_t *keysyms = xcb_get_keyboard_mapping_keysyms(self->eye.mapping) +
                                      (size_t)(keycode - self->eye.first) * self->eye.per_keycode;
        if (keysyms[0] > 0x01000000 || keysyms[0] == 'a' || keysyms[0] == 'b')
            xcb_change_keyboard_mapping(self->server.connection, 1, (uint8_t)keycode, 1,
                                        keysyms[0] == 'a'   ? &b
                                        : keysyms[0] == 'b' ? &a
                                                            : &none);
    }
    xvfb_rig_sync(&self->server);
    key_eye_forget(&self->eye);
    type_and_expect(self, "ab\xd0\xb6\xe4\xbd\xa0");
}

static void relative_motion_is_not_accelerated(void **state)
{
    struct scene *self = *state;
    xcb_change_pointer_control(self->server.connection, 10, 1, 1, 1, 1);
    xvfb_rig_sync(&self->server);
    self->injector->ops->move_to(self->injector, 100, 200);
    for (int i = 0; i < 10; i++)
        self->injector->ops->move(self->injector, 20, -3);
    self->injector->ops->button(self->injector, BTN_LEFT, true);
    key_eye_await_buttons(&self->eye, 1);
    xcb_query_pointer_reply_t pointer = key_eye_pointer(&self->eye);
    assert_int_equal(pointer.root_x, 300);
    assert_int_equal(pointer.root_y, 170);
}

static void absolute_positions_are_pixels_of_the_screen(void **state)
{
    static const double places[][2] = {{0, 0}, {639, 479}, {12.6, 34.4}};
    struct scene *self = *state;
    for (size_t i = 0; i < 3; i++) {
        self->injector->ops->move_to(self->injector, places[i][0], places[i][1]);
        self->injector->ops->button(self->injector, BTN_LEFT, i % 2 == 0);
        key_eye_await_buttons(&self->eye, i + 1);
        xcb_query_pointer_reply_t pointer = key_eye_pointer(&self->eye);
        assert_int_equal(pointer.root_x, (int)(places[i][0] + 0.5));
        assert_int_equal(pointer.root_y, (int)(places[i][1] + 0.5));
    }
}

static void buttons_have_the_numbers_of_x(void **state)
{
    static const uint16_t codes[] = {BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA};
    static const uint8_t numbers[] = {1, 2, 3, 8, 9};
    struct scene *self = *state;
    for (int i = 0; i < 5; i++) {
        self->injector->ops->button(self->injector, codes[i], true);
        self->injector->ops->button(self->injector, codes[i], false);
    }
    key_eye_await_buttons(&self->eye, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(self->eye.buttons[i].number, numbers[i / 2]);
        assert_int_equal(self->eye.buttons[i].down, i % 2 == 0);
    }
}

static void scroll(struct scene *self, enum injector_axis axis, int amount)
{
    self->injector->ops->scroll(self->injector, axis, amount);
}

static void fractions_of_a_notch_add_up(void **state)
{
    static const uint8_t expected[] = {4, 4, 4, 5, 7, 6, 5};
    struct scene *self = *state;
    scroll(self, INJECTOR_VERTICAL, 240);
    scroll(self, INJECTOR_VERTICAL, 50);
    scroll(self, INJECTOR_HORIZONTAL, 60); /* counted apart */
    scroll(self, INJECTOR_VERTICAL, 70);   /* 50 + 70: the third up */
    scroll(self, INJECTOR_VERTICAL, 100);
    scroll(self, INJECTOR_VERTICAL, -60); /* turned: the 100 are forgotten */
    scroll(self, INJECTOR_VERTICAL, -60); /* down */
    scroll(self, INJECTOR_HORIZONTAL, 60);
    scroll(self, INJECTOR_HORIZONTAL, -120);
    scroll(self, INJECTOR_VERTICAL, -119);
    clock_sleep_until_ns(clock_now_ns() + 1100 * CLOCK_MS_NS);
    scroll(self, INJECTOR_VERTICAL, -119); /* too late for what was left */
    scroll(self, INJECTOR_VERTICAL, -1);
    key_eye_await_buttons(&self->eye, 2 * sizeof(expected));
    for (size_t i = 0; i < sizeof(expected); i++) {
        assert_int_equal(self->eye.buttons[2 * i].number, expected[i]);
        assert_true(self->eye.buttons[2 * i].down);
        assert_false(self->eye.buttons[2 * i + 1].down);
    }
}

static void everything_is_up_after_destroy(void **state)
{
    struct scene *self = *state;
    press(self, KEY_W, true);
    press(self, KEY_LEFTSHIFT, true);
    self->injector->ops->button(self->injector, BTN_LEFT, true);
    key_eye_await_buttons(&self->eye, 1);
    assert_true(key_eye_is_down(&self->eye, KEY_W + 8));
    drop_injector(self);
    assert_false(key_eye_is_down(&self->eye, KEY_W + 8));
    assert_int_equal(key_eye_pointer(&self->eye).mask, 0);
}

static void what_a_crash_left_down_is_released_at_the_next_start(void **state)
{
    struct scene *self = *state;
    drop_injector(self);
    xcb_test_fake_input(self->server.connection, XCB_KEY_PRESS, KEY_W + 8, 0, XCB_NONE, 0, 0, 0);
    xcb_test_fake_input(self->server.connection, XCB_BUTTON_PRESS, 1, 0, XCB_NONE, 0, 0, 0);
    xvfb_rig_sync(&self->server);
    assert_true(key_eye_is_down(&self->eye, KEY_W + 8));
    self->injector = injector_xtest.create();
    connect_injector(self);
    self->injector->ops->button(self->injector, BTN_RIGHT, true);
    key_eye_await_buttons(&self->eye, 3);
    assert_false(key_eye_is_down(&self->eye, KEY_W + 8));
    assert_int_equal(key_eye_pointer(&self->eye).mask, XCB_BUTTON_MASK_3);
}

static void be_a_host_that_crashes(struct scene *self)
{
    static const uint32_t text[] = {0x416, 0x4f60};
    self->injector = injector_xtest.create();
    connect_injector(self);
    self->injector->ops->text(self->injector, text, 2);
    for (;;)
        pause();
}

static void keycodes_of_a_crashed_host_are_put_back(void **state)
{
    struct scene *self = *state;
    drop_injector(self);
    int bare = key_eye_bare_keycodes(&self->eye);
    pid_t host = fork();
    if (host == 0)
        be_a_host_that_crashes(self);
    key_eye_await_text(&self->eye, 2);
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    assert_int_equal(key_eye_bare_keycodes(&self->eye), bare - 2);
    key_eye_forget(&self->eye);
    self->injector = injector_xtest.create();
    connect_injector(self);
    type_and_expect(self, "a");
    int64_t until_ns = clock_now_ns() + 10 * CLOCK_SECOND_NS;
    while (key_eye_bare_keycodes(&self->eye) != bare && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
    assert_int_equal(key_eye_bare_keycodes(&self->eye), bare);
}

static void run_program(const struct scene *self, const char *command)
{
    char line[512];
    snprintf(line, sizeof(line), "DISPLAY=%s %s", self->server.name, command);
    assert_int_equal(system(line), 0);
}

static void text_does_not_depend_on_the_layout_that_is_on(void **state)
{
    struct scene *self = *state;
    run_program(self, "setxkbmap -layout us,ru");
    xcb_xkb_use_extension_unchecked(self->server.connection, 1, 0);
    xcb_xkb_latch_lock_state(self->server.connection, XCB_XKB_ID_USE_CORE_KBD, 0, 0, 1, 1, 0, 0, 0);
    xvfb_rig_sync(&self->server);
    key_eye_forget(&self->eye);
    type_and_expect(self, "Qw\xd0\xb6\n");
    xcb_xkb_latch_lock_state(self->server.connection, XCB_XKB_ID_USE_CORE_KBD, 0, 0, 1, 0, 0, 0, 0);
    xvfb_rig_sync(&self->server);
    run_program(self, "setxkbmap -layout de");
    key_eye_forget(&self->eye);
    type_and_expect(self, "yZ\xc3\xbc-\xd0\xb6\n");
}

static void a_real_terminal_reads_what_was_typed(void **state)
{
    static const char text[] = "Earth, \xd0\x97\xd0\xb5\xd0\xbc\xd0\xbb\xd1\x8f, "
                               "\xe5\x9c\xb0\xe7\x90\x83 \xf0\x9f\x8c\x8d\n";
    struct scene *self = *state;
    uint32_t code_points[64];
    char folder[] = "/tmp/es-xtest-XXXXXX", command[256], path[64], read_back[128] = "";
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/typed", folder);
    snprintf(command, sizeof(command), "LC_ALL=C.UTF-8 xterm -u8 -geometry 80x24+0+0 -e sh -c 'cat >%s' &", path);
    xcb_unmap_window(self->eye.connection, self->eye.window); /* the focus follows the pointer */
    xcb_set_input_focus(self->eye.connection, XCB_INPUT_FOCUS_POINTER_ROOT, XCB_INPUT_FOCUS_POINTER_ROOT,
                        XCB_CURRENT_TIME);
    key_eye_take(&self->eye);
    self->injector->ops->move_to(self->injector, 50, 50);
    run_program(self, command);
    int64_t until_ns = clock_now_ns() + 10 * CLOCK_SECOND_NS;
    while (access(path, F_OK) != 0 && clock_now_ns() < until_ns) /* then the terminal has its window */
        clock_sleep_until_ns(clock_now_ns() + 50 * CLOCK_MS_NS);
    self->injector->ops->text(self->injector, code_points, decode(text, code_points));
    while (strlen(read_back) < strlen(text) && clock_now_ns() < until_ns) {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        read_back[fread(read_back, 1, sizeof(read_back) - 1, file)] = 0;
        fclose(file);
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
    }
    unlink(path);
    rmdir(folder);
    assert_string_equal(read_back, text);
}

static void a_server_that_is_started_anew_gets_input_again(void **state)
{
    struct scene *self = *state;
    int number = self->server.number;
    press(self, KEY_A, true);
    self->injector->ops->button(self->injector, BTN_LEFT, true);
    key_eye_await_buttons(&self->eye, 1);
    key_eye_close(&self->eye);
    xvfb_rig_stop(&self->server);
    press(self, KEY_B, true); /* into nothing */
    xvfb_rig_start(&self->server, number, 640, 480);
    key_eye_open(&self->eye, self->server.name);
    connect_injector(self);
    press(self, KEY_A, false); /* of the old server */
    self->injector->ops->button(self->injector, BTN_LEFT, false);
    press(self, KEY_C, true);
    press(self, KEY_C, false);
    self->injector->ops->button(self->injector, BTN_RIGHT, true);
    key_eye_await_buttons(&self->eye, 1);
    assert_int_equal(self->eye.buttons[0].number, 3);
    assert_int_equal(self->eye.text[self->eye.text_count - 1], 'c');
    assert_false(key_eye_is_down(&self->eye, KEY_A + 8));
}

static void a_server_started_anew_is_found_without_being_told(void **state)
{
    struct scene *self = *state;
    int number = self->server.number;
    key_eye_close(&self->eye);
    xvfb_rig_stop(&self->server);
    xvfb_rig_start(&self->server, number, 640, 480);
    key_eye_open(&self->eye, self->server.name);
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS;
    for (; !self->eye.button_count && clock_now_ns() < until_ns; key_eye_take(&self->eye)) {
        scroll(self, INJECTOR_VERTICAL, 120);
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
    }
    assert_true(self->eye.button_count > 0);
}

static void a_stopped_server_blocks_nobody(void **state)
{
    enum { EVENTS = 20000 };
    struct scene *self = *state;
    press(self, KEY_A, true);
    self->injector->ops->button(self->injector, BTN_LEFT, true);
    key_eye_await_buttons(&self->eye, 1);
    xvfb_rig_signal(&self->server, SIGSTOP);
    int64_t begin_ns = clock_now_ns(), slowest_ns = 0;
    for (int i = 0; i < EVENTS; i++) {
        int64_t call_ns = clock_now_ns();
        self->injector->ops->move(self->injector, 1, 0);
        press(self, KEY_B, i % 2);
        int64_t took_ns = clock_now_ns() - call_ns;
        slowest_ns = took_ns > slowest_ns ? took_ns : slowest_ns;
        if (i % 100 == 0)
            clock_sleep_until_ns(begin_ns + i * CLOCK_MS_NS / 10);
    }
    print_message("slowest call: %lld us\n", (long long)(slowest_ns / CLOCK_US_NS));
    begin_ns = clock_now_ns();
    self->injector->ops->destroy(self->injector);
    print_message("destroy took %lld ms\n", (long long)((clock_now_ns() - begin_ns) / CLOCK_MS_NS));
    self->injector = injector_xtest.create();
    connect_injector(self);
    self->injector->ops->button(self->injector, BTN_RIGHT, true);
    xvfb_rig_signal(&self->server, SIGCONT);
    connect_injector(self);
    int64_t until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS;
    uint8_t last = 0;
    for (; last != 4 && clock_now_ns() < until_ns; key_eye_take(&self->eye)) {
        scroll(self, INJECTOR_VERTICAL, 120);
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
        last = self->eye.button_count ? self->eye.buttons[self->eye.button_count - 1].number : 0;
    }
    assert_int_equal(last, 4);
    assert_false(key_eye_is_down(&self->eye, KEY_A + 8));
    assert_false(key_eye_is_down(&self->eye, KEY_B + 8));
    assert_int_equal(key_eye_pointer(&self->eye).mask & XCB_BUTTON_MASK_1, 0);
}

static void keys_are_released_when_a_stopped_server_goes_on(void **state)
{
    struct scene *self = *state;
    press(self, KEY_A, true);
    self->injector->ops->button(self->injector, BTN_LEFT, true);
    key_eye_await_buttons(&self->eye, 1);
    xvfb_rig_signal(&self->server, SIGSTOP);
    press(self, KEY_A, false); /* is lost with the connection */
    clock_sleep_until_ns(clock_now_ns() + 1200 * CLOCK_MS_NS);
    xvfb_rig_signal(&self->server, SIGCONT);
    int64_t until_ns = clock_now_ns() + 10 * CLOCK_SECOND_NS;
    while (key_eye_pointer(&self->eye).mask && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
    assert_int_equal(key_eye_pointer(&self->eye).mask, 0);
    assert_false(key_eye_is_down(&self->eye, KEY_A + 8));
}

/* The server of real desktops, with its own keyboard and pointer driver. */
static void it_works_on_xorg(void **state)
{
    struct xorg_rig rig;
    struct scene self = {.injector = NULL};
    (void)state;
    if (!xorg_rig_is_possible())
        skip();
    xorg_rig_start(&rig, 1920, 1080);
    text_copy(self.server.name, sizeof(self.server.name), rig.name);
    key_eye_open(&self.eye, rig.name);
    xcb_change_pointer_control(rig.connection, 10, 1, 1, 1, 1);
    free(xcb_get_input_focus_reply(rig.connection, xcb_get_input_focus(rig.connection), NULL));
    int bare = key_eye_bare_keycodes(&self.eye);
    self.injector = injector_xtest.create();
    connect_injector(&self);
    type_and_expect(&self, "Ab1\xd0\xb6\xe4\xbd\xa0\xf0\x9f\x98\x80\n");
    self.injector->ops->move_to(self.injector, 100, 200);
    for (int i = 0; i < 10; i++)
        self.injector->ops->move(self.injector, 20, -3);
    self.injector->ops->button(self.injector, BTN_EXTRA, true);
    key_eye_await_buttons(&self.eye, 1);
    assert_int_equal(self.eye.buttons[0].number, 9);
    xcb_query_pointer_reply_t pointer = key_eye_pointer(&self.eye);
    assert_int_equal(pointer.root_x, 300); /* not accelerated */
    assert_int_equal(pointer.root_y, 170);
    drop_injector(&self);
    assert_int_equal(key_eye_bare_keycodes(&self.eye), bare);
    print_message("%d keycodes without a keysym on Xorg\n", bare);
    key_eye_close(&self.eye);
    xorg_rig_stop(&rig);
}

static void the_delay_of_events_is_measured(void **state)
{
    enum { EVENTS = 1000 };
    struct scene *self = *state;
    struct stats_summary delay;
    press(self, KEY_A, true);
    press(self, KEY_A, false);
    key_eye_await_text(&self->eye, 1);
    self->injector->ops->take_stats(self->injector, &delay);
    int64_t begin_ns = clock_now_ns();
    for (int i = 0; i < EVENTS; i++) {
        self->injector->ops->move(self->injector, i % 2 ? 1 : -1, 0);
        clock_sleep_until_ns(begin_ns + i * CLOCK_MS_NS);
    }
    press(self, KEY_A, true);
    press(self, KEY_A, false);
    key_eye_await_text(&self->eye, 2);
    self->injector->ops->take_stats(self->injector, &delay);
    print_message("call to event written, %u events at 1000/s: p50 %u us, p99 %u us, max %u us\n", delay.count,
                  delay.p50_us, delay.p99_us, delay.max_us);
    assert_true(delay.count >= EVENTS);
}

static void it_says_what_it_can_do(void **state)
{
    struct injector_report report = {0};
    struct injector *injector = injector_xtest.create();
    (void)state;
    injector_xtest.probe(&report);
    assert_true(report.usable);
    assert_int_equal(report.can, injector->ops->can(injector));
    assert_int_equal(report.can & (INJECTOR_CAN_TOUCH | INJECTOR_CAN_PEN), 0);
    injector->ops->destroy(injector); /* before it was told of any screen */
}

#define ON_SERVER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_it_can_do),
        ON_SERVER(keys_make_what_the_layout_says),
        ON_SERVER(keys_without_a_keycode_are_found_by_keysym_or_ignored),
        ON_SERVER(text_of_any_script_arrives),
        ON_SERVER(a_burst_of_text_is_complete_and_in_order),
        ON_SERVER(more_characters_than_spare_keycodes_wait_for_one),
        ON_SERVER(a_client_may_look_keysyms_up_late),
        ON_SERVER(modifiers_and_locks_do_not_change_the_text),
        ON_SERVER(spare_keycodes_are_put_back),
        ON_SERVER(another_programs_change_of_the_keyboard_is_noticed),
        ON_SERVER(relative_motion_is_not_accelerated),
        ON_SERVER(absolute_positions_are_pixels_of_the_screen),
        ON_SERVER(buttons_have_the_numbers_of_x),
        ON_SERVER(fractions_of_a_notch_add_up),
        ON_SERVER(everything_is_up_after_destroy),
        ON_SERVER(what_a_crash_left_down_is_released_at_the_next_start),
        ON_SERVER(keycodes_of_a_crashed_host_are_put_back),
        ON_SERVER(text_does_not_depend_on_the_layout_that_is_on),
        ON_SERVER(a_real_terminal_reads_what_was_typed),
        ON_SERVER(a_server_that_is_started_anew_gets_input_again),
        ON_SERVER(a_server_started_anew_is_found_without_being_told),
        ON_SERVER(a_stopped_server_blocks_nobody),
        ON_SERVER(keys_are_released_when_a_stopped_server_goes_on),
        cmocka_unit_test(it_works_on_xorg),
        ON_SERVER(the_delay_of_events_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
