/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: `earthshine bench` measures the product's own path (display, encoder, sender) on this machine, with a private
 * X server, a painter (bench_scene.h) and a receiver that only records. Needs no configuration and touches no state.
 */
#pragma once

#include "host/config.h"

/* `arguments`: the command's word and what follows it. Returns the exit code; says what went wrong on stderr. */
int bench_run(const struct config *config, int count, char **arguments);
