/* SPDX-License-Identifier: Apache-2.0 */
#include "input/injector.h"

#include "base/stats.h"
#include "input_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_injector_is_told_about_in_order_of_preference(void **state)
{
    (void)state;
    struct injector_report reports[INJECTOR_REPORTS_MAX];
    assert_int_equal(injector_probe("auto", reports), 2);
    assert_string_equal(reports[0].name, "uinput");
    assert_string_equal(reports[1].name, "xtest");
    for (int i = 0; i < 2; i++)
        assert_true(reports[i].usable ? !reports[i].reason[0] : reports[i].reason[0] != 0);
}

static void a_wish_tries_one_only(void **state)
{
    (void)state;
    struct injector_report reports[INJECTOR_REPORTS_MAX];
    assert_int_equal(injector_probe("xtest", reports), 1);
    assert_string_equal(reports[0].name, "xtest");
    assert_int_equal(injector_probe("off", reports), 0);
}

static void an_unknown_injector_is_not_made(void **state)
{
    (void)state;
    assert_null(injector_create("telepathy"));
}

static void take_summary(struct injector *self, struct stats_summary *ret_delay)
{
    (void)self;
    *ret_delay = (struct stats_summary){.count = 3, .p99_us = 40};
}

static void delays_are_those_of_the_injector_that_measures(void **state)
{
    (void)state;
    struct stats_summary delay = {.count = 9};
    injector_take_stats(NULL, &delay);
    assert_int_equal(delay.count, 0);
    static struct input_recorder recorder;
    input_recorder_init(&recorder, 0);
    delay.count = 9;
    injector_take_stats(&recorder.base, &delay);
    assert_int_equal(delay.count, 0);

    struct injector_ops ops = *recorder.base.ops;
    ops.take_stats = take_summary;
    struct injector measuring = {.ops = &ops};
    injector_take_stats(&measuring, &delay);
    assert_int_equal(delay.count, 3);
    assert_int_equal(delay.p99_us, 40);
    input_recorder_finish(&recorder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_injector_is_told_about_in_order_of_preference),
        cmocka_unit_test(a_wish_tries_one_only),
        cmocka_unit_test(an_unknown_injector_is_not_made),
        cmocka_unit_test(delays_are_those_of_the_injector_that_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
