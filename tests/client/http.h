/* SPDX-License-Identifier: Apache-2.0 */
/* http: one GET request per connection, plain or TLS with the client's certificate, and the host's XML replies. */
#pragma once

#include "tests/client/identity.h"

#include <netinet/in.h>
#include <stddef.h>

struct http_target {
    struct sockaddr_in address; /* port is set per request */
    char host[64];
    uint16_t http_port, https_port;
    char unique_id[65];
    int timeout_ms;
};

struct http_reply {
    int http_status;
    int status_code; /* of the root element; 0: none */
    char *body;      /* NUL-terminated, `size` bytes; freed by http_reply_finish */
    size_t size;
    char content_type[64];
    char local_ip[64]; /* our address on that connection */
    char error[128];   /* what failed, "" when a reply came */
};

/* Connects within the time limit; -1 with `error` written. */
int http_connect(const struct sockaddr_in *address, uint16_t port, int timeout_ms, char *error, size_t error_size);

/*
 * GET /path?uniqueid=..&uuid=..&query. `identity` NULL: plain HTTP; else HTTPS, where a host certificate that differs
 * from the pinned one is an error. False: no reply, `error` says why. Finish the reply in both cases.
 */
bool http_get(const struct http_target *target, const struct identity *identity, const char *path, const char *query,
              struct http_reply *ret_reply);
void http_reply_finish(struct http_reply *self);

/* Text of the first element of that name, unescaped, cut to fit. False: not there. */
bool http_xml_value(const struct http_reply *reply, const char *element, char *ret_text, size_t capacity);
