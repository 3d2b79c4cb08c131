/* SPDX-License-Identifier: Apache-2.0 */
/* What the page asks of a request: Host, Origin, Cookie, and the fields of a JSON body; what is found must be in
 * bounds. */
#include "web/request.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(struct http_slice body)
{
    char id[9], pin[5];
    const struct request_field fields[] = {{"id", 1, 8, id}, {"pin", 4, 4, pin}};
    if (request_fields(body, fields, 2))
        assert(strlen(id) >= 1 && strlen(id) <= 8 && strlen(pin) == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char names[][256] = {"vm", "vm.example"};
    const char *text = (const char *)data;
    struct http_request request;
    int status;
    check_fields((struct http_slice){text, size});
    request_host_allowed((struct http_slice){text, size}, names, 2);
    if (http_parse(text, size, 4096, &request, &status) != HTTP_PARSE_DONE)
        return 0;
    struct http_slice cookie;
    if (request_cookie(&request, "__Host-earthshine-47990", &cookie))
        assert(cookie.text >= text && cookie.text + cookie.size <= text + request.head_size);
    const struct http_slice *host = http_header_find(&request, "Host");
    if (host)
        request_host_allowed(*host, names, 2);
    bool same = request_same_origin(&request), json = request_is_json(&request);
    assert(!same || http_header_find(&request, "Origin") || http_header_find(&request, "Sec-Fetch-Site"));
    assert(!json || http_header_find(&request, "Content-Type"));
    if (size - request.head_size >= request.body_size)
        check_fields((struct http_slice){text + request.head_size, request.body_size});
    return 0;
}
