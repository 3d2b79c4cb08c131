/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "web/attempts.h"
#include "web/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HOUR_NS (INT64_C(3600) * CLOCK_SECOND_NS)

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static void a_cookie_finds_its_log_in_and_no_other(void **state)
{
    (void)state;
    struct login_book book = {0};
    char first[LOGIN_TOKEN_TEXT], second[LOGIN_TOKEN_TEXT], wrong[LOGIN_TOKEN_TEXT];
    uint32_t first_id = login_book_open(&book, 0, first)->id;
    uint32_t second_id = login_book_open(&book, 0, second)->id;
    assert_int_not_equal(first_id, second_id);
    assert_int_equal(login_book_find(&book, slice(first), 1, true)->id, first_id);
    assert_int_equal(login_book_find(&book, slice(second), 1, true)->id, second_id);
    strcpy(wrong, first);
    wrong[63] = wrong[63] == '0' ? '1' : '0';
    assert_null(login_book_find(&book, slice(wrong), 1, true));
    assert_null(login_book_find(&book, slice(""), 1, true));
    assert_null(login_book_find(&book, (struct http_slice){first, 62}, 1, true));
}

static void the_cookie_itself_is_not_kept(void **state)
{
    (void)state;
    struct login_book book = {0};
    char cookie[LOGIN_TOKEN_TEXT];
    login_book_open(&book, 0, cookie);
    for (size_t i = 0; i + 32 <= sizeof(book); i++)
        assert_memory_not_equal((const char *)&book + i, cookie, 32);
}

static void an_unused_log_in_ends_after_twelve_hours(void **state)
{
    (void)state;
    struct login_book book = {0};
    char cookie[LOGIN_TOKEN_TEXT];
    uint32_t id = login_book_open(&book, 0, cookie)->id;
    assert_non_null(login_book_find(&book, slice(cookie), 11 * HOUR_NS, true));
    assert_non_null(login_book_find(&book, slice(cookie), 22 * HOUR_NS, false)); /* does not count as use */
    assert_true(login_book_holds(&book, id, 23 * HOUR_NS - 1));
    assert_false(login_book_holds(&book, id, 23 * HOUR_NS));
    assert_null(login_book_find(&book, slice(cookie), 23 * HOUR_NS, true));
}

static void a_used_log_in_ends_after_seven_days(void **state)
{
    (void)state;
    struct login_book book = {0};
    char cookie[LOGIN_TOKEN_TEXT];
    login_book_open(&book, 0, cookie);
    for (int64_t hour = 0; hour < 7 * 24; hour++)
        assert_non_null(login_book_find(&book, slice(cookie), hour * HOUR_NS, true));
    assert_null(login_book_find(&book, slice(cookie), 7 * 24 * HOUR_NS, true));
}

static void a_full_book_gives_up_the_one_unused_for_longest(void **state)
{
    (void)state;
    struct login_book book = {0};
    char cookies[LOGIN_MAX + 1][LOGIN_TOKEN_TEXT];
    for (int i = 0; i < LOGIN_MAX; i++)
        login_book_open(&book, i, cookies[i]);
    assert_non_null(login_book_find(&book, slice(cookies[0]), 100, true));
    login_book_open(&book, 101, cookies[LOGIN_MAX]);
    assert_non_null(login_book_find(&book, slice(cookies[0]), 102, true));
    assert_null(login_book_find(&book, slice(cookies[1]), 102, true));
    assert_non_null(login_book_find(&book, slice(cookies[LOGIN_MAX]), 102, true));
}

static void closing_ends_one_or_all(void **state)
{
    (void)state;
    struct login_book book = {0};
    char first[LOGIN_TOKEN_TEXT], second[LOGIN_TOKEN_TEXT], third[LOGIN_TOKEN_TEXT];
    uint32_t id = login_book_open(&book, 0, first)->id;
    login_book_open(&book, 0, second);
    login_book_close(&book, id);
    login_book_close(&book, 0);
    assert_null(login_book_find(&book, slice(first), 1, true));
    assert_non_null(login_book_find(&book, slice(second), 1, true));
    login_book_close_all(&book);
    assert_null(login_book_find(&book, slice(second), 1, true));
    assert_int_not_equal(login_book_open(&book, 1, third)->id, id);
}

static void a_csrf_token_must_be_exact(void **state)
{
    (void)state;
    struct login_book book = {0};
    char cookie[LOGIN_TOKEN_TEXT];
    const struct login *login = login_book_open(&book, 0, cookie);
    assert_true(login_csrf_matches(login, slice(login->csrf)));
    assert_false(login_csrf_matches(login, slice(cookie)));
    assert_false(login_csrf_matches(login, (struct http_slice){login->csrf, 63}));
    assert_false(login_csrf_matches(login, slice("")));
}

static struct address ip(const char *text)
{
    struct address address;
    assert_true(address_parse(text, 1000, &address));
    return address;
}

static void five_wrong_guesses_shut_an_address_out_for_a_minute(void **state)
{
    (void)state;
    struct attempts attempts = {0};
    struct address peer = ip("192.0.2.1"), other = ip("192.0.2.2");
    unsigned wait_s = 0;
    for (int i = 0; i < ATTEMPTS_PER_MINUTE; i++)
        assert_true(attempts_take(&attempts, &peer, 0, &wait_s));
    assert_false(attempts_take(&attempts, &peer, CLOCK_SECOND_NS, &wait_s));
    assert_int_equal(wait_s, 59);
    assert_true(attempts_take(&attempts, &other, CLOCK_SECOND_NS, &wait_s));
    assert_true(attempts_take(&attempts, &peer, 60 * CLOCK_SECOND_NS, &wait_s));
}

static void each_further_guess_costs_twice_the_time(void **state)
{
    (void)state;
    struct attempts attempts = {0};
    struct address peer = ip("192.0.2.1");
    int64_t now_ns = 0;
    unsigned wait_s;
    for (int i = 0; i < ATTEMPTS_PER_MINUTE; i++)
        assert_true(attempts_take(&attempts, &peer, now_ns, &wait_s));
    static const unsigned waits[] = {60, 120, 240, 480, 960, 960};
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_false(attempts_take(&attempts, &peer, now_ns, &wait_s));
        assert_int_equal(wait_s, waits[i]);
        now_ns += wait_s * CLOCK_SECOND_NS;
        assert_true(attempts_take(&attempts, &peer, now_ns, &wait_s));
    }
    now_ns += 3600 * CLOCK_SECOND_NS; /* after a quiet while it starts afresh */
    assert_true(attempts_take(&attempts, &peer, now_ns, &wait_s));
    assert_true(attempts_take(&attempts, &peer, now_ns, &wait_s));
}

static void check_taken_again_and_again_after(void (*undo)(struct attempts *self, const struct address *peer))
{
    struct attempts attempts = {0};
    struct address peer = ip("192.0.2.1");
    unsigned wait_s;
    for (int i = 0; i < 100; i++) {
        assert_true(attempts_take(&attempts, &peer, i, &wait_s));
        undo(&attempts, &peer);
    }
}

static void a_right_guess_clears_the_address(void **state)
{
    (void)state;
    check_taken_again_and_again_after(attempts_forgive);
}

static void a_refunded_guess_was_never_made(void **state)
{
    (void)state;
    check_taken_again_and_again_after(attempts_refund);
}

static void many_addresses_share_one_limit_but_not_with_this_machine(void **state)
{
    (void)state;
    struct attempts attempts = {0};
    struct address here = ip("127.0.0.1"), peer;
    unsigned wait_s;
    char text[32];
    for (int i = 0; i < ATTEMPTS_ALL_PER_MINUTE; i++) {
        snprintf(text, sizeof(text), "10.0.0.%d", i + 1);
        peer = ip(text);
        assert_true(attempts_take(&attempts, &peer, 0, &wait_s));
    }
    peer = ip("10.0.1.1");
    assert_false(attempts_take(&attempts, &peer, 10 * CLOCK_SECOND_NS, &wait_s));
    assert_int_equal(wait_s, 50);
    assert_true(attempts_take(&attempts, &here, 10 * CLOCK_SECOND_NS, &wait_s));
    assert_true(attempts_take(&attempts, &peer, 60 * CLOCK_SECOND_NS, &wait_s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_finds_its_log_in_and_no_other),
        cmocka_unit_test(the_cookie_itself_is_not_kept),
        cmocka_unit_test(an_unused_log_in_ends_after_twelve_hours),
        cmocka_unit_test(a_used_log_in_ends_after_seven_days),
        cmocka_unit_test(a_full_book_gives_up_the_one_unused_for_longest),
        cmocka_unit_test(closing_ends_one_or_all),
        cmocka_unit_test(a_csrf_token_must_be_exact),
        cmocka_unit_test(five_wrong_guesses_shut_an_address_out_for_a_minute),
        cmocka_unit_test(each_further_guess_costs_twice_the_time),
        cmocka_unit_test(a_right_guess_clears_the_address),
        cmocka_unit_test(a_refunded_guess_was_never_made),
        cmocka_unit_test(many_addresses_share_one_limit_but_not_with_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
