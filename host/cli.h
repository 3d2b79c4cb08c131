/* SPDX-License-Identifier: Apache-2.0 */
/* cli: the commands a user gives from the shell, most of them to a running host. Blocking; a process of its own. */
#pragma once

#include "host/config.h"

/* Exit codes of the whole program. */
enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* `arguments`: the command's word and what follows it. Returns the exit code; says what went wrong on stderr. */
int cli_run(const struct config *config, int count, char **arguments);
