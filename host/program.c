/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program writes goes through a pipe into a ring. When the program writes faster than is worth reading, it waits
 * on the pipe, not we: after a full buffer the pipe is left alone for a moment.
 *
 * The end of the child is what ends a program, not the end of its output: a grandchild may hold the pipe open for ever.
 */
#include "host/program.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 32 * 1024, DRAIN_READS = 4 /* more than a pipe holds */, KILL_WAIT_MS = 1000 };
#define READ_PAUSE_NS (10 * CLOCK_MS_NS)

struct program {
    struct program_config config; /* without the spec */
    char name[64];
    struct child child;
    int64_t started_ns;
    bool asked, timed_out;

    int output; /* our end of the pipe; -1: none */
    struct event *readable, *exited;
    struct loop_timer *pause, *limit, *kill;

    size_t written; /* in all; the ring holds the last of it */
    char ring[PROGRAM_OUTPUT_MAX];
};

/* --- output --- */

static void keep(struct program *self, const char *data, size_t size)
{
    if (size > PROGRAM_OUTPUT_MAX) {
        self->written += size - PROGRAM_OUTPUT_MAX;
        data += size - PROGRAM_OUTPUT_MAX;
        size = PROGRAM_OUTPUT_MAX;
    }
    size_t at = self->written % PROGRAM_OUTPUT_MAX, first = PROGRAM_OUTPUT_MAX - at;
    if (first > size)
        first = size;
    memcpy(self->ring + at, data, first);
    memcpy(self->ring, data + first, size - first);
    self->written += size;
}

static void close_output(struct program *self)
{
    if (self->readable)
        event_free(self->readable);
    self->readable = NULL;
    loop_timer_destroy(self->pause);
    self->pause = NULL;
    if (self->output >= 0)
        close(self->output);
    self->output = -1;
}

/* The bytes read; 0 at the end of the output; negative: nothing there now. */
static ssize_t read_once(struct program *self)
{
    char data[READ_BYTES];
    ssize_t got = read(self->output, data, sizeof(data));
    if (got > 0)
        keep(self, data, (size_t)got);
    return got;
}

static void pause_over(void *arg)
{
    struct program *self = arg;
    loop_timer_destroy(self->pause);
    self->pause = NULL;
    event_add(self->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct program *self = arg;
    (void)fd, (void)what;
    ssize_t got = read_once(self);
    if (got == 0) {
        close_output(self);
    } else if (got == READ_BYTES) {
        self->pause = loop_timer_create(self->config.loop, READ_PAUSE_NS, false, pause_over, self);
        if (self->pause)
            event_del(self->readable);
    }
}

/* --- the end --- */

static void release(struct program *self)
{
    close_output(self);
    if (self->exited)
        event_free(self->exited);
    self->exited = NULL;
    loop_timer_destroy(self->limit);
    loop_timer_destroy(self->kill);
    self->limit = self->kill = NULL;
}

/* True once it has ended; then all of its output that can be had is kept. */
static bool reap(struct program *self, struct program_end *ret_end)
{
    if (self->exited)
        event_del(self->exited); /* before the descriptor it watches is closed */
    struct child_end end;
    if (!child_reap(&self->child, &end)) {
        if (self->exited)
            event_add(self->exited, NULL);
        return false;
    }
    for (int i = 0; self->output >= 0 && i < DRAIN_READS && read_once(self) > 0;)
        i++;
    release(self);
    *ret_end = (struct program_end){
        .child = end,
        .asked = self->asked,
        .timed_out = self->timed_out,
        .ran_ns = clock_now_ns() - self->started_ns,
    };
    char text[64];
    child_end_text(&end, text, sizeof(text));
    log_debug("program: %s has ended (%s)", self->name, text);
    return true;
}

static void on_exited(evutil_socket_t fd, short what, void *arg)
{
    struct program *self = arg;
    struct program_end end;
    (void)fd, (void)what;
    if (reap(self, &end) && self->config.ended)
        self->config.ended(self->config.ctx, &end); /* may have destroyed us */
}

static void on_limit(void *arg)
{
    struct program *self = arg;
    log_warn("program: %s did not end within %d s and is killed", self->name, self->config.limit_s);
    self->timed_out = true;
    child_signal(&self->child, CHILD_KILL);
}

static void on_kill(void *arg)
{
    struct program *self = arg;
    log_info("program: %s did not end when asked and is killed", self->name);
    child_signal(&self->child, CHILD_KILL);
}

/* --- the public part --- */

static bool open_pipe(int ret_ends[2])
{
    if (pipe2(ret_ends, O_CLOEXEC) != 0)
        return false;
    fcntl(ret_ends[0], F_SETFL, O_NONBLOCK); /* our end; the program's own stays as programs expect it */
    return true;
}

static bool start_child(struct program *self, const struct child_spec *spec, char *ret_reason)
{
    int ends[2];
    if (!open_pipe(ends)) {
        text_copy(ret_reason, CHILD_REASON_MAX, "there are no more file descriptors for its output");
        return false;
    }
    struct child_spec with_output = *spec;
    with_output.output = ends[1];
    bool started = child_start(&self->child, &with_output, ret_reason);
    close(ends[1]);
    self->output = ends[0];
    self->started_ns = clock_now_ns();
    return started;
}

static bool watch(struct program *self)
{
    struct event_base *base = loop_base(self->config.loop);
    self->readable = event_new(base, self->output, EV_READ | EV_PERSIST, on_readable, self);
    self->exited = event_new(base, self->child.exit_fd, EV_READ | EV_PERSIST, on_exited, self);
    if (self->config.limit_s > 0) {
        self->limit =
            loop_timer_create(self->config.loop, self->config.limit_s * CLOCK_SECOND_NS, false, on_limit, self);
        if (!self->limit)
            return false;
    }
    return self->readable && self->exited && event_add(self->readable, NULL) == 0 && event_add(self->exited, NULL) == 0;
}

struct program *program_start(const struct program_config *config, char ret_reason[CHILD_REASON_MAX])
{
    struct program *self = calloc(1, sizeof(*self));
    text_copy(ret_reason, CHILD_REASON_MAX, "there is not enough memory");
    if (!self)
        return log_oom("program");
    self->config = *config;
    self->config.spec = (struct child_spec){0};
    self->config.name = self->name;
    text_copy(self->name, sizeof(self->name), config->name);
    self->output = -1;
    if (!start_child(self, &config->spec, ret_reason)) {
        log_warn("program: %s does not start: %s", self->name, ret_reason);
        program_destroy(self);
        return NULL;
    }
    if (!watch(self)) {
        program_destroy(self);
        text_copy(ret_reason, CHILD_REASON_MAX, "there is not enough memory");
        return log_oom("program");
    }
    log_debug("program: %s runs as process %d", self->name, self->child.pid);
    return self;
}

void program_stop(struct program *self)
{
    if (!program_runs(self) || self->asked)
        return;
    self->asked = true;
    child_signal(&self->child, CHILD_TERMINATE);
    self->kill = loop_timer_create(self->config.loop, PROGRAM_STOP_S * CLOCK_SECOND_NS, false, on_kill, self);
    if (!self->kill)
        child_signal(&self->child, CHILD_KILL);
}

void program_kill(struct program *self)
{
    self->asked = true;
    child_signal(&self->child, CHILD_KILL);
}

/* Its output is read meanwhile, so that a program that says much at its end is not held by a full pipe. */
static bool wait_until(struct program *self, int64_t until_ns, struct program_end *ret_end)
{
    for (;;) {
        int64_t left_ns = until_ns - clock_now_ns();
        struct pollfd fds[] = {{self->child.exit_fd, POLLIN, 0}, {self->output, POLLIN, 0}};
        poll(fds, 2, left_ns > 0 ? (int)(left_ns / CLOCK_MS_NS) + 1 : 0);
        if (reap(self, ret_end))
            return true;
        if (fds[1].revents && read_once(self) == 0)
            close_output(self);
        if (left_ns <= 0)
            return false;
    }
}

void program_stop_and_wait(struct program *self)
{
    struct program_end end;
    if (!self || !program_runs(self))
        return;
    child_signal(&self->child, CHILD_TERMINATE);
    if (wait_until(self, clock_now_ns() + PROGRAM_STOP_S * CLOCK_SECOND_NS, &end))
        return;
    log_info("program: %s did not end when asked and is killed", self->name);
    child_signal(&self->child, CHILD_KILL);
    wait_until(self, clock_now_ns() + KILL_WAIT_MS * CLOCK_MS_NS, &end);
}

void program_destroy(struct program *self)
{
    struct program_end end;
    if (!self)
        return;
    if (program_runs(self)) {
        child_signal(&self->child, CHILD_KILL);
        if (!wait_until(self, clock_now_ns() + KILL_WAIT_MS * CLOCK_MS_NS, &end)) {
            log_warn("program: %s (process %d) does not even end when killed", self->name, self->child.pid);
            close(self->child.exit_fd);
        }
    }
    release(self);
    free(self);
}

bool program_runs(const struct program *self)
{
    return self && self->child.pid != 0;
}

int program_pid(const struct program *self)
{
    return self ? self->child.pid : 0;
}

/* --- output as text --- */

/* Carriage returns, as progress bars print them, become line ends. */
static size_t end_lines(char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
            continue;
        text[used++] = text[i] == '\r' ? '\n' : text[i] == '\t' ? ' ' : text[i] ? text[i] : '?';
    }
    text[used] = 0;
    return used;
}

size_t program_output(const struct program *self, char ret_text[PROGRAM_OUTPUT_MAX + 1])
{
    bool full = self->written > PROGRAM_OUTPUT_MAX;
    size_t size = full ? PROGRAM_OUTPUT_MAX : self->written, at = full ? self->written % PROGRAM_OUTPUT_MAX : 0;
    memcpy(ret_text, self->ring + at, size - at);
    memcpy(ret_text + size - at, self->ring, at);
    size_t lost = 0;
    while (full && lost < 3 && ((unsigned char)ret_text[lost] & 0xc0) == 0x80)
        lost++; /* the rest of a character whose start is gone */
    memmove(ret_text, ret_text + lost, size - lost);
    size = end_lines(ret_text, size - lost);
    text_make_printable(ret_text);
    return size;
}
