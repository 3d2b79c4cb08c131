/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command runs under a shell of ours which ends the whole group when it is told to end. The kernel tells it so when
 * the host dies (base/child.h), and then nobody else is left to end the command's own children.
 */
#include "host/desktop_session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "host/config.h"
#include "host/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MAX_S = 30, STEADY_S = 60, SHELL_SIGNAL = 128 /* added to a signal's number by a shell */ };

/* Shells ignore the keyboard's signals in what they start in the background, hence env. */
static const char guard[] =
    "trap 'trap \"\" TERM; kill -TERM 0; (sleep 3; kill -KILL 0) & wait $command; exit 143' TERM\n"
    "env --default-signal /bin/sh -c \"$1\" &\n"
    "command=$!\n"
    "wait $command";

struct desktop_session {
    struct desktop_session_config config;
    const char *const *environment; /* NULL: no display */
    struct program *program;        /* NULL: none */
    struct loop_timer *pause;       /* until the next start */
    unsigned failures;              /* ends in a row that came soon */
    unsigned starts;
    char last_end[CHILD_REASON_MAX];
    char last_output[PROGRAM_OUTPUT_MAX + 1]; /* of the one that ended */
};

static void start(struct desktop_session *self);

static void pause_over(void *arg)
{
    struct desktop_session *self = arg;
    loop_timer_destroy(self->pause);
    self->pause = NULL;
    start(self);
}

/* 1, 2, 4 ... 30 s */
static void start_later(struct desktop_session *self)
{
    int pause_s = self->failures < 5 ? 1 << self->failures : PAUSE_MAX_S;
    self->failures++;
    log_warn("desktop: session_command: %s; it is started again in %d s", self->last_end, pause_s);
    self->pause = loop_timer_create(self->config.loop, pause_s * CLOCK_SECOND_NS, false, pause_over, self);
    if (!self->pause)
        log_oom("desktop");
}

static void on_ended(void *ctx, const struct program_end *end)
{
    struct desktop_session *self = ctx;
    struct child_end how = end->child;
    if (!how.by_signal && how.code > SHELL_SIGNAL && how.code <= SHELL_SIGNAL + 64)
        how = (struct child_end){.by_signal = true, .code = how.code - SHELL_SIGNAL};
    child_end_text(&how, self->last_end, sizeof(self->last_end));
    program_output(self->program, self->last_output);
    program_destroy(self->program);
    self->program = NULL;
    if (end->ran_ns >= STEADY_S * CLOCK_SECOND_NS)
        self->failures = 0;
    if (self->environment && end->asked)
        start(self);
    else if (self->environment)
        start_later(self);
    self->config.changed(self->config.ctx);
}

static void start(struct desktop_session *self)
{
    char reason[CHILD_REASON_MAX];
    const char *const argv[] = {"/bin/sh", "-c", guard, "sh", self->config.command, NULL};
    const struct program_config program = {
        .loop = self->config.loop,
        .name = "session_command",
        .spec = {.argv = argv, .environment = self->environment, .user = self->config.user, .pass = -1},
        .ended = on_ended,
        .ctx = self,
    };
    self->program = program_start(&program, reason);
    if (self->program) {
        self->starts++;
        log_info("desktop: session_command runs (process %d%s%s)", program_pid(self->program),
                 *self->config.user ? ", user " : "", self->config.user);
    } else {
        text_copy(self->last_end, sizeof(self->last_end), reason);
        start_later(self);
    }
    self->config.changed(self->config.ctx);
}

struct desktop_session *desktop_session_create(const struct desktop_session_config *config)
{
    struct desktop_session *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("desktop");
    self->config = *config;
    return self;
}

void desktop_session_destroy(struct desktop_session *self)
{
    if (!self)
        return;
    program_stop_and_wait(self->program);
    program_destroy(self->program);
    loop_timer_destroy(self->pause);
    free(self);
}

void desktop_session_set_display(struct desktop_session *self, const char *const *environment)
{
    self->environment = environment;
    if (self->pause || !environment) {
        loop_timer_destroy(self->pause);
        self->pause = NULL;
    }
    if (!environment)
        program_stop(self->program);
    else if (!self->program)
        start(self); /* else once the last one has ended, as it was asked to */
}

void desktop_session_restart(struct desktop_session *self)
{
    self->failures = 0;
    if (self->program)
        program_stop(self->program);
    else if (self->environment)
        pause_over(self);
}

/* What the operator wrote may be in another encoding. */
static json_t *as_json(const char *text)
{
    char copy[CONFIG_COMMAND_MAX];
    text_copy(copy, sizeof(copy), text);
    text_make_printable(copy);
    return json_string(copy);
}

json_t *desktop_session_to_json(const struct desktop_session *self)
{
    char now[PROGRAM_OUTPUT_MAX + 1] = "";
    const char *output = now;
    if (self->program && !program_output(self->program, now))
        output = self->last_output;
    else if (!self->program)
        output = self->last_output;
    return json_pack("{s:o s:o s:s s:i s:o s:s}", "command", as_json(self->config.command), "user",
                     as_json(self->config.user), "state", self->program ? "running" : "waiting", "restarts",
                     self->starts ? (int)self->starts - 1 : 0, "last_end", as_json(self->last_end), "output", output);
}
