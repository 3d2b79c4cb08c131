/* SPDX-License-Identifier: Apache-2.0 */
#include "net_rig.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

struct numbers {
    struct loop *loop;
    int expected, count;
    bool ordered;
};
struct number {
    struct numbers *all;
    int value;
};

static void take_number(void *arg)
{
    struct number *number = arg;
    number->all->ordered &= number->value == number->all->expected++;
    if (number->all->expected == number->all->count)
        loop_stop(number->all->loop);
}

static void posts_run_in_order_of_posting(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_start(&rig);
    struct numbers all = {.loop = rig.loop, .count = 1000, .ordered = true};
    static struct number numbers[1000];
    for (int i = 0; i < 1000; i++) {
        numbers[i] = (struct number){&all, i};
        loop_post(rig.loop, take_number, &numbers[i]);
    }
    thread_join(&rig.thread);
    assert_true(all.ordered);
    assert_int_equal(all.expected, 1000);
    loop_destroy(rig.loop);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
    (void)state;
    struct loop *loop = loop_create();
    loop_stop(loop);
    loop_run(loop);
    loop_destroy(loop);
}

struct works {
    struct mutex gate; /* held by the test: workers wait */
    atomic_int worked, done;
};

static void work(void *arg)
{
    struct works *works = arg;
    mutex_lock(&works->gate);
    mutex_unlock(&works->gate);
    atomic_fetch_add(&works->worked, 1);
}

static void done(void *arg)
{
    struct works *works = arg;
    atomic_fetch_add(&works->done, 1);
}

static void a_full_work_queue_refuses_and_queued_work_is_done_at_the_end(void **state)
{
    (void)state;
    struct works works = {0};
    mutex_init(&works.gate);
    struct loop *loop = loop_create();
    mutex_lock(&works.gate);
    int accepted = 0;
    while (loop_work(loop, work, done, &works))
        accepted++;
    assert_in_range(accepted, 16, 18); /* 16 waiting and up to two begun */
    mutex_unlock(&works.gate);
    loop_destroy(loop);
    assert_int_equal(atomic_load(&works.worked), accepted);
    assert_int_equal(atomic_load(&works.done), accepted);
    mutex_finish(&works.gate);
}

struct ticks {
    struct loop *loop;
    struct loop_timer *timer;
    int count;
    int64_t first_ns;
};

static void tick(void *arg)
{
    struct ticks *ticks = arg;
    if (!ticks->count++)
        ticks->first_ns = clock_now_ns();
    if (ticks->count == 3) {
        loop_timer_destroy(ticks->timer);
        loop_stop(ticks->loop);
    }
}

static void a_timer_repeats_never_early_and_may_be_destroyed_from_within(void **state)
{
    (void)state;
    struct ticks ticks = {.loop = loop_create()};
    int64_t start_ns = clock_now_ns();
    ticks.timer = loop_timer_create(ticks.loop, 20 * CLOCK_MS_NS, true, tick, &ticks);
    loop_run(ticks.loop);
    assert_int_equal(ticks.count, 3);
    assert_true(ticks.first_ns - start_ns >= 19 * CLOCK_MS_NS);
    loop_destroy(ticks.loop);
}

static void nothing_is_left_open(void **state)
{
    (void)state;
    int before = count_open_files();
    for (int i = 0; i < 3; i++) {
        struct rig rig = {0};
        rig_start(&rig);
        rig_stop(&rig);
    }
    assert_int_equal(count_open_files(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_run_in_order_of_posting),
        cmocka_unit_test(a_stop_before_the_run_is_not_lost),
        cmocka_unit_test(a_full_work_queue_refuses_and_queued_work_is_done_at_the_end),
        cmocka_unit_test(a_timer_repeats_never_early_and_may_be_destroyed_from_within),
        cmocka_unit_test(nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
