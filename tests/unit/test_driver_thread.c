/* SPDX-License-Identifier: Apache-2.0 */
#include "host/driver_thread.h"

#include "base/clock.h"
#include "base/thread.h"
#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

/* A driver whose calls do not come back as long as the gate is locked. */
struct driver {
    struct mutex gate;
    atomic_int calls, returns;
};

struct question {
    struct driver *driver;
    int number, answer;
};

static void ask_driver(void *data)
{
    struct question *question = data;
    atomic_fetch_add(&question->driver->calls, 1);
    mutex_lock(&question->driver->gate);
    mutex_unlock(&question->driver->gate);
    question->answer = question->number + 1;
    atomic_fetch_add(&question->driver->returns, 1);
}

struct answers {
    struct loop *loop;
    int sum, count, expected;
};

static void take_answer(void *ctx, const void *data)
{
    struct answers *answers = ctx;
    answers->sum += ((const struct question *)data)->answer;
    if (++answers->count == answers->expected)
        loop_stop(answers->loop);
}

static void ask(struct driver_thread *drivers, struct answers *answers, struct driver *driver, int number)
{
    struct question question = {.driver = driver, .number = number};
    assert_true(driver_thread_ask(drivers, ask_driver, take_answer, answers, &question, sizeof(question)));
    memset(&question, 0, sizeof(question)); /* it was copied */
}

static void await(atomic_int *counter, int value)
{
    while (atomic_load(counter) != value)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
}

static void answers_come_on_the_loop_in_order(void **state)
{
    (void)state;
    struct driver driver = {.calls = 0};
    mutex_init(&driver.gate);
    struct answers answers = {.loop = loop_create(), .expected = 3};
    struct driver_thread *drivers = driver_thread_create(answers.loop);
    for (int i = 0; i < 3; i++)
        ask(drivers, &answers, &driver, 10 * i);
    loop_run(answers.loop);
    assert_int_equal(answers.sum, 1 + 11 + 21);
    driver_thread_destroy(drivers);
    loop_destroy(answers.loop);
    mutex_finish(&driver.gate);
    assert_false(driver_thread_ask(NULL, ask_driver, take_answer, &answers, "", 0));
}

static void what_does_not_answer_in_time_is_left_behind_and_the_next_gets_a_thread(void **state)
{
    (void)state;
    static struct driver driver, other; /* the thread may still be in its gate at the end */
    mutex_init(&driver.gate);
    mutex_init(&other.gate);
    struct driver_thread *drivers = driver_thread_create(NULL);
    mutex_lock(&driver.gate);
    struct question question = {.driver = &driver, .number = 1};
    assert_false(driver_thread_run(drivers, ask_driver, &question, sizeof(question), 50 * CLOCK_MS_NS));
    assert_int_equal(atomic_load(&driver.calls), 1);
    question = (struct question){.driver = &other, .number = 5};
    assert_true(driver_thread_run(drivers, ask_driver, &question, sizeof(question), 60 * CLOCK_SECOND_NS));
    assert_int_equal(question.answer, 6);
    driver_thread_destroy(drivers);
    mutex_unlock(&driver.gate); /* it comes out when all is gone but its own */
    await(&driver.returns, 1);
    assert_int_equal(question.answer, 6);
}

static void a_hang_does_not_hold_up_the_end_and_nobody_hears_of_it(void **state)
{
    (void)state;
    static struct driver driver; /* the thread may still be in its gate at the end */
    mutex_init(&driver.gate);
    struct answers answers = {.loop = loop_create()};
    struct driver_thread *drivers = driver_thread_create(answers.loop);
    mutex_lock(&driver.gate);
    ask(drivers, &answers, &driver, 1);
    ask(drivers, &answers, &driver, 2); /* is not begun */
    await(&driver.calls, 1);
    driver_thread_destroy(drivers);
    mutex_unlock(&driver.gate);
    await(&driver.returns, 1);
    loop_finish_work(answers.loop);
    loop_destroy(answers.loop);
    assert_int_equal(answers.count, 0);
    assert_int_equal(atomic_load(&driver.calls), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_on_the_loop_in_order),
        cmocka_unit_test(what_does_not_answer_in_time_is_left_behind_and_the_next_gets_a_thread),
        cmocka_unit_test(a_hang_does_not_hold_up_the_end_and_nobody_hears_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
