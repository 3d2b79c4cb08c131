/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app does, one after the other.
 *
 *   BEGAN    undo quit (when it was not in use); undo disconnect, run connect (its first session); start the command
 *   PICTURE  run first_picture, once between connect and disconnect
 *   LAST     undo first_picture, undo connect, run disconnect
 *   QUIT     LAST if that did not come; stop the command, run quit, undo the rest
 *
 * A command that has an undo runs after the undo was stored as owed, and not at all when that fails. What is owed is
 * undone by what the state says of it, so nothing here has to remember what was done.
 */
#include "host/apps_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Waits for the disk on behalf of an app, which may be gone when word comes. */
struct app_note {
    struct app *app;
};

static bool is_sweeper(const struct app *self)
{
    return self == &self->owner->sweeper;
}

void app_changed(struct app *self)
{
    const struct apps_config *config = &self->owner->config;
    if (!self->owner->ending && config->changed)
        config->changed(config->ctx);
}

/* A removal that is lost costs a second undo at the next start. */
static void save(struct app *self)
{
    if (self->owner->ending)
        state_save_now(self->owner->config.state); /* the workers may have ended */
    else
        saver_save(self->owner->config.saver, NULL, NULL);
}

static int hook_limit_s(const struct app *self)
{
    return self->owner->ending ? APPS_END_LIMIT_S : APPS_HOOK_LIMIT_S;
}

static void step_done(struct app *self)
{
    self->busy = false;
    app_pump(self);
    if (self->owner->ending)
        loop_stop(self->owner->config.loop); /* apps_destroy() looks what is left */
}

/* --- commands of moments, and undoing them --- */

static void settle(struct app *self)
{
    if (state_settle(self->owner->config.state, self->job.app, self->job.moment))
        save(self);
}

static void on_hook_ended(void *ctx, const struct program_end *end)
{
    struct app *self = ctx;
    bool failed = end->timed_out || end->child.by_signal || end->child.code != 0;
    const char *what = self->job_is_undo ? "what undoes " : "";
    if (failed) {
        char how[320];
        *(self->job_is_undo ? &self->owner->counters.undos_failed : &self->owner->counters.hooks_failed) += 1;
        app_end_text(self->hook, end, hook_limit_s(self), how, sizeof(how));
        app_say(self, "%s%s of \"%s\" failed (%s)", what, self->job.moment, self->job.app, how);
    } else {
        log_info("apps: %s%s of \"%s\" has run", what, self->job.moment, self->job.app);
    }
    program_destroy(self->hook);
    self->hook = NULL;
    if (self->job_is_undo)
        settle(self);
    step_done(self);
}

/* `command` in the place and as the user of the job. True: its end will be told. */
static bool start_hook(struct app *self, const char *command, bool is_undo)
{
    char reason[CHILD_REASON_MAX];
    struct state_owed job = self->job;
    text_copy(job.command, sizeof(job.command), command);
    self->job_is_undo = is_undo;
    *(is_undo ? &self->owner->counters.undos : &self->owner->counters.hooks) += 1;
    self->hook = app_run_job(self, &job, hook_limit_s(self), on_hook_ended, reason);
    if (self->hook)
        return true;
    *(is_undo ? &self->owner->counters.undos_failed : &self->owner->counters.hooks_failed) += 1;
    app_say(self, "%s%s of \"%s\" could not run: %s", is_undo ? "what undoes " : "", job.moment, job.app, reason);
    return false;
}

/* The app's newest entry; of `moment`, or of any but quit; the sweeper's: the newest of all. NULL: none. */
static const struct state_owed *find_owed(const struct app *self, const char *moment)
{
    const struct state *state = self->owner->config.state;
    for (size_t i = state_owed_count(state); i-- > 0;) {
        const struct state_owed *owed = state_owed_at(state, i);
        if (is_sweeper(self))
            return owed;
        if (!strcmp(owed->app, self->config->name) &&
            (moment ? !strcmp(owed->moment, moment) : strcmp(owed->moment, config_moment_name(CONFIG_QUIT)) != 0))
            return owed;
    }
    return NULL;
}

/* False: nothing (more) is owed. */
static bool undo(struct app *self, const char *moment)
{
    const struct state_owed *owed = find_owed(self, moment);
    if (!owed)
        return false;
    self->job = *owed;
    self->busy = true;
    if (!start_hook(self, self->job.command, true)) {
        settle(self); /* it would fail again and again */
        self->busy = false;
    }
    return true;
}

static const struct config_hook *hook_of(const struct app *self)
{
    return &self->config->hooks[self->job_moment];
}

static void run_noted(struct app *self)
{
    if (hook_of(self)->run[0] && start_hook(self, hook_of(self)->run, false))
        return;
    if (hook_of(self)->run[0] && hook_of(self)->undo[0])
        settle(self); /* nothing was done */
    step_done(self);
}

static void on_noted(void *arg, bool stored)
{
    struct app_note *note = arg;
    struct app *self = note->app;
    free(note);
    if (!self)
        return; /* its steps were dropped */
    self->note = NULL;
    if (stored) {
        run_noted(self);
        return;
    }
    state_settle(self->owner->config.state, self->job.app, self->job.moment);
    self->owner->counters.hooks_not_noted++;
    app_say(self, "%s of \"%s\" did not run: the state folder cannot be written, so what undoes it would be forgotten",
            self->job.moment, self->job.app);
    step_done(self);
}

/* Has the undo of `job` stored as owed; on_noted() follows, perhaps at once. */
static bool note(struct app *self)
{
    struct app_note *fresh = calloc(1, sizeof(*fresh));
    if (!fresh || !state_owe(self->owner->config.state, &self->job)) {
        free(fresh);
        self->owner->counters.hooks_not_noted++;
        app_say(self, "%s of \"%s\" did not run: what undoes it cannot be remembered (at most %d commands can)",
                self->job.moment, self->job.app, STATE_OWED_MAX);
        return false;
    }
    fresh->app = self;
    self->note = fresh;
    saver_save(self->owner->config.saver, on_noted, fresh);
    return true;
}

static void run(struct app *self, enum config_moment moment)
{
    char reason[CHILD_REASON_MAX];
    self->job_moment = moment;
    const struct config_hook *hook = hook_of(self);
    if (!hook->run[0] && !hook->undo[0])
        return;
    const char *name = config_moment_name(moment);
    if (!app_make_job(self, name, hook->undo[0] ? hook->undo : hook->run, &self->job, reason)) {
        self->owner->counters.hooks_failed++;
        app_say(self, "%s of \"%s\" did not run: %s", name, self->config->name, reason);
        return;
    }
    self->busy = true;
    if (!hook->undo[0])
        run_noted(self);
    else if (!note(self))
        self->busy = false;
}

/* --- the app's command --- */

static void tell(void *arg)
{
    struct app *self = arg;
    const struct apps_config *config = &self->owner->config;
    loop_timer_destroy(self->tell);
    self->tell = NULL;
    if (config->command_ended)
        config->command_ended(config->ctx, self->id);
}

/* By itself: its sessions end, then it is quit. The owner is told from the loop: we may be within a call of its. */
static void command_is_over(struct app *self)
{
    static const struct app_event quit = {.kind = APP_EVENT_QUIT};
    self->wanted = false;
    self->ended = true;
    loop_timer_destroy(self->tell);
    self->tell = loop_timer_create(self->owner->config.loop, 0, false, tell, self);
    if (self->has_session)
        self->quits_at_last = true;
    else
        app_enqueue(self, &quit);
    app_changed(self);
}

static bool desktop_is_away(const struct apps *self)
{
    return self->config.desktop_is_away && self->config.desktop_is_away(self->config.ctx);
}

static void judge_end(struct app *self, const struct program_end *end)
{
    char how[320];
    bool failed = end->child.by_signal || end->child.code != 0;
    app_end_text(self->command, end, 0, how, sizeof(how));
    program_destroy(self->command);
    self->command = NULL;
    if (failed && desktop_is_away(self->owner)) {
        self->lost = true;
        app_say(self, "\"%s\" ended with the desktop and is started again when that is back", self->config->name);
    } else if (failed) {
        self->owner->counters.commands_failed++;
        app_say(self, "the command of \"%s\" failed (%s)", self->config->name, how);
        command_is_over(self);
    } else if (end->ran_ns < APPS_HANDED_OVER_S * CLOCK_SECOND_NS) {
        self->handed_over = true;
        log_info("apps: the command of \"%s\" has ended at once; what it started counts as running",
                 self->config->name);
    } else {
        log_info("apps: \"%s\" has ended", self->config->name);
        command_is_over(self);
    }
}

/* It may be launched anew already. */
static bool is_being_quit(const struct app *self)
{
    bool quits = self->stopping || !self->wanted;
    for (size_t i = 0; i < self->event_count; i++)
        quits |= self->events[i].kind == APP_EVENT_QUIT;
    for (size_t i = self->step_at; i < self->step_count; i++)
        quits |= self->steps[i].kind == APP_STEP_STOP;
    return quits;
}

static void on_command_ended(void *ctx, const struct program_end *end)
{
    struct app *self = ctx;
    struct apps *owner = self->owner;
    program_output(self->command, self->output);
    if (!is_being_quit(self) && !owner->ending) {
        judge_end(self, end);
    } else {
        log_info("apps: \"%s\" was ended", self->config->name);
        program_destroy(self->command);
        self->command = NULL;
        if (self->stopping)
            self->busy = false;
        self->stopping = false;
    }
    app_changed(self);
    app_pump_all(owner); /* another app may wait for this end */
}

static void start(struct app *self)
{
    char reason[CHILD_REASON_MAX];
    struct state_owed job;
    if (!self->wanted || self->command || self->handed_over || !self->config->command[0])
        return;
    self->lost = false;
    self->output[0] = 0;
    self->owner->counters.commands++;
    if (app_make_job(self, "command", self->config->command, &job, reason) &&
        (self->command = app_run_job(self, &job, 0, on_command_ended, reason))) {
        app_changed(self);
        return;
    }
    self->owner->counters.commands_failed++;
    app_say(self, "the command of \"%s\" could not run: %s", self->config->name, reason);
    command_is_over(self);
}

void app_find_desktop(struct app *self)
{
    bool is_lost = self->lost && self->wanted && !self->busy && !self->owner->ending;
    if (is_lost)
        start(self);
}

static void stop(struct app *self)
{
    self->handed_over = self->lost = false;
    if (!self->command)
        return;
    self->busy = self->stopping = true;
    program_stop(self->command);
}

/* --- steps --- */

/* A command starts when those of other apps that were quit have ended: they may want the same screen or device. */
static bool must_wait(const struct app *self, const struct app_step *step)
{
    const struct apps *owner = self->owner;
    if (owner->sweeping && !is_sweeper(self))
        return true;
    for (size_t i = 0; step->kind == APP_STEP_START && i < owner->count; i++) {
        if (&owner->list[i] != self && owner->list[i].stopping)
            return true;
    }
    return false;
}

static void do_step(struct app *self, const struct app_step *step)
{
    switch (step->kind) {
    case APP_STEP_RUN:
        run(self, step->moment);
        break;
    case APP_STEP_UNDO:
        undo(self, config_moment_name(step->moment));
        break;
    case APP_STEP_UNDO_REST:
        if (undo(self, NULL))
            self->step_at--; /* again, until nothing is left */
        break;
    case APP_STEP_START:
        start(self);
        break;
    case APP_STEP_STOP:
        stop(self);
        break;
    }
}

static void push(struct app *self, enum app_step_kind kind, enum config_moment moment)
{
    assert(self->step_count < APP_STEPS_MAX);
    self->steps[self->step_count++] = (struct app_step){kind, moment};
}

static void push_disconnect(struct app *self)
{
    if (!self->connected)
        return;
    push(self, APP_STEP_UNDO, CONFIG_FIRST_PICTURE);
    push(self, APP_STEP_UNDO, CONFIG_CONNECT);
    push(self, APP_STEP_RUN, CONFIG_DISCONNECT);
    self->connected = self->pictured = false;
}

static void push_connect(struct app *self, const struct app_event *event)
{
    self->client = event->client;
    if (!self->in_use) {
        self->sentence[0] = 0;
        push(self, APP_STEP_UNDO, CONFIG_QUIT);
    }
    self->in_use = true;
    if (event->is_first || !self->connected) {
        push_disconnect(self); /* its end was not told */
        push(self, APP_STEP_UNDO, CONFIG_DISCONNECT);
        push(self, APP_STEP_RUN, CONFIG_CONNECT);
        self->connected = true;
    }
    push(self, APP_STEP_START, 0);
}

static void push_quit(struct app *self)
{
    push_disconnect(self);
    push(self, APP_STEP_STOP, 0);
    if (self->in_use)
        push(self, APP_STEP_RUN, CONFIG_QUIT);
    push(self, APP_STEP_UNDO_REST, 0);
    self->in_use = false;
}

/* Turns the oldest event into steps. False: there is none. */
static bool begin_event(struct app *self)
{
    if (!self->event_count)
        return false;
    struct app_event event = self->events[0];
    self->event_count--;
    memmove(self->events, self->events + 1, self->event_count * sizeof(*self->events));
    self->step_at = self->step_count = 0;
    switch (event.kind) {
    case APP_EVENT_BEGAN:
        push_connect(self, &event);
        break;
    case APP_EVENT_PICTURE:
        if (self->connected && !self->pictured)
            push(self, APP_STEP_RUN, CONFIG_FIRST_PICTURE);
        self->pictured = self->connected;
        break;
    case APP_EVENT_LAST:
        push_disconnect(self);
        break;
    case APP_EVENT_QUIT:
        push_quit(self);
        break;
    case APP_EVENT_SWEEP:
        push(self, APP_STEP_UNDO_REST, 0);
        break;
    }
    return true;
}

/* The sweeper's work is over: the apps go on, or the end of the host does. */
static void sweep_over(struct apps *owner)
{
    owner->sweeping = false;
    if (owner->ending)
        loop_stop(owner->config.loop);
    else
        app_pump_all(owner);
}

void app_pump(struct app *self)
{
    while (!self->busy) {
        if (self->step_at == self->step_count && !begin_event(self))
            break;
        if (self->step_at == self->step_count)
            continue; /* an event that changes nothing */
        const struct app_step step = self->steps[self->step_at];
        if (must_wait(self, &step))
            return;
        self->step_at++;
        do_step(self, &step);
    }
    if (!self->busy && is_sweeper(self) && self->owner->sweeping)
        sweep_over(self->owner);
}

void app_pump_all(struct apps *self)
{
    for (size_t i = 0; !self->ending && i < self->count; i++)
        app_pump(&self->list[i]);
    if (self->ending)
        loop_stop(self->config.loop); /* apps_destroy() looks what is left */
}

/* --- events --- */

static bool is_end(const struct app_event *event)
{
    return event->kind == APP_EVENT_LAST || event->kind == APP_EVENT_QUIT;
}

/*
 * An end makes void what has not been begun since the end before it, and there is at most one BEGAN and one PICTURE
 * after the last end: LAST QUIT BEGAN PICTURE is the longest queue there is.
 */
void app_enqueue(struct app *self, const struct app_event *event)
{
    size_t *count = &self->event_count;
    if (is_end(event)) {
        while (*count && !is_end(&self->events[*count - 1]))
            (*count)--;
        const struct app_event *before = *count ? &self->events[*count - 1] : NULL;
        if (before && (before->kind == APP_EVENT_QUIT || event->kind == APP_EVENT_LAST))
            return;
    }
    for (size_t i = *count; i-- > 0 && !is_end(&self->events[i]);) {
        if (self->events[i].kind != event->kind)
            continue;
        self->events[i].is_first |= event->is_first;
        return;
    }
    assert(*count < APP_EVENTS_MAX);
    self->events[(*count)++] = *event;
    app_pump(self);
}

void app_drop_steps(struct app *self, bool finish_undo)
{
    self->event_count = self->step_at = self->step_count = 0;
    if (self->hook && self->job_is_undo && finish_undo)
        return;
    if (self->note) {
        self->note->app = NULL;
        self->note = NULL;
        settle(self); /* it did not run */
    }
    program_destroy(self->hook);
    self->hook = NULL;
    self->busy = false;
}
