/* SPDX-License-Identifier: Apache-2.0 */
#include "host/xlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_log(const char *path, int lines)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < lines; i++)
        fprintf(file, "line %04d\n", i);
    fclose(file);
}

static void a_long_log_is_cut_to_its_last_whole_lines(void **state)
{
    char *path = *state, text[101];
    write_log(path, 1000);
    assert_int_equal(xlog_file_tail(path, text, sizeof(text)), 90);
    assert_memory_equal(text, "line 0991\n", 10);
    assert_string_equal(text + 80, "line 0999\n");
}

static void a_short_log_is_given_whole(void **state)
{
    char *path = *state, text[101];
    write_log(path, 2);
    assert_int_equal(xlog_file_tail(path, text, sizeof(text)), 20);
    assert_string_equal(text, "line 0000\nline 0001\n");
}

static void the_users_own_log_comes_first(void **state)
{
    (void)state;
    char home[] = "/tmp/earthshine-test-XXXXXX", path[256], text[64], command[300];
    assert_non_null(mkdtemp(home));
    snprintf(command, sizeof(command), "mkdir -p %s/.local/share/xorg", home);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/.local/share/xorg/Xorg.4711.log", home);
    write_log(path, 1);
    assert_int_equal(xlog_tail(":4711", home, text, sizeof(text)), 10);
    assert_int_equal(xlog_tail(":4711.0", home, text, sizeof(text)), 10);
    assert_int_equal(xlog_tail(":4712", home, text, sizeof(text)), 0);
    snprintf(command, sizeof(command), "rm -r %s", home);
    assert_int_equal(system(command), 0);
}

static void what_is_no_local_display_has_no_log(void **state)
{
    (void)state;
    static const char *const names[] = {"", ":", "host:0", ":-1", ":x"};
    char text[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(xlog_tail(names[i], "/", text, sizeof(text)), 0);
        assert_string_equal(text, "");
    }
}

static int make_file(void **state)
{
    static char path[] = "/tmp/earthshine-test-XXXXXX";
    int fd = mkstemp(path);
    close(fd);
    *state = path;
    return fd < 0;
}

static int remove_file(void **state)
{
    return unlink(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_log_is_cut_to_its_last_whole_lines),
        cmocka_unit_test(a_short_log_is_given_whole),
        cmocka_unit_test(the_users_own_log_comes_first),
        cmocka_unit_test(what_is_no_local_display_has_no_log),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
