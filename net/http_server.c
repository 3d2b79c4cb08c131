/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener and what is shared by its connections: who is let in, who gives way, whose handshake is next.
 * When all places (or all of one address) are taken, a newcomer gets the place of a connection that has not shown a
 * complete request, those without a single byte first; so idle connections, however many, keep nobody out.
 * TLS handshakes cost CPU: strangers share 50 per second and queue for them once their first byte is there, within
 * the deadline of the handshake.
 */
#include "net/http_server.h"

#include "net/http_connection.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 512, LOG_LINES_PER_SECOND = 5, TURN_MS = 20, PAUSE_MS = 100, UNTOUCHABLE = 100 };

bool http_server_may_log(struct http_server *self, const struct address *peer, char ret_text[ADDRESS_TEXT_MAX])
{
    unsigned swallowed;
    if (!log_limit_pass(&self->log, LOG_LINES_PER_SECOND, clock_now_ns(), &swallowed))
        return false;
    if (swallowed)
        log_info("%s: %u lines about other requests left out", self->config.name, swallowed);
    address_text(peer, ret_text);
    return true;
}

/* Lower gives way first. */
static int worth(const struct http_server *self, const struct http_exchange *connection, int64_t now_ns)
{
    if (connection->stage == HTTP_STAGE_LINGER)
        return 0;
    if (connection->stage == HTTP_STAGE_REPLY)
        return 4;
    if (connection->stage >= HTTP_STAGE_HANDLING)
        return UNTOUCHABLE;
    if (guard_is_known(self->guard, &connection->peer, now_ns))
        return 3;
    bool silent = connection->stage == HTTP_STAGE_QUIET ||
                  (connection->stage == HTTP_STAGE_HEAD && !self->config.tls && connection->input_size == 0);
    return silent ? 1 : 2;
}

/* Ends the oldest of the least worth; among those of `only` when it is given. False: nobody can give way. */
static bool make_room(struct http_server *self, const struct address *only)
{
    struct http_exchange *victim = NULL;
    int64_t now_ns = clock_now_ns();
    int least = UNTOUCHABLE;
    for (struct http_exchange *c = self->oldest; c; c = c->next) {
        if (only && !address_same_ip(&c->peer, only))
            continue;
        int value = worth(self, c, now_ns);
        if (value < least) {
            least = value;
            victim = c;
        }
    }
    unsigned swallowed;
    if (!only && log_limit_pass(&self->log_full, 1, now_ns, &swallowed))
        log_warn("%s: all %u connections are taken (%u times more since the last line)", self->config.name,
                 self->config.max_connections, swallowed);
    self->counters.refused++;
    if (victim)
        http_connection_end(victim, false);
    return victim != NULL;
}

static bool let_in(struct http_server *self, const struct address *peer)
{
    if (guard_count(self->guard, peer) >= self->config.max_per_address && !make_room(self, peer))
        return false;
    if (guard_total(self->guard) >= self->config.max_connections && !make_room(self, NULL))
        return false;
    return guard_enter(self->guard, peer);
}

static void set_options(evutil_socket_t fd)
{
    /* Held requests: a peer that vanished without a word is noticed after about a minute. */
    const int on = 1, idle_s = 30, interval_s = 10, probes = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void link_newest(struct http_server *self, struct http_exchange *connection)
{
    connection->previous = self->newest;
    *(self->newest ? &self->newest->next : &self->oldest) = connection;
    self->newest = connection;
}

void http_server_unlink(struct http_server *self, struct http_exchange *connection)
{
    *(connection->previous ? &connection->previous->next : &self->oldest) = connection->next;
    *(connection->next ? &connection->next->previous : &self->newest) = connection->previous;
    guard_leave(self->guard, &connection->peer);
    self->counters.open--;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_size,
                      void *arg)
{
    struct http_server *self = arg;
    (void)listener;
    struct address peer = {.size = (socklen_t)from_size};
    if (from_size > 0 && (size_t)from_size <= sizeof(peer.os))
        memcpy(&peer.os, from, (size_t)from_size);
    if (self->config.admit && !self->config.admit(self->config.ctx, &peer)) {
        self->counters.refused++;
        close(fd);
        return;
    }
    struct http_exchange *connection = calloc(1, sizeof(*connection));
    if (!connection || !let_in(self, &peer)) {
        free(connection);
        close(fd);
        return;
    }
    *connection = (struct http_exchange){.server = self, .peer = peer, .fd = fd};
    connection->local.size = sizeof(connection->local.os);
    if (getsockname(fd, (struct sockaddr *)&connection->local.os, &connection->local.size) < 0)
        connection->local = (struct address){0};
    set_options(fd);
    self->counters.accepted++;
    self->counters.open++;
    link_newest(self, connection);
    http_connection_start(connection);
}

/* Without the pause accept() would fail again at once and for as long as descriptors are short. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http_server *self = arg;
    int error = EVUTIL_SOCKET_ERROR();
    struct timeval pause = {0, PAUSE_MS * 1000};
    unsigned swallowed;
    if (log_limit_pass(&self->log_full, 1, clock_now_ns(), &swallowed))
        log_warn("%s: cannot accept connections for now: %s", self->config.name, strerror(error));
    evconnlistener_disable(listener);
    event_add(self->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *self = arg;
    (void)fd;
    (void)what;
    evconnlistener_enable(self->listener);
}

static void on_turns(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *self = arg;
    (void)fd;
    (void)what;
    int64_t now_ns = clock_now_ns();
    bool waiting = false;
    for (struct http_exchange *c = self->oldest, *next; c; c = next) {
        next = c->next;
        if (c->stage != HTTP_STAGE_QUEUED)
            continue;
        if (guard_take_handshake(self->guard, &c->peer, now_ns))
            http_connection_begin_handshake(c);
        else
            waiting = true;
    }
    if (waiting)
        http_server_queue_handshake(self);
}

void http_server_queue_handshake(struct http_server *self)
{
    struct timeval turn = {0, TURN_MS * 1000};
    if (!event_pending(self->turns, EV_TIMEOUT, NULL))
        event_add(self->turns, &turn);
}

static void fill_defaults(struct http_server_config *config)
{
    struct http_server_limits *limits = &config->limits;
    config->max_connections = config->max_connections ? config->max_connections : 256;
    config->max_per_address = config->max_per_address ? config->max_per_address : 32;
    limits->handshake_ns = limits->handshake_ns ? limits->handshake_ns : 5 * CLOCK_SECOND_NS;
    limits->head_ns = limits->head_ns ? limits->head_ns : 5 * CLOCK_SECOND_NS;
    limits->body_ns = limits->body_ns ? limits->body_ns : 10 * CLOCK_SECOND_NS;
    limits->reply_ns = limits->reply_ns ? limits->reply_ns : 10 * CLOCK_SECOND_NS;
    limits->linger_ns = limits->linger_ns ? limits->linger_ns : 2 * CLOCK_SECOND_NS;
    limits->handshakes_per_second = limits->handshakes_per_second ? limits->handshakes_per_second : 50;
}

static bool listen_on(struct http_server *self)
{
    const struct address *bind = &self->config.bind;
    self->listener = evconnlistener_new_bind(self->base, on_accept, self,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
                                             (const struct sockaddr *)&bind->os, (int)bind->size);
    if (!self->listener) {
        char text[ADDRESS_TEXT_MAX];
        int error = errno;
        address_text(bind, text);
        log_error("%s: cannot listen on %s port %u: %s", self->config.name, text, address_port(bind), strerror(error));
        return false;
    }
    evconnlistener_set_error_cb(self->listener, on_accept_error);
    return true;
}

struct http_server *http_server_create(struct loop *loop, const struct http_server_config *config)
{
    struct http_server *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("http");
    self->config = *config;
    fill_defaults(&self->config);
    self->base = loop_base(loop);
    self->guard = guard_create(self->config.max_connections, self->config.limits.handshakes_per_second);
    self->resume = evtimer_new(self->base, on_resume, self);
    self->turns = evtimer_new(self->base, on_turns, self);
    if (!self->guard || !self->resume || !self->turns) {
        log_oom(self->config.name);
        goto fail;
    }
    if (!listen_on(self))
        goto fail;
    return self;

fail:
    http_server_destroy(self);
    return NULL;
}

void http_server_destroy(struct http_server *self)
{
    if (!self)
        return;
    if (self->listener)
        evconnlistener_free(self->listener);
    while (self->oldest)
        http_connection_end(self->oldest, false);
    if (self->turns)
        event_free(self->turns);
    if (self->resume)
        event_free(self->resume);
    guard_destroy(self->guard);
    free(self);
}

uint16_t http_server_port(const struct http_server *self)
{
    struct address bound = {.size = sizeof(bound.os)};
    if (getsockname(evconnlistener_get_fd(self->listener), (struct sockaddr *)&bound.os, &bound.size) < 0)
        return 0;
    return address_port(&bound);
}

void http_server_mark_known(struct http_server *self, const struct address *peer)
{
    guard_mark_known(self->guard, peer, clock_now_ns());
}

struct http_server_counters http_server_counters(const struct http_server *self)
{
    return self->counters;
}
