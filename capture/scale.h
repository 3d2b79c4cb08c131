/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale: an image into the middle of another one, aspect kept, by rectangle.
 * Shrinking by more than 1.5: mean over the area of each output pixel; else bilinear. Each output pixel depends only on
 * its position and its source pixels (14-bit weights, integer arithmetic), so that scaling parts gives the same bytes
 * as scaling the whole, and every implementation the same as any other.
 */
#pragma once

#include "base/crew.h"
#include "capture/convert.h"
#include "capture/image.h"

struct scaler;

/* Where a picture of source_width x source_height goes: even coordinates, centred. */
struct rect scale_content(int source_width, int source_height, int target_width, int target_height);

/* Tables for this pair of sizes, all 1..16384 and the target even. NULL: logged. */
struct scaler *scaler_create(int source_width, int source_height, int target_width, int target_height);
void scaler_destroy(struct scaler *self); /* NULL is fine */

/* The target's pixels that depend on `changed` of the source. */
struct rect scaler_reach(const struct scaler *self, struct rect changed);
/*
 * Write these target pixels (clipped to the content; the bars are left alone). `crew`: has a part in large areas; NULL:
 * none. One caller at a time.
 */
void scaler_run(struct scaler *self, struct crew *crew, enum convert_speed speed, const struct image *source,
                struct rect area, const struct image *target);

/* scale*.c only: one row of sums over source rows, and one output row from it. */
struct scale_axis {
    int size;         /* of the output */
    int taps;         /* per output position, even */
    int *first;       /* source position of its first tap */
    int16_t *weights; /* [size][taps], each row sums to 16384 */
};
/* `count` channel bytes of `taps` rows, weighted, into 6 bits of fraction. The twins return how many they did. */
int scale_sum_rows_sse2(const uint8_t *const *rows, const int16_t *weights, int taps, int count, int16_t *ret_sums);
int scale_sum_rows_avx2(const uint8_t *const *rows, const int16_t *weights, int taps, int count, int16_t *ret_sums);
/* Output pixels x0..x1-1 from the sums, which start at source column `sums_x`. */
void scale_sum_columns_sse2(const struct scale_axis *axis, const int16_t *sums, int sums_x, int x0, int x1,
                            uint8_t *ret_pixels);
