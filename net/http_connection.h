/* SPDX-License-Identifier: Apache-2.0 */
/* http_connection: private to http_server.c and http_connection.c. One accepted connection, which is the exchange. */
#pragma once

#include "base/log.h"
#include "net/guard.h"
#include "net/http_server.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

/* The way of a connection is downwards only. */
enum http_stage {
    HTTP_STAGE_QUIET,     /* TLS: no byte came yet; nothing but the socket is held */
    HTTP_STAGE_QUEUED,    /* TLS: waits for a handshake's turn */
    HTTP_STAGE_HANDSHAKE, /* TLS */
    HTTP_STAGE_HEAD,
    HTTP_STAGE_BODY,
    HTTP_STAGE_HANDLING, /* within the handler */
    HTTP_STAGE_HELD,
    HTTP_STAGE_EVENTS,
    HTTP_STAGE_REPLY,  /* being written */
    HTTP_STAGE_LINGER, /* written and shut down; what still comes is thrown away, so that no reset destroys the reply */
    HTTP_STAGE_CLOSED, /* to be freed when the callback that is running returns */
};

struct http_exchange {
    struct http_server *server;
    struct http_exchange *previous, *next; /* in order of arrival */
    enum http_stage stage;
    bool in_callback;
    bool peer_done; /* plain TCP: it sent its FIN while we write the reply */
    struct address peer, local;
    evutil_socket_t fd;     /* ours only until `stream` is made */
    struct event *first;    /* HTTP_STAGE_QUIET: the first byte */
    struct event *timer;    /* fires at the nearest of the two deadlines */
    int64_t deadline_ns;    /* of the stage, absolute, never moved by progress */
    int64_t stall_until_ns; /* event stream: what was written must be taken by then; 0: nothing is waiting */
    struct bufferevent *stream;

    char *input; /* head and body; the request's slices point into it */
    size_t input_size, input_capacity;
    size_t discarded;
    struct http_request request;

    void (*closed)(void *ctx, bool expired);
    void *closed_ctx;
    char *event; /* the latest one, not yet written; NULL: none */
    size_t event_size;
};

struct http_server {
    struct http_server_config config; /* defaults filled in */
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *resume; /* listener on again after EMFILE */
    struct event *turns;  /* while connections are queued for a handshake */
    struct guard *guard;
    struct http_exchange *oldest, *newest;
    struct http_server_counters counters;
    struct log_limit log, log_full;
};

/* `self` is counted in the guard and linked; owns `fd` from here on, also when it ends at once for want of memory. */
void http_connection_start(struct http_exchange *self);
/* The one place where a connection ends: tells `closed`, unlinks, gives the counts back. Within a handler's callback
 * it is put off until that returns. */
void http_connection_end(struct http_exchange *self, bool expired);
void http_connection_begin_handshake(struct http_exchange *self);

/* In http_server.c. */
void http_server_queue_handshake(struct http_server *self);
void http_server_unlink(struct http_server *self, struct http_exchange *connection);
/* True: a line about this peer may be written; `ret_text` is its address. */
bool http_server_may_log(struct http_server *self, const struct address *peer, char ret_text[ADDRESS_TEXT_MAX]);
