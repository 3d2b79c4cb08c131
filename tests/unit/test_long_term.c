/* SPDX-License-Identifier: Apache-2.0 */
#include "host/long_term.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

/* The IDR was frame 1, at 1 s. */
static struct long_term begun(void)
{
    struct long_term self = {0};
    long_term_restart(&self);
    return self;
}

/* The next picture becomes this frame; where it is kept. */
static int send(struct long_term *self, uint32_t frame, int64_t now_ns)
{
    int place = long_term_choose(self, now_ns);
    if (place != LONG_TERM_NONE)
        long_term_keep(self, place, frame, now_ns);
    return place;
}

static void nothing_is_kept_before_an_idr(void **state)
{
    (void)state;
    struct long_term self = {0};
    assert_int_equal(long_term_choose(&self, 1000 * MS), LONG_TERM_NONE);
    assert_int_equal(long_term_lose(&self, 1), LONG_TERM_NONE);
}

static void the_next_waits_for_the_confirmation_and_a_tenth_of_a_second(void **state)
{
    (void)state;
    struct long_term self = begun();
    assert_int_equal(send(&self, 2, 1000 * MS), 0);
    assert_int_equal(send(&self, 3, 1016 * MS), LONG_TERM_NONE);
    assert_int_equal(send(&self, 20, 1300 * MS), LONG_TERM_NONE);
    long_term_confirm(&self, 2);
    assert_int_equal(send(&self, 21, 1300 * MS), 1);
    long_term_confirm(&self, 21);
    assert_int_equal(send(&self, 22, 1399 * MS), LONG_TERM_NONE);
    assert_int_equal(send(&self, 23, 1400 * MS), 0); /* the older one goes */
    assert_int_equal(long_term_lose(&self, 24), 1);
    long_term_confirm(&self, 23);
    assert_int_equal(long_term_lose(&self, 24), 0);
}

static void who_never_confirms_costs_a_mark_a_second_and_no_confirmed_picture(void **state)
{
    (void)state;
    struct long_term self = begun();
    send(&self, 2, 1000 * MS);
    long_term_confirm(&self, 2);
    assert_int_equal(send(&self, 20, 1300 * MS), 1);
    assert_int_equal(send(&self, 40, 2299 * MS), LONG_TERM_NONE);
    assert_int_equal(send(&self, 41, 2300 * MS), 1);
    long_term_confirm(&self, 20); /* too late: something else is there */
    assert_int_equal(long_term_lose(&self, 50), 0);
}

static void only_what_the_client_has_is_gone_back_to(void **state)
{
    (void)state;
    struct long_term self = begun();
    send(&self, 2, 1000 * MS);
    assert_int_equal(long_term_lose(&self, 3), LONG_TERM_NONE);
    long_term_confirm(&self, 0);
    long_term_confirm(&self, 7);
    assert_int_equal(long_term_lose(&self, 3), LONG_TERM_NONE);
    long_term_confirm(&self, 2);
    assert_int_equal(long_term_lose(&self, 3), 0);
    assert_int_equal(long_term_lose(&self, 3), 0); /* lost again */
}

static void what_came_after_the_loss_is_no_more(void **state)
{
    (void)state;
    struct long_term self = begun();
    send(&self, 2, 1000 * MS);
    long_term_confirm(&self, 2);
    assert_int_equal(send(&self, 20, 1300 * MS), 1);
    assert_int_equal(long_term_lose(&self, 20), 0);
    long_term_confirm(&self, 20);
    assert_int_equal(long_term_lose(&self, 30), 0);
    assert_int_equal(send(&self, 30, 1400 * MS), 1); /* no confirmation is waited for */
    assert_int_equal(long_term_lose(&self, 2), LONG_TERM_NONE);
}

static void an_idr_empties_the_places(void **state)
{
    (void)state;
    struct long_term self = begun();
    send(&self, 2, 1000 * MS);
    long_term_confirm(&self, 2);
    long_term_restart(&self);
    assert_int_equal(long_term_lose(&self, 30), LONG_TERM_NONE);
    assert_int_equal(send(&self, 31, 1016 * MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_kept_before_an_idr),
        cmocka_unit_test(the_next_waits_for_the_confirmation_and_a_tenth_of_a_second),
        cmocka_unit_test(who_never_confirms_costs_a_mark_a_second_and_no_confirmed_picture),
        cmocka_unit_test(only_what_the_client_has_is_gone_back_to),
        cmocka_unit_test(what_came_after_the_loss_is_no_more),
        cmocka_unit_test(an_idr_empties_the_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
