/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rights.h"

#include "input/seat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_set_of_rights_comes_back(void **state)
{
    (void)state;
    for (unsigned rights = 0; rights <= SEAT_EVERYTHING; rights++) {
        char text[RIGHTS_TEXT];
        unsigned parsed = 99;
        rights_text(rights, text);
        assert_true(strlen(text) < RIGHTS_TEXT);
        assert_true(rights_parse(text, &parsed));
        assert_int_equal(parsed, rights);
    }
}

static void rights_are_words_in_any_order(void **state)
{
    (void)state;
    char text[RIGHTS_TEXT];
    unsigned rights;
    rights_text(SEAT_EVERYTHING, text);
    assert_string_equal(text, "keyboard mouse touch gamepad");
    rights_text(0, text);
    assert_string_equal(text, "");
    assert_true(rights_parse("gamepad keyboard", &rights));
    assert_int_equal(rights, SEAT_GAMEPAD | SEAT_KEYBOARD);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {" ",       "mouse ", " mouse", "mouse  touch", "mouse mouse",
                                      "keyboar", "Mouse",  "mouses", "mouse,touch",  "all"};
    unsigned rights = 99;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(rights_parse(bad[i], &rights));
    assert_int_equal(rights, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_rights_comes_back),
        cmocka_unit_test(rights_are_words_in_any_order),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
