/* SPDX-License-Identifier: Apache-2.0 */
/* host: the running program: makes every part and wires them together. */
#pragma once

#include "host/config.h"

/* Runs until SIGINT, SIGTERM or SIGHUP. `sysroot`: "" or a folder that stands for "/" where the machine's identity is
 * read. Returns the exit code; the reason of a failure was logged. */
int host_run(const struct config *config, const char *sysroot);
