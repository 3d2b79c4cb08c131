/* SPDX-License-Identifier: Apache-2.0 */
#include "input/xtest_queue.h"

#include "base/log.h"

#include <limits.h>
#include <stdlib.h>

bool xtest_queue_init(struct xtest_queue *self)
{
    *self = (struct xtest_queue){.items = calloc(XTEST_QUEUE_MAX, sizeof(*self->items))};
    return self->items || log_oom("xtest");
}

void xtest_queue_finish(struct xtest_queue *self)
{
    free(self->items);
    self->items = NULL;
}

static struct xtest_item *at(struct xtest_queue *self, size_t index)
{
    return &self->items[(self->first + index) % XTEST_QUEUE_MAX];
}

static int sum(int a, int b)
{
    long long both = (long long)a + b;
    return both > INT_MAX ? INT_MAX : both < INT_MIN ? INT_MIN : (int)both;
}

/* Into the last of its kind that no key, button or text has come after. */
static bool merge(struct xtest_queue *self, const struct xtest_item *item)
{
    for (size_t i = self->count; i-- > 0;) {
        struct xtest_item *last = at(self, i);
        if (last->kind < XTEST_MOVE)
            return false;
        bool is_place = last->kind == XTEST_MOVE_TO || item->kind == XTEST_MOVE_TO; /* order with motions matters */
        if (last->kind == item->kind && last->code == item->code) {
            last->x = item->kind == XTEST_MOVE_TO ? item->x : sum(last->x, item->x);
            last->y = item->kind == XTEST_MOVE_TO ? item->y : sum(last->y, item->y);
            return true;
        }
        if (is_place && last->kind != XTEST_SCROLL && item->kind != XTEST_SCROLL)
            return false;
    }
    return false;
}

bool xtest_queue_push(struct xtest_queue *self, const struct xtest_item *item)
{
    if (self->count >= XTEST_QUEUE_SUMS_FROM && item->kind >= XTEST_MOVE && merge(self, item))
        return true;
    if (item->kind == XTEST_TEXT && self->count >= XTEST_QUEUE_TEXT_MAX) {
        self->refused++;
        return true;
    }
    if (self->count == XTEST_QUEUE_MAX)
        return item->kind >= XTEST_MOVE; /* a motion more or less */
    *at(self, self->count++) = *item;
    return true;
}

static bool is_typing(const struct xtest_item *item)
{
    return item->kind == XTEST_TEXT || (item->kind == XTEST_KEY && item->down);
}

size_t xtest_items_drop_text(struct xtest_item *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_typing(&items[i]))
            items[kept++] = items[i];
    return kept;
}

void xtest_queue_drop_text(struct xtest_queue *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++)
        if (!is_typing(at(self, i)))
            *at(self, kept++) = *at(self, i);
    self->count = kept;
}

size_t xtest_queue_take(struct xtest_queue *self, struct xtest_item *ret_items, size_t capacity)
{
    size_t count = self->count < capacity ? self->count : capacity;
    for (size_t i = 0; i < count; i++)
        ret_items[i] = *at(self, i);
    self->first = (self->first + count) % XTEST_QUEUE_MAX;
    self->count -= count;
    return count;
}
