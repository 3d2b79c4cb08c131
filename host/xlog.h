/* SPDX-License-Identifier: Apache-2.0 */
/* xlog: the end of an X server's log, for the page. Reads a file: some milliseconds at most. */
#pragma once

#include <stddef.h>

/* The log of local display ":N" where Xorg writes it: /var/log, or the home of who runs it (`home`, may be NULL). Whole
 * lines, at most `capacity` - 1 bytes. Returns the length; 0: no such file, or not for us to read. */
size_t xlog_tail(const char *display, const char *home, char *ret_text, size_t capacity);
/* The last whole lines of any file. */
size_t xlog_file_tail(const char *path, char *ret_text, size_t capacity);
