/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: a process of ours that outlives a crash. An X server keeps the keys down that were put down by XTEST, whoever
 * has gone. When the host's end of the pipe closes without a goodbye, the guard lets go of all keys and buttons there.
 * (Kernel devices need none: they go with their maker.)
 */
#pragma once

#include "input/injector.h"

struct guard;

/* Starts this program once more, with GUARD_ARGUMENT and the pipe as descriptor 3. NULL: logged; input works without.
 */
struct guard *guard_start(void);
/* Where input goes from now on. One thread; does not wait. */
void guard_follow(struct guard *self, const struct injector_screen *screen);
void guard_stop(struct guard *self); /* the goodbye; NULL is fine */

#define GUARD_ARGUMENT "--guard-input"
/* The process itself, from main(): until the pipe closes. Returns its exit code. */
int guard_run(void);
