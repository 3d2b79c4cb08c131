/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum http_parse_result parse(const char *text, struct http_request *request, int *status)
{
    return http_parse(text, strlen(text), 100, request, status);
}

static void assert_slice(struct http_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.text, text, slice.size);
}

static const char example[] = "GET /serverinfo?uniqueid=0123456789ABCDEF&uuid=c1 HTTP/1.1\r\n"
                              "Host: 192.0.2.1:47989\r\nAccept:*/*\r\nX-Empty:\r\nx-tab: a\tb \r\n\r\n";

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    struct http_request request;
    int status = 0;
    assert_int_equal(parse(example, &request, &status), HTTP_PARSE_DONE);
    assert_slice(request.method, "GET");
    assert_slice(request.path, "/serverinfo");
    assert_slice(request.query, "uniqueid=0123456789ABCDEF&uuid=c1");
    assert_int_equal(request.header_count, 4);
    assert_int_equal(request.head_size, strlen(example));
    assert_int_equal(request.body_size, 0);
    assert_slice(*http_header_find(&request, "HOST"), "192.0.2.1:47989");
    assert_slice(*http_header_find(&request, "accept"), "*/*");
    assert_slice(*http_header_find(&request, "X-Empty"), "");
    assert_slice(*http_header_find(&request, "X-Tab"), "a\tb");
    assert_null(http_header_find(&request, "Cookie"));
}

static void every_beginning_of_a_request_waits_for_more(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(example); size++) {
        char *copy = malloc(size + 1); /* exact size: a read beyond it is seen by ASan */
        memcpy(copy, example, size);
        copy = realloc(copy, size ? size : 1);
        struct http_request request;
        int status = 0;
        assert_int_equal(http_parse(copy, size, 0, &request, &status), HTTP_PARSE_MORE);
        free(copy);
    }
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * strlen(example); bit++) {
        char copy[sizeof(example)];
        memcpy(copy, example, sizeof(example));
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        struct http_request request;
        int status = 0;
        if (http_parse(copy, strlen(example), 100, &request, &status) == HTTP_PARSE_BAD)
            assert_in_range(status, 400, 505);
    }
}

static void both_versions_and_the_known_methods_are_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "GET /?a=b?c HTTP/1.1\r\n\r\n",
        "HEAD /pin HTTP/1.1\r\n\r\n",
        "POST /api HTTP/1.1\r\nContent-Length: 100\r\n\r\n",
        "GET / HTTP/1.1\r\nX: \xc3\xa4\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct http_request request;
        int status = 0;
        assert_int_equal(parse(good[i], &request, &status), HTTP_PARSE_DONE);
    }
}

static void hostile_heads_get_a_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"GET / /x HTTP/1.1\r\n\r\n", 400},
        {"GET http://x/ HTTP/1.1\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\n\r\n", 400},
        {"GET / FTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.1 \r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"PRI * HTTP/1.1\r\n\r\n", 405},
        {"CONNECT a:443 HTTP/1.1\r\n\r\n", 405},
        {"DELETE / HTTP/1.1\r\n\r\n", 501},
        {"G{T / HTTP/1.1\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.1\r\n\r\n", 400},
        {"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\n\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
        {"\x16\x03\x01\x02", 400}, /* a TLS hello on the plain port, at its first bytes */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct http_request request;
        int status = 0;
        if (parse(bad[i].text, &request, &status) != HTTP_PARSE_BAD || status != bad[i].status)
            fail_msg("case %zu: status %d, expected %d", i, status, bad[i].status);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct http_request request;
    int status = 0;
    assert_int_equal(http_parse("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(http_parse("GET /\0", 6, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 400);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct http_request request;
    int status = 0;
    char *text = malloc(2 * HTTP_HEAD_MAX);
    memset(text, 'a', 2 * HTTP_HEAD_MAX);
    memcpy(text, "GET /", 5);
    assert_int_equal(http_parse(text, HTTP_LINE_MAX, 0, &request, &status), HTTP_PARSE_MORE);
    assert_int_equal(http_parse(text, HTTP_LINE_MAX + 1, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 414);
    memcpy(text + 20, " HTTP/1.1\r\nA: ", 14);
    assert_int_equal(http_parse(text, HTTP_HEAD_MAX, 0, &request, &status), HTTP_PARSE_MORE);
    assert_int_equal(http_parse(text, HTTP_HEAD_MAX + 1, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);
    memcpy(text + HTTP_HEAD_MAX, "\r\n\r\n", 4); /* complete, but too long */
    assert_int_equal(http_parse(text, HTTP_HEAD_MAX + 4, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);
    size_t at = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        at += (size_t)sprintf(text + at, "A: b\r\n");
    memcpy(text + at, "\r\n", 2);
    assert_int_equal(http_parse(text, at + 2, 0, &request, &status), HTTP_PARSE_DONE);
    memcpy(text + at, "A: b\r\n\r\n", 8);
    assert_int_equal(http_parse(text, at + 8, 0, &request, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);
    free(text);
}

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static void queries_are_decoded(void **state)
{
    (void)state;
    char value[16];
    struct http_slice query = slice("b=2&a=1+%2B%c3%A4&a=9&empty=&bare&%63=3&&x==y");
    assert_true(http_query_get(query, "a", value, sizeof(value)));
    assert_string_equal(value, "1 +\xc3\xa4");
    assert_true(http_query_get(query, "b", value, sizeof(value)));
    assert_string_equal(value, "2");
    assert_true(http_query_get(query, "c", value, sizeof(value)));
    assert_string_equal(value, "3");
    assert_true(http_query_get(query, "x", value, sizeof(value)));
    assert_string_equal(value, "=y");
    assert_true(http_query_get(query, "empty", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(http_query_get(query, "bare", value, sizeof(value)));
    assert_true(http_query_has(query, "bare"));
    assert_false(http_query_has(query, "A"));
    assert_false(http_query_has((struct http_slice){NULL, 0}, "a"));
}

static void unfit_query_values_are_refused(void **state)
{
    (void)state;
    char value[4];
    assert_true(http_query_get(slice("a=123"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=1234"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=%00"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=%"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=%4"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=%4g"), "a", value, sizeof(value)));
    assert_false(http_query_get(slice("a=1&%"), "b", value, sizeof(value)));
    char many[2 * HTTP_PARAMETERS_MAX + 8];
    for (int i = 0; i < HTTP_PARAMETERS_MAX; i++)
        memcpy(many + 2 * i, "x&", 2);
    strcpy(many + 2 * HTTP_PARAMETERS_MAX, "a=1");
    assert_false(http_query_get(slice(many), "a", value, sizeof(value)));
    assert_true(http_query_get(slice(many + 2), "a", value, sizeof(value)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(every_beginning_of_a_request_waits_for_more),
        cmocka_unit_test(flipped_bits_never_crash),
        cmocka_unit_test(both_versions_and_the_known_methods_are_accepted),
        cmocka_unit_test(hostile_heads_get_a_status),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(unfit_query_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
