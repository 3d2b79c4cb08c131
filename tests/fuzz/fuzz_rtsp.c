/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP requests: whole, and cut at a place that the input chooses; what is found must lie inside the input. */
#include "protocol/rtsp.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(struct rtsp_slice slice, const uint8_t *data, size_t size)
{
    const uint8_t *text = (const uint8_t *)slice.text;
    assert(slice.size == 0 || (text >= data && slice.size <= size && (size_t)(text - data) <= size - slice.size));
}

static void check(const uint8_t *data, size_t size)
{
    struct rtsp_request request;
    int status = 0;
    switch (rtsp_parse(data, size, &request, &status)) {
    case RTSP_PARSE_BAD:
        assert(status == 400 || status == 413);
        break;
    case RTSP_PARSE_DONE:
        assert(request.size_bytes <= size && request.header_count <= RTSP_HEADERS_MAX);
        check_slice(request.target, data, size);
        check_slice(request.body, data, size);
        for (size_t i = 0; i < request.header_count; i++) {
            check_slice(request.headers[i].name, data, size);
            check_slice(request.headers[i].value, data, size);
        }
        rtsp_setup_stream(&request);
        rtsp_session_is(&request, "7F3A0C19D2E4B586");
        rtsp_host_is_any(&request);
        char reply[RTSP_REPLY_MAX];
        struct byte_writer out;
        byte_writer_init(&out, reply, sizeof(reply));
        rtsp_reply_plain(&out, 200, request.cseq);
        assert(!out.failed);
        break;
    default:
        assert(size < RTSP_REQUEST_MAX);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    if (size > 1) {
        size_t part = data[0] * size / 256;
        uint8_t *copy = malloc(part + !part);
        if (part)
            memcpy(copy, data, part);
        check(copy, part);
        free(copy);
    }
    return 0;
}
