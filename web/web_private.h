/* SPDX-License-Identifier: Apache-2.0 */
/* web_private: what the files of web/ share. Loop thread only. */
#pragma once

#include "base/log.h"
#include "web/attempts.h"
#include "web/login.h"
#include "web/web.h"

enum {
    WEB_STREAMS_MAX = LOGIN_MAX,
    WEB_JOBS_MAX = 5, /* password computations: one at work, the others wait */
};

struct event_stream {
    struct web *web;
    struct http_exchange *exchange; /* NULL: free */
    uint32_t login_id;
    bool fresh; /* has not got anything yet */
};

struct web_events {
    struct event_stream streams[WEB_STREAMS_MAX];
    unsigned open;
    struct loop_timer *tick;  /* once a second while a page looks */
    struct loop_timer *nudge; /* set by web_notify */
    char *last;               /* what was sent, and when */
    size_t last_size;
    int64_t last_ns;
};

struct password_job;

struct web {
    struct loop *loop;
    struct web_backend backend;
    char names[WEB_NAMES_MAX][256];
    size_t name_count;
    struct login_book logins;
    struct attempts attempts;
    struct password_job *jobs; /* in order; the first is at work */
    struct web_events events;
    struct log_limit log_failures;
};

/* One request on its way through the handlers. */
struct web_call {
    struct web *web;
    struct http_exchange *exchange;
    const struct http_request *request;
    const struct login *login; /* of its cookie; NULL: none */
};

struct web_asset {
    const char *path, *content_type;
    const unsigned char *data;
    size_t size;
};
extern const struct web_asset web_assets[]; /* made by assets.cmake */
extern const size_t web_asset_count;

/* --- replies (web.c) --- */
/* All carry these, streams of events too. */
#define WEB_SECURITY_HEADERS                                                                                           \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "         \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"                              \
    "X-Frame-Options: DENY\r\n"                                                                                        \
    "X-Content-Type-Options: nosniff\r\n"                                                                              \
    "Referrer-Policy: no-referrer\r\n"                                                                                 \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                                      \
    "Cross-Origin-Resource-Policy: same-origin\r\n"
void web_reply_json(struct http_exchange *exchange, int status, const char *headers, json_t *value); /* takes value */
void web_reply_error(struct http_exchange *exchange, int status, const char *headers, const char *code,
                     const char *message);
void web_reply_wait(struct http_exchange *exchange, unsigned seconds); /* 429 */
/* The log-in of the request's cookie, or NULL. */
const struct login *web_find_login(struct web *self, struct http_exchange *exchange, bool touch);
/* {"state": "open", "csrf": ...} with the cookie of a new log-in. */
void web_reply_new_login(struct web *self, struct http_exchange *exchange);
enum { WEB_COOKIE_NAME_MAX = 64 };
/* Cookies of one host are shared by all its ports: the name carries ours, for several hosts on one machine. */
void web_cookie_name(struct http_exchange *exchange, char ret_name[WEB_COOKIE_NAME_MAX]);

/* --- the rest of a request for /api/v1 (api.c): from the route on --- */
void api_handle(struct web *self, struct http_exchange *exchange);

/* --- setup, log in, new password (credentials.c) --- */
void credentials_setup(struct web_call *call);
void credentials_login(struct web_call *call);
void credentials_change(struct web_call *call);
void credentials_abandon(struct web *self); /* at web_destroy */

/* --- live updates (events.c) --- */
void events_open(struct web_call *call);
void events_close_login(struct web *self, uint32_t login_id); /* 0: all */
void events_nudge(struct web *self);
void events_finish(struct web *self);
