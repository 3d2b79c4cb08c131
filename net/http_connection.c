/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection from accept to close, and the exchange as the handler sees it.
 *
 * A FIN from the peer: before the request is complete, while it is held, on an event stream and always with TLS it
 * ends the connection. On plain TCP while the reply is being written it is a half-close, and the reply is completed.
 * Callbacks of libevent are deferred, so none of them runs from within a call of ours, and a reply never frees its
 * exchange before the handler has returned.
 */
#include "net/http_connection.h"

#include "base/clock.h"
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DISCARD_MAX = 64 * 1024,
    REPLY_MAX = 8 * 1024 * 1024,
    REPLY_HEAD_MAX = 4 * 1024,
    EVENT_SEND_BUFFER = 16 * 1024, /* the kernel's; so that a slow reader is not served old events from it */
};

static void reply_text(struct http_exchange *self, int status);

/* --- deadlines --- */

static void arm(struct http_exchange *self)
{
    int64_t until_ns = self->deadline_ns;
    if (self->stall_until_ns && self->stall_until_ns < until_ns)
        until_ns = self->stall_until_ns;
    int64_t left_ns = until_ns - clock_now_ns();
    if (left_ns < 0)
        left_ns = 0;
    struct timeval left = {left_ns / CLOCK_SECOND_NS, left_ns % CLOCK_SECOND_NS / CLOCK_US_NS + 1};
    event_add(self->timer, &left);
}

static void enter(struct http_exchange *self, enum http_stage stage, int64_t duration_ns)
{
    self->stage = stage;
    self->deadline_ns = clock_now_ns() + duration_ns;
    arm(self);
}

/* --- the end --- */

static void tell_closed(struct http_exchange *self, bool expired)
{
    void (*closed)(void *, bool) = self->closed;
    self->closed = NULL;
    if (!closed)
        return;
    self->in_callback = true;
    closed(self->closed_ctx, expired);
    self->in_callback = false;
}

void http_connection_end(struct http_exchange *self, bool expired)
{
    if (self->in_callback) {
        self->stage = HTTP_STAGE_CLOSED;
        return;
    }
    tell_closed(self, expired);
    http_server_unlink(self->server, self);
    if (self->timer)
        event_free(self->timer);
    if (self->first)
        event_free(self->first);
    if (self->stream)
        bufferevent_free(self->stream); /* with TLS state and socket */
    else
        close(self->fd);
    free(self->event);
    if (self->input)
        OPENSSL_cleanse(self->input, self->input_capacity); /* session keys of /launch, passwords */
    free(self->input);
    free(self);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *self = arg;
    (void)fd;
    (void)what;
    int64_t now_ns = clock_now_ns();
    bool late = now_ns >= self->deadline_ns, stalled = self->stall_until_ns && now_ns >= self->stall_until_ns;
    if (!late && !stalled) {
        arm(self);
        return;
    }
    if (self->stage == HTTP_STAGE_HELD) {
        tell_closed(self, true);
        if (self->stage == HTTP_STAGE_REPLY)
            return;
    } else if (self->stage != HTTP_STAGE_QUIET && self->stage != HTTP_STAGE_LINGER &&
               (self->stage != HTTP_STAGE_EVENTS || stalled)) {
        self->server->counters.timeouts++;
    }
    http_connection_end(self, late);
}

/* --- writing --- */

static void finish_reply(struct http_exchange *self)
{
    SSL *ssl = self->server->config.tls ? bufferevent_openssl_get_ssl(self->stream) : NULL;
    if (ssl) {
        SSL_shutdown(ssl); /* our close_notify; the peer's is not waited for */
        ERR_clear_error();
    }
    shutdown(bufferevent_getfd(self->stream), SHUT_WR);
    if (self->peer_done) {
        http_connection_end(self, false);
        return;
    }
    int64_t left_ns = self->deadline_ns - clock_now_ns(), linger_ns = self->server->config.limits.linger_ns;
    enter(self, HTTP_STAGE_LINGER, left_ns < linger_ns ? left_ns : linger_ns);
}

static void write_event(struct http_exchange *self, const char *data, size_t size)
{
    bufferevent_write(self->stream, "data: ", 6);
    bufferevent_write(self->stream, data, size);
    bufferevent_write(self->stream, "\n\n", 2);
}

static void write_next_event(struct http_exchange *self)
{
    self->stall_until_ns = 0;
    if (self->event) {
        write_event(self, self->event, self->event_size);
        free(self->event);
        self->event = NULL;
        self->stall_until_ns = clock_now_ns() + self->server->config.limits.reply_ns;
    }
    arm(self);
}

static void on_write(struct bufferevent *stream, void *arg)
{
    struct http_exchange *self = arg;
    if (evbuffer_get_length(bufferevent_get_output(stream)))
        return; /* a late call about something earlier */
    if (self->stage == HTTP_STAGE_REPLY)
        finish_reply(self);
    else if (self->stage == HTTP_STAGE_EVENTS)
        write_next_event(self);
}

/* --- reading --- */

/* False: the connection ended. */
static bool discard(struct http_exchange *self, struct evbuffer *from)
{
    self->discarded += evbuffer_get_length(from);
    evbuffer_drain(from, evbuffer_get_length(from));
    if (self->discarded <= DISCARD_MAX)
        return true;
    http_connection_end(self, false);
    return false;
}

static bool reserve(struct http_exchange *self, size_t capacity)
{
    if (capacity <= self->input_capacity)
        return true;
    char *input = realloc(self->input, capacity);
    if (!input)
        return log_oom("http") != NULL;
    self->input = input;
    self->input_capacity = capacity;
    return true;
}

/* Takes bytes until there are `limit` in all. False: out of memory. */
static bool take(struct http_exchange *self, struct evbuffer *from, size_t limit)
{
    size_t count = evbuffer_get_length(from), room = limit - self->input_size;
    if (count > room)
        count = room;
    size_t wanted = self->input_size + count;
    if (wanted > self->input_capacity && !reserve(self, wanted < 2048 ? 2048 : wanted * 2))
        return false;
    if (count)
        evbuffer_remove(from, self->input + self->input_size, count);
    self->input_size = wanted;
    return true;
}

static void refuse(struct http_exchange *self, int status)
{
    char text[ADDRESS_TEXT_MAX];
    self->request = (struct http_request){0};
    self->server->counters.bad_requests++;
    if (http_server_may_log(self->server, &self->peer, text))
        log_info("%s: refused a request from %s with status %d", self->server->config.name, text, status);
    reply_text(self, status);
}

static void call_handler(struct http_exchange *self)
{
    event_del(self->timer);
    self->stage = HTTP_STAGE_HANDLING;
    self->in_callback = true;
    self->server->config.handle(self->server->config.ctx, self);
    self->in_callback = false;
    if (self->stage == HTTP_STAGE_HANDLING) {
        log_error("%s: a request was neither answered nor held", self->server->config.name);
        reply_text(self, 500);
    } else if (self->stage == HTTP_STAGE_CLOSED) {
        http_connection_end(self, false);
    }
}

static void read_body(struct http_exchange *self, struct evbuffer *from)
{
    size_t total = self->request.head_size + self->request.body_size;
    if (self->input_size < total && !take(self, from, total)) {
        http_connection_end(self, false);
        return;
    }
    if (self->input_size < total)
        return;
    self->discarded += self->input_size - total; /* taken along with the head */
    if (discard(self, from))
        call_handler(self);
}

static void head_done(struct http_exchange *self, struct evbuffer *from)
{
    int status;
    size_t body_max = self->server->config.body_max;
    if (!reserve(self, self->request.head_size + self->request.body_size)) {
        http_connection_end(self, false);
        return;
    }
    /* Again, as the bytes may have moved; from here on they stay. */
    if (http_parse(self->input, self->input_size, body_max, &self->request, &status) != HTTP_PARSE_DONE) {
        refuse(self, 500);
        return;
    }
    enter(self, HTTP_STAGE_BODY, self->server->config.limits.body_ns);
    read_body(self, from);
}

static void read_head(struct http_exchange *self, struct evbuffer *from)
{
    size_t before = self->input_size;
    int status = 431;
    if (!take(self, from, HTTP_HEAD_MAX)) {
        http_connection_end(self, false);
        return;
    }
    /* Parsed anew only after a line end, lest single bytes cost a whole parse each. */
    bool full = self->input_size == HTTP_HEAD_MAX;
    if (before && !full && !memchr(self->input + before, '\n', self->input_size - before))
        return;
    switch (http_parse(self->input, self->input_size, self->server->config.body_max, &self->request, &status)) {
    case HTTP_PARSE_MORE:
        if (full)
            refuse(self, 431);
        break;
    case HTTP_PARSE_DONE:
        head_done(self, from);
        break;
    case HTTP_PARSE_BAD:
        refuse(self, status);
        break;
    }
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct http_exchange *self = arg;
    struct evbuffer *from = bufferevent_get_input(stream);
    if (evbuffer_get_length(from) == 0)
        return;
    if (self->stage == HTTP_STAGE_HEAD)
        read_head(self, from);
    else if (self->stage == HTTP_STAGE_BODY)
        read_body(self, from);
    else
        discard(self, from);
}

/* --- opening --- */

static void handshake_failed(struct http_exchange *self)
{
    unsigned long error = bufferevent_get_openssl_error(self->stream);
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    char text[ADDRESS_TEXT_MAX];
    self->server->counters.tls_failures++;
    if (http_server_may_log(self->server, &self->peer, text))
        log_info("%s: TLS handshake with %s failed: %s", self->server->config.name, text,
                 reason ? reason : "the peer closed the connection");
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct http_exchange *self = arg;
    (void)stream;
    if (what & BEV_EVENT_CONNECTED) {
        enter(self, HTTP_STAGE_HEAD, self->server->config.limits.head_ns);
        return;
    }
    if (self->stage == HTTP_STAGE_HANDSHAKE)
        handshake_failed(self);
    if (self->stage == HTTP_STAGE_REPLY && (what & BEV_EVENT_EOF) && !self->server->config.tls) {
        self->peer_done = true;
        return;
    }
    http_connection_end(self, false);
}

static void start_stream(struct http_exchange *self, struct bufferevent *stream)
{
    if (!stream) {
        log_oom(self->server->config.name);
        http_connection_end(self, false);
        return;
    }
    self->stream = stream;
    bufferevent_setcb(stream, on_read, on_write, on_event, self);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

void http_connection_begin_handshake(struct http_exchange *self)
{
    SSL *ssl = SSL_new(tls_context_ssl(self->server->config.tls));
    self->stage = HTTP_STAGE_HANDSHAKE; /* its deadline runs since the accept */
    start_stream(self,
                 ssl ? bufferevent_openssl_socket_new(self->server->base, self->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                      BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
                     : NULL);
}

static void on_first_byte(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *self = arg;
    (void)what;
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        event_add(self->first, NULL);
    } else if (got <= 0) {
        http_connection_end(self, false); /* a port probe; said to nobody */
    } else if (guard_take_handshake(self->server->guard, &self->peer, clock_now_ns())) {
        http_connection_begin_handshake(self);
    } else {
        self->stage = HTTP_STAGE_QUEUED;
        http_server_queue_handshake(self->server);
    }
}

void http_connection_start(struct http_exchange *self)
{
    struct http_server *server = self->server;
    self->timer = evtimer_new(server->base, on_timer, self);
    if (server->config.tls)
        self->first = event_new(server->base, self->fd, EV_READ, on_first_byte, self);
    if (!self->timer || (server->config.tls && (!self->first || event_add(self->first, NULL) < 0))) {
        log_oom(server->config.name);
        http_connection_end(self, false);
    } else if (server->config.tls) {
        enter(self, HTTP_STAGE_QUIET, server->config.limits.handshake_ns);
    } else {
        enter(self, HTTP_STAGE_HEAD, server->config.limits.head_ns);
        start_stream(self,
                     bufferevent_socket_new(server->base, self->fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS));
    }
}

/* --- the exchange --- */

const struct http_request *http_exchange_request(const struct http_exchange *self)
{
    return &self->request;
}

struct http_slice http_exchange_body(const struct http_exchange *self)
{
    return (struct http_slice){self->input + self->request.head_size, self->request.body_size};
}

void http_exchange_mark_known(struct http_exchange *self)
{
    http_server_mark_known(self->server, &self->peer);
}

const struct address *http_exchange_peer(const struct http_exchange *self)
{
    return &self->peer;
}

const struct address *http_exchange_local(const struct http_exchange *self)
{
    return &self->local;
}

bool http_exchange_client_sha256(const struct http_exchange *self, uint8_t ret_digest[32])
{
    if (!self->server->config.tls)
        return false;
    X509 *certificate = SSL_get0_peer_certificate(bufferevent_openssl_get_ssl(self->stream));
    unsigned size = 32;
    return certificate && X509_digest(certificate, EVP_sha256(), ret_digest, &size) == 1;
}

static bool is_head_request(const struct http_exchange *self)
{
    return self->request.method.size == 4 && !memcmp(self->request.method.text, "HEAD", 4);
}

void http_exchange_reply(struct http_exchange *self, int status, const char *content_type, const char *headers,
                         const void *body, size_t size)
{
    if (self->stage == HTTP_STAGE_CLOSED)
        return;
    assert(self->stage < HTTP_STAGE_EVENTS);
    char head[REPLY_HEAD_MAX];
    int used = snprintf(head, sizeof(head),
                        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
                        status, http_status_text(status), content_type, size, headers ? headers : "");
    if (used < 0 || (size_t)used >= sizeof(head) || size > REPLY_MAX) {
        log_error("%s: a reply is too large: %d bytes of headers, %zu of body", self->server->config.name, used, size);
        reply_text(self, 500);
        return;
    }
    self->closed = NULL;
    enter(self, HTTP_STAGE_REPLY, self->server->config.limits.reply_ns);
    bufferevent_write(self->stream, head, (size_t)used);
    if (size && !is_head_request(self))
        bufferevent_write(self->stream, body, size);
}

static void reply_text(struct http_exchange *self, int status)
{
    const char *text = http_status_text(status);
    http_exchange_reply(self, status, "text/plain", NULL, text, strlen(text));
}

void http_exchange_hold(struct http_exchange *self, int64_t max_ns, void (*closed)(void *ctx, bool expired), void *ctx)
{
    assert(self->stage == HTTP_STAGE_HANDLING);
    self->closed = closed;
    self->closed_ctx = ctx;
    enter(self, HTTP_STAGE_HELD, max_ns);
}

void http_exchange_start_events(struct http_exchange *self, const char *headers, int64_t max_ns,
                                void (*closed)(void *ctx, bool expired), void *ctx)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                               "Connection: close\r\n";
    const int buffer = EVENT_SEND_BUFFER;
    assert(self->stage == HTTP_STAGE_HANDLING || self->stage == HTTP_STAGE_HELD);
    setsockopt(bufferevent_getfd(self->stream), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    self->closed = closed;
    self->closed_ctx = ctx;
    bufferevent_write(self->stream, head, sizeof(head) - 1);
    if (headers)
        bufferevent_write(self->stream, headers, strlen(headers));
    bufferevent_write(self->stream, "\r\n", 2);
    self->stall_until_ns = clock_now_ns() + self->server->config.limits.reply_ns;
    enter(self, HTTP_STAGE_EVENTS, max_ns);
}

void http_exchange_send_event(struct http_exchange *self, const char *data, size_t size)
{
    if (self->stage != HTTP_STAGE_EVENTS)
        return;
    char *copy = malloc(size ? size : 1);
    if (!copy) {
        log_oom("http");
        return;
    }
    memcpy(copy, data, size);
    free(self->event);
    self->event = copy;
    self->event_size = size;
    if (!evbuffer_get_length(bufferevent_get_output(self->stream)))
        write_next_event(self);
}

void http_exchange_close(struct http_exchange *self)
{
    self->closed = NULL;
    http_connection_end(self, false);
}
