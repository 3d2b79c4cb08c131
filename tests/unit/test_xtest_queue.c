/* SPDX-License-Identifier: Apache-2.0 */
#include "input/xtest_queue.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct xtest_queue *self = calloc(1, sizeof(*self));
    assert_true(xtest_queue_init(self));
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    xtest_queue_finish(*state);
    free(*state);
    return 0;
}

static bool push(struct xtest_queue *self, enum xtest_kind kind, uint16_t code, int x)
{
    return xtest_queue_push(self, &(struct xtest_item){.kind = kind, .code = code, .x = x, .y = -x});
}

static struct xtest_item take(struct xtest_queue *self)
{
    struct xtest_item item;
    assert_int_equal(xtest_queue_take(self, &item, 1), 1);
    return item;
}

static void fill(struct xtest_queue *self, size_t count)
{
    while (self->count < count)
        assert_true(push(self, XTEST_KEY, 1, 0));
}

static void what_goes_in_comes_out_in_order(void **state)
{
    struct xtest_queue *self = *state;
    for (int round = 0; round < 3; round++) { /* around the ring */
        for (int i = 0; i < XTEST_QUEUE_MAX - 7; i++)
            assert_true(push(self, XTEST_KEY, (uint16_t)i, i));
        for (int i = 0; i < XTEST_QUEUE_MAX - 7; i++)
            assert_int_equal(take(self).x, i);
    }
    assert_int_equal(self->count, 0);
}

static void motions_and_scrolls_are_summed_when_many_wait(void **state)
{
    struct xtest_queue *self = *state;
    push(self, XTEST_MOVE, 0, 1);
    push(self, XTEST_MOVE, 0, 1); /* not yet */
    fill(self, XTEST_QUEUE_SUMS_FROM);
    for (int i = 0; i < 100; i++) {
        push(self, XTEST_MOVE, 0, 3);
        push(self, XTEST_SCROLL, 0, 30);
        push(self, XTEST_SCROLL, 1, -30);
    }
    assert_int_equal(self->count, XTEST_QUEUE_SUMS_FROM + 3);
    for (int i = 0; i < XTEST_QUEUE_SUMS_FROM; i++)
        take(self);
    struct xtest_item move = take(self), vertical = take(self), horizontal = take(self);
    assert_int_equal(move.x, 300);
    assert_int_equal(move.y, -300);
    assert_int_equal(vertical.x, 3000);
    assert_int_equal(horizontal.x, -3000);
}

static void sums_do_not_pass_a_key_or_a_position(void **state)
{
    struct xtest_queue *self = *state;
    fill(self, XTEST_QUEUE_SUMS_FROM);
    push(self, XTEST_MOVE, 0, 1);
    push(self, XTEST_BUTTON, 0, 0);
    push(self, XTEST_MOVE, 0, 2);
    push(self, XTEST_MOVE_TO, 0, 50);
    push(self, XTEST_MOVE, 0, 4);
    push(self, XTEST_MOVE_TO, 0, 60);
    push(self, XTEST_MOVE_TO, 0, 70); /* the newest counts */
    const int expected[] = {1, 0, 2, 50, 4, 70};
    assert_int_equal(self->count, XTEST_QUEUE_SUMS_FROM + 6);
    for (int i = 0; i < XTEST_QUEUE_SUMS_FROM; i++)
        take(self);
    for (int i = 0; i < 6; i++)
        assert_int_equal(take(self).x, expected[i]);
}

static void sums_do_not_overflow(void **state)
{
    struct xtest_queue *self = *state;
    fill(self, XTEST_QUEUE_SUMS_FROM);
    for (int i = 0; i < 3; i++)
        push(self, XTEST_MOVE, 0, INT_MAX);
    assert_int_equal(self->items[XTEST_QUEUE_SUMS_FROM].x, INT_MAX);
    assert_int_equal(self->items[XTEST_QUEUE_SUMS_FROM].y, INT_MIN);
}

static void text_is_dropped_with_the_keys_behind_it(void **state)
{
    struct xtest_queue *self = *state;
    struct xtest_item items[] = {{.kind = XTEST_TEXT}, {.kind = XTEST_BUTTON}, {.kind = XTEST_KEY, .down = true}};
    fill(self, XTEST_QUEUE_MAX - 1);
    while (self->count)
        take(self); /* the ring's end comes next */
    push(self, XTEST_TEXT, 0, 1);
    push(self, XTEST_MOVE, 0, 2);
    assert_true(xtest_queue_push(self, &(struct xtest_item){.kind = XTEST_KEY, .down = true}));
    push(self, XTEST_TEXT, 0, 3);
    push(self, XTEST_KEY, 4, 0); /* up */
    xtest_queue_drop_text(self);
    assert_int_equal(self->count, 2);
    assert_int_equal(take(self).kind, XTEST_MOVE);
    assert_int_equal(take(self).code, 4);
    assert_int_equal(xtest_items_drop_text(items, 3), 1);
    assert_int_equal(items[0].kind, XTEST_BUTTON);
}

static void text_leaves_room_for_keys_and_a_lost_key_is_told(void **state)
{
    struct xtest_queue *self = *state;
    for (int i = 0; i < XTEST_QUEUE_TEXT_MAX + 10; i++)
        assert_true(push(self, XTEST_TEXT, 0, i));
    assert_int_equal(self->count, XTEST_QUEUE_TEXT_MAX);
    assert_int_equal(self->refused, 10);
    fill(self, XTEST_QUEUE_MAX);
    assert_true(push(self, XTEST_MOVE, 0, 1)); /* is no loss */
    assert_false(push(self, XTEST_KEY, 1, 0));
    assert_int_equal(self->count, XTEST_QUEUE_MAX);
}

#define ON_QUEUE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_QUEUE(what_goes_in_comes_out_in_order),         ON_QUEUE(motions_and_scrolls_are_summed_when_many_wait),
        ON_QUEUE(sums_do_not_pass_a_key_or_a_position),    ON_QUEUE(sums_do_not_overflow),
        ON_QUEUE(text_is_dropped_with_the_keys_behind_it), ON_QUEUE(text_leaves_room_for_keys_and_a_lost_key_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
