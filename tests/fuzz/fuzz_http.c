/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(const struct http_slice *slice, const uint8_t *data, size_t size)
{
    const uint8_t *text = (const uint8_t *)slice->text;
    if (text < data || text + slice->size > data + size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request;
    int status = 0;
    enum http_parse_result result = http_parse((const char *)data, size, HTTP_BODY_MAX, &request, &status);
    if (result == HTTP_PARSE_BAD && (status < 400 || status > 599))
        abort();
    if (result != HTTP_PARSE_DONE)
        return 0;
    check_slice(&request.path, data, request.head_size);
    check_slice(&request.query, data, request.head_size);
    for (size_t i = 0; i < request.header_count; i++)
        check_slice(&request.headers[i].value, data, request.head_size);
    char value[64];
    http_query_get(request.query, "a", value, sizeof(value));
    http_query_has(request.query, "uniqueid");
    http_header_find(&request, "Host");
    return 0;
}
