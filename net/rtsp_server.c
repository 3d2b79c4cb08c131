/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection is read until its message is complete, handled once, answered, half-closed and read on until the client
 * has closed too: a close with unread bytes would reset the connection, and the client reports that instead of reading
 * the reply. One timer per connection, set once at accept, ends it whatever it is doing.
 *
 * Nothing is allocated for a message before its first byte (plain) or its checked length (envelope) is there.
 */
#include "net/rtsp_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "protocol/rtsp.h"
#include "protocol/rtsp_seal.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    PER_ADDRESS_MAX = 4,
    BACKLOG = 128,
    EXCHANGE_S = 10,
    PAUSE_MS = 100, /* of the listener, when there are no file descriptors left */
    DRAIN_MAX = 64 * 1024,
};

enum stage { STAGE_READ, STAGE_WRITE, STAGE_DRAIN };

struct connection {
    struct rtsp_server *server;
    struct connection *next; /* newer */
    struct address peer;
    enum stage stage;
    struct event *readable, *writable; /* both of one socket, owned here */
    struct event *deadline;
    uint8_t head[RTSP_SEAL_HEADER]; /* until it is known how much an envelope needs */
    uint8_t *input;                 /* NULL before */
    size_t input_size, input_capacity, drained;
    size_t wanted; /* plain: the whole request, once its head is there; 0 before */
    uint8_t *reply;
    size_t reply_size, reply_sent;
    bool peer_done; /* it has closed its side while we were answering */
};

struct rtsp_server {
    struct rtsp_server_config config;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *resume;
    struct connection *oldest;
    struct rtsp_server_counters counters;
    struct log_limit log;
};

/* --- the end of a connection --- */

static void connection_close(struct connection *self)
{
    struct connection **link = &self->server->oldest;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    self->server->counters.open--;
    evutil_socket_t fd = event_get_fd(self->readable);
    event_free(self->readable);
    event_free(self->writable);
    event_free(self->deadline);
    close(fd);
    free(self->input);
    free(self->reply);
    free(self);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct connection *self = arg;
    self->server->counters.timeouts++;
    connection_close(self);
}

static void connection_broken(struct connection *self)
{
    if (self->input_size)
        self->server->counters.broken++;
    else
        self->server->counters.empty++;
    connection_close(self);
}

/* --- the reply --- */

static void connection_write(struct connection *self)
{
    int fd = event_get_fd(self->readable);
    while (self->reply_sent < self->reply_size) {
        ssize_t sent =
            send(fd, self->reply + self->reply_sent, self->reply_size - self->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(self->writable, NULL);
            return;
        }
        if (sent < 0) {
            connection_close(self);
            return;
        }
        self->reply_sent += (size_t)sent;
    }
    if (self->peer_done) {
        connection_close(self);
        return;
    }
    self->stage = STAGE_DRAIN;
    shutdown(fd, SHUT_WR);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    connection_write(arg);
}

/* The message is complete, or can never be. */
static void connection_handle(struct connection *self, size_t size, bool sealed)
{
    struct rtsp_server *server = self->server;
    struct address local = {.size = sizeof(local.os)};
    if (getsockname(event_get_fd(self->readable), (struct sockaddr *)&local.os, &local.size) != 0)
        local = server->config.bind;
    struct rtsp_server_message message = {
        .bytes = self->input, .size = size, .sealed = sealed, .peer = &self->peer, .local = &local};
    self->reply = malloc(RTSP_SERVER_REPLY_MAX);
    if (self->reply)
        self->reply_size = server->config.handle(server->config.ctx, &message, self->reply, RTSP_SERVER_REPLY_MAX);
    else
        log_oom("rtsp");
    assert(self->reply_size <= RTSP_SERVER_REPLY_MAX);
    if (self->reply_size == 0) {
        server->counters.unanswered++;
        connection_close(self);
        return;
    }
    server->counters.answered++;
    self->stage = STAGE_WRITE;
    connection_write(self);
}

/* --- the request --- */

/* Moves what came so far into a buffer of `capacity` bytes. */
static bool give_input(struct connection *self, size_t capacity)
{
    self->input = malloc(capacity);
    if (!self->input) {
        log_oom("rtsp");
        return false;
    }
    memcpy(self->input, self->head, self->input_size);
    self->input_capacity = capacity;
    return true;
}

enum step { STEP_MORE, STEP_DONE, STEP_BROKEN };

static enum step step_sealed(struct connection *self)
{
    if (self->input_size < RTSP_SEAL_HEADER)
        return STEP_MORE;
    if (!self->input) {
        size_t size = rtsp_seal_size(self->head);
        if (!size || !give_input(self, size))
            return STEP_BROKEN;
    }
    return self->input_size == self->input_capacity ? STEP_DONE : STEP_MORE;
}

static enum step step_plain(struct connection *self, size_t *ret_size)
{
    if (!self->input && !give_input(self, RTSP_REQUEST_MAX))
        return STEP_BROKEN;
    if (self->input_size < self->wanted) /* a body in single bytes must not cost a parse of the head each */
        return STEP_MORE;
    struct rtsp_request request;
    int status;
    switch (rtsp_parse(self->input, self->input_size, &request, &status)) {
    case RTSP_PARSE_MORE:
        self->wanted = request.size_bytes;
        return STEP_MORE;
    case RTSP_PARSE_DONE:
        *ret_size = request.size_bytes;
        return STEP_DONE;
    default:
        *ret_size = self->input_size;
        return STEP_DONE;
    }
}

/* New bytes are there. False: the connection is gone, or reads no more. */
static bool connection_advance(struct connection *self)
{
    const uint8_t *bytes = self->input ? self->input : self->head;
    bool sealed = rtsp_seal_is_sealed(bytes[0]);
    size_t size = self->input_size;
    switch (sealed ? step_sealed(self) : step_plain(self, &size)) {
    case STEP_MORE:
        return true;
    case STEP_BROKEN:
        connection_broken(self);
        return false;
    default:
        connection_handle(self, sealed ? self->input_size : size, sealed);
        return false;
    }
}

static void connection_drain(struct connection *self)
{
    uint8_t scrap[4096];
    ssize_t got = recv(event_get_fd(self->readable), scrap, sizeof(scrap), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        self->drained += (size_t)got;
    if (got == 0 && self->stage == STAGE_WRITE) {
        self->peer_done = true;
        event_del(self->readable);
    } else if (got <= 0 || self->drained > DRAIN_MAX)
        connection_close(self);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct connection *self = arg;
    if (self->stage != STAGE_READ) {
        connection_drain(self);
        return;
    }
    uint8_t *into = self->input ? self->input : self->head;
    size_t capacity = self->input ? self->input_capacity : sizeof(self->head);
    ssize_t got = recv(fd, into + self->input_size, capacity - self->input_size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        connection_broken(self);
        return;
    }
    self->input_size += (size_t)got;
    connection_advance(self);
}

/* --- the listener --- */

/* Makes room for one more of `peer`. False: refuse it. */
static bool let_in(struct rtsp_server *self, const struct address *peer)
{
    unsigned same = 0;
    struct connection *idle = NULL, *answered = NULL, *unexpected = NULL; /* the oldest of each kind */
    for (struct connection *c = self->oldest; c; c = c->next) {
        if (address_same_ip(&c->peer, peer)) {
            same++;
            if (!idle && c->stage == STAGE_READ)
                idle = c;
            if (!answered && c->stage == STAGE_DRAIN)
                answered = c;
        }
        if (!unexpected && !self->config.expects(self->config.ctx, &c->peer))
            unexpected = c;
    }
    if (same < PER_ADDRESS_MAX && self->counters.open < CONNECTIONS_MAX)
        return true;
    /* whoever holds connections open must not keep out a real client behind the same address */
    struct connection *victim = same < PER_ADDRESS_MAX ? unexpected : idle ? idle : answered;
    if (!victim)
        return false;
    self->counters.evicted++;
    connection_close(victim);
    return true;
}

static bool add_connection(struct rtsp_server *self, evutil_socket_t fd, const struct address *peer)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        log_oom("rtsp");
        return false;
    }
    connection->server = self;
    connection->peer = *peer;
    connection->readable = event_new(self->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable = event_new(self->base, fd, EV_WRITE, on_writable, connection);
    connection->deadline = evtimer_new(self->base, on_deadline, connection);
    struct timeval limit = {.tv_sec = EXCHANGE_S};
    if (!connection->readable || !connection->writable || !connection->deadline ||
        event_add(connection->readable, NULL) != 0 || event_add(connection->deadline, &limit) != 0) {
        struct event *events[] = {connection->readable, connection->writable, connection->deadline};
        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
            if (events[i])
                event_free(events[i]);
        }
        free(connection);
        log_oom("rtsp");
        return false;
    }
    struct connection **link = &self->oldest;
    while (*link)
        link = &(*link)->next;
    *link = connection;
    self->counters.open++;
    return true;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_size,
                      void *arg)
{
    (void)listener;
    struct rtsp_server *self = arg;
    struct address peer = {.size = (socklen_t)from_size};
    memcpy(&peer.os, from, (size_t)from_size);
    self->counters.accepted++;
    if (!let_in(self, &peer)) {
        self->counters.refused++;
        close(fd);
        return;
    }
    if (!add_connection(self, fd, &peer))
        close(fd);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct rtsp_server *self = arg;
    unsigned swallowed;
    if (log_limit_pass(&self->log, 1, clock_now_ns(), &swallowed))
        log_warn("rtsp: cannot accept connections for a moment: %s", strerror(errno));
    evconnlistener_disable(listener);
    struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
    event_add(self->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct rtsp_server *self = arg;
    evconnlistener_enable(self->listener);
}

struct rtsp_server *rtsp_server_create(struct loop *loop, const struct rtsp_server_config *config)
{
    struct rtsp_server *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("rtsp");
    self->config = *config;
    self->base = loop_base(loop);
    self->resume = evtimer_new(self->base, on_resume, self);
    self->listener = evconnlistener_new_bind(self->base, on_accept, self,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
                                             (const struct sockaddr *)&config->bind.os, (int)config->bind.size);
    if (!self->listener || !self->resume) {
        char text[ADDRESS_TEXT_MAX];
        address_text(&config->bind, text);
        log_error("rtsp: cannot listen on TCP port %u of %s: %s", address_port(&config->bind), text, strerror(errno));
        rtsp_server_destroy(self);
        return NULL;
    }
    evconnlistener_set_error_cb(self->listener, on_accept_error);
    return self;
}

void rtsp_server_destroy(struct rtsp_server *self)
{
    if (!self)
        return;
    while (self->oldest)
        connection_close(self->oldest);
    if (self->listener)
        evconnlistener_free(self->listener);
    if (self->resume)
        event_free(self->resume);
    free(self);
}

uint16_t rtsp_server_port(const struct rtsp_server *self)
{
    struct address bound = {.size = sizeof(bound.os)};
    getsockname(evconnlistener_get_fd(self->listener), (struct sockaddr *)&bound.os, &bound.size);
    return address_port(&bound);
}

struct rtsp_server_counters rtsp_server_counters(const struct rtsp_server *self)
{
    return self->counters;
}
