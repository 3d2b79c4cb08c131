/* SPDX-License-Identifier: Apache-2.0 */
/* A window of 8x8 is made of four blocks of 4x4, each summed once: two rows of blocks are kept. */
#include "tests/quality/metrics.h"

#include <assert.h>
#include <math.h>

enum { BLOCK = 4, WINDOW_SAMPLES = 64 };

struct sums {
    int a, b, squares, product; /* squares: of both */
};

int64_t metrics_squared_error(const struct metrics_plane *a, const struct metrics_plane *b)
{
    int64_t sum = 0;
    assert(a->width == b->width && a->height == b->height);
    for (int y = 0; y < a->height; y++) {
        const uint8_t *p = a->data + (int64_t)y * a->stride, *q = b->data + (int64_t)y * b->stride;
        int row = 0; /* 4096 samples of 255 squared fit */
        for (int x = 0; x < a->width; x++) {
            int difference = p[x * a->step] - q[x * b->step];
            row += difference * difference;
        }
        sum += row;
    }
    return sum;
}

double metrics_psnr(int64_t squared_error, int64_t samples)
{
    if (squared_error == 0)
        return METRICS_PSNR_MAX;
    return fmin(METRICS_PSNR_MAX, 10 * log10(255.0 * 255.0 * (double)samples / (double)squared_error));
}

static void sum_blocks(const struct metrics_plane *a, const struct metrics_plane *b, int y, struct sums *ret_blocks)
{
    for (int column = 0; column < a->width / BLOCK; column++) {
        struct sums s = {0};
        for (int j = 0; j < BLOCK; j++) {
            const uint8_t *p = a->data + (int64_t)(y + j) * a->stride + column * BLOCK;
            const uint8_t *q = b->data + (int64_t)(y + j) * b->stride + column * BLOCK;
            for (int i = 0; i < BLOCK; i++) {
                s.a += p[i];
                s.b += q[i];
                s.squares += p[i] * p[i] + q[i] * q[i];
                s.product += p[i] * q[i];
            }
        }
        ret_blocks[column] = s;
    }
}

static struct sums add(struct sums x, struct sums y)
{
    return (struct sums){x.a + y.a, x.b + y.b, x.squares + y.squares, x.product + y.product};
}

static double similarity(struct sums s)
{
    const double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    double a = (double)s.a / WINDOW_SAMPLES, b = (double)s.b / WINDOW_SAMPLES;
    double variances = (double)s.squares / WINDOW_SAMPLES - a * a - b * b;
    double covariance = (double)s.product / WINDOW_SAMPLES - a * b;
    return (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2));
}

double metrics_ssim(const struct metrics_plane *a, const struct metrics_plane *b)
{
    struct sums blocks[2][METRICS_WIDTH_MAX / BLOCK];
    int columns = a->width / BLOCK, rows = a->height / BLOCK;
    double sum = 0;
    assert(a->width == b->width && a->height == b->height && a->step == 1 && b->step == 1);
    assert(a->width <= METRICS_WIDTH_MAX && columns > 1 && rows > 1);
    for (int row = 0; row < rows; row++) {
        struct sums *below = blocks[row & 1], *above = blocks[~row & 1];
        sum_blocks(a, b, row * BLOCK, below);
        for (int i = 0; row > 0 && i + 1 < columns; i++)
            sum += similarity(add(add(above[i], above[i + 1]), add(below[i], below[i + 1])));
    }
    return sum / ((double)(columns - 1) * (rows - 1));
}
