/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char error[CONFIG_ERROR_MAX];

static bool parse(struct config *config, const char *text)
{
    return config_parse(config, "test.conf", text, strlen(text), error);
}

static void a_file_sets_values_and_the_command_line_overrides(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    assert_int_equal(config.port, 47989);
    assert_true(parse(&config, "# comment\nport = 50000\n\nname=desk 7\nvirtual_display = 2560x1440\nweb_allow = "
                               "loopback\nlog_level = debug\nidentity = fixed\nvideo_encryption_wan=mandatory"));
    assert_int_equal(config.port, 50000);
    assert_string_equal(config.name, "desk 7");
    assert_int_equal(config.virtual_width, 2560);
    assert_int_equal(config.virtual_height, 1440);
    assert_int_equal(config.web_allow, WEB_ALLOW_LOOPBACK);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config.identity, CONFIG_IDENTITY_FIXED);
    assert_int_equal(config.video_encryption_wan, CONFIG_ENCRYPTION_MANDATORY);
    assert_true(config_set(&config, "port=50001", error));
    assert_int_equal(config.port, 50001);
    assert_true(config_set(&config, "display=:1", error));
    assert_string_equal(config.display, ":1");
}

static void mistakes_are_told_with_their_line_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } bad[] = {
        {"port = 50000\nports = 1\n", "test.conf:2"},
        {"port = 80\n", "test.conf:1"},
        {"\n\nport = 65515", "test.conf:3"},
        {"port = 5000x", "test.conf:1"},
        {"port =", "test.conf:1"},
        {"bind = localhost", "test.conf:1"},
        {"#\nfec_percent = 256", "test.conf:2"},
        {"display = 0", "test.conf:1"},
        {"virtual_display = 2560", "test.conf:1"},
        {"match_mode = sometimes", "test.conf:1"},
        {"encoder = foo", "test.conf:1"},
        {"codecs = h265", "test.conf:1"},
        {"video_encryption = yes", "test.conf:1"},
        {"web_allow = wan", "test.conf:1"},
        {"log_level = loud", "test.conf:1"},
        {"audio = on", "test.conf:1"},
        {"input = on", "test.conf:1"},
        {"identity = clone", "test.conf:1"},
        {"nonsense", "test.conf:1"},
        {"[section]\nport = 50000", "test.conf:1"},
        {"name = a ; b", "test.conf:1"},
        {"port = 50000\n  50001", "test.conf:2"},
        {"\n[app]\n", "test.conf:2"},
        {"[app \"\"]", "test.conf:1"},
        {"[app \"a<b\"]", "test.conf:1"},
        {"[app \"a\"b\"]", "test.conf:1"},
        {"[app \"a\"] x", "test.conf:1"},
        {"[app \"\xff\"]", "test.conf:1"},
        {"[app \"a\tb\"]", "test.conf:1"},
        {"[app \"a\"]\nuser = x\n[app \"a\"]\n", "test.conf:3"},
        {"[app \"a\"]\nport = 50000", "test.conf:2"},
        {"[app \"a\"]\nuser = x\n\nuser = x", "test.conf:4"},
        {"[app \"a\"]\nuser =", "test.conf:2"},
        {"[app \"a\"]\ncommand", "test.conf:2"},
        {"[app \"a\"]\ncommand = a ; b", "test.conf:2"},
        {"[app \"a\"]\ndirectory = games", "test.conf:2"},
        {"[app \"a\"]\nimage = a.png", "test.conf:2"},
        {"[app \"a\"]\nenvironment = A", "test.conf:2"},
        {"[app \"a\"]\nenvironment = 1A=b", "test.conf:2"},
        {"[app \"a\"]\nuser = \xff", "test.conf:2"},
        {"[app \"a\"]\nuser = a\x01z", "test.conf:2"},
        {"[app \"a\"]\nuser = anna # who plays", "test.conf:2"},
        {"[app \"a\"]\nuser = anna\n bert", "test.conf:3"},
        {"session_user = anna # who works", "test.conf:1"},
        /* the same CRC-32 */
        {"[app \"app-plumless\"]\n[app \"app-buckeroo\"]\n", "test.conf:2"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct config config, before;
        config_init(&config);
        before = config;
        error[0] = 0;
        if (parse(&config, bad[i].text) || !strstr(error, bad[i].place))
            fail_msg("%s: %s", bad[i].text, error);
        assert_memory_equal(&config, &before, sizeof(config));
    }
}

static const char apps_text[] = "[app \"Game\"]\n"
                                "command = run --this; echo \\\n"
                                "   and that\n"
                                "# a comment\n"
                                "environment = A=1\n"
                                "environment = B=two\n"
                                "  words\n"
                                "directory = /srv/a game\n"
                                "user = player\n"
                                "image = /srv/game.png\n"
                                "connect = c\nconnect_undo = cu\nfirst_picture = f\nfirst_picture_undo = fu\n"
                                "disconnect = d\ndisconnect_undo = du\nquit = q\nquit_undo = qu\n"
                                "[app \"Sch\xc3\xb6n & bunt\"]\n";

static void apps_are_read_in_order_with_all_their_keys(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    assert_null(config.apps);
    char text[sizeof(apps_text)];
    snprintf(text, sizeof(text), "%s", apps_text);
    memcpy(strchr(text, '&'), "+", 1);
    assert_true(parse(&config, text));
    assert_int_equal(config.app_count, 2);
    const struct config_app *app = &config.apps[0];
    assert_string_equal(app->name, "Game");
    assert_string_equal(app->command, "run --this; echo \\ and that");
    assert_memory_equal(app->environment, "A=1\0B=two words\0", 17);
    assert_string_equal(app->directory, "/srv/a game");
    assert_string_equal(app->user, "player");
    assert_string_equal(app->image, "/srv/game.png");
    static const char *const runs[] = {"c", "f", "d", "q"}, *const undos[] = {"cu", "fu", "du", "qu"};
    for (int i = 0; i < CONFIG_MOMENTS; i++) {
        assert_string_equal(app->hooks[i].run, runs[i]);
        assert_string_equal(app->hooks[i].undo, undos[i]);
    }
    assert_string_equal(config.apps[1].name, "Sch\xc3\xb6n + bunt");
    assert_string_equal(config.apps[1].command, "");
    assert_false(parse(&config, apps_text)); /* & is markup: what was there stays */
    assert_int_equal(config.app_count, 2);
    assert_true(parse(&config, "[app \"Other\"]\n"));
    assert_int_equal(config.app_count, 1);
    config_finish(&config);
}

/* More than a line of inih holds: it goes on in indented lines. */
static void long_commands_go_on_in_indented_lines(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    char text[4096], word[151];
    memset(word, 'x', 150);
    word[150] = 0;
    for (int lines = 6; lines <= 7; lines++) {
        int used = snprintf(text, sizeof(text), "virtual_display = 640x480\nsession_command = %s\n", word);
        for (int i = 1; i < 6; i++)
            used += snprintf(text + used, sizeof(text) - (size_t)used, "\t%s\n", word);
        used += snprintf(text + used, sizeof(text) - (size_t)used, "[app \"long\"]\ncommand = %s\n", word);
        for (int i = 1; i < lines; i++)
            used += snprintf(text + used, sizeof(text) - (size_t)used, "    %s\n", word);
        assert_int_equal(parse(&config, text), lines == 6); /* 7 * 151 are too many */
        assert_int_equal(strlen(config.apps[0].command), 6 * 151 - 1);
        assert_int_equal(strlen(config.session_command), 6 * 151 - 1);
    }
    assert_non_null(strstr(error, "test.conf:15"));
    memset(text, 'x', 300);
    memcpy(text, "command = ", 10);
    text[300] = 0;
    assert_false(parse(&config, text));
    assert_non_null(strstr(error, "begins with a space"));
    config_finish(&config);
}

static void there_are_limits_to_apps(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    char text[8192];
    int used = 0;
    for (int i = 0; i < CONFIG_APPS_MAX; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "[app \"%0*d\"]\n", i ? 3 : 128, i);
    assert_true(parse(&config, text));
    assert_int_equal(config.app_count, CONFIG_APPS_MAX);
    assert_int_equal(strlen(config.apps[0].name), 128);
    snprintf(text + used, sizeof(text) - (size_t)used, "[app \"more\"]\n");
    assert_false(parse(&config, text));
    assert_non_null(strstr(error, "test.conf:65"));
    snprintf(text, sizeof(text), "[app \"%0129d\"]\n", 1);
    assert_false(parse(&config, text));
    used = snprintf(text, sizeof(text), "[app \"a\"]\n");
    for (int i = 0; i < 20; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "environment = A=%0126d\n", i);
    assert_false(parse(&config, text)); /* 2048 / 129 = 15 */
    assert_non_null(strstr(error, "test.conf:17"));
    assert_false(config_set(&config, "command=x", error)); /* of no app */
    config_finish(&config);
}

static void mistakes_on_the_command_line_are_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"port", "=1", "port=", "unknown=1", "port=1", "encoder="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct config config;
        config_init(&config);
        error[0] = 0;
        assert_false(config_set(&config, bad[i], error));
        assert_non_null(strstr(error, "--set"));
    }
}

static void odd_files_are_refused(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    assert_false(config_parse(&config, "x", "port = 50000\0\n", 14, error));
    char *text = malloc(4000);
    memset(text, 'a', 4000);
    assert_false(config_parse(&config, "x", text, 4000, error));
    free(text);
    assert_int_equal(config.port, 47989);
    assert_true(config_parse(&config, "x", "", 0, error));
}

static void a_missing_file_matters_only_when_it_was_named(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    assert_true(config_read(&config, "/nonexistent/earthshine.conf", false, error));
    assert_false(config_read(&config, "/nonexistent/earthshine.conf", true, error));
    assert_non_null(strstr(error, "/nonexistent/earthshine.conf"));
}

/* The section of an app, with its lines put in force. */
static void put_in_force(char *section)
{
    for (char *line = section; line && *line;) {
        if (line[0] == '#' && line[1] != ' ')
            line[0] = '\n';
        line = strchr(line + 1, '\n');
        line += line != NULL;
    }
}

/* Every line "#key = value" of the example, taken as it stands there, is a known key with a good value. */
static void the_example_file_is_right(void **state)
{
    (void)state;
    char *text = NULL, assignment[256];
    size_t size = 0;
    int keys = 0;
    struct config config;
    config_init(&config);
    assert_int_equal(file_read(VECTORS_DIR "/../../packaging/earthshine.conf", 65536, &text, &size), FILE_OK);
    assert_true(config_parse(&config, "example", text, size, error));
    assert_int_equal(config.app_count, 0);
    char *section = strstr(text, "#[app \"");
    assert_non_null(section);
    put_in_force(section);
    if (!parse(&config, section))
        fail_msg("%s", error);
    assert_int_equal(config.app_count, 1);
    for (int i = 0; i < CONFIG_MOMENTS; i++)
        assert_true(config.apps[0].hooks[i].run[0] && config.apps[0].hooks[i].undo[0]);
    assert_true(config.apps[0].command[0] && config.apps[0].directory[0] && config.apps[0].user[0] &&
                config.apps[0].image[0] && config.apps[0].environment[0]);
    config_finish(&config);
    *section = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char key[64], value[128] = "";
        if (line[0] != '#' || line[1] == ' ' || sscanf(line, "#%63[a-z_] = %127[^\n]", key, value) < 1)
            continue;
        snprintf(assignment, sizeof(assignment), "%s=%s", key, value);
        if (!config_set(&config, assignment, error))
            fail_msg("%s", error);
        keys++;
    }
    assert_int_equal(keys, 23);
    free(text);
}

static void without_a_home_the_state_folder_must_be_given(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    config.state_dir[0] = 0;
    assert_false(config_check(&config, error));
    assert_true(config_set(&config, "state_dir=/srv/earthshine", error));
    assert_true(config_check(&config, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_sets_values_and_the_command_line_overrides),
        cmocka_unit_test(mistakes_are_told_with_their_line_and_change_nothing),
        cmocka_unit_test(apps_are_read_in_order_with_all_their_keys),
        cmocka_unit_test(long_commands_go_on_in_indented_lines),
        cmocka_unit_test(there_are_limits_to_apps),
        cmocka_unit_test(mistakes_on_the_command_line_are_told),
        cmocka_unit_test(odd_files_are_refused),
        cmocka_unit_test(a_missing_file_matters_only_when_it_was_named),
        cmocka_unit_test(the_example_file_is_right),
        cmocka_unit_test(without_a_home_the_state_folder_must_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
