/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: Server-Sent Events to open pages. Each event is the whole state, so a slow reader may miss any of them. It is
 * made once for all pages, and only while one looks; an unchanged one is sent only now and then, to find dead peers.
 */
#include "web/web_private.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS  CLOCK_SECOND_NS
#define NUDGE_NS (20 * CLOCK_MS_NS)
#define QUIET_NS (10 * CLOCK_SECOND_NS)
#define LIFE_NS  (3600 * CLOCK_SECOND_NS) /* then the page connects again, and so shows its log-in again */

static void release(struct event_stream *stream)
{
    struct web_events *events = &stream->web->events;
    stream->exchange = NULL;
    if (--events->open > 0)
        return;
    loop_timer_destroy(events->tick);
    loop_timer_destroy(events->nudge);
    events->tick = events->nudge = NULL;
    free(events->last);
    events->last = NULL;
}

static void stream_closed(void *ctx, bool expired)
{
    (void)expired;
    release(ctx);
}

static void close_stream(struct event_stream *stream)
{
    http_exchange_close(stream->exchange);
    release(stream);
}

/* The state as text, without and then with the time, which alone is no news. */
static char *make_event(struct web *self)
{
    struct web_backend *backend = &self->backend;
    json_t *state = json_pack("{s:o?,s:o?,s:o?}", "status", backend->status(backend->ctx), "pairings",
                              backend->pairings(backend->ctx), "clients", backend->clients(backend->ctx));
    char *text = state ? json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(state);
    return text;
}

static void send_to(struct event_stream *stream, const char *state, int64_t wall_ms)
{
    size_t size = strlen(state) + 64;
    char *text = malloc(size);
    if (!text) {
        log_oom("web");
        return;
    }
    int used = snprintf(text, size, "{\"now_ms\":%lld,%s", (long long)wall_ms, state + 1);
    stream->fresh = false;
    http_exchange_send_event(stream->exchange, text, (size_t)used);
    free(text);
}

static void push(struct web *self)
{
    struct web_events *events = &self->events;
    int64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < WEB_STREAMS_MAX; i++) {
        struct event_stream *stream = &events->streams[i];
        if (stream->exchange && !login_book_holds(&self->logins, stream->login_id, now_ns))
            close_stream(stream);
    }
    char *state = events->open ? make_event(self) : NULL;
    if (!state)
        return;
    bool news = !events->last || strcmp(events->last, state) != 0 || now_ns - events->last_ns >= QUIET_NS;
    for (size_t i = 0; i < WEB_STREAMS_MAX; i++) {
        struct event_stream *stream = &events->streams[i];
        if (stream->exchange && (news || stream->fresh))
            send_to(stream, state, clock_wall_ms());
    }
    if (news)
        events->last_ns = now_ns;
    if (events->open) {
        free(events->last);
        events->last = state;
    } else {
        free(state);
    }
}

static void tick_fired(void *arg)
{
    push(arg);
}

static void nudge_fired(void *arg)
{
    struct web *self = arg;
    loop_timer_destroy(self->events.nudge);
    self->events.nudge = NULL;
    push(self);
}

/* Shortly later: many changes make one event, and the caller is not called back from within its own call. */
void events_nudge(struct web *self)
{
    if (self->events.open && !self->events.nudge)
        self->events.nudge = loop_timer_create(self->loop, NUDGE_NS, false, nudge_fired, self);
}

static struct event_stream *find_free(struct web_events *events)
{
    for (size_t i = 0; i < WEB_STREAMS_MAX; i++) {
        if (!events->streams[i].exchange)
            return &events->streams[i];
    }
    return NULL;
}

void events_open(struct web_call *call)
{
    struct web *self = call->web;
    struct web_events *events = &self->events;
    struct event_stream *stream = find_free(events);
    if (!stream) {
        web_reply_error(call->exchange, 503, "Retry-After: 10\r\n", "busy", "Too many pages are open.");
        return;
    }
    if (!events->tick)
        events->tick = loop_timer_create(self->loop, TICK_NS, true, tick_fired, self);
    if (!events->tick) {
        web_reply_error(call->exchange, 500, NULL, "failed", "The host is out of memory.");
        return;
    }
    *stream =
        (struct event_stream){.web = self, .exchange = call->exchange, .login_id = call->login->id, .fresh = true};
    events->open++;
    http_exchange_start_events(call->exchange, WEB_SECURITY_HEADERS, LIFE_NS, stream_closed, stream);
    events_nudge(self);
}

void events_close_login(struct web *self, uint32_t login_id)
{
    for (size_t i = 0; i < WEB_STREAMS_MAX; i++) {
        struct event_stream *stream = &self->events.streams[i];
        if (stream->exchange && (login_id == 0 || stream->login_id == login_id))
            close_stream(stream);
    }
}

void events_finish(struct web *self)
{
    loop_timer_destroy(self->events.tick);
    loop_timer_destroy(self->events.nudge);
    free(self->events.last);
}
