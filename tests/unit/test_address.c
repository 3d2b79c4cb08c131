/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct address make(const char *ip, uint16_t port)
{
    struct address address;
    assert_true(address_parse(ip, port, &address));
    return address;
}

static void addresses_go_to_text_and_back(void **state)
{
    (void)state;
    struct address address = make("192.0.2.1", 47998);
    char text[ADDRESS_TEXT_MAX];
    address_text(&address, text);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(address_port(&address), 47998);
    address_set_port(&address, 5);
    assert_int_equal(address_port(&address), 5);
}

static void only_numeric_addresses_are_parsed(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "::1"};
    struct address address;
    memset(&address, 0x5a, sizeof(address));
    struct address before = address;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(address_parse(bad[i], 1, &address));
    assert_memory_equal(&address, &before, sizeof(address));
}

static void comparison_tells_ip_from_port(void **state)
{
    (void)state;
    struct address a = make("10.0.0.1", 1), b = make("10.0.0.1", 2), c = make("10.0.0.2", 1), none = {0};
    assert_true(address_same_ip(&a, &b));
    assert_false(address_equal(&a, &b));
    assert_false(address_same_ip(&a, &c));
    assert_true(address_equal(&a, &a));
    assert_false(address_equal(&none, &none));
}

static void scopes_follow_the_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *ip;
        enum address_scope scope;
    } cases[] = {
        {"127.0.0.1", ADDRESS_LOOPBACK}, {"127.255.255.255", ADDRESS_LOOPBACK},
        {"128.0.0.0", ADDRESS_WAN},      {"10.255.0.1", ADDRESS_LAN},
        {"11.0.0.0", ADDRESS_WAN},       {"172.15.255.255", ADDRESS_WAN},
        {"172.16.0.0", ADDRESS_LAN},     {"172.31.255.255", ADDRESS_LAN},
        {"172.32.0.0", ADDRESS_WAN},     {"192.168.4.4", ADDRESS_LAN},
        {"192.167.4.4", ADDRESS_WAN},    {"169.254.1.1", ADDRESS_LAN},
        {"100.64.0.0", ADDRESS_LAN},     {"100.127.255.255", ADDRESS_LAN},
        {"100.128.0.0", ADDRESS_WAN},    {"8.8.8.8", ADDRESS_WAN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address = make(cases[i].ip, 0);
        assert_int_equal(address_scope(&address), cases[i].scope);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_go_to_text_and_back),
        cmocka_unit_test(only_numeric_addresses_are_parsed),
        cmocka_unit_test(comparison_tells_ip_from_port),
        cmocka_unit_test(scopes_follow_the_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
