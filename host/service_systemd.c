/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: notifications by its datagram socket ($NOTIFY_SOCKET, sd_notify(3)), and an inhibitor lock of logind
 * (org.freedesktop.login1(5), Inhibit), which is held as long as the file descriptor that it answers with is open.
 *
 * A request for the lock belongs to a worker until it is done, so it is an object of its own: the service may have
 * changed its mind by then, or be gone. What counts is only what is wanted when the answer comes.
 */
#include "host/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BUS_LIMIT_NS (2 * CLOCK_SECOND_NS)
#define RETRY_NS     (30 * CLOCK_SECOND_NS)

struct request {
    struct service *service; /* main thread; NULL: gone */
    int fd;                  /* the answer, or -1 */
    char reason[160];        /* why not */
};

struct service {
    struct loop *loop;
    int64_t watch_interval_ns;
    bool awake_wanted;
    struct request *request; /* the worker has it; NULL: none under way */
    int lock_fd;             /* -1: not held */
    struct loop_timer *retry;
    char text[200];
    bool refusal_logged; /* since it was last held */
};

static void ask(struct service *self);

/* --- worker --- */

static int64_t left_us(int64_t until_ns)
{
    int64_t left_ns = until_ns - clock_now_ns();
    return left_ns > 0 ? left_ns / CLOCK_US_NS + 1 : 0;
}

/* Connecting includes a conversation with the bus, which has no other limit. */
static int connect_bus(sd_bus **ret_bus, int64_t until_ns)
{
    int result = sd_bus_open_system(ret_bus);
    while (result >= 0 && (result = sd_bus_is_ready(*ret_bus)) == 0) {
        int64_t wait_us = left_us(until_ns);
        if (!wait_us)
            return -ETIMEDOUT;
        result = sd_bus_process(*ret_bus, NULL);
        if (result == 0)
            result = sd_bus_wait(*ret_bus, (uint64_t)wait_us);
    }
    return result;
}

static int inhibit(sd_bus *bus, int64_t until_ns, sd_bus_error *error)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int fd = -1, result;
    result = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.login1", "/org/freedesktop/login1",
                                            "org.freedesktop.login1.Manager", "Inhibit");
    if (result >= 0)
        result =
            sd_bus_message_append(call, "ssss", "idle:sleep", "Earthshine", "A Moonlight client is streaming", "block");
    if (result >= 0)
        result = sd_bus_call(bus, call, (uint64_t)left_us(until_ns) + 1, error, &reply);
    if (result >= 0)
        result = sd_bus_message_read(reply, "h", &fd);
    if (result >= 0)
        result = fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message's own goes with it */
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
    return result < 0 ? result : fd;
}

static void request_work(void *arg)
{
    struct request *request = arg;
    int64_t until_ns = clock_now_ns() + BUS_LIMIT_NS;
    sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int result = connect_bus(&bus, until_ns);
    if (result < 0) {
        snprintf(request->reason, sizeof(request->reason), "no answer from the system bus: %s", strerror(-result));
    } else {
        result = inhibit(bus, until_ns, &error);
        if (result < 0)
            snprintf(request->reason, sizeof(request->reason), "the login manager said no: %s",
                     error.message ? error.message : strerror(-result));
    }
    request->fd = result < 0 ? -1 : result;
    sd_bus_error_free(&error);
    sd_bus_close_unref(bus);
}

/* --- main thread --- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void set_text(struct service *self, const char *text)
{
    text_copy(self->text, sizeof(self->text), text);
}

static void on_retry(void *arg)
{
    struct service *self = arg;
    loop_timer_destroy(self->retry);
    self->retry = NULL;
    if (self->awake_wanted && self->lock_fd < 0)
        ask(self);
}

static void retry_later(struct service *self)
{
    if (!self->retry)
        self->retry = loop_timer_create(self->loop, RETRY_NS, false, on_retry, self);
}

static void take_answer(struct service *self, struct request *request)
{
    if (!self->awake_wanted) {
        set_text(self, "not held");
        return;
    }
    if (request->fd >= 0) {
        self->lock_fd = request->fd;
        request->fd = -1;
        self->refusal_logged = false;
        set_text(self, "held");
        return;
    }
    set_text(self, request->reason);
    if (!self->refusal_logged)
        log_warn("service: the system may fall asleep while streaming: %s", request->reason);
    self->refusal_logged = true;
    retry_later(self);
}

static void request_done(void *arg)
{
    struct request *request = arg;
    if (request->service) {
        request->service->request = NULL;
        take_answer(request->service, request);
    }
    close_fd(&request->fd);
    free(request);
}

static void ask(struct service *self)
{
    set_text(self, "being asked for");
    if (self->request)
        return;
    struct request *request = calloc(1, sizeof(*request));
    if (request) {
        request->service = self;
        request->fd = -1;
        if (loop_work(self->loop, request_work, request_done, request)) {
            self->request = request;
            return;
        }
        free(request);
    }
    set_text(self, "not held: too busy to ask for it");
    retry_later(self);
}

void service_keep_awake(struct service *self, bool awake)
{
    if (awake == self->awake_wanted)
        return;
    self->awake_wanted = awake;
    loop_timer_destroy(self->retry);
    self->retry = NULL;
    if (awake) {
        ask(self);
    } else {
        close_fd(&self->lock_fd);
        set_text(self, "not held");
    }
}

const char *service_awake_text(const struct service *self)
{
    return self->text;
}

struct service *service_create(struct loop *loop)
{
    struct service *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("service");
    self->loop = loop;
    self->lock_fd = -1;
    set_text(self, "not held");
    uint64_t watch_us = 0;
    if (sd_watchdog_enabled(0, &watch_us) > 0)
        self->watch_interval_ns = (int64_t)(watch_us / 2) * CLOCK_US_NS;
    return self;
}

void service_destroy(struct service *self)
{
    if (!self)
        return;
    if (self->request)
        self->request->service = NULL;
    loop_timer_destroy(self->retry);
    close_fd(&self->lock_fd);
    free(self);
}

void service_ready(struct service *self, const char *status)
{
    (void)self;
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_stopping(struct service *self)
{
    (void)self;
    sd_notify(0, "STOPPING=1");
}

int64_t service_watch_interval_ns(const struct service *self)
{
    return self->watch_interval_ns;
}

void service_alive(struct service *self)
{
    (void)self;
    sd_notify(0, "WATCHDOG=1");
}
