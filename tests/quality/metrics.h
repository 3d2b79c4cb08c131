/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: how far two planes of bytes are apart. Plain C, pure, any thread. */
#pragma once

#include <stdint.h>

#define METRICS_PSNR_MAX 99.0 /* dB, of equal planes */

enum { METRICS_WIDTH_MAX = 4096 };

struct metrics_plane {
    const uint8_t *data;
    int stride, step; /* bytes to the next row and to the next sample: 2 in interleaved chroma */
    int width, height;
};

/* Both planes have one size. */
int64_t metrics_squared_error(const struct metrics_plane *a, const struct metrics_plane *b);
/* dB against 255; `samples` is how many the error was summed over. */
double metrics_psnr(int64_t squared_error, int64_t samples);
/*
 * Mean structural similarity over windows of 8x8 at every fourth row and column, as of Wang et al. 2004 with a flat
 * window, K1 0.01, K2 0.03, L 255. Samples must be adjacent, width at most METRICS_WIDTH_MAX; rests of less than four
 * rows or columns are left out.
 */
double metrics_ssim(const struct metrics_plane *a, const struct metrics_plane *b);
