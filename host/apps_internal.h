/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What apps.c (the list, what others ask), apps_steps.c (what an app does one after the other) and apps_hooks.c
 * (running one command) share.
 *
 * What happens to an app comes in as events; an event that is begun is turned into steps by what is the case then; one
 * step is done at a time. So a quit that comes while the commands of a connect still run waits for them, and undoes
 * what they did.
 */
#pragma once

#include "host/apps.h"
#include "host/program.h"

enum {
    APPS_HOOK_LIMIT_S = 10,
    APPS_END_LIMIT_S = 2, /* of an undo while the host ends */
    APPS_HANDED_OVER_S = 5,
    APPS_SENTENCE_MAX = 400,
    APP_EVENTS_MAX = 4, /* un-begun ones that a later one makes void are dropped; see app_enqueue() */
    APP_STEPS_MAX = 12,
};

enum app_event_kind {
    APP_EVENT_BEGAN,   /* a session was launched or resumed */
    APP_EVENT_PICTURE, /* the first picture */
    APP_EVENT_LAST,    /* the last session has ended */
    APP_EVENT_QUIT,
    APP_EVENT_SWEEP /* the sweeper alone: undo all that is owed, of whatever app */
};
struct app_client {
    char name[STATE_NAME_MAX + 1];
    int width, height, fps;
};
struct app_event {
    enum app_event_kind kind;
    bool is_first;            /* of BEGAN, as is the next */
    struct app_client client; /* for the environment */
};

enum app_step_kind {
    APP_STEP_RUN,       /* the command of `moment` */
    APP_STEP_UNDO,      /* what is owed for `moment`, if anything */
    APP_STEP_UNDO_REST, /* all the app owes but for quit, newest first; of the sweeper: all that any app owes */
    APP_STEP_START,     /* the app's command, if it does not run */
    APP_STEP_STOP
};
struct app_step {
    enum app_step_kind kind;
    enum config_moment moment;
};

struct app {
    struct apps *owner;
    const struct config_app *config; /* of the sweeper: without a name */
    uint32_t id;
    char *image; /* NULL: the built-in one */
    size_t image_size;

    /* as we were told */
    bool wanted;        /* launched, not quit, its command has not ended */
    bool has_session;   /* a session has begun, the last one has not ended */
    bool quits_at_last; /* its command has ended: it is quit when its last session has ended */
    struct app_event events[APP_EVENTS_MAX];
    size_t event_count;

    /* as far as we came */
    bool in_use, connected, pictured;
    struct app_client client;
    struct app_step steps[APP_STEPS_MAX];
    size_t step_at, step_count;
    bool busy; /* a step is not done yet */

    struct app_note *note; /* the step waits for the disk; NULL: it does not */
    struct state_owed job; /* of the step: what runs, or what will be owed when it runs */
    enum config_moment job_moment;
    bool job_is_undo;
    struct program *hook; /* runs `job`, or the command before it */

    struct program *command;
    bool stopping;    /* the command was asked to end by a step */
    bool handed_over; /* it ended well at once: what it started runs somewhere else */
    bool ended;       /* it ended by itself */
    bool lost;        /* it ended with its desktop, and is started again when that is back */
    struct loop_timer *tell;
    char sentence[APPS_SENTENCE_MAX];
    char output[PROGRAM_OUTPUT_MAX + 1]; /* of the command, once it has ended */
};

struct apps {
    struct apps_config config;
    struct config_app *desktop; /* the one app of a configuration without apps */
    struct app *list;
    size_t count;
    struct app sweeper; /* not in the list: does what is owed from before, and at the end */
    struct config_app sweeper_config;
    bool sweeping; /* the apps wait for it */
    bool ending;   /* nothing new is begun, nothing is told */
    struct {
        uint64_t commands, commands_failed, hooks, hooks_failed, undos, undos_failed, hooks_not_noted;
    } counters;
};

/* --- apps_steps.c --- */

void app_enqueue(struct app *self, const struct app_event *event); /* and begins it if it can */
void app_pump(struct app *self);                                   /* goes on */
void app_pump_all(struct apps *self);
/* Kills the hook, but for an undo with `finish_undo`; forgets events and steps. What is owed stays owed; a command that
 * runs goes on. */
void app_drop_steps(struct app *self, bool finish_undo);
void app_changed(struct app *self);
void app_find_desktop(struct app *self); /* that is back: starts the command if it ended with it */

/* --- apps_hooks.c --- */

/* Fills `ret_job` for a command of the app, as its user, with its environment. False: `ret_reason`. */
bool app_make_job(const struct app *self, const char *moment, const char *command, struct state_owed *ret_job,
                  char ret_reason[CHILD_REASON_MAX]);
/* NULL: `ret_reason`. `ctx` of `ended` is the app. */
struct program *app_run_job(struct app *self, const struct state_owed *job, int limit_s,
                            void (*ended)(void *ctx, const struct program_end *end), char ret_reason[CHILD_REASON_MAX]);
/* "exit code 3: what it said last", "it did not end within 10 s". */
void app_end_text(const struct program *program, const struct program_end *end, int limit_s, char *ret_text,
                  size_t capacity);
/* Keeps it for the page, and logs it. */
__attribute__((format(printf, 2, 3))) void app_say(struct app *self, const char *format, ...);
