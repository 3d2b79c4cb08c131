/* SPDX-License-Identifier: Apache-2.0 */
/* request: what the page asks of a request's headers and body. Pure. */
#pragma once

#include "protocol/http.h"

#include <jansson.h>
#include <stdbool.h>

bool slice_is(struct http_slice slice, const char *text);

/* May this Host header be answered: an IP address, "localhost", or one of `names`, with or without a port? `names` are
 * rows of 256 bytes. */
bool request_host_allowed(struct http_slice host, const char (*names)[256], size_t count);

/* Does the request come from a page of ours? `Sec-Fetch-Site` must be "same-origin" and `Origin` "https://" + Host
 * where they are given, and one of them must be: every browser sends at least `Origin` with a POST. */
bool request_same_origin(const struct http_request *request);

/* The value of a cookie; false: it is not there. */
bool request_cookie(const struct http_request *request, const char *name, struct http_slice *ret_value);

bool request_is_json(const struct http_request *request);

struct request_field {
    const char *name;
    size_t min, max; /* bytes of UTF-8 */
    char *ret_value; /* room for max + 1 */
};
/* An object of exactly these text members, none with control characters. False: nothing in the outputs is of use. */
bool request_fields(struct http_slice body, const struct request_field *fields, size_t count);
