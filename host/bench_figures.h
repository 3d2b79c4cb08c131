/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_figures: what `earthshine bench` tells of a scene, as a row of a table and as JSON, and the same of an earlier
 * run. A figure that makes no sense for a scene is NAN: "-" in the table, null in JSON.
 */
#pragma once

#include "host/bench_machine.h"
#include "host/bench_options.h"

#include <jansson.h>

enum bench_figure {
    BENCH_PAINTED_FPS,
    BENCH_RECEIVED_FPS, /* pictures without repeats */
    BENCH_SHARE,        /* received / painted */
    BENCH_HOST_P50,     /* ms: read from the display -> last packet handed to the kernel */
    BENCH_HOST_P95,
    BENCH_HOST_P99,
    BENCH_AGE_P50,   /* ms: painted -> last data packet arrived */
    BENCH_GAPS,      /* pictures further apart than 1.5 intervals */
    BENCH_CORES,     /* processor seconds of the host per second */
    BENCH_MEMORY_MB, /* RssAnon + RssShmem of the host */
    BENCH_FIRST_MS,  /* stream asked for -> first picture complete */
    BENCH_KBPS,      /* UDP payload */
    BENCH_FETCH,     /* medians in ms */
    BENCH_CONVERT,
    BENCH_ENCODE,
    BENCH_SEND, /* packetise, FEC and send; with its waits for the pacer */
    BENCH_LOST, /* frames that did not arrive whole; not in the table */
    BENCH_FIGURES
};

/* Percentiles of stages and of host latency are those of the last 1024 pictures (base/stats.h). */
struct bench_figures {
    double values[BENCH_FIGURES];
};

void bench_print_machine(const struct bench_machine *machine, const struct bench_options *options);
void bench_print_heading(const struct bench_size *size);
/* `old`: of bench_old_figures(), or NULL: no ratios. */
void bench_print_row(enum bench_scene_kind scene, const struct bench_figures *figures, const json_t *old);

/* The document that --json writes. `results` is an object, row by row of bench_add_result(); borrowed. NULL: no memory.
 */
json_t *bench_document(const struct bench_machine *machine, const struct bench_options *options, json_t *results);
bool bench_add_result(json_t *results, enum bench_scene_kind scene, const struct bench_size *size,
                      const struct bench_figures *figures);
/* NULL: it cannot be read, said on stderr. */
json_t *bench_load_document(const char *path);
/* Says on stderr what makes the ratios to it doubtful. */
void bench_tell_differences(const json_t *document, const struct bench_machine *machine,
                            const struct bench_options *options);
/* Of that scene and size, or NULL; borrowed from the document (NULL is fine). */
const json_t *bench_old_figures(const json_t *document, enum bench_scene_kind scene, const struct bench_size *size);
