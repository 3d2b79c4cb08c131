/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert: an image of bytes B G R x into the planes of a frame, by rectangle. Pure; any thread.
 * Chroma of 4:2:0 is sited left (type 0, the default of H.264 and HEVC): its sample lies on the even column, half-way
 * between two rows, so it is the mean of columns 2i-1, 2i, 2i+1 with weights 1 2 1 and of two rows. The picture's left
 * edge repeats.
 * Arithmetic is fixed point, 15 bits for samples of 8 bits and 13 for those of 10; every implementation gives the same
 * bytes.
 */
#pragma once

#include "capture/frame.h"
#include "capture/image.h"

/* How pixels become samples. A weighted sum holds a sample and its fraction: CONVERT_SUM_BITS together. */
enum { CONVERT_SUM_BITS = 23 };
struct convert_matrix {
    enum frame_format format;
    int16_t y[3], cb[3], cr[3]; /* weights of B, G, R */
    int y_offset, c_offset;     /* samples */
};

/* FRAME_BT2020 is the SDR matrix, non-constant luminance. For BGR0 the weights do not count. */
struct convert_matrix convert_matrix_for(const struct frame_layout *layout);

/*
 * The rectangle of output samples that depend on the pixels of `changed`: even coordinates, and one chroma column more
 * at the right, within width x height (even).
 */
struct rect convert_reach(struct rect changed, int width, int height);

enum convert_speed { CONVERT_PLAIN, CONVERT_SSE2, CONVERT_AVX2, CONVERT_AVX512, CONVERT_SPEEDS };
enum convert_speed convert_best(void); /* what this processor can do; it can do the lower ones too */
const char *convert_speed_name(enum convert_speed speed);

/*
 * Write `area` (even coordinates) of `target` from `source`, which has the frame's size; `matrix`: for its layout.
 * For 4:2:0 it reads one column left of `area` too.
 */
void convert_area(enum convert_speed speed, const struct convert_matrix *matrix, const struct image *source,
                  struct rect area, struct frame *target);

/* Copy `area` (even coordinates) between frames of one layout. */
void convert_copy(const struct frame *source, struct rect area, struct frame *target);

/*
 * Of convert*.c and tiles.c only. Two rows of `count` pixels (even) at `rows`; `has_left`: rows[-4..-1] is a pixel too.
 * `lines`: what they become, plane by plane: both rows of luma and that of chroma, or both rows of each.
 * The twins may stop early: they return the pixels done.
 */
enum { CONVERT_LINES_MAX = 2 * FRAME_PLANES_MAX };
struct convert_rows {
    const uint8_t *rows[2];
    uint8_t *lines[CONVERT_LINES_MAX];
    bool has_left;
};
void convert_rows(enum convert_speed speed, const struct convert_matrix *matrix, const struct convert_rows *rows,
                  int count); /* not for BGR0 */
int convert_rows_sse2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count);
int convert_rows_avx2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count);
int convert_rows_avx512(const struct convert_matrix *matrix, const struct convert_rows *rows, int count);
/* Where they are in a frame, from pixel x, y (even) on. Returns how many. */
int convert_lines(const struct frame *frame, int x, int y, uint8_t *ret_lines[CONVERT_LINES_MAX]);
