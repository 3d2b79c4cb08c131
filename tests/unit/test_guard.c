/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "net/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct address host(int last)
{
    char text[ADDRESS_TEXT_MAX];
    struct address address;
    snprintf(text, sizeof(text), "192.0.2.%d", last);
    assert_true(address_parse(text, (uint16_t)(1000 + last), &address));
    return address;
}

static void connections_are_counted_per_address_and_in_all(void **state)
{
    (void)state;
    struct guard *guard = guard_create(3, 50);
    struct address a = host(1), b = host(2);
    assert_true(guard_enter(guard, &a));
    assert_true(guard_enter(guard, &b));
    address_set_port(&a, 4242); /* the port does not matter */
    assert_true(guard_enter(guard, &a));
    assert_int_equal(guard_count(guard, &a), 2);
    assert_false(guard_enter(guard, &b));
    guard_leave(guard, &a);
    guard_leave(guard, &a);
    assert_int_equal(guard_count(guard, &a), 0);
    assert_int_equal(guard_count(guard, &b), 1);
    assert_int_equal(guard_total(guard), 1);
    guard_leave(guard, &b);
    guard_destroy(guard);
}

static void strangers_share_the_handshakes_of_a_second(void **state)
{
    (void)state;
    struct guard *guard = guard_create(3, 50);
    struct address stranger = host(1), friend = host(2);
    int64_t now_ns = 5 * CLOCK_SECOND_NS;
    int granted = 0;
    while (guard_take_handshake(guard, &stranger, now_ns))
        granted++;
    assert_int_equal(granted, 50);
    guard_mark_known(guard, &friend, now_ns);
    for (int i = 0; i < 100; i++)
        assert_true(guard_take_handshake(guard, &friend, now_ns));
    assert_false(guard_take_handshake(guard, &stranger, now_ns + 19 * CLOCK_MS_NS));
    assert_true(guard_take_handshake(guard, &stranger, now_ns + 20 * CLOCK_MS_NS));
    assert_false(guard_take_handshake(guard, &stranger, now_ns + 21 * CLOCK_MS_NS));
    guard_destroy(guard);
}

static void an_address_is_known_for_ten_minutes_and_the_oldest_is_forgotten_first(void **state)
{
    (void)state;
    struct guard *guard = guard_create(3, 50);
    struct address first = host(1), late = host(40);
    guard_mark_known(guard, &first, 1);
    assert_true(guard_is_known(guard, &first, 599 * CLOCK_SECOND_NS));
    assert_false(guard_is_known(guard, &first, 601 * CLOCK_SECOND_NS));
    for (int i = 2; i <= 40; i++) {
        struct address next = host(i);
        guard_mark_known(guard, &next, i);
    }
    assert_false(guard_is_known(guard, &first, 100));
    assert_true(guard_is_known(guard, &late, 100));
    guard_destroy(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_counted_per_address_and_in_all),
        cmocka_unit_test(strangers_share_the_handshakes_of_a_second),
        cmocka_unit_test(an_address_is_known_for_ten_minutes_and_the_oldest_is_forgotten_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
