/* SPDX-License-Identifier: Apache-2.0 */
/* bench_measure: one scene through display, encoder and sender to a receiver in this process. Main thread. */
#pragma once

#include "encode/encoder.h"
#include "host/bench_figures.h"
#include "host/bench_site.h"
#include "host/config.h"
#include "host/stream.h"

struct bench_measure {
    struct bench_site *site; /* its X server runs */
    const struct config *config;
    const struct bench_options *options;
    const struct encoder_report *encoders[STREAM_ENCODERS_MAX]; /* in order of preference */
    int encoder_count;
};

/* Takes options->seconds and about two more. False: said on stderr. `ret_machine->encoder` is set. */
bool bench_measure_scene(const struct bench_measure *self, enum bench_scene_kind scene, const struct bench_size *size,
                         struct bench_figures *ret_figures, struct bench_machine *ret_machine);
