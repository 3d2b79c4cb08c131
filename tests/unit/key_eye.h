/* SPDX-License-Identifier: Apache-2.0 */
/* key_eye: an X client that has the focus, and writes down what input it gets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xcb/xcb.h>

enum { KEY_EYE_MAX = 8192 };
#define KEY_EYE_CHANGED 0xffffffffu /* a key with a modifier or lock that makes something else of it */

struct key_eye_button {
    uint8_t number;
    bool down;
};

struct key_eye {
    xcb_connection_t *connection;
    xcb_window_t window;
    uint8_t first, count, per_keycode;
    xcb_get_keyboard_mapping_reply_t *mapping;

    uint32_t text[KEY_EYE_MAX]; /* code points; keysyms of keys that have none; no modifiers */
    size_t text_count, releases;
    struct key_eye_button buttons[KEY_EYE_MAX];
    size_t button_count;
    unsigned mapping_changes;
};

void key_eye_open(struct key_eye *self, const char *display);
void key_eye_close(struct key_eye *self);

/* Takes events until there are that many characters (all of them released again), or that many events of buttons.
 * Fails the test when they do not come. */
void key_eye_await_text(struct key_eye *self, size_t count);
void key_eye_await_buttons(struct key_eye *self, size_t count);
void key_eye_take(struct key_eye *self); /* what has come up to now */
void key_eye_forget(struct key_eye *self);

bool key_eye_is_down(struct key_eye *self, uint8_t keycode); /* as the server says */
int key_eye_bare_keycodes(struct key_eye *self);             /* without any keysym */
/* Pointer position and modifiers. */
xcb_query_pointer_reply_t key_eye_pointer(struct key_eye *self);
