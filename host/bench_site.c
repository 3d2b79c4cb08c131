/* SPDX-License-Identifier: Apache-2.0 */
/* The measuring goes step by step; while it waits, the loop runs and hears of signals and of the X server's end. */
#include "host/bench_site.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/desktop_files.h"
#include "host/desktop_xserver.h"
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNALS = 3, START_LIMIT_S = 20, START_TRIES = 5 };

struct bench_site {
    struct loop *loop;
    struct event *signals[SIGNALS];
    char folder[DESKTOP_PATH_MAX];
    struct desktop_files files;
    int number; /* of the display; 0: none */
    char display[16];
    struct program *server;
    bool server_ended;           /* before it was asked to */
    _Atomic(const char *) fault; /* why all must end; NULL: go on */
    bool fault_told;
};

void bench_site_fail(struct bench_site *self, const char *what)
{
    const char *none = NULL;
    atomic_compare_exchange_strong(&self->fault, &none, what);
    loop_stop(self->loop);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)number, (void)what;
    bench_site_fail(ctx, "interrupted");
}

static bool watch_signals(struct bench_site *self)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    signal(SIGPIPE, SIG_IGN); /* a reader of the table who goes must not leave things behind */
    for (int i = 0; i < SIGNALS; i++) {
        self->signals[i] = evsignal_new(loop_base(self->loop), numbers[i], on_signal, self);
        if (!self->signals[i] || event_add(self->signals[i], NULL) != 0)
            return false;
    }
    return true;
}

static bool make_folder(struct bench_site *self)
{
    const char *parent = getenv("TMPDIR");
    int length =
        snprintf(self->folder, sizeof(self->folder), "%s/earthshine-bench-XXXXXX", parent && *parent ? parent : "/tmp");
    if (length < (int)sizeof(self->folder) && mkdtemp(self->folder))
        return true;
    fprintf(stderr, "earthshine: cannot make the folder %s: %s\n", self->folder, strerror(errno));
    self->folder[0] = '\0';
    return false;
}

struct bench_site *bench_site_create(void)
{
    struct bench_site *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("bench");
    self->loop = loop_create();
    if (self->loop && watch_signals(self) && make_folder(self))
        return self;
    bench_site_destroy(self);
    return NULL;
}

static void end_server(struct bench_site *self)
{
    program_stop_and_wait(self->server);
    program_destroy(self->server);
    self->server = NULL;
    xserver_give_number(self->number);
    self->number = 0;
    self->display[0] = '\0';
    desktop_files_remove(&self->files);
}

void bench_site_destroy(struct bench_site *self)
{
    if (!self)
        return;
    end_server(self);
    if (self->folder[0])
        rmdir(self->folder);
    for (int i = 0; i < SIGNALS; i++)
        if (self->signals[i])
            event_free(self->signals[i]);
    loop_destroy(self->loop);
    free(self);
}

const char *bench_site_display(const struct bench_site *self)
{
    return self->display;
}

const char *bench_site_xauthority(const struct bench_site *self)
{
    return self->files.xauthority;
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

bool bench_site_wait(struct bench_site *self, int64_t until_ns)
{
    for (int64_t now_ns; !self->fault && (now_ns = clock_now_ns()) < until_ns;) {
        struct loop_timer *timer = loop_timer_create(self->loop, until_ns - now_ns, false, on_time, self->loop);
        if (timer)
            loop_run(self->loop);
        else
            bench_site_fail(self, "out of memory");
        loop_timer_destroy(timer);
    }
    const char *fault = self->fault;
    if (fault && !self->fault_told)
        fprintf(stderr, "earthshine: bench: %s\n", fault);
    self->fault_told |= fault != NULL;
    return !fault;
}

/* --- the X server --- */

static void on_server_ended(void *ctx, const struct program_end *end)
{
    struct bench_site *self = ctx;
    (void)end;
    self->server_ended = true;
    if (self->display[0])
        bench_site_fail(self, "the X server ended");
    loop_stop(self->loop);
}

static bool start_server(struct bench_site *self, int first_number, int width, int height, int *ret_ready_fd)
{
    char reason[CHILD_REASON_MAX] = "no display number from :91 to :199 is free";
    const struct xserver_config config = {
        .kind = XSERVER_XVFB,
        .number = self->number = xserver_take_number(first_number),
        .width = width,
        .height = height,
        .files = &self->files,
        .user = "",
        .loop = self->loop,
        .ended = on_server_ended,
        .ctx = self,
    };
    self->server_ended = false;
    if (self->number && desktop_files_make(&self->files, self->folder, "", reason))
        self->server = xserver_start(&config, ret_ready_fd, reason);
    if (!self->server)
        fprintf(stderr, "earthshine: bench needs the X server Xvfb (Debian: apt install xvfb): %s\n", reason);
    return self->server != NULL;
}

/* True: it answers. */
static bool await_server(struct bench_site *self, int ready_fd)
{
    char text[32];
    ssize_t got = -1;
    int64_t limit_ns = clock_now_ns() + START_LIMIT_S * CLOCK_SECOND_NS;
    while (!self->server_ended && clock_now_ns() < limit_ns) {
        got = read(ready_fd, text, sizeof(text));
        if (got > 0 || !bench_site_wait(self, clock_now_ns() + 20 * CLOCK_MS_NS))
            break;
    }
    close(ready_fd);
    return got > 0 && memchr(text, '\n', (size_t)got);
}

static void tell_output(const struct bench_site *self)
{
    char output[PROGRAM_OUTPUT_MAX + 1];
    program_output(self->server, output);
    fprintf(stderr, "earthshine: Xvfb did not become ready; it says:\n%s", output);
}

bool bench_site_show(struct bench_site *self, int width, int height)
{
    char output[PROGRAM_OUTPUT_MAX + 1];
    int number = XSERVER_NUMBER_MIN, ready_fd;
    for (int i = 0; i < START_TRIES; i++) {
        end_server(self);
        if (!start_server(self, number, width, height, &ready_fd))
            return false;
        if (await_server(self, ready_fd)) {
            snprintf(self->display, sizeof(self->display), ":%d", self->number);
            return true;
        }
        program_output(self->server, output);
        if (self->fault || !xserver_number_was_taken(output))
            break;
        number = self->number + 1;
    }
    if (!self->fault)
        tell_output(self);
    return false;
}
