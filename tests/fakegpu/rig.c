/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fakegpu/rig.h"

#include <assert.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATH_SIZE = 64, LINE_SIZE = 1100 };

static char folder[] = "/tmp/es-fakegpu-XXXXXX";
static char script_path[PATH_SIZE], next_path[PATH_SIZE], log_path[PATH_SIZE];
static char line_buffer[LINE_SIZE];
static const char *always = "";

/* Read by LeakSanitizer, if there is one: libx265 3.5 loses copies of its parameters' texts. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libx265.so";
}

void rig_enter(char **argv)
{
    const char *libraries = getenv("LD_LIBRARY_PATH");
    if (!libraries || !strstr(libraries, FAKEGPU_DIR)) {
        setenv("LD_LIBRARY_PATH", FAKEGPU_DIR, 1);
        execv("/proc/self/exe", argv);
        perror("execv");
        exit(1);
    }
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
    snprintf(script_path, sizeof(script_path), "%s/script", folder);
    snprintf(next_path, sizeof(next_path), "%s/next", folder);
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    setenv("FAKEGPU_SCRIPT", script_path, 1);
    setenv("FAKEGPU_LOG", log_path, 1);
    rig_change("");
}

static int count_threads(void)
{
    DIR *folder_of_threads = opendir("/proc/self/task");
    int count = 0;
    while (folder_of_threads && readdir(folder_of_threads))
        count++;
    if (folder_of_threads)
        closedir(folder_of_threads);
    return count - 2; /* "." and ".." */
}

void rig_leave(void)
{
    for (int i = 0; i < 500 && count_threads() > 1; i++) /* one that was left behind still reads the script */
        usleep(10000);
    unlink(script_path);
    unlink(log_path);
    rmdir(folder);
}

void rig_always(const char *text)
{
    always = text ? text : "";
}

void rig_change(const char *text)
{
    FILE *file = fopen(next_path, "w");
    assert_non_null(file);
    assert_true(fputs(always, file) >= 0 && fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next_path, script_path), 0);
}

void rig_script(const char *text)
{
    rig_change(text);
    unlink(log_path);
}

/* The next line of that word. */
static bool next_line(FILE *file, const char *word, char line[LINE_SIZE])
{
    size_t length = strlen(word);
    while (file && fgets(line, LINE_SIZE, file)) {
        if (strncmp(line, word, length) != 0 || (line[length] != ' ' && line[length] != '\n'))
            continue;
        line[strcspn(line, "\n")] = '\0';
        return true;
    }
    return false;
}

/* The nth line of that word into line_buffer; returns how many were passed. */
static int look_for(const char *word, int nth)
{
    char line[LINE_SIZE];
    int count = 0;
    FILE *file = fopen(log_path, "r");
    while (next_line(file, word, line)) {
        if (nth < 0 || count == nth)
            memcpy(line_buffer, line, sizeof(line));
        count++;
    }
    if (file)
        fclose(file);
    return count;
}

long rig_sum(const char *word, const char *key)
{
    char line[LINE_SIZE], pair[PATH_SIZE];
    long sum = 0;
    snprintf(pair, sizeof(pair), " %s=", key);
    FILE *file = fopen(log_path, "r");
    while (next_line(file, word, line)) {
        const char *at = strstr(line, pair);
        assert_non_null(at);
        sum += strtol(at + strlen(pair), NULL, 10);
    }
    if (file)
        fclose(file);
    return sum;
}

int rig_count(const char *word)
{
    return look_for(word, 0);
}

const char *rig_line(const char *word, int nth)
{
    int count = look_for(word, nth);
    if (count <= (nth < 0 ? 0 : nth))
        fail_msg("line %d of '%s' is not in the log", nth, word);
    return line_buffer;
}

bool rig_has(const char *line, const char *pair)
{
    size_t length = strlen(pair);
    for (const char *at = strstr(line, pair); at; at = strstr(at + 1, pair))
        if (at > line && at[-1] == ' ' && (at[length] == ' ' || !at[length]))
            return true;
    print_message("'%s' is not in: %s\n", pair, line);
    return false;
}
