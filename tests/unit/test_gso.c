/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gso.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MS_NS     INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define START_NS  (INT64_C(50) * SECOND_NS)

struct stream {
    struct gso_watch watch;
    int64_t now_ns;
};

static struct stream stream_create(void)
{
    struct stream stream = {.now_ns = START_NS};
    gso_watch_init(&stream.watch, stream.now_ns);
    return stream;
}

static void send_frames(struct stream *stream, int count)
{
    for (int i = 0; i < count; i++) {
        stream->now_ns += SECOND_NS / 60;
        gso_watch_sent(&stream->watch);
    }
}

static bool lose(struct stream *stream)
{
    return gso_watch_loss(&stream->watch, stream->now_ns);
}

static void three_losses_in_a_row_blame_gso(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    for (int loss = 1; loss <= 3; loss++) {
        send_frames(&stream, 10);
        assert_int_equal(lose(&stream), loss == 3);
    }
}

static void a_swallowed_stream_is_noticed_within_half_a_second(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    bool off = false;
    while (!off) { /* every frame is lost and reported */
        send_frames(&stream, 1);
        off = lose(&stream);
    }
    assert_true(stream.now_ns - START_NS < SECOND_NS / 2);
}

static void a_whole_block_ends_the_row(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    for (int i = 0; i < 100; i++) {
        send_frames(&stream, 10);
        assert_false(lose(&stream));
        if (i % 2)
            gso_watch_arrival(&stream.watch);
    }
}

static void reports_of_one_event_count_once(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    send_frames(&stream, 10);
    for (int i = 0; i < 5; i++) { /* one block after the other of one frame, then the requests for a repair */
        stream.now_ns += 15 * MS_NS;
        gso_watch_sent(&stream.watch);
        assert_false(lose(&stream));
    }
}

static void losses_without_gso_do_not_count(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    for (int i = 0; i < 10; i++) {
        stream.now_ns += SECOND_NS / 2;
        assert_false(lose(&stream));
    }
}

static void rare_losses_are_not_in_a_row(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    for (int i = 0; i < 100; i++) {
        send_frames(&stream, 200);
        assert_false(lose(&stream));
    }
}

static void a_client_that_is_silent_for_120_frames_is_heard(void **state)
{
    (void)state;
    struct stream stream = stream_create();
    for (int loss = 1; loss <= 3; loss++) {
        send_frames(&stream, 121);
        assert_int_equal(lose(&stream), loss == 3);
    }
}

static void first_packets_go_alone_when_young_after_a_loss_and_in_an_idr(void **state)
{
    (void)state;
    struct gso_watch watch;
    gso_watch_init(&watch, START_NS);
    assert_true(gso_watch_careful(&watch, START_NS + 1999 * MS_NS, false));
    assert_false(gso_watch_careful(&watch, START_NS + 2000 * MS_NS, false));
    assert_true(gso_watch_careful(&watch, START_NS + 2000 * MS_NS, true));
    gso_watch_loss(&watch, START_NS + 9000 * MS_NS);
    assert_true(gso_watch_careful(&watch, START_NS + 10999 * MS_NS, false));
    assert_false(gso_watch_careful(&watch, START_NS + 11000 * MS_NS, false));
}

static void off_is_remembered_by_interface(void **state)
{
    (void)state;
    static const char *const remembered[] = {"ens3", "", "a-name-that-is-too-long"};
    char names[GSO_INTERFACES_MAX][GSO_NAME_MAX];
    struct gso_policy *policy = gso_policy_create(remembered, 3);
    assert_non_null(policy);
    int ens3 = gso_policy_named(policy, "ens3"), ens4 = gso_policy_named(policy, "ens4");
    assert_true(ens3 >= 0 && ens4 >= 0 && ens3 != ens4);
    assert_false(gso_policy_allowed(policy, ens3));
    assert_true(gso_policy_allowed(policy, ens4));
    assert_false(gso_policy_allowed(policy, -1));
    assert_false(gso_policy_turn_off(policy, ens3));
    assert_false(gso_policy_turn_off(policy, -1));
    assert_int_equal(gso_policy_list(policy, names), 1);
    assert_true(gso_policy_turn_off(policy, ens4));
    assert_false(gso_policy_turn_off(policy, ens4));
    assert_int_equal(gso_policy_list(policy, names), 2);
    assert_string_equal(names[0], "ens3");
    assert_string_equal(names[1], "ens4");
    gso_policy_destroy(policy);
}

static void more_interfaces_than_fit_do_without_gso(void **state)
{
    (void)state;
    struct gso_policy *policy = gso_policy_create(NULL, 0);
    assert_non_null(policy);
    for (int i = 0; i < GSO_INTERFACES_MAX; i++) {
        char name[] = {'e', (char)('A' + i), 0};
        assert_int_equal(gso_policy_named(policy, name), i);
    }
    assert_int_equal(gso_policy_named(policy, "more"), -1);
    gso_policy_destroy(policy);
}

static void the_interface_is_found_by_route_or_source(void **state)
{
    (void)state;
    struct address loopback, elsewhere, none = {0};
    assert_true(address_parse("127.0.0.1", 9, &loopback));
    assert_true(address_parse("192.0.2.77", 9, &elsewhere));
    struct gso_policy *policy = gso_policy_create(NULL, 0);
    assert_non_null(policy);
    int lo = gso_policy_named(policy, "lo");
    assert_int_equal(gso_policy_interface(policy, &loopback, &none), lo);
    assert_int_equal(gso_policy_interface(policy, &loopback, NULL), lo);
    assert_int_equal(gso_policy_interface(policy, &elsewhere, &loopback), lo);
    assert_int_equal(gso_policy_interface(policy, &loopback, &elsewhere), -1); /* nobody's address */
    gso_policy_destroy(policy);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_losses_in_a_row_blame_gso),
        cmocka_unit_test(a_swallowed_stream_is_noticed_within_half_a_second),
        cmocka_unit_test(a_whole_block_ends_the_row),
        cmocka_unit_test(reports_of_one_event_count_once),
        cmocka_unit_test(losses_without_gso_do_not_count),
        cmocka_unit_test(rare_losses_are_not_in_a_row),
        cmocka_unit_test(a_client_that_is_silent_for_120_frames_is_heard),
        cmocka_unit_test(first_packets_go_alone_when_young_after_a_loss_and_in_an_idr),
        cmocka_unit_test(off_is_remembered_by_interface),
        cmocka_unit_test(more_interfaces_than_fit_do_without_gso),
        cmocka_unit_test(the_interface_is_found_by_route_or_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
