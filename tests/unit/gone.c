/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gone.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT_S = 60 };

bool process_is_gone(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    const char *got = fgets(line, sizeof(line), file);
    fclose(file);
    const char *end = got ? strrchr(line, ')') : NULL;
    return !end || end[2] == 'Z' || end[2] == 'X';
}

void assert_goes(pid_t pid)
{
    for (int64_t until_ns = clock_now_ns() + LIMIT_S * CLOCK_SECOND_NS; !process_is_gone(pid);) {
        assert_true(clock_now_ns() < until_ns);
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    }
}
