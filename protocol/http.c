/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request is looked at anew each time more bytes came: it is small, and no state can go wrong. What can
 * never become a request is refused as soon as it is seen, so that a stray TLS hello or an endless line needs no
 * deadline.
 */
#include "protocol/http.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

/* Control characters end a request; a tab may stand in header values (`value`), so may bytes above ASCII. */
static bool is_clean(const char *text, size_t size, bool value)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && !(value && c == '\t')) || c == 0x7f || (c > 0x7f && !value))
            return false;
    }
    return true;
}

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return size > 0;
}

static bool slice_is(const struct http_slice *slice, const char *text)
{
    return slice->size == strlen(text) && !memcmp(slice->text, text, slice->size);
}

static struct http_slice trim(const char *text, size_t size)
{
    while (size && (*text == ' ' || *text == '\t'))
        text++, size--;
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    return (struct http_slice){text, size};
}

/* 0, or the status to refuse with. Only what we answer is let through; HTTP/2's preface and proxies get a status. */
static int judge_line(const struct http_slice *method, const struct http_slice *target,
                      const struct http_slice *version)
{
    if (!is_token(method->text, method->size))
        return 400;
    if (!slice_is(version, "HTTP/1.1") && !slice_is(version, "HTTP/1.0"))
        return version->size >= 5 && !memcmp(version->text, "HTTP/", 5) ? 505 : 400;
    if (slice_is(method, "CONNECT") || slice_is(method, "PRI"))
        return 405;
    if (!slice_is(method, "GET") && !slice_is(method, "HEAD") && !slice_is(method, "POST"))
        return 501;
    return target->size && target->text[0] == '/' ? 0 : 400;
}

static int parse_line(const char *line, size_t size, struct http_request *request)
{
    if (!is_clean(line, size, false))
        return 400;
    const char *blank = memchr(line, ' ', size);
    if (!blank)
        return 400;
    const char *target = blank + 1, *end = line + size;
    const char *second = memchr(target, ' ', (size_t)(end - target));
    if (!second)
        return 400;
    request->method = (struct http_slice){line, (size_t)(blank - line)};
    struct http_slice whole = {target, (size_t)(second - target)};
    struct http_slice version = {second + 1, (size_t)(end - second - 1)};
    int status = judge_line(&request->method, &whole, &version);
    if (status)
        return status;
    const char *mark = memchr(target, '?', whole.size);
    request->path = (struct http_slice){target, mark ? (size_t)(mark - target) : whole.size};
    request->query = mark ? (struct http_slice){mark + 1, (size_t)(second - mark - 1)} : (struct http_slice){second, 0};
    return 0;
}

static int parse_header(const char *line, size_t size, struct http_request *request)
{
    const char *colon = memchr(line, ':', size);
    if (!colon || !is_token(line, (size_t)(colon - line)) || !is_clean(line, size, true))
        return 400; /* folded lines and a blank before the colon end here too */
    if (request->header_count == HTTP_HEADERS_MAX)
        return 431;
    request->headers[request->header_count++] = (struct http_header){
        .name = {line, (size_t)(colon - line)},
        .value = trim(colon + 1, (size_t)(line + size - colon - 1)),
    };
    return 0;
}

static bool name_is(const struct http_header *header, const char *name)
{
    return header->name.size == strlen(name) && !strncasecmp(header->name.text, name, header->name.size);
}

/* What decides where a request ends, and what asks for another protocol. */
static int judge_headers(struct http_request *request, size_t body_max)
{
    const struct http_slice *length = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (name_is(header, "Transfer-Encoding") || name_is(header, "Upgrade"))
            return 501;
        if (!name_is(header, "Content-Length"))
            continue;
        if (length)
            return 400; /* duplicates, even equal ones */
        length = &header->value;
    }
    if (!length)
        return 0;
    for (size_t i = 0; i < length->size; i++) {
        if (length->text[i] < '0' || length->text[i] > '9')
            return 400;
    }
    int64_t value = 0;
    if (!length->size)
        return 400;
    if (!text_parse_i64(length->text, length->size, 0, (int64_t)body_max, &value))
        return 413;
    request->body_size = (size_t)value;
    return 0;
}

static enum http_parse_result refuse(int status, int *ret_status)
{
    *ret_status = status;
    return HTTP_PARSE_BAD;
}

/* No complete head yet: can it still become one? */
static enum http_parse_result judge_beginning(const char *bytes, size_t size, int *ret_status)
{
    const char *line_end = memchr(bytes, '\r', size);
    size_t line = line_end ? (size_t)(line_end - bytes) : size;
    if (!is_clean(bytes, line, false) || (line_end && line + 1 < size && line_end[1] != '\n'))
        return refuse(400, ret_status);
    if (line > HTTP_LINE_MAX)
        return refuse(414, ret_status);
    for (size_t i = line; i < size; i++) {
        if (!bytes[i] || (bytes[i] == '\n' && bytes[i - 1] != '\r'))
            return refuse(400, ret_status);
    }
    if (size > HTTP_HEAD_MAX)
        return refuse(431, ret_status);
    return HTTP_PARSE_MORE;
}

enum http_parse_result http_parse(const char *bytes, size_t size, size_t body_max, struct http_request *ret_request,
                                  int *ret_status)
{
    if (!size)
        return HTTP_PARSE_MORE;
    size_t looked = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
    const char *end = memmem(bytes, looked, "\r\n\r\n", 4);
    if (!end)
        return judge_beginning(bytes, size, ret_status);
    struct http_request request = {.head_size = (size_t)(end - bytes) + 4};
    int status = 0;
    for (const char *line = bytes; line < end + 2 && !status;) {
        const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        size_t length = (size_t)(next - line); /* never NULL: `end` begins with a line end */
        if (line != bytes)
            status = parse_header(line, length, &request);
        else
            status = length > HTTP_LINE_MAX ? 414 : parse_line(line, length, &request);
        line = next + 2;
    }
    if (!status)
        status = judge_headers(&request, body_max);
    if (status)
        return refuse(status, ret_status);
    *ret_request = request;
    return HTTP_PARSE_DONE;
}

const struct http_slice *http_header_find(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (name_is(&request->headers[i], name))
            return &request->headers[i].value;
    }
    return NULL;
}

/* Decodes into `out`; -1: bad escape, NUL, or more than `capacity` with the NUL at the end. Else the length. */
static int decode(const char *text, size_t size, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            uint8_t value = 0;
            if (size - i < 3 || !text_unhex(text + i + 1, 2, &value, 1))
                return -1;
            c = (char)value;
            i += 2;
        }
        if (!c || used + 1 >= capacity)
            return -1;
        out[used++] = c;
    }
    if (!capacity)
        return -1;
    out[used] = 0;
    return (int)used;
}

static bool find_parameter(struct http_slice query, const char *name, struct http_slice *ret_value)
{
    if (!query.size)
        return false;
    const char *at = query.text, *end = query.text + query.size;
    char decoded[64];
    for (int count = 0; at < end && count < HTTP_PARAMETERS_MAX; count++) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop)
            stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *name_end = equals ? equals : stop;
        if (decode(at, (size_t)(name_end - at), decoded, sizeof(decoded)) >= 0 && !strcmp(decoded, name)) {
            const char *value = equals ? equals + 1 : stop;
            *ret_value = (struct http_slice){value, (size_t)(stop - value)};
            return true;
        }
        at = stop + 1;
    }
    return false;
}

bool http_query_get(struct http_slice query, const char *name, char *ret_value, size_t capacity)
{
    struct http_slice value;
    return find_parameter(query, name, &value) && decode(value.text, value.size, ret_value, capacity) >= 0;
}

bool http_query_has(struct http_slice query, const char *name)
{
    struct http_slice value;
    return find_parameter(query, name, &value);
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {303, "See Other"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].status == status)
            return known[i].text;
    }
    return "Status";
}
