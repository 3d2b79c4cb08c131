/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtsp: requests of a client, parsed from bytes, and replies to them. Pure.
 * One request per connection. Source: docs/protocol.md, "RTSP".
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RTSP_HEAD_MAX = 8 * 1024, /* start line and headers, with the empty line */
    RTSP_BODY_MAX = 16 * 1024,
    RTSP_HEADERS_MAX = 64,
    RTSP_REQUEST_MAX = RTSP_HEAD_MAX + RTSP_BODY_MAX,
    RTSP_REPLY_MAX = 4 * 1024, /* room enough for every reply of ours */
};

struct rtsp_slice {
    const char *text;
    size_t size;
}; /* not NUL-terminated, into the parsed bytes */

struct rtsp_header {
    struct rtsp_slice name, value; /* value without surrounding blanks */
};

enum rtsp_method { RTSP_OPTIONS, RTSP_DESCRIBE, RTSP_SETUP, RTSP_ANNOUNCE, RTSP_PLAY, RTSP_OTHER };

struct rtsp_request {
    enum rtsp_method method;
    struct rtsp_slice target;
    struct rtsp_header headers[RTSP_HEADERS_MAX];
    size_t header_count;
    uint32_t cseq;
    struct rtsp_slice body;
    size_t size_bytes; /* of the whole request; known, and not 0, as soon as the head is complete */
};

enum rtsp_parse_result {
    RTSP_PARSE_MORE, /* not complete yet: read on */
    RTSP_PARSE_DONE,
    RTSP_PARSE_BAD, /* answer `*ret_status` with `ret_request->cseq` (0 when it is not known), then close */
};
/* Parses `bytes` (all received so far). Slices point into `bytes`. Bytes after the request are not looked at. */
enum rtsp_parse_result rtsp_parse(const void *bytes, size_t size, struct rtsp_request *ret_request, int *ret_status);

/* Name in any case; NULL when absent. The first of duplicates. */
const struct rtsp_slice *rtsp_header_find(const struct rtsp_request *request, const char *name);
/* True when the `Session` header names `session` (anything from ';' on is not compared). */
bool rtsp_session_is(const struct rtsp_request *request, const char *session);
/* `Host: 0.0.0.0` is a client's way of asking for low-quality stereo. */
bool rtsp_host_is_any(const struct rtsp_request *request);

/* What a SETUP target names: the word after "streamid=" up to '/'. */
enum rtsp_stream { RTSP_STREAM_UNKNOWN, RTSP_STREAM_AUDIO, RTSP_STREAM_VIDEO, RTSP_STREAM_CONTROL };
enum rtsp_stream rtsp_setup_stream(const struct rtsp_request *request);

/*
 * A reply: begin, any number of headers, end. Clients read names by case and the value from one character after the
 * colon, want at least one header (CSeq always is) and no empty value: the writer keeps to that. `out->failed`: no
 * room.
 */
void rtsp_reply_begin(struct byte_writer *out, int status, uint32_t cseq);
__attribute__((format(printf, 3, 4))) void rtsp_reply_header(struct byte_writer *out, const char *name,
                                                             const char *format, ...);
void rtsp_reply_end(struct byte_writer *out, const char *body,
                    size_t body_size); /* with a body: SDP, its two headers too */
/* A whole reply without further headers. */
void rtsp_reply_plain(struct byte_writer *out, int status, uint32_t cseq);

const char *rtsp_status_text(int status); /* never empty */
