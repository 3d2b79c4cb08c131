/* SPDX-License-Identifier: Apache-2.0 */
/* gone: whether a process that need not be a child of the test's is there no more. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

bool process_is_gone(pid_t pid); /* or a zombie that only waits for init */
void assert_goes(pid_t pid);     /* within 60 s */
