/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_eye: looks at what an encoder made, as a client does: by libavcodec's decoder, in software. Without libavcodec
 * in the build there is none (bench_eye_none.c). One thread.
 */
#pragma once

#include "encode/encoder.h"

#define BENCH_EYE_PSNR_MAX 99.0 /* dB, of equal pictures */

struct bench_eye;

enum bench_eye_result {
    BENCH_EYE_SEEN,
    BENCH_EYE_WRONG,   /* more than half of what was painted is not in it: that is not just coarse */
    BENCH_EYE_NOTHING, /* no picture came out: it is broken, or the decoder waits for another one */
    BENCH_EYE_SIZE,    /* one of another size or format */
};

/* NULL: no such decoder here, or no memory. */
struct bench_eye *bench_eye_create(enum encoder_codec codec);
void bench_eye_destroy(struct bench_eye *self); /* NULL is fine */
/* One whole access unit, whose picture must come out at once. *ret_psnr: of its luma against `painted` (not BGR0), in
 * dB.
 */
enum bench_eye_result bench_eye_see(struct bench_eye *self, const struct au_part *part, const struct frame *painted,
                                    double *ret_psnr);
