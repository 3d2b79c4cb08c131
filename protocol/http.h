/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: HTTP/1.1 requests, parsed incrementally from bytes, and reply heads. Pure.
 * GET, HEAD and POST with Content-Length; one request per connection. Source: protocol rules in docs/protocol.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_LINE_MAX = 16 * 1024, /* request line: getservercert carries ~2.1 kB of hex, larger keys more */
    HTTP_HEAD_MAX = 24 * 1024, /* line and headers together */
    HTTP_HEADERS_MAX = 64,
    HTTP_PARAMETERS_MAX = 64,
    HTTP_BODY_MAX = 64 * 1024, /* upper limit; a server may set a lower one */
};

struct http_slice {
    const char *text;
    size_t size;
}; /* not NUL-terminated, into the parsed bytes */
struct http_header {
    struct http_slice name, value;
};

struct http_request {
    struct http_slice method, path, query; /* path without the query, still percent-encoded; query without '?' */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    size_t head_size; /* bytes up to and with the empty line */
    size_t body_size; /* Content-Length, 0 without */
};

enum http_parse_result {
    HTTP_PARSE_MORE, /* head not complete yet: read on */
    HTTP_PARSE_DONE,
    HTTP_PARSE_BAD, /* answer with *ret_status (400, 405, 413, 414, 431, 501, 505 ...) and close */
};
/* Parses the head in `bytes` (all received so far). Slices point into `bytes`. */
enum http_parse_result http_parse(const char *bytes, size_t size, size_t body_max, struct http_request *ret_request,
                                  int *ret_status);

/* Case-insensitive; NULL when absent. The first of duplicates. */
const struct http_slice *http_header_find(const struct http_request *request, const char *name);

/* The first `name` in a query (or form body), percent-decoded, '+' = blank, NUL-terminated. False: absent, does not fit
 * `capacity`, bad escape or a NUL in it. Parameters beyond HTTP_PARAMETERS_MAX are not looked at. */
bool http_query_get(struct http_slice query, const char *name, char *ret_value, size_t capacity);
/* Presence alone, whatever the value. */
bool http_query_has(struct http_slice query, const char *name);

const char *http_status_text(int status);
