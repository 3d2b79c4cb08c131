/* SPDX-License-Identifier: Apache-2.0 */
#include "host/xlog.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t xlog_file_tail(const char *path, char *ret_text, size_t capacity)
{
    ret_text[0] = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    bool cut = fseek(file, -(long)(capacity - 1), SEEK_END) == 0;
    if (!cut)
        rewind(file); /* shorter than that */
    size_t size = fread(ret_text, 1, capacity - 1, file);
    fclose(file);
    ret_text[size] = 0;
    char *line = cut ? memchr(ret_text, '\n', size) : NULL;
    if (line) {
        size -= (size_t)(line + 1 - ret_text);
        memmove(ret_text, line + 1, size + 1);
    }
    return size;
}

size_t xlog_tail(const char *display, const char *home, char *ret_text, size_t capacity)
{
    char path[512], *end;
    ret_text[0] = 0;
    if (display[0] != ':')
        return 0;
    long number = strtol(display + 1, &end, 10);
    if (end == display + 1 || number < 0)
        return 0;
    if (home) {
        snprintf(path, sizeof(path), "%.400s/.local/share/xorg/Xorg.%ld.log", home, number);
        size_t size = xlog_file_tail(path, ret_text, capacity);
        if (size)
            return size;
    }
    snprintf(path, sizeof(path), "/var/log/Xorg.%ld.log", number);
    return xlog_file_tail(path, ret_text, capacity);
}
