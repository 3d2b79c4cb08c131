/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_error(const char *text, const char *wanted)
{
    struct config config;
    char error[CONFIG_ERROR_MAX];
    assert_true(config_init(&config, error));
    assert_false(config_read_text(&config, text, "test.conf", error));
    if (!strstr(error, wanted))
        fail_msg("\"%s\" is not in \"%s\"", wanted, error);
}

static void values_are_taken_from_text_and_words(void **state)
{
    (void)state;
    struct config config;
    char error[CONFIG_ERROR_MAX];
    assert_true(config_init(&config, error));
    assert_int_equal(config.port, 47989);
    assert_true(config_read_text(&config,
                                 "# a comment\n\nport = 50000\nencoder=x264\nname = living room\n"
                                 "display = :12\nvideo_encryption = mandatory\nbind = 127.0.0.1\n",
                                 "test.conf", error));
    assert_int_equal(config.port, 50000);
    assert_string_equal(config.encoder, "x264");
    assert_string_equal(config.name, "living room");
    assert_string_equal(config.display, ":12");
    assert_int_equal(config.video_encryption, SDP_POLICY_MANDATORY);
    assert_true(config_set(&config, "port=50100", error));
    assert_true(config_set(&config, "web_allow=any", error));
    assert_int_equal(config.port, 50100);
    assert_int_equal(config.web_allow, WEB_ALLOW_ANY);
}

static void errors_name_file_line_and_what_was_expected(void **state)
{
    (void)state;
    expect_error("\nport = 70000\n", "test.conf:2: port = 70000: expected a number from 1029 to 65514");
    expect_error("port = 1028\n", "1029");
    expect_error("port = 47989x\n", "expected a number");
    expect_error("prot = 47989\n", "test.conf:1: unknown key \"prot\"; there are port bind");
    expect_error("encoder = h264\n", "expected one of auto x264 nvenc vaapi");
    expect_error("display = 0\n", "expected auto, none, or an X display such as :0");
    expect_error("display = :0.\n", "X display");
    expect_error("bind = myhost\n", "IPv4 address");
    expect_error("name =\n", "a text of 1 to 63 bytes");
    expect_error("port = 50000\njust words\n", "test.conf:2: expected key = value");
    expect_error("[video]\nport = 50000\n", "test.conf:2: sections such as [video]");
    char longest[400];
    snprintf(longest, sizeof(longest), "name = %0300d\n", 0);
    expect_error(longest, "test.conf:1: the line is longer");
}

static void words_without_equals_or_key_are_refused(void **state)
{
    (void)state;
    struct config config;
    char error[CONFIG_ERROR_MAX];
    assert_true(config_init(&config, error));
    assert_false(config_set(&config, "port", error));
    assert_non_null(strstr(error, "expected key=value"));
    assert_false(config_set(&config, "=1", error));
    assert_false(config_set(&config, "port=", error));
    assert_int_equal(config.port, 47989);
}

static void the_example_file_is_valid_with_every_line_taken_in(void **state)
{
    (void)state;
    char text[8192], error[CONFIG_ERROR_MAX];
    FILE *file = fopen(VECTORS_DIR "/../../packaging/earthshine.conf", "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    char taken_in[sizeof(text)] = "", *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) { /* "#key = value" is a setting, "# words" a comment */
        strcat(taken_in, line + (line[0] == '#' && line[1] != ' '));
        strcat(taken_in, "\n");
    }
    struct config config, fresh;
    assert_true(config_init(&fresh, error));
    assert_true(config_init(&config, error));
    if (!config_read_text(&config, taken_in, "earthshine.conf", error))
        fail_msg("%s", error);
    assert_int_equal(config.port, fresh.port);
    assert_int_equal(config.fec_percent, fresh.fec_percent);
    assert_int_equal(config.video_encryption, fresh.video_encryption);
    assert_string_equal(config.name, "my-desktop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_from_text_and_words),
        cmocka_unit_test(errors_name_file_line_and_what_was_expected),
        cmocka_unit_test(words_without_equals_or_key_are_refused),
        cmocka_unit_test(the_example_file_is_valid_with_every_line_taken_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
