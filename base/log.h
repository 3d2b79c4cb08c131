/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: one line per event on stderr, "LEVEL component: text". Any thread.
 * Control characters in the finished line are escaped, so text from strangers cannot forge lines.
 * Never log secrets: PIN, rikey, passwords, cookies, private keys, whole query strings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Logs "component: out of memory" and returns NULL. */
void *log_oom(const char *component);

/* For lines that strangers can cause: at most `burst` lines per second, the number swallowed is told by the next one.
 * Zero-initialise; one thread at a time. */
struct log_limit {
    int64_t window_start_ns;
    unsigned in_window, swallowed;
};
/* True: write the line; then `*ret_swallowed` says how many were left out since the last one. */
bool log_limit_pass(struct log_limit *self, unsigned burst, int64_t now_ns, unsigned *ret_swallowed);
