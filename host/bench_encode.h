/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_encode: `earthshine bench encode` measures each encoder that works, without display, client or configuration,
 * and says of the others why they do not. Made to be sent in a report.
 */
#pragma once

#include "host/config.h"

/* `arguments`: from the word "encode" on. Returns the exit code; says what went wrong on stderr. */
int bench_encode_run(const struct config *config, int count, char **arguments);
