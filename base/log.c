/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int current_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG"};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, level, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
        return;
    char text[1024], line[1100];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t used = (size_t)snprintf(line, sizeof(line), "%s ", level_names[level]);
    for (const char *c = text; *c && used < sizeof(line) - 6; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f)
            used += (size_t)snprintf(line + used, sizeof(line) - used, "\\x%02x", byte);
        else
            line[used++] = *c;
    }
    line[used++] = '\n';
    fwrite(line, 1, used, stderr); /* one call: lines of several threads do not mix */
}

void *log_oom(const char *component)
{
    log_error("%s: out of memory", component);
    return NULL;
}

bool log_limit_pass(struct log_limit *self, unsigned burst, int64_t now_ns, unsigned *ret_swallowed)
{
    if (self->window_start_ns == 0 || now_ns - self->window_start_ns >= 1000000000) {
        self->window_start_ns = now_ns;
        self->in_window = 0;
    }
    if (self->in_window >= burst) {
        self->swallowed++;
        return false;
    }
    self->in_window++;
    *ret_swallowed = self->swallowed;
    self->swallowed = 0;
    return true;
}
