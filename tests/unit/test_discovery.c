/* SPDX-License-Identifier: Apache-2.0 */
#include "net/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void an_instance_name_is_the_plain_start_of_the_host_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"desk", "desk"},
        {"my game pc", "my-game-pc"},
        {"desk.example.org", "desk"},
        {"", "Earthshine"},
        {".desk", "Earthshine"},
        {"b\xc3\xbcro", "b"},
        {"A-1_b", "A-1"},
        {"a\nb", "a"},
    };
    char name[DISCOVERY_NAME_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        discovery_instance_name(cases[i][0], name);
        assert_string_equal(name, cases[i][1]);
    }
}

static void an_instance_name_has_at_most_63_bytes(void **state)
{
    (void)state;
    char host[101] = {0}, name[DISCOVERY_NAME_MAX];
    memset(host, 'x', 100);
    discovery_instance_name(host, name);
    assert_int_equal(strlen(name), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_name_is_the_plain_start_of_the_host_name),
        cmocka_unit_test(an_instance_name_has_at_most_63_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
