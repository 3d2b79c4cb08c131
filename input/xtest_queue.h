/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtest_queue: what waits for the thread of an XTest injector. Beyond a bound, motions and scrolls are summed with the
 * last one; keys and buttons are kept up to a far higher one. The caller locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xtest_kind { XTEST_KEY, XTEST_TEXT, XTEST_BUTTON, XTEST_MOVE, XTEST_MOVE_TO, XTEST_SCROLL };

struct xtest_item {
    int64_t at_ns; /* when it was asked for; of summed ones the first */
    enum xtest_kind kind;
    bool down;
    uint16_t code;  /* evdev; XTEST_SCROLL: enum injector_axis */
    uint32_t value; /* keysym, or code point */
    int x, y;       /* px; XTEST_SCROLL: x, 120 per notch */
};

enum {
    XTEST_QUEUE_SUMS_FROM = 256,
    XTEST_QUEUE_MAX = 4096,
    XTEST_QUEUE_TEXT_MAX = 3072, /* text is refused beyond: the keys after it still find room */
};

struct xtest_queue {
    struct xtest_item *items; /* a ring */
    size_t first, count;
    unsigned refused; /* characters */
};

bool xtest_queue_init(struct xtest_queue *self); /* false: out of memory, logged */
void xtest_queue_finish(struct xtest_queue *self);
/* False: it is full, and something that must not be lost was. */
bool xtest_queue_push(struct xtest_queue *self, const struct xtest_item *item);
/* Text and presses of keys: a line end without its line is worse than none. Returns how many of `items` are left. */
size_t xtest_items_drop_text(struct xtest_item *items, size_t count);
void xtest_queue_drop_text(struct xtest_queue *self);
size_t xtest_queue_take(struct xtest_queue *self, struct xtest_item *ret_items, size_t capacity); /* how many */
