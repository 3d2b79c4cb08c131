/* SPDX-License-Identifier: Apache-2.0 */
#include "web/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

/* A request whose only headers are these, up to a NULL name. */
static struct http_request with(const char *const (*headers)[2])
{
    struct http_request request = {.method = slice("POST"), .path = slice("/")};
    for (; (*headers)[0]; headers++)
        request.headers[request.header_count++] = (struct http_header){slice((*headers)[0]), slice((*headers)[1])};
    return request;
}

static void only_addresses_and_own_names_are_a_host(void **state)
{
    (void)state;
    static const char names[][256] = {"Workstation", "box.example.org"};
    static const char *const good[] = {
        "127.0.0.1",   "192.168.1.20:47990", "[::1]:47990",       "[fe80::1]",       "localhost",        "LOCALHOST:1",
        "workstation", "WORKSTATION:47990",  "workstation.local", "box.example.org", "Box.Example.Org:8"};
    static const char *const bad[] = {"",
                                      ":47990",
                                      "evil.example",
                                      "workstation.evil.example",
                                      "workstation.localx",
                                      "box.example.org.local",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1:",
                                      "127.0.0.1:99999",
                                      "127.0.0.1:1x",
                                      "127.0.0.1:-1",
                                      "127.0.0.1@evil.example",
                                      "[::1",
                                      "[]",
                                      "[evil]",
                                      "[::1]x",
                                      "localhost.evil.example"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(request_host_allowed(slice(good[i]), names, 2));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(request_host_allowed(slice(bad[i]), names, 2));
    assert_false(request_host_allowed(slice("workstation"), names, 0));
}

static void only_our_own_page_is_the_same_origin(void **state)
{
    (void)state;
    static const struct {
        const char *headers[4][2];
        bool same;
    } cases[] = {
        {{{"Host", "a:1"}, {"Origin", "https://a:1"}}, true},
        {{{"Host", "a:1"}, {"Sec-Fetch-Site", "same-origin"}}, true},
        {{{"Host", "a:1"}, {"Origin", "https://a:1"}, {"Sec-Fetch-Site", "same-origin"}}, true},
        {{{"Host", "a:1"}}, false},
        {{{"Host", "a:1"}, {"Origin", "null"}}, false},
        {{{"Host", "a:1"}, {"Origin", "http://a:1"}}, false},
        {{{"Host", "a:1"}, {"Origin", "https://a:2"}}, false},
        {{{"Host", "a:1"}, {"Origin", "https://a:1x"}}, false},
        {{{"Host", "a:1"}, {"Origin", "https://a:1"}, {"Sec-Fetch-Site", "cross-site"}}, false},
        {{{"Host", "a:1"}, {"Origin", "https://b"}, {"Sec-Fetch-Site", "same-origin"}}, false},
        {{{"Host", "a:1"}, {"Sec-Fetch-Site", "same-site"}}, false},
        {{{"Host", "a:1"}, {"Sec-Fetch-Site", "none"}}, false},
        {{{"Origin", "https://a:1"}}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request request = with(cases[i].headers);
        assert_int_equal(request_same_origin(&request), cases[i].same);
    }
}

static void a_cookie_is_found_by_its_exact_name(void **state)
{
    (void)state;
    static const char *const headers[][2] = {{"Cookie", "xid=0; id2=1; =x; flag;id=abc; tail=9"}, {0}};
    struct http_request request = with(headers);
    struct http_slice value;
    assert_true(request_cookie(&request, "id", &value));
    assert_true(slice_is(value, "abc"));
    assert_true(request_cookie(&request, "tail", &value));
    assert_true(slice_is(value, "9"));
    assert_false(request_cookie(&request, "flag", &value));
    assert_false(request_cookie(&request, "ta", &value));
    static const char *const none[][2] = {{"Cookie", ""}, {0}};
    request = with(none);
    assert_false(request_cookie(&request, "id", &value));
}

static void only_json_is_json(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"Content-Type", "Application/JSON; charset=utf-8"}, {0}};
    static const char *const bad[][2] = {{"Content-Type", "application/jsonp"}, {0}};
    static const char *const none[][2] = {{0}};
    struct http_request request = with(good);
    assert_true(request_is_json(&request));
    request = with(bad);
    assert_false(request_is_json(&request));
    request = with(none);
    assert_false(request_is_json(&request));
}

static bool takes(const char *body)
{
    char id[9], name[5];
    const struct request_field fields[] = {{"id", 1, 8, id}, {"name", 0, 4, name}};
    return request_fields(slice(body), fields, 2) && strcmp(id, "a1") == 0;
}

static void a_body_has_exactly_the_wanted_members(void **state)
{
    (void)state;
    assert_true(takes("{\"id\":\"a1\",\"name\":\"\"}"));
    assert_true(takes(" {\"name\":\"\\u00e9t\",\"id\":\"a1\"} "));
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "null",
                                      "\"id\"",
                                      "{\"id\":\"a1\"}",
                                      "{\"id\":\"a1\",\"name\":\"x\",\"more\":\"y\"}",
                                      "{\"id\":\"a1\",\"id\":\"a1\",\"name\":\"x\"}",
                                      "{\"id\":\"a1\",\"name\":7}",
                                      "{\"id\":\"a1\",\"name\":null}",
                                      "{\"id\":\"\",\"name\":\"x\"}",
                                      "{\"id\":\"a1\",\"name\":\"12345\"}",
                                      "{\"id\":\"a1\",\"name\":\"a\\nb\"}",
                                      "{\"id\":\"a1\",\"name\":\"a\\u0000\"}",
                                      "{\"id\":\"a1\",\"name\":\"\x80\"}",
                                      "{\"id\":\"a1\",\"name\":\"x\"} more",
                                      "{\"id\":\"a1\",\"name\":\"x\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(takes(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_addresses_and_own_names_are_a_host),
        cmocka_unit_test(only_our_own_page_is_the_same_origin),
        cmocka_unit_test(a_cookie_is_found_by_its_exact_name),
        cmocka_unit_test(only_json_is_json),
        cmocka_unit_test(a_body_has_exactly_the_wanted_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
