/* SPDX-License-Identifier: Apache-2.0 */
/* Text; see xtest_keys.h. */
#include "input/xtest_keys_internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <xcb/xkb.h>

#define KEEP_NS CLOCK_SECOND_NS       /* how late a client may look a keysym up */
#define REST_NS (5 * CLOCK_SECOND_NS) /* without text, until the spare keycodes are put back */
enum { BATCH = 32 };
enum { KEYSYM_RETURN = 0xff0d, KEYSYM_TAB = 0xff09, KEYSYM_UNICODE = 0x01000000, MODIFIER_NUM_LOCK = 0x10 };

/* Keysyms of characters: Latin-1 by itself, all others by their code point. 0: not a character to type. */
static uint32_t keysym_of(uint32_t code_point)
{
    if (code_point == '\n')
        return KEYSYM_RETURN;
    if (code_point == '\t')
        return KEYSYM_TAB;
    if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point > 0x10ffff)
        return 0;
    return code_point < 0x100 ? code_point : KEYSYM_UNICODE + code_point;
}

struct stroke {
    uint8_t keycode; /* 0: cannot be typed */
    bool shift;
    struct xtest_spare *spare; /* whose keycode it is; NULL: a key of the keyboard */
};

struct typing {
    struct xtest_keys *keys;
    struct xtest_link *link;
    int64_t now_ns;
    uint8_t locked;     /* modifiers, without Num Lock, which changes no character */
    bool is_plain;      /* the keys of the keyboard type what `map` says */
    bool released[256]; /* modifiers that are held */
    bool has_released;
    struct stroke strokes[BATCH];
};

static bool is_modifier(uint32_t keysym)
{
    enum { SHIFT_L = 0xffe1, CAPS_LOCK = 0xffe5, SHIFT_LOCK = 0xffe6, HYPER_R = 0xffee };
    enum { LEVEL3_SHIFT = 0xfe03, LEVEL5_SHIFT = 0xfe11, MODE_SWITCH = 0xff7e };
    return (keysym >= SHIFT_L && keysym <= HYPER_R && keysym != CAPS_LOCK && keysym != SHIFT_LOCK) ||
           keysym == LEVEL3_SHIFT || keysym == LEVEL5_SHIFT || keysym == MODE_SWITCH;
}

static void release_modifiers(struct typing *self)
{
    for (int keycode = 0; keycode < 256; keycode++) {
        self->released[keycode] = self->keys->down[keycode] && is_modifier(self->keys->map[keycode][0]);
        if (!self->released[keycode])
            continue;
        xtest_link_fake(self->link, XCB_KEY_RELEASE, (uint8_t)keycode, 0, 0);
        self->has_released = true;
    }
}

static void press_modifiers(struct typing *self)
{
    for (int keycode = 0; keycode < 256 && self->has_released; keycode++)
        if (self->released[keycode])
            xtest_link_fake(self->link, XCB_KEY_PRESS, (uint8_t)keycode, 0, 0);
}

/* Modifiers that are still on are held on another keyboard; with them, only keycodes that we fill ourselves are safe.
 */
static bool read_state(struct typing *self)
{
    void *answer;
    unsigned sequence = xcb_xkb_get_state(self->link->connection, XCB_XKB_ID_USE_CORE_KBD).sequence;
    if (!xtest_link_wait(self->link, sequence, &answer))
        return false;
    xcb_xkb_get_state_reply_t *state = answer;
    if (state) {
        self->locked = (uint8_t)(state->lockedMods & ~MODIFIER_NUM_LOCK);
        self->is_plain = state->group == 0 && state->baseMods == 0 && state->latchedMods == 0;
    }
    free(state);
    return true;
}

static void set_locks(struct typing *self, bool on)
{
    if (self->locked)
        xcb_xkb_latch_lock_state(self->link->connection, XCB_XKB_ID_USE_CORE_KBD, self->locked, on ? self->locked : 0,
                                 0, 0, 0, 0, 0);
}

static struct xtest_spare *spare_with(struct xtest_keys *keys, uint32_t keysym)
{
    for (int i = 0; i < keys->spare_count; i++)
        if (keys->spares[i].keysym == keysym)
            return &keys->spares[i];
    return NULL;
}

/* The one whose last use is the longest ago; one that has no keysym comes first. NULL: there is none. */
static struct xtest_spare *oldest_spare(struct xtest_keys *keys)
{
    struct xtest_spare *oldest = NULL;
    for (int i = 0; i < keys->spare_count; i++)
        if (!oldest || keys->spares[i].used_ns < oldest->used_ns)
            oldest = &keys->spares[i];
    return oldest;
}

static int64_t free_from_ns(const struct xtest_spare *spare)
{
    return spare->keysym ? spare->used_ns + KEEP_NS : 0;
}

/* The same keysym with and without Shift. */
static void bind(struct xtest_link *link, const struct xtest_spare *spare, bool is_first)
{
    uint32_t keysyms[2] = {spare->keysym, spare->keysym};
    link->own_last =
        xcb_change_keyboard_mapping(link->connection, 1, spare->keycode, spare->keysym ? 2 : 1, keysyms).sequence;
    if (is_first)
        link->own_first = link->own_last;
}

/* False: no keycode is free before `*ret_again_ns`. */
static bool plan(struct typing *self, uint32_t keysym, struct stroke *ret_stroke, bool *ret_bound,
                 int64_t *ret_again_ns)
{
    struct xtest_keys *keys = self->keys;
    *ret_stroke = (struct stroke){0};
    if (self->is_plain || keysym == KEYSYM_RETURN || keysym == KEYSYM_TAB)
        ret_stroke->keycode = xtest_keys_find(keys, keysym, &ret_stroke->shift);
    if (ret_stroke->shift && !keys->shift)
        ret_stroke->keycode = 0;
    struct xtest_spare *spare = keysym && !ret_stroke->keycode ? spare_with(keys, keysym) : NULL;
    if (!keysym || ret_stroke->keycode)
        return true;
    if (!spare && (spare = oldest_spare(keys))) {
        if (free_from_ns(spare) > self->now_ns) {
            *ret_again_ns = free_from_ns(spare);
            return false;
        }
        spare->keysym = keysym;
        bind(self->link, spare, !*ret_bound);
        keys->has_bound = *ret_bound = true;
    }
    *ret_stroke = (struct stroke){.keycode = spare ? spare->keycode : 0, .spare = spare};
    if (spare)
        spare->used_ns = self->now_ns;
    return true;
}

static void type(struct typing *self, struct stroke stroke)
{
    if (!stroke.keycode) {
        self->keys->ignored++;
        return;
    }
    if (stroke.spare)
        stroke.spare->used_ns = self->now_ns;
    if (self->keys->down[stroke.keycode]) /* held; a press would be none */
        xtest_link_fake(self->link, XCB_KEY_RELEASE, stroke.keycode, 0, 0);
    if (stroke.shift)
        xtest_link_fake(self->link, XCB_KEY_PRESS, self->keys->shift, 0, 0);
    xtest_link_fake(self->link, XCB_KEY_PRESS, stroke.keycode, 0, 0);
    xtest_link_fake(self->link, XCB_KEY_RELEASE, stroke.keycode, 0, 0);
    if (stroke.shift)
        xtest_link_fake(self->link, XCB_KEY_RELEASE, self->keys->shift, 0, 0);
    if (self->keys->down[stroke.keycode])
        xtest_link_fake(self->link, XCB_KEY_PRESS, stroke.keycode, 0, 0);
}

/* Another program may have changed the mapping without our being told yet: it is read again after a pause. */
static bool refresh(struct xtest_keys *keys, struct xtest_link *link)
{
    if (!link->mapping_changed && clock_now_ns() - keys->read_ns < REST_NS)
        return true;
    return xtest_keys_read(keys, link);
}

bool xtest_keys_text(struct xtest_keys *keys, struct xtest_link *link, const uint32_t *code_points, size_t count,
                     size_t *ret_count, int64_t *ret_again_ns)
{
    struct typing self = {.keys = keys, .link = link};
    bool has_bound = false;
    size_t planned = 0;
    *ret_count = 0;
    release_modifiers(&self);
    if (!read_state(&self) || !refresh(keys, link)) /* in this order: what the server told us until now has come */
        return false;
    self.now_ns = clock_now_ns();
    while (planned < count && planned < BATCH &&
           plan(&self, keysym_of(code_points[planned]), &self.strokes[planned], &has_bound, ret_again_ns))
        planned++;
    if (planned < count && planned == BATCH)
        *ret_again_ns = self.now_ns;
    /* The server has told its clients of the new keysyms before it tells of the keys. */
    if (has_bound)
        xtest_note_write(keys, link);
    if (has_bound && !xtest_link_round_trip(link))
        return false;
    self.now_ns = clock_now_ns();
    set_locks(&self, false);
    for (size_t i = 0; i < planned; i++)
        type(&self, self.strokes[i]);
    set_locks(&self, true);
    press_modifiers(&self);
    *ret_count = planned;
    return xtest_link_flush(link);
}

bool xtest_keys_unbind(struct xtest_keys *self, struct xtest_link *link)
{
    bool is_first = true;
    for (int i = 0; i < self->spare_count; i++) {
        if (!self->spares[i].keysym)
            continue;
        self->spares[i].keysym = 0;
        bind(link, &self->spares[i], is_first);
        is_first = false;
    }
    if (self->has_bound)
        xtest_note_write(self, link);
    self->has_bound = false;
    return xtest_link_flush(link);
}

int64_t xtest_keys_rest_ns(const struct xtest_keys *self)
{
    int64_t last_ns = 0;
    for (int i = 0; i < self->spare_count && self->has_bound; i++)
        last_ns = self->spares[i].used_ns > last_ns ? self->spares[i].used_ns : last_ns;
    return self->has_bound ? last_ns + REST_NS : INT64_MAX;
}

bool xtest_keys_rest(struct xtest_keys *self, struct xtest_link *link)
{
    return clock_now_ns() < xtest_keys_rest_ns(self) || xtest_keys_unbind(self, link);
}
