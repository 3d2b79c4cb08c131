/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig: a test program beside the driver double: its libraries, a script, and what they wrote down. The test is linked
 * with FAKEGPU_DIR. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* First in main(): starts this program anew with the double in LD_LIBRARY_PATH, unless it is there already. */
void rig_enter(char **argv);
void rig_leave(void); /* last in main(): removes the files */

/* `text`: lines of tests/fakegpu/script.h. The log is emptied. */
void rig_script(const char *text);
/* These lines are part of every script from now on. NULL: none. The text stays the caller's. */
void rig_always(const char *text);
/* As rig_script(), but the log goes on. */
void rig_change(const char *text);

/* Lines of the log whose first word is `word`. */
int rig_count(const char *word);
/* The sum of what `key` is in each of them. */
long rig_sum(const char *word, const char *key);
/* The nth of them, from 0; -1: the last. Asserts that there is one. Valid until the next call. */
const char *rig_line(const char *word, int nth);
/* Whether the line has this "key=value". */
bool rig_has(const char *line, const char *pair);
