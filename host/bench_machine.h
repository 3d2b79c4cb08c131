/* SPDX-License-Identifier: Apache-2.0 */
/* bench_machine: what the figures of a bench were taken on. */
#pragma once

enum { BENCH_TEXT_MAX = 144 };

struct bench_machine {
    char cpu[BENCH_TEXT_MAX];    /* model */
    char kernel[BENCH_TEXT_MAX]; /* "Linux 6.1.0-18-amd64" */
    int cores, memory_mb;
    char encoder[BENCH_TEXT_MAX]; /* `earthshine bench` only: that ran; "" until one has */
};
void bench_machine_read(struct bench_machine *ret_machine); /* all but the encoder */
