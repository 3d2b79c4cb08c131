/* SPDX-License-Identifier: Apache-2.0 */
#include "host/program.h"

#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct run {
    struct loop *loop;
    struct program *program;
    struct program_end end;
    int ended;
    bool destroys; /* in its callback */
    void (*tick)(struct run *self);
};

static void on_ended(void *ctx, const struct program_end *end)
{
    struct run *self = ctx;
    self->end = *end;
    self->ended++;
    if (self->destroys) {
        program_destroy(self->program);
        self->program = NULL;
    }
    loop_stop(self->loop);
}

static void begin(struct run *self, const char *command, int limit_s)
{
    char reason[CHILD_REASON_MAX];
    const char *argv[] = {"sh", "-c", command, NULL};
    self->loop = loop_create();
    assert_non_null(self->loop);
    struct program_config config = {
        .loop = self->loop,
        .name = "test",
        .spec = {.argv = argv, .pass = -1},
        .limit_s = limit_s,
        .ended = on_ended,
        .ctx = self,
    };
    self->program = program_start(&config, reason);
    if (!self->program)
        fail_msg("%s", reason);
}

static void finish(struct run *self)
{
    program_destroy(self->program);
    loop_destroy(self->loop);
}

static void on_tick(void *arg)
{
    struct run *self = arg;
    self->tick(self);
}

/* Runs the loop, calling `tick` now and then, until something stops it. */
static void run_with(struct run *self, void (*tick)(struct run *self))
{
    self->tick = tick;
    struct loop_timer *timer = loop_timer_create(self->loop, 2 * CLOCK_MS_NS, true, on_tick, self);
    assert_non_null(timer);
    loop_run(self->loop);
    loop_timer_destroy(timer);
}

static void stop_when_it_said_something(struct run *self)
{
    char text[PROGRAM_OUTPUT_MAX + 1];
    if (program_output(self->program, text))
        loop_stop(self->loop);
}

static void wait_output(struct run *self)
{
    run_with(self, stop_when_it_said_something);
}

static void its_end_and_last_output_are_told(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "echo one; echo two >&2; exit 4", 0);
    assert_true(program_runs(self.program));
    loop_run(self.loop);
    assert_int_equal(self.ended, 1);
    assert_int_equal(self.end.child.code, 4);
    assert_false(self.end.asked);
    assert_false(self.end.timed_out);
    assert_true(self.end.ran_ns > 0);
    assert_false(program_runs(self.program));
    assert_int_equal(program_output(self.program, text), 8);
    assert_string_equal(text, "one\ntwo\n");
    finish(&self);
}

static void only_the_last_of_much_output_is_kept(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "seq 1 300000; echo the end", 0);
    loop_run(self.loop);
    assert_int_equal(program_output(self.program, text), PROGRAM_OUTPUT_MAX);
    assert_non_null(strstr(text, "\n299999\n300000\nthe end\n"));
    finish(&self);
}

static void output_is_made_text(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "printf 'a\\033b\\000c\\377d\\303\\244e\\ttab\\r\\n10%%\\r20%%\\342\\202'", 0);
    loop_run(self.loop);
    program_output(self.program, text);
    assert_string_equal(text, "a?b?c?d\303\244e tab\n10%\n20%??");
    finish(&self);
}

static void a_character_cut_by_the_ring_is_left_out(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "head -c 8191 /dev/zero | tr '\\000' '\\344' | iconv -f latin1 -t utf8; echo", 0);
    loop_run(self.loop);
    assert_int_equal(program_output(self.program, text), PROGRAM_OUTPUT_MAX - 1);
    assert_memory_equal(text, "\303\244\303\244", 4);
    finish(&self);
}

static void it_is_killed_with_its_group_at_its_limit(void **state)
{
    (void)state;
    struct run self = {0};
    begin(&self, "trap '' TERM; sleep 600", 1);
    loop_run(self.loop);
    assert_true(self.end.timed_out);
    assert_true(self.end.child.by_signal);
    assert_int_equal(self.end.child.code, SIGKILL);
    finish(&self);
}

static void it_ends_when_asked(void **state)
{
    (void)state;
    struct run self = {0};
    begin(&self, "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done", 0);
    wait_output(&self);
    program_stop(self.program);
    program_stop(self.program); /* once is enough */
    loop_run(self.loop);
    assert_int_equal(self.ended, 1);
    assert_true(self.end.asked);
    assert_int_equal(self.end.child.code, 5);
    finish(&self);
}

static void it_is_killed_when_it_does_not_end_when_asked(void **state)
{
    (void)state;
    struct run self = {0};
    begin(&self, "trap '' TERM; echo ready; sleep 600", 0);
    wait_output(&self);
    program_stop(self.program);
    loop_run(self.loop);
    assert_true(self.end.asked);
    assert_int_equal(self.end.child.code, SIGKILL);
    finish(&self);
}

static void a_grandchild_that_holds_the_pipe_does_not_delay_the_end(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "setsid sleep 600 & echo $!; exit 0", 0); /* a session of its own: not killed with the group */
    loop_run(self.loop);
    assert_int_equal(self.ended, 1);
    program_output(self.program, text);
    pid_t sleeper = (pid_t)atoi(text);
    assert_int_equal(kill(sleeper, SIGKILL), 0);
    finish(&self);
}

static void stop_later(struct run *self)
{
    if (--self->ended < -20)
        loop_stop(self->loop);
}

static void a_program_that_writes_for_ever_leaves_the_loop_running(void **state)
{
    (void)state;
    struct run self = {0};
    begin(&self, "exec yes", 0);
    run_with(&self, stop_later); /* would not return */
    self.ended = 0;
    program_kill(self.program);
    loop_run(self.loop);
    assert_int_equal(self.ended, 1);
    finish(&self);
}

static void it_may_be_destroyed_in_the_callback(void **state)
{
    (void)state;
    struct run self = {.destroys = true};
    begin(&self, "exit 0", 0);
    loop_run(self.loop);
    assert_int_equal(self.ended, 1);
    assert_null(self.program);
    finish(&self);
}

static void destroying_it_kills_it_and_calls_nothing(void **state)
{
    (void)state;
    struct run self = {0};
    begin(&self, "trap '' TERM; echo ready; sleep 600", 0);
    wait_output(&self);
    pid_t group = program_pid(self.program);
    finish(&self);
    assert_int_equal(self.ended, 0);
    assert_int_equal(kill(group, 0), -1); /* reaped */
}

static void stop_and_wait_works_without_the_loop(void **state)
{
    (void)state;
    struct run self = {0};
    char text[PROGRAM_OUTPUT_MAX + 1];
    begin(&self, "trap 'seq 1 50000; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done", 0);
    wait_output(&self);
    program_stop_and_wait(self.program);
    assert_false(program_runs(self.program));
    program_output(self.program, text); /* more than a pipe holds: it was read meanwhile */
    assert_non_null(strstr(text, "\n50000\nbye\n"));
    assert_int_equal(self.ended, 0);
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_end_and_last_output_are_told),
        cmocka_unit_test(only_the_last_of_much_output_is_kept),
        cmocka_unit_test(output_is_made_text),
        cmocka_unit_test(a_character_cut_by_the_ring_is_left_out),
        cmocka_unit_test(it_is_killed_with_its_group_at_its_limit),
        cmocka_unit_test(it_ends_when_asked),
        cmocka_unit_test(it_is_killed_when_it_does_not_end_when_asked),
        cmocka_unit_test(a_grandchild_that_holds_the_pipe_does_not_delay_the_end),
        cmocka_unit_test(a_program_that_writes_for_ever_leaves_the_loop_running),
        cmocka_unit_test(it_may_be_destroyed_in_the_callback),
        cmocka_unit_test(destroying_it_kills_it_and_calls_nothing),
        cmocka_unit_test(stop_and_wait_works_without_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
