/* SPDX-License-Identifier: Apache-2.0 */
/* cabac: the arithmetic encoder of H.264, 9.3.4, for the few syntax elements that encode/h264_patch.c writes. Pure. */
#pragma once

#include "encode/rbsp.h"

struct cabac {
    struct rbsp *out; /* borrowed */
    uint32_t low, range;
    int outstanding;
    bool first; /* the first bit is not written */
};

/* Probability of a syntax element's bin: pStateIdx * 2 + valMPS. */
typedef uint8_t cabac_context;

/* By (m, n) of the tables of 9.3.1.1. */
cabac_context cabac_context_init(int m, int n, int slice_qp);

void cabac_start(struct cabac *self, struct rbsp *out); /* at a byte's beginning */
void cabac_encode(struct cabac *self, cabac_context *context, int bin);
/* end_of_slice_flag, or the bin that tells I_PCM. After a 1 all is written, a 1 bit last, and it must start anew. */
void cabac_terminate(struct cabac *self, int bin);
