/* SPDX-License-Identifier: Apache-2.0 */
/* bench_encode_report: what `earthshine bench encode` tells, as text while it goes on and as JSON at the end. */
#pragma once

#include "host/bench_encode_options.h"
#include "host/bench_encode_row.h"
#include "host/bench_machine.h"
#include "host/gpu.h"

#include <jansson.h>

struct bench_encode_site {
    struct bench_machine machine;
    struct gpu_facts gpu;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    int count;
};

void bench_encode_print_machine(const struct bench_encode_site *site); /* and libraries: all that no driver is asked */
/* The GPU, and which encoders work, or why not. */
void bench_encode_print_encoders(const struct bench_encode_site *site);
void bench_encode_print_heading(void);
/* The first columns, before the measuring: a driver that hangs does so behind its name. */
void bench_encode_print_job(const struct bench_encode_job *job);
void bench_encode_print_row(const struct bench_encode_row *row);

/* NULL: no memory. */
json_t *bench_encode_document(const struct bench_encode_options *options, const struct bench_encode_site *site);
/* Notes what is being measured, until bench_encode_add(). */
void bench_encode_begin(json_t *document, const struct bench_encode_job *job);
/* False: no memory. */
bool bench_encode_add(json_t *document, const struct bench_encode_job *job, const struct bench_encode_row *row);
