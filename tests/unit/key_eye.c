/* SPDX-License-Identifier: Apache-2.0 */
#include "key_eye.h"

#include "base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_NS (10 * CLOCK_SECOND_NS)

static void read_mapping(struct key_eye *self)
{
    const xcb_setup_t *setup = xcb_get_setup(self->connection);
    free(self->mapping);
    self->first = setup->min_keycode;
    self->count = (uint8_t)(setup->max_keycode - setup->min_keycode + 1);
    self->mapping = xcb_get_keyboard_mapping_reply(
        self->connection, xcb_get_keyboard_mapping(self->connection, self->first, self->count), NULL);
    assert_non_null(self->mapping);
    self->per_keycode = self->mapping->keysyms_per_keycode;
}

static void sync(struct key_eye *self)
{
    free(xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL));
}

void key_eye_open(struct key_eye *self, const char *display)
{
    memset(self, 0, sizeof(*self));
    self->connection = xcb_connect(display, NULL);
    assert_int_equal(xcb_connection_has_error(self->connection), 0);
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    self->window = xcb_generate_id(self->connection);
    uint32_t values[] = {1, XCB_EVENT_MASK_KEY_PRESS | XCB_EVENT_MASK_KEY_RELEASE | XCB_EVENT_MASK_BUTTON_PRESS |
                                XCB_EVENT_MASK_BUTTON_RELEASE};
    xcb_create_window(self->connection, XCB_COPY_FROM_PARENT, self->window, screen->root, 0, 0, screen->width_in_pixels,
                      screen->height_in_pixels, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
                      XCB_CW_OVERRIDE_REDIRECT | XCB_CW_EVENT_MASK, values);
    xcb_map_window(self->connection, self->window);
    sync(self);
    xcb_set_input_focus(self->connection, XCB_INPUT_FOCUS_PARENT, self->window, XCB_CURRENT_TIME);
    sync(self);
    read_mapping(self);
}

void key_eye_close(struct key_eye *self)
{
    free(self->mapping);
    xcb_disconnect(self->connection);
}

/* What a toolkit makes of a key: the first group, the second level with Shift. Modifier 5 may stand for another layout
 * that is on, which keysyms of ours do not depend on. */
static uint32_t translate(const struct key_eye *self, uint8_t keycode, uint16_t state)
{
    enum { CHANGING = XCB_MOD_MASK_LOCK | XCB_MOD_MASK_CONTROL | XCB_MOD_MASK_1 | XCB_MOD_MASK_4 };
    const xcb_keysym_t *keysyms =
        xcb_get_keyboard_mapping_keysyms(self->mapping) + (size_t)(keycode - self->first) * self->per_keycode;
    bool shift = state & XCB_MOD_MASK_SHIFT;
    uint32_t keysym = shift && self->per_keycode > 1 && keysyms[1] ? keysyms[1] : keysyms[0];
    if (state & CHANGING)
        return KEY_EYE_CHANGED;
    return keysym == 0xff0d ? '\n' : keysym == 0xff09 ? '\t' : keysym > 0x01000000 ? keysym - 0x01000000 : keysym;
}

static bool is_modifier(const struct key_eye *self, uint8_t keycode)
{
    uint32_t keysym =
        xcb_get_keyboard_mapping_keysyms(self->mapping)[(size_t)(keycode - self->first) * self->per_keycode];
    return keysym >= 0xffe1 && keysym <= 0xffee;
}

static void take_event(struct key_eye *self, const xcb_generic_event_t *event)
{
    uint8_t type = event->response_type & 0x7f;
    const xcb_key_press_event_t *key = (const void *)event;
    assert_int_not_equal(type, 0);
    if (type == XCB_MAPPING_NOTIFY) {
        self->mapping_changes++;
        read_mapping(self);
    } else if ((type == XCB_KEY_PRESS || type == XCB_KEY_RELEASE) && is_modifier(self, key->detail)) {
        return;
    } else if (type == XCB_KEY_PRESS) {
        assert_true(self->text_count < KEY_EYE_MAX);
        self->text[self->text_count++] = translate(self, key->detail, key->state);
    } else if (type == XCB_KEY_RELEASE) {
        self->releases++;
    } else if (type == XCB_BUTTON_PRESS || type == XCB_BUTTON_RELEASE) {
        assert_true(self->button_count < KEY_EYE_MAX);
        self->buttons[self->button_count++] = (struct key_eye_button){key->detail, type == XCB_BUTTON_PRESS};
    }
}

void key_eye_take(struct key_eye *self)
{
    xcb_generic_event_t *event;
    sync(self);
    while ((event = xcb_poll_for_event(self->connection))) {
        take_event(self, event);
        free(event);
    }
    assert_int_equal(xcb_connection_has_error(self->connection), 0);
}

static void await(struct key_eye *self, const size_t *value, size_t wanted)
{
    struct pollfd news = {.fd = xcb_get_file_descriptor(self->connection), .events = POLLIN};
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    for (key_eye_take(self); *value < wanted && clock_now_ns() < until_ns; key_eye_take(self))
        poll(&news, 1, 100);
    assert_int_equal(*value, wanted);
}

void key_eye_await_text(struct key_eye *self, size_t count)
{
    await(self, &self->text_count, count);
    await(self, &self->releases, count);
}

void key_eye_await_buttons(struct key_eye *self, size_t count)
{
    await(self, &self->button_count, count);
}

void key_eye_forget(struct key_eye *self)
{
    key_eye_take(self);
    self->text_count = self->releases = self->button_count = self->mapping_changes = 0;
}

bool key_eye_is_down(struct key_eye *self, uint8_t keycode)
{
    xcb_query_keymap_reply_t *reply =
        xcb_query_keymap_reply(self->connection, xcb_query_keymap(self->connection), NULL);
    assert_non_null(reply);
    bool down = reply->keys[keycode / 8] & 1 << keycode % 8;
    free(reply);
    return down;
}

int key_eye_bare_keycodes(struct key_eye *self)
{
    int bare = 0;
    read_mapping(self);
    const xcb_keysym_t *keysyms = xcb_get_keyboard_mapping_keysyms(self->mapping);
    for (int i = 0; i < self->count; i++, keysyms += self->per_keycode) {
        bool has = false;
        for (int j = 0; j < self->per_keycode; j++)
            has |= keysyms[j] != 0;
        bare += !has;
    }
    return bare;
}

xcb_query_pointer_reply_t key_eye_pointer(struct key_eye *self)
{
    xcb_query_pointer_reply_t *reply =
        xcb_query_pointer_reply(self->connection, xcb_query_pointer(self->connection, self->window), NULL);
    assert_non_null(reply);
    xcb_query_pointer_reply_t copy = *reply;
    free(reply);
    return copy;
}
