/* SPDX-License-Identifier: Apache-2.0 */
#include "host/watchdog.h"

#include "base/clock.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct loop *loop; /* never run: the test looks itself */
    struct watchdog *watchdog;
    int64_t now_ns;
    struct heartbeat heartbeat;
    int hangs;
    int64_t age_ns;
};

static struct rig rig_create(void)
{
    struct rig rig = {.loop = loop_create(), .now_ns = 1000 * CLOCK_SECOND_NS};
    rig.watchdog = watchdog_create(rig.loop);
    assert_non_null(rig.watchdog);
    return rig;
}

static void rig_destroy(struct rig *rig)
{
    watchdog_destroy(rig->watchdog);
    loop_destroy(rig->loop);
}

static void pass_ms(struct rig *rig, int ms)
{
    for (int at = 0; at < ms; at += WATCHDOG_PERIOD_MS) {
        rig->now_ns += WATCHDOG_PERIOD_MS * CLOCK_MS_NS;
        watchdog_look(rig->watchdog, rig->now_ns);
    }
}

static void on_hung(void *ctx, int64_t age_ns)
{
    struct rig *rig = ctx;
    rig->hangs++;
    rig->age_ns = age_ns;
}

static void add(struct rig *rig, const char *name)
{
    assert_true(watchdog_add(rig->watchdog, name, &rig->heartbeat, on_hung, rig));
}

/* Without the time of the last hang, which is the wall clock's: only that there is one exactly if something has hung.
 */
static void check_json(const struct rig *rig, const char *expected)
{
    json_t *list = watchdog_to_json(rig->watchdog), *kind;
    size_t i;
    json_array_foreach(list, i, kind)
    {
        bool hung = json_integer_value(json_object_get(kind, "last_ms")) > 0;
        int64_t at_ms = json_integer_value(json_object_get(kind, "last_at_ms"));
        assert_true(hung ? at_ms > 0 && at_ms <= clock_wall_ms() : at_ms == 0);
        assert_true(json_is_boolean(json_object_get(kind, "restarts")));
        json_object_del(kind, "last_at_ms");
        json_object_del(kind, "restarts");
    }
    char *text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(list);
}

static json_int_t count_hangs(const struct rig *rig)
{
    json_t *object = json_object();
    watchdog_counters(rig->watchdog, object);
    json_int_t hangs = json_integer_value(json_object_get(object, "stage_hangs"));
    json_decref(object);
    return hangs;
}

static void a_stage_that_waits_never_hangs(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    add(&rig, "capture");
    pass_ms(&rig, 60000);
    assert_int_equal(rig.hangs, 0);
    check_json(&rig, "[{\"name\":\"capture\",\"state\":\"fine\",\"hangs\":0,\"last_ms\":0}]");
    rig_destroy(&rig);
}

static void many_short_pieces_of_work_are_no_hang(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    add(&rig, "capture");
    for (int i = 0; i < 20; i++) {
        heartbeat_begin(&rig.heartbeat, rig.now_ns);
        pass_ms(&rig, 1750);
    }
    assert_int_equal(rig.hangs, 0);
    rig_destroy(&rig);
}

static void a_hang_is_told_once_and_counted(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    add(&rig, "encode 1a2b3c4d");
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, WATCHDOG_LIMIT_MS);
    assert_int_equal(rig.hangs, 0);
    pass_ms(&rig, WATCHDOG_PERIOD_MS);
    assert_int_equal(rig.hangs, 1);
    assert_int_equal(rig.age_ns, 2250 * CLOCK_MS_NS);
    pass_ms(&rig, 3000);
    assert_int_equal(rig.hangs, 1);
    check_json(&rig, "[{\"name\":\"encode\",\"state\":\"hung\",\"hangs\":1,\"last_ms\":5250}]");
    heartbeat_end(&rig.heartbeat);
    pass_ms(&rig, WATCHDOG_PERIOD_MS);
    check_json(&rig, "[{\"name\":\"encode\",\"state\":\"fine\",\"hangs\":1,\"last_ms\":5250}]");
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, 2500);
    assert_int_equal(rig.hangs, 2);
    assert_int_equal(count_hangs(&rig), 2);
    rig_destroy(&rig);
}

static void work_that_follows_a_hang_at_once_may_hang_too(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    add(&rig, "send 1");
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, 2500);
    heartbeat_begin(&rig.heartbeat, rig.now_ns); /* between two looks: never seen waiting */
    pass_ms(&rig, 1500);
    check_json(&rig, "[{\"name\":\"send\",\"state\":\"fine\",\"hangs\":1,\"last_ms\":2500}]");
    pass_ms(&rig, 1000);
    assert_int_equal(rig.hangs, 2);
    rig_destroy(&rig);
}

static void work_that_was_given_more_time_has_it(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    add(&rig, "encode 1");
    heartbeat_begin(&rig.heartbeat, rig.now_ns + 3 * CLOCK_SECOND_NS);
    pass_ms(&rig, 5000);
    assert_int_equal(rig.hangs, 0);
    pass_ms(&rig, WATCHDOG_PERIOD_MS);
    assert_int_equal(rig.hangs, 1);
    rig_destroy(&rig);
}

/* Two stages: one at work since before the pause, one that began within it. */
static void a_pause_of_the_machine_is_nobodys_hang(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    struct heartbeat other = {0};
    add(&rig, "encode 1");
    assert_true(watchdog_add(rig.watchdog, "send 1", &other, on_hung, &rig));
    pass_ms(&rig, 1000);
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, 1000);
    heartbeat_begin(&other, rig.now_ns + 5 * CLOCK_SECOND_NS);
    rig.now_ns += 60 * CLOCK_SECOND_NS;
    watchdog_look(rig.watchdog, rig.now_ns);
    assert_int_equal(rig.hangs, 0);
    heartbeat_end(&other);
    pass_ms(&rig, 1000);
    assert_int_equal(rig.hangs, 1); /* the time before and after the pause does count */
    assert_true(rig.age_ns < 3 * CLOCK_SECOND_NS);
    rig_destroy(&rig);
}

static void on_hung_and_replaced(void *ctx, int64_t age_ns)
{
    struct rig *rig = ctx;
    on_hung(rig, age_ns);
    watchdog_remove(rig->watchdog, &rig->heartbeat);
    heartbeat_end(&rig->heartbeat);
    assert_true(watchdog_add(rig->watchdog, "encode 1", &rig->heartbeat, on_hung_and_replaced, rig));
}

static void a_stage_may_be_replaced_while_its_hang_is_told(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    assert_true(watchdog_add(rig.watchdog, "encode 1", &rig.heartbeat, on_hung_and_replaced, &rig));
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, 5000);
    assert_int_equal(rig.hangs, 1);
    check_json(&rig, "[{\"name\":\"encode\",\"state\":\"fine\",\"hangs\":1,\"last_ms\":2250}]");
    watchdog_remove(rig.watchdog, &rig.heartbeat);
    watchdog_remove(rig.watchdog, &rig.heartbeat);
    check_json(&rig, "[{\"name\":\"encode\",\"state\":\"fine\",\"hangs\":1,\"last_ms\":2250}]");
    assert_int_equal(count_hangs(&rig), 1);
    rig_destroy(&rig);
}

static void a_process_whose_stage_stays_hung_is_not_well(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    assert_true(watchdog_add(rig.watchdog, "control", &rig.heartbeat, NULL, NULL));
    heartbeat_begin(&rig.heartbeat, rig.now_ns);
    pass_ms(&rig, WATCHDOG_DEAD_MS - WATCHDOG_PERIOD_MS);
    assert_true(watchdog_all_well(rig.watchdog));
    pass_ms(&rig, WATCHDOG_PERIOD_MS);
    assert_false(watchdog_all_well(rig.watchdog));
    heartbeat_end(&rig.heartbeat);
    pass_ms(&rig, WATCHDOG_PERIOD_MS);
    assert_true(watchdog_all_well(rig.watchdog));
    rig_destroy(&rig);
}

static void stages_and_kinds_are_bounded(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    static struct heartbeat heartbeats[WATCHDOG_STAGES_MAX + 1];
    char name[32];
    for (int i = 0; i < WATCHDOG_STAGES_MAX; i++) {
        snprintf(name, sizeof(name), "encode %d", i);
        assert_true(watchdog_add(rig.watchdog, name, &heartbeats[i], NULL, NULL));
    }
    assert_false(watchdog_add(rig.watchdog, "encode x", &heartbeats[WATCHDOG_STAGES_MAX], NULL, NULL));
    watchdog_remove(rig.watchdog, &heartbeats[7]);
    assert_true(watchdog_add(rig.watchdog, "encode x", &heartbeats[WATCHDOG_STAGES_MAX], NULL, NULL));
    check_json(&rig, "[{\"name\":\"encode\",\"state\":\"fine\",\"hangs\":0,\"last_ms\":0}]");
    rig_destroy(&rig);
}

static void stop_loop(void *ctx, int64_t age_ns)
{
    struct rig *rig = ctx;
    on_hung(rig, age_ns);
    loop_stop(rig->loop);
}

static void the_timer_looks_by_itself(void **state)
{
    (void)state;
    struct rig rig = rig_create();
    assert_true(watchdog_add(rig.watchdog, "capture", &rig.heartbeat, stop_loop, &rig));
    heartbeat_begin(&rig.heartbeat, clock_now_ns());
    loop_run(rig.loop);
    assert_int_equal(rig.hangs, 1);
    rig_destroy(&rig);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_that_waits_never_hangs),
        cmocka_unit_test(many_short_pieces_of_work_are_no_hang),
        cmocka_unit_test(a_hang_is_told_once_and_counted),
        cmocka_unit_test(work_that_follows_a_hang_at_once_may_hang_too),
        cmocka_unit_test(work_that_was_given_more_time_has_it),
        cmocka_unit_test(a_pause_of_the_machine_is_nobodys_hang),
        cmocka_unit_test(a_stage_may_be_replaced_while_its_hang_is_told),
        cmocka_unit_test(a_process_whose_stage_stays_hung_is_not_well),
        cmocka_unit_test(stages_and_kinds_are_bounded),
        cmocka_unit_test(the_timer_looks_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
