/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's life. Every end leads to the next start: at once when it was asked for or came after a long run, else
 * after pauses that grow. A number that another server took between our look and the start is no failure: the next one
 * is tried. Xorg that does not come up twice gives way to Xvfb for good.
 *
 * A size that Xvfb has no room for means a new server. Whether that would close programs is asked on a worker, and the
 * question is broken off when the server does not answer it; it counts for the server that was asked only.
 */
#include "host/desktop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/x11_windows.h"
#include "host/desktop_files.h"
#include "host/desktop_session.h"
#include "host/desktop_xserver.h"
#include "host/program.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SENTENCE_MAX = 320,
    START_LIMIT_S = 20,
    PAUSE_MAX_S = 30,
    STEADY_S = 60,
    XORG_TRIES = 2,
    SIDE_MIN = 64,
    SIDE_MAX = 8192,
    TAKEN_MAX = 20,
    ENTRY_MAX = DESKTOP_PATH_MAX + 16,
};
#define WINDOWS_LIMIT_NS (500 * CLOCK_MS_NS)

enum state { STATE_WAITING, STATE_STARTING, STATE_RUNNING };

/* Left over from a desktop around us, or the console's: programs must not take it for theirs. */
static const char *const not_ours[] = {
    "WAYLAND_DISPLAY",     "WAYLAND_SOCKET",  "DESKTOP_SESSION", "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_DESKTOP", "SESSION_MANAGER", "XDG_SEAT",        "XDG_VTNR"};
enum { NOT_OURS = sizeof(not_ours) / sizeof(not_ours[0]) };

struct fit; /* a question about windows */

struct desktop {
    struct desktop_config config;
    struct desktop_files files;
    struct desktop_session *session; /* NULL: there is no session_command */

    enum state state;
    enum xserver_kind kind;
    unsigned xorg_failures;
    int width, height; /* of the server, or of the next one */
    int number;        /* locked; 0: none yet */
    char display[16];  /* ":91"; "": no server answers */

    struct program *server;
    unsigned times_ready;
    unsigned failures, taken; /* in a row; numbers that another server had */
    bool start_at_once;       /* its end is wished */
    int ready_fd;             /* -1: none */
    struct event *ready;
    struct loop_timer *limit, *pause;

    struct fit *fit;
    int wished_width, wished_height; /* 0: none */

    char trouble[SENTENCE_MAX], fit_sentence[SENTENCE_MAX], fallback[SENTENCE_MAX]; /* "": nothing to say */
    char last_log[PROGRAM_OUTPUT_MAX + 1], last_log_end[64];                        /* of the server before */

    char display_entry[32], xauthority_entry[ENTRY_MAX];
    const char *environment[3 + NOT_OURS + 1];
};

static void start_server(struct desktop *self);
static void fit_forget(struct desktop *self);

static const char *sentence(const struct desktop *self)
{
    if (self->trouble[0])
        return self->trouble;
    return self->fit_sentence[0] ? self->fit_sentence : self->fallback;
}

static void tell_page(struct desktop *self)
{
    if (self->config.changed)
        self->config.changed(self->config.ctx);
}

static void tell_move(struct desktop *self)
{
    self->config.moved(self->config.ctx, self->display, self->files.xauthority, sentence(self));
    tell_page(self);
}

/* What programs in the display need; without one, that they have none. */
static void make_environment(struct desktop *self)
{
    size_t used = 0;
    bool own = !self->files.user_xauthority[0];
    snprintf(self->display_entry, sizeof(self->display_entry), "DISPLAY=%s", self->display);
    snprintf(self->xauthority_entry, sizeof(self->xauthority_entry), "XAUTHORITY=%.*s", DESKTOP_PATH_MAX,
             own ? self->files.xauthority : self->files.user_xauthority);
    self->environment[used++] = self->display[0] ? self->display_entry : "DISPLAY";
    self->environment[used++] = self->display[0] ? self->xauthority_entry : "XAUTHORITY";
    self->environment[used++] = "XDG_SESSION_TYPE=x11";
    for (size_t i = 0; i < NOT_OURS; i++)
        self->environment[used++] = not_ours[i];
    self->environment[used] = NULL;
}

/* --- waiting for the next start --- */

static void pause_over(void *arg)
{
    struct desktop *self = arg;
    loop_timer_destroy(self->pause);
    self->pause = NULL;
    start_server(self);
}

static void start_after(struct desktop *self, int pause_s)
{
    self->state = STATE_WAITING;
    loop_timer_destroy(self->pause);
    self->pause = loop_timer_create(self->config.loop, pause_s * CLOCK_SECOND_NS, false, pause_over, self);
    if (!self->pause)
        log_oom("desktop");
}

/* 0, 1, 2, 4 ... 30 s; returns it. */
static int start_after_failure(struct desktop *self)
{
    int pause_s = !self->failures ? 0 : self->failures <= 5 ? 1 << (self->failures - 1) : PAUSE_MAX_S;
    self->failures++;
    start_after(self, pause_s);
    return pause_s;
}

static void could_not_start(struct desktop *self, const char *reason)
{
    snprintf(self->trouble, sizeof(self->trouble), "The private display does not start: %s.", reason);
    int pause_s = start_after_failure(self);
    log_error("desktop: %s Next attempt in %d s.", self->trouble, pause_s);
    tell_move(self);
}

/* --- the server becomes ready --- */

static void end_start(struct desktop *self)
{
    if (self->ready)
        event_free(self->ready);
    self->ready = NULL;
    if (self->ready_fd >= 0)
        close(self->ready_fd);
    self->ready_fd = -1;
    loop_timer_destroy(self->limit);
    self->limit = NULL;
}

static void server_is_ready(struct desktop *self)
{
    end_start(self);
    self->state = STATE_RUNNING;
    self->times_ready++;
    self->taken = 0;
    self->trouble[0] = 0;
    snprintf(self->display, sizeof(self->display), ":%d", self->number);
    make_environment(self);
    log_info("desktop: the private display %s runs: %s, %dx%d", self->display, xserver_name(self->kind), self->width,
             self->height);
    tell_move(self);
    if (self->session)
        desktop_session_set_display(self->session, self->environment);
    if (self->wished_width)
        desktop_fit(self, self->wished_width, self->wished_height);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct desktop *self = arg;
    char text[32];
    (void)what;
    ssize_t got = read(fd, text, sizeof(text));
    if (got > 0 && memchr(text, '\n', (size_t)got))
        server_is_ready(self);
    else if (got == 0)
        event_del(self->ready); /* it is about to end */
}

static void on_start_limit(void *arg)
{
    struct desktop *self = arg;
    log_warn("desktop: %s does not become ready within %d s and is killed", xserver_name(self->kind), START_LIMIT_S);
    program_kill(self->server);
}

/* --- the server ends --- */

static void keep_log(struct desktop *self)
{
    program_output(self->server, self->last_log);
}

/* It never answered. */
static void start_failed(struct desktop *self, const char *how)
{
    char reason[96];
    if (xserver_number_was_taken(self->last_log) && ++self->taken <= TAKEN_MAX) {
        xserver_give_number(self->number++);
        start_after(self, 0);
        return;
    }
    snprintf(reason, sizeof(reason), "%s did not become ready (%.48s)", xserver_name(self->kind), how);
    if (self->kind == XSERVER_XORG && ++self->xorg_failures >= XORG_TRIES) {
        self->kind = XSERVER_XVFB;
        self->failures = 0;
        snprintf(self->fallback, sizeof(self->fallback),
                 "Xorg did not start (%.48s), so the private display is Xvfb, which cannot grow while programs are "
                 "open. The server's log says why.",
                 how);
        log_warn("desktop: %s", self->fallback);
        start_after(self, 0);
        return;
    }
    could_not_start(self, reason);
}

static void server_died(struct desktop *self, const char *how, bool wished)
{
    if (wished) {
        start_after(self, 0);
        snprintf(self->trouble, sizeof(self->trouble), "The private display is being started anew.");
        log_info("desktop: %s", self->trouble);
    } else {
        int pause_s = start_after_failure(self);
        snprintf(self->trouble, sizeof(self->trouble),
                 "The private display ended (%s, %.48s). It is being started again.", xserver_name(self->kind), how);
        log_error("desktop: %s Next attempt in %d s.", self->trouble, pause_s);
    }
    tell_move(self);
}

static void on_server_ended(void *ctx, const struct program_end *end)
{
    struct desktop *self = ctx;
    bool was_running = self->state == STATE_RUNNING, wished = self->start_at_once;
    child_end_text(&end->child, self->last_log_end, sizeof(self->last_log_end));
    keep_log(self);
    program_destroy(self->server);
    self->server = NULL;
    end_start(self);
    fit_forget(self);
    self->start_at_once = false;
    self->display[0] = 0;
    if (self->session)
        desktop_session_set_display(self->session, NULL);
    make_environment(self);
    if (end->ran_ns >= STEADY_S * CLOCK_SECOND_NS)
        self->failures = 0;
    if (was_running || wished)
        server_died(self, self->last_log_end, wished);
    else
        start_failed(self, self->last_log_end);
}

/* --- starting it --- */

/* Its descriptor `ready_fd` is watched. False: no memory. */
static bool watch_start(struct desktop *self)
{
    self->ready = event_new(loop_base(self->config.loop), self->ready_fd, EV_READ | EV_PERSIST, on_ready, self);
    self->limit = loop_timer_create(self->config.loop, START_LIMIT_S * CLOCK_SECOND_NS, false, on_start_limit, self);
    return self->ready && self->limit && event_add(self->ready, NULL) == 0;
}

static void start_server(struct desktop *self)
{
    const struct config *config = self->config.config;
    char reason[CHILD_REASON_MAX];
    if (!desktop_files_make(&self->files, config->state_dir, config->session_user, reason)) {
        could_not_start(self, reason);
        return;
    }
    int number = xserver_take_number(self->number ? self->number : XSERVER_NUMBER_MIN);
    if (self->number != number)
        xserver_give_number(self->number);
    self->number = number;
    if (!number) {
        could_not_start(self, "no display number from :91 to :199 is free");
        return;
    }
    const struct xserver_config server = {.kind = self->kind,
                                          .number = self->number,
                                          .width = self->width,
                                          .height = self->height,
                                          .files = &self->files,
                                          .user = config->session_user,
                                          .loop = self->config.loop,
                                          .ended = on_server_ended,
                                          .ctx = self};
    self->server = xserver_start(&server, &self->ready_fd, reason);
    if (!self->server) {
        could_not_start(self, reason);
        return;
    }
    self->state = STATE_STARTING;
    if (!watch_start(self)) {
        log_oom("desktop");
        program_kill(self->server);
    }
    tell_page(self);
}

/* --- the public part --- */

struct desktop *desktop_create(const struct desktop_config *config)
{
    const struct config *settings = config->config;
    struct desktop *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("desktop");
    self->config = *config;
    self->kind = xserver_choose();
    self->width = settings->virtual_width;
    self->height = settings->virtual_height;
    self->ready_fd = -1;
    make_environment(self);
    if (settings->session_command[0]) {
        const struct desktop_session_config session = {.loop = config->loop,
                                                       .command = settings->session_command,
                                                       .user = settings->session_user,
                                                       .changed = config->changed,
                                                       .ctx = config->ctx};
        self->session = desktop_session_create(&session);
    }
    start_after(self, 0); /* not from within: the caller does not have us yet */
    if (self->pause && (self->session || !settings->session_command[0]))
        return self;
    desktop_destroy(self);
    return NULL;
}

void desktop_destroy(struct desktop *self)
{
    if (!self)
        return;
    fit_forget(self);
    desktop_session_destroy(self->session);
    program_stop_and_wait(self->server);
    program_destroy(self->server);
    xserver_give_number(self->number);
    end_start(self);
    loop_timer_destroy(self->pause);
    desktop_files_remove(&self->files);
    free(self);
}

bool desktop_restart_session(struct desktop *self)
{
    if (!self->session)
        return false;
    desktop_session_restart(self->session);
    return true;
}

void desktop_restart_server(struct desktop *self)
{
    self->failures = 0;
    if (self->server) {
        self->start_at_once = true;
        program_kill(self->server);
    } else {
        start_after(self, 0);
    }
}

const char *const *desktop_environment(const struct desktop *self)
{
    return self->environment;
}

json_t *desktop_to_json(const struct desktop *self)
{
    static const char *const states[] = {"waiting", "starting", "running"};
    return json_pack("{s:s s:s s:i s:i s:s s:s s:i s:o}", "server", xserver_name(self->kind), "display", self->display,
                     "width", self->width, "height", self->height, "state", states[self->state], "sentence",
                     sentence(self), "server_restarts", self->times_ready ? (int)self->times_ready - 1 : 0, "session",
                     self->session ? desktop_session_to_json(self->session) : json_null());
}

size_t desktop_server_log(const struct desktop *self, char *ret_text, size_t capacity)
{
    char now[PROGRAM_OUTPUT_MAX + 1] = "", all[2 * sizeof(now) + 128];
    if (self->server)
        program_output(self->server, now);
    int length = !self->last_log_end[0] ? snprintf(all, sizeof(all), "%s", now)
                                        : snprintf(all, sizeof(all), "%s\n--- this server ended (%s) ---\n%s",
                                                   self->last_log, self->last_log_end, now);
    size_t skip = (size_t)length < capacity ? 0 : (size_t)length - capacity + 1;
    while (skip && all[skip] && all[skip - 1] != '\n')
        skip++; /* whole lines */
    text_copy(ret_text, capacity, all + skip);
    return strlen(ret_text);
}

/* --- a size for the client --- */

struct fit {
    struct desktop *desktop; /* NULL: the server has ended, nobody waits for the answer any more */
    struct x11_windows *question;
    struct loop_timer *limit;
    enum x11_windows_answer answer;
};

static void fit_forget(struct desktop *self)
{
    if (!self->fit)
        return;
    x11_windows_cancel(self->fit->question);
    loop_timer_destroy(self->fit->limit);
    self->fit->limit = NULL;
    self->fit->desktop = NULL;
    self->fit = NULL;
}

static void on_fit_limit(void *arg)
{
    struct fit *fit = arg;
    x11_windows_cancel(fit->question);
}

static void fit_work(void *arg) /* a worker */
{
    struct fit *fit = arg;
    fit->answer = x11_windows_ask(fit->question);
}

static void say_why_not(struct desktop *self, enum x11_windows_answer answer)
{
    snprintf(self->fit_sentence, sizeof(self->fit_sentence),
             "The desktop cannot be larger than %dx%d now, so it is scaled: %s. For any size at any time, install "
             "xserver-xorg-video-dummy and run Earthshine as root, or set a larger virtual_display.",
             self->width, self->height,
             answer == X11_WINDOWS_OPEN ? "programs have windows open, which a new size would close"
                                        : "the private display did not answer");
    log_info("desktop: %s", self->fit_sentence);
}

static void resize(struct desktop *self)
{
    log_info("desktop: no window is open: from %dx%d to %dx%d", self->width, self->height, self->wished_width,
             self->wished_height);
    self->width = self->wished_width;
    self->height = self->wished_height;
    self->start_at_once = true;
    program_stop(self->server);
}

static void fit_done(void *arg)
{
    struct fit *fit = arg;
    struct desktop *self = fit->desktop;
    if (self) {
        self->fit = NULL;
        if (fit->answer == X11_WINDOWS_NONE)
            resize(self);
        else
            say_why_not(self, fit->answer);
        self->wished_width = 0;
        tell_page(self);
    }
    loop_timer_destroy(fit->limit);
    x11_windows_destroy(fit->question);
    free(fit);
}

static void ask_for_windows(struct desktop *self)
{
    struct fit *fit = calloc(1, sizeof(*fit));
    if (!fit) {
        log_oom("desktop");
        return;
    }
    *fit = (struct fit){.desktop = self, .answer = X11_WINDOWS_UNKNOWN};
    fit->question = x11_windows_create(self->number, self->files.cookie, sizeof(self->files.cookie));
    fit->limit =
        fit->question ? loop_timer_create(self->config.loop, WINDOWS_LIMIT_NS, false, on_fit_limit, fit) : NULL;
    self->fit = fit;
    if (!fit->limit || !loop_work(self->config.loop, fit_work, fit_done, fit))
        fit_done(fit);
}

static int within_limits(int size)
{
    return (size < SIDE_MIN ? SIDE_MIN : size > SIDE_MAX ? SIDE_MAX : size) & ~1;
}

void desktop_fit(struct desktop *self, int width, int height)
{
    width = within_limits(width);
    height = within_limits(height);
    self->fit_sentence[0] = 0;
    self->wished_width = 0;
    bool has_room = width <= self->width && height <= self->height;
    if (self->kind == XSERVER_XORG || has_room) {
        tell_page(self);
        return;
    }
    if (self->state == STATE_WAITING) { /* the next server */
        self->width = width;
        self->height = height;
        tell_page(self);
        return;
    }
    self->wished_width = width;
    self->wished_height = height;
    if (self->state == STATE_RUNNING && !self->fit && !self->start_at_once)
        ask_for_windows(self); /* else when it is ready */
}
