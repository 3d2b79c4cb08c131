/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/rtsp.h"

#include "base/text.h"
#include "protocol/crypto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct rtsp_slice slice_trim(struct rtsp_slice s)
{
    while (s.size && s.text[0] == ' ')
        s.text++, s.size--;
    while (s.size && s.text[s.size - 1] == ' ')
        s.size--;
    return s;
}

static bool slice_is(struct rtsp_slice s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

static bool slice_is_any_case(struct rtsp_slice s, const char *text)
{
    return s.size == strlen(text) && strncasecmp(s.text, text, s.size) == 0;
}

static bool has_control_character(struct rtsp_slice line)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.text[i];
        if (c < 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

/* The next line of the head, without its CRLF; the caller has seen that the head ends with an empty line. */
static struct rtsp_slice next_line(const char **at, const char *end)
{
    const char *stop = memmem(*at, (size_t)(end - *at), "\r\n", 2);
    assert(stop);
    struct rtsp_slice line = {*at, (size_t)(stop - *at)};
    *at = stop + 2;
    return line;
}

static enum rtsp_method method_of(struct rtsp_slice word)
{
    static const char *const names[] = {[RTSP_OPTIONS] = "OPTIONS",
                                        [RTSP_DESCRIBE] = "DESCRIBE",
                                        [RTSP_SETUP] = "SETUP",
                                        [RTSP_ANNOUNCE] = "ANNOUNCE",
                                        [RTSP_PLAY] = "PLAY"};
    for (int i = 0; i < RTSP_OTHER; i++) {
        if (slice_is(word, names[i]))
            return (enum rtsp_method)i;
    }
    return RTSP_OTHER;
}

/* METHOD SP target SP RTSP/1.0. The target may be anything: clients send addresses that are none. */
static bool parse_start_line(struct rtsp_slice line, struct rtsp_request *request)
{
    static const char version[] = " RTSP/1.0";
    const size_t version_size = sizeof(version) - 1;
    const char *blank = memchr(line.text, ' ', line.size);
    if (!blank || blank == line.text || line.size < version_size)
        return false;
    const char *tail = line.text + line.size - version_size;
    if (tail <= blank || memcmp(tail, version, version_size) != 0)
        return false;
    request->method = method_of((struct rtsp_slice){line.text, (size_t)(blank - line.text)});
    request->target = slice_trim((struct rtsp_slice){blank + 1, (size_t)(tail - blank - 1)});
    return request->target.size > 0;
}

static bool parse_header(struct rtsp_slice line, struct rtsp_request *request)
{
    const char *colon = memchr(line.text, ':', line.size);
    if (!colon || colon == line.text || request->header_count == RTSP_HEADERS_MAX)
        return false;
    struct rtsp_slice name = {line.text, (size_t)(colon - line.text)};
    if (memchr(name.text, ' ', name.size)) /* also refuses continued lines */
        return false;
    struct rtsp_slice value = {colon + 1, line.size - name.size - 1};
    request->headers[request->header_count++] = (struct rtsp_header){name, slice_trim(value)};
    return true;
}

/* The number in a header that may occur once. 1: found, 0: absent, -1: malformed, above `max`, or repeated. */
static int parse_number(const struct rtsp_request *request, const char *name, size_t digits_max, int64_t max,
                        int64_t *ret_value)
{
    int found = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!slice_is_any_case(request->headers[i].name, name))
            continue;
        struct rtsp_slice value = request->headers[i].value;
        if (found++ || !value.size || value.size > digits_max || value.text[0] == '-' ||
            !text_parse_i64(value.text, value.size, 0, max, ret_value))
            return -1;
    }
    return found;
}

/* Everything up to the empty line. Returns 0, or the status to answer. */
static int parse_head(const char *text, size_t head_size, struct rtsp_request *request)
{
    const char *at = text, *end = text + head_size;
    struct rtsp_slice line = next_line(&at, end);
    bool fine = !has_control_character(line) && parse_start_line(line, request);
    while (fine && (line = next_line(&at, end)).size > 0)
        fine = !has_control_character(line) && parse_header(line, request);
    if (!fine)
        return 400;

    int64_t number = 0;
    if (parse_number(request, "CSeq", 9, 999999999, &number) != 1)
        return 400;
    request->cseq = (uint32_t)number;
    number = 0;
    if (parse_number(request, "Content-length", 9, 999999999, &number) < 0)
        return 400;
    if (number > RTSP_BODY_MAX)
        return 413;
    request->body.size = (size_t)number;
    return 0;
}

enum rtsp_parse_result rtsp_parse(const void *bytes, size_t size, struct rtsp_request *ret_request, int *ret_status)
{
    const char *text = bytes;
    memset(ret_request, 0, sizeof(*ret_request));
    ret_request->method = RTSP_OTHER;
    size_t searched = size < RTSP_HEAD_MAX ? size : RTSP_HEAD_MAX;
    const char *empty = searched ? memmem(text, searched, "\r\n\r\n", 4) : NULL;
    if (!empty) {
        *ret_status = 400;
        return size < RTSP_HEAD_MAX ? RTSP_PARSE_MORE : RTSP_PARSE_BAD;
    }
    size_t head_size = (size_t)(empty - text) + 4;
    int status = parse_head(text, head_size, ret_request);
    if (status) {
        *ret_status = status;
        return RTSP_PARSE_BAD;
    }
    ret_request->size_bytes = head_size + ret_request->body.size;
    if (size < ret_request->size_bytes)
        return RTSP_PARSE_MORE;
    ret_request->body.text = text + head_size;
    return RTSP_PARSE_DONE;
}

const struct rtsp_slice *rtsp_header_find(const struct rtsp_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_is_any_case(request->headers[i].name, name))
            return &request->headers[i].value;
    }
    return NULL;
}

bool rtsp_session_is(const struct rtsp_request *request, const char *session)
{
    const struct rtsp_slice *value = rtsp_header_find(request, "Session");
    if (!value)
        return false;
    struct rtsp_slice token = *value;
    const char *semicolon = memchr(token.text, ';', token.size);
    if (semicolon)
        token.size = (size_t)(semicolon - token.text);
    token = slice_trim(token);
    return token.size == strlen(session) && !crypto_compare(token.text, session, token.size);
}

bool rtsp_host_is_any(const struct rtsp_request *request)
{
    const struct rtsp_slice *value = rtsp_header_find(request, "Host");
    if (!value)
        return false;
    struct rtsp_slice host = *value;
    const char *colon = memchr(host.text, ':', host.size);
    if (colon)
        host.size = (size_t)(colon - host.text);
    return slice_is(host, "0.0.0.0");
}

enum rtsp_stream rtsp_setup_stream(const struct rtsp_request *request)
{
    static const char key[] = "streamid=";
    struct rtsp_slice word = request->target;
    const char *found = word.size ? memmem(word.text, word.size, key, sizeof(key) - 1) : NULL;
    if (!found)
        return RTSP_STREAM_UNKNOWN;
    const char *end = word.text + word.size;
    word.text = found + sizeof(key) - 1;
    word.size = (size_t)(end - word.text);
    const char *slash = memchr(word.text, '/', word.size);
    if (slash)
        word.size = (size_t)(slash - word.text);
    if (slice_is(word, "audio"))
        return RTSP_STREAM_AUDIO;
    if (slice_is(word, "video"))
        return RTSP_STREAM_VIDEO;
    return slice_is(word, "control") ? RTSP_STREAM_CONTROL : RTSP_STREAM_UNKNOWN;
}

const char *rtsp_status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 413:
        return "Request Entity Too Large";
    case 454:
        return "Session Not Found";
    case 455:
        return "Method Not Valid in This State";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

void rtsp_reply_begin(struct byte_writer *out, int status, uint32_t cseq)
{
    byte_writer_printf(out, "RTSP/1.0 %d %s\r\nCSeq: %u\r\n", status, rtsp_status_text(status), (unsigned)cseq);
}

void rtsp_reply_header(struct byte_writer *out, const char *name, const char *format, ...)
{
    char value[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    /* an empty value would make the client take the next line for it */
    assert(length > 0 && !strpbrk(value, "\r\n"));
    if (length <= 0 || (size_t)length >= sizeof(value))
        out->failed = true;
    byte_writer_printf(out, "%s: %s\r\n", name, value);
}

void rtsp_reply_end(struct byte_writer *out, const char *body, size_t body_size)
{
    if (body_size) {
        rtsp_reply_header(out, "Content-type", "application/sdp");
        rtsp_reply_header(out, "Content-length", "%zu", body_size);
    }
    byte_writer_append(out, "\r\n", 2);
    byte_writer_append(out, body, body_size);
}

void rtsp_reply_plain(struct byte_writer *out, int status, uint32_t cseq)
{
    rtsp_reply_begin(out, status, cseq);
    rtsp_reply_end(out, NULL, 0);
}
