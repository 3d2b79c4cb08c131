/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server: HTTP and HTTPS listeners for ports open to strangers. Loop thread only. One request per connection,
 * `Connection: close`, absolute deadlines for handshake 5 s, head 5 s, body 10 s, reply 10 s; counts per address and in
 * all; keeps reading while a request is held. The eight rules each have a test in tests/unit/test_http_server.c.
 */
#pragma once

#include "net/address.h"
#include "net/loop.h"
#include "protocol/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange; /* one request being answered; lives until replied or closed */
struct tls_context;   /* net/tls.h */

/* Each 0: the default. */
struct http_server_limits {
    int64_t handshake_ns, head_ns, body_ns, reply_ns; /* 5 s, 5 s, 10 s, 10 s */
    int64_t linger_ns;                                /* after the reply, for the peer to close: 2 s */
    unsigned handshakes_per_second;                   /* of addresses that are not known: 50 */
};

struct http_server_config {
    const char *name;         /* for the log: "http", "https", "web" */
    struct address bind;      /* with port */
    struct tls_context *tls;  /* NULL: plain; borrowed for the server's life */
    unsigned max_connections; /* in all; 0: 256 */
    unsigned max_per_address; /* 0: 32 */
    size_t body_max;          /* 0: no body accepted */
    /* Optional, at accept, before TLS and before anything is counted against the peer: false closes the connection. */
    bool (*admit)(void *ctx, const struct address *peer);
    /* Called once per complete request. Must reply now, or hold and reply later. */
    void (*handle)(void *ctx, struct http_exchange *exchange);
    void *ctx;
    struct http_server_limits limits;
};

/* NULL: the port could not be bound; logged with address, port and reason. */
struct http_server *http_server_create(struct loop *loop, const struct http_server_config *config);
void http_server_destroy(struct http_server *self);
uint16_t http_server_port(const struct http_server *self); /* the bound one, when `bind` said 0 */
/* An authorised request came from `peer`: for 10 minutes its TLS handshakes do not wait for their turn and its
 * connections are the last to give way when all are taken. */
void http_server_mark_known(struct http_server *self, const struct address *peer);
/* For tests and the page. */
struct http_server_counters {
    uint64_t accepted, refused, bad_requests, timeouts, tls_failures;
    unsigned open;
};
struct http_server_counters http_server_counters(const struct http_server *self);

/* --- an exchange --- */
const struct http_request *http_exchange_request(const struct http_exchange *self);
struct http_slice http_exchange_body(const struct http_exchange *self);
/* As http_server_mark_known(), of this exchange's peer. */
void http_exchange_mark_known(struct http_exchange *self);
const struct address *http_exchange_peer(const struct http_exchange *self);
const struct address *
http_exchange_local(const struct http_exchange *self); /* the address this connection arrived at */
/* SHA-256 of the DER of the client's TLS certificate. False: none was shown. */
bool http_exchange_client_sha256(const struct http_exchange *self, uint8_t ret_digest[32]);

/* Replies and ends the exchange. `headers`: complete extra lines, each "Name: value\r\n", or NULL. `body` is copied. */
void http_exchange_reply(struct http_exchange *self, int status, const char *content_type, const char *headers,
                         const void *body, size_t size);

/* Keep the exchange unanswered, at most `max_ns`; then, or when the peer goes away first, `closed(ctx, expired)` is
 * called once and, after it returns, an exchange that was not replied to from within is gone. A reply ends the hold
 * without a call. */
void http_exchange_hold(struct http_exchange *self, int64_t max_ns, void (*closed)(void *ctx, bool expired), void *ctx);

/* Server-Sent Events: sends the head, with `headers` as of a reply; then each send gives one event. A slow reader gets
 * only the latest one. `closed` as above (max_ns: the connection's maximum life). */
void http_exchange_start_events(struct http_exchange *self, const char *headers, int64_t max_ns,
                                void (*closed)(void *ctx, bool expired), void *ctx);
void http_exchange_send_event(struct http_exchange *self, const char *data, size_t size); /* no newline in data */
void http_exchange_close(
    struct http_exchange *self); /* an event stream or a held request, without reply; no `closed` call */
