/* SPDX-License-Identifier: Apache-2.0 */
/* What the server's keyboard is, and keys. */
#include "input/xtest_keys_internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <xcb/xkb.h>

enum { KEYCODE_OFFSET = 8, KEYCODE_UP = 103 + KEYCODE_OFFSET, KEYCODE_LOWEST = 9 /* evdev has no key for 8 */ };
enum { KEYSYM_UP = 0xff52, KEYSYM_SHIFT = 0xffe1 };
enum { NAME_MAX_BYTES = 256 };

/* Of the keyboard description: "evdev+aliases(qwerty)". False: dead. */
static bool read_name(struct xtest_link *link, char ret_name[NAME_MAX_BYTES])
{
    void *answer;
    xcb_atom_t atom = XCB_NONE;
    ret_name[0] = 0;
    unsigned sequence =
        xcb_xkb_get_names(link->connection, XCB_XKB_ID_USE_CORE_KBD, XCB_XKB_NAME_DETAIL_KEYCODES).sequence;
    if (!xtest_link_wait(link, sequence, &answer))
        return false;
    xcb_xkb_get_names_reply_t *names = answer;
    if (names && (names->which & XCB_XKB_NAME_DETAIL_KEYCODES) && xtest_link_reply_holds(names, names + 1, 4))
        memcpy(&atom, names + 1, 4); /* the one name that was asked for */
    free(names);
    if (atom == XCB_NONE)
        return true;
    if (!xtest_link_wait(link, xcb_get_atom_name(link->connection, atom).sequence, &answer))
        return false;
    xcb_get_atom_name_reply_t *name = answer;
    if (name && name->name_len < NAME_MAX_BYTES && xtest_link_reply_holds(name, name + 1, name->name_len)) {
        memcpy(ret_name, name + 1, name->name_len);
        ret_name[name->name_len] = 0;
    }
    free(name);
    return true;
}

static struct xtest_spare *spare_of(struct xtest_keys *self, uint8_t keycode)
{
    for (int i = 0; i < self->spare_count; i++)
        if (self->spares[i].keycode == keycode)
            return &self->spares[i];
    return NULL;
}

/* A keycode that has got no keysym, or still has the one we gave it. */
static bool is_spare(struct xtest_keys *self, uint8_t keycode, const uint32_t *keysyms, unsigned per_keycode)
{
    struct xtest_spare *spare = spare_of(self, keycode);
    uint32_t ours = spare ? spare->keysym : 0;
    for (unsigned i = 0; i < per_keycode; i++)
        if (keysyms[i] != 0 && keysyms[i] != ours)
            return false;
    return keycode >= KEYCODE_LOWEST && !self->down[keycode];
}

/* The list of spares anew; those that still have our keysym keep it. */
static void take_mapping(struct xtest_keys *self, unsigned first, unsigned count, const uint32_t *keysyms,
                         unsigned per_keycode)
{
    struct xtest_spare spares[XTEST_SPARES_MAX];
    int spare_count = 0;
    memset(self->map, 0, sizeof(self->map));
    self->shift = 0;
    self->has_bound = false;
    for (unsigned i = 0; i < count; i++, keysyms += per_keycode) {
        uint8_t keycode = (uint8_t)(first + i);
        const struct xtest_spare *old = spare_of(self, keycode);
        if (!is_spare(self, keycode, keysyms, per_keycode)) {
            self->map[keycode][0] = keysyms[0];
            self->map[keycode][1] = per_keycode > 1 ? keysyms[1] : 0;
        } else if (spare_count < XTEST_SPARES_MAX) {
            bool keeps = old && old->keysym && keysyms[0] == old->keysym;
            spares[spare_count++] = keeps ? *old : (struct xtest_spare){.keycode = keycode};
            self->has_bound |= keeps;
        }
        if (keysyms[0] == KEYSYM_SHIFT && !self->shift)
            self->shift = keycode;
    }
    memcpy(self->spares, spares, sizeof(spares[0]) * (size_t)spare_count);
    self->spare_count = spare_count;
}

bool xtest_keys_read(struct xtest_keys *self, struct xtest_link *link)
{
    const xcb_setup_t *setup = xcb_get_setup(link->connection);
    unsigned first = setup->min_keycode, count = setup->max_keycode - first + 1u;
    char name[NAME_MAX_BYTES];
    void *answer;
    link->mapping_changed = false;
    if (setup->max_keycode < first || !read_name(link, name))
        return false;
    unsigned sequence = xcb_get_keyboard_mapping(link->connection, (uint8_t)first, (uint8_t)count).sequence;
    if (!xtest_link_wait(link, sequence, &answer))
        return false;
    xcb_get_keyboard_mapping_reply_t *reply = answer;
    bool good = reply && reply->keysyms_per_keycode > 0 &&
                xtest_link_reply_holds(reply, reply + 1, 4ull * count * reply->keysyms_per_keycode);
    if (good) {
        take_mapping(self, first, count, xcb_get_keyboard_mapping_keysyms(reply), reply->keysyms_per_keycode);
        self->is_evdev = strstr(name, "evdev") || self->map[KEYCODE_UP][0] == KEYSYM_UP;
        self->read_ns = clock_now_ns();
    }
    free(reply);
    return good;
}

uint8_t xtest_keys_find(const struct xtest_keys *self, uint32_t keysym, bool *ret_shift)
{
    for (int keycode = KEYCODE_LOWEST; keycode < 256 && keysym; keycode++)
        for (int shift = 0; shift < 2; shift++)
            if (self->map[keycode][shift] == keysym) {
                *ret_shift = shift;
                return (uint8_t)keycode;
            }
    return 0;
}

static bool release_all(struct xtest_link *link)
{
    void *answer;
    if (!xtest_link_wait(link, xcb_query_keymap(link->connection).sequence, &answer))
        return false;
    xcb_query_keymap_reply_t *reply = answer;
    bool good = reply && xtest_link_reply_holds(reply, reply->keys, sizeof(reply->keys));
    for (int keycode = 8; good && keycode < 256; keycode++)
        if (reply->keys[keycode / 8] & 1 << keycode % 8)
            xtest_link_fake(link, XCB_KEY_RELEASE, (uint8_t)keycode, 0, 0);
    free(reply);
    return xtest_link_flush(link);
}

bool xtest_keys_open(struct xtest_keys *self, struct xtest_link *link)
{
    *self = (struct xtest_keys){0};
    return xtest_note_read(self, link) && xtest_keys_read(self, link) && release_all(link);
}

bool xtest_keys_close(struct xtest_keys *self, struct xtest_link *link)
{
    for (int keycode = 0; keycode < 256; keycode++)
        if (self->down[keycode])
            xtest_link_fake(link, XCB_KEY_RELEASE, (uint8_t)keycode, 0, 0);
    memset(self->down, 0, sizeof(self->down));
    memset(self->keycodes, 0, sizeof(self->keycodes));
    return xtest_keys_unbind(self, link);
}

/* 0: this server has no such key. */
static uint8_t keycode_of(struct xtest_keys *self, uint16_t code, uint32_t keysym)
{
    bool shift;
    if (self->is_evdev && code + KEYCODE_OFFSET < 256) {
        uint8_t keycode = (uint8_t)(code + KEYCODE_OFFSET);
        const struct xtest_spare *spare = spare_of(self, keycode);
        return spare && spare->keysym ? 0 : keycode; /* it would type what was typed before */
    }
    return xtest_keys_find(self, keysym, &shift);
}

bool xtest_keys_key(struct xtest_keys *self, struct xtest_link *link, uint16_t code, uint32_t keysym, bool down)
{
    if (link->mapping_changed && down && !xtest_keys_read(self, link))
        return false;
    if (code >= XTEST_CODES || (down && self->keycodes[code])) {
        self->ignored += code >= XTEST_CODES;
        return true;
    }
    uint8_t keycode = down ? keycode_of(self, code, keysym) : self->keycodes[code];
    if (keycode) {
        xtest_link_fake(link, down ? XCB_KEY_PRESS : XCB_KEY_RELEASE, keycode, 0, 0);
        self->down[keycode] = down;
        self->keycodes[code] = down ? keycode : 0;
    } else if (down) {
        self->ignored++;
    }
    return true;
}
