/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/convert.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* Weights that sum to `total` whatever the rounding, so that grey has no tint and white is exactly white. */
static void set_weights(int16_t ret_weights[3], double b, double r, int total)
{
    ret_weights[0] = (int16_t)lround(b);
    ret_weights[2] = (int16_t)lround(r);
    ret_weights[1] = (int16_t)(total - ret_weights[0] - ret_weights[2]);
}

struct convert_matrix convert_matrix_for(const struct frame_layout *layout)
{
    static const double kr[] = {[FRAME_BT601] = 0.299, [FRAME_BT709] = 0.2126, [FRAME_BT2020] = 0.2627};
    static const double kb[] = {[FRAME_BT601] = 0.114, [FRAME_BT709] = 0.0722, [FRAME_BT2020] = 0.0593};
    double r = kr[layout->colour_space], b = kb[layout->colour_space];
    int bits = frame_shape_of(layout->format)->bits, more = bits - 8;
    double one = (1 << (CONVERT_SUM_BITS - bits)) / 255.0; /* of 255, a sample of 1 */
    double full = one * ((1 << bits) - 1);
    double luma = layout->full_range ? full : one * (219 << more),
           chroma = layout->full_range ? full : one * (224 << more);
    struct convert_matrix matrix = {
        .format = layout->format, .y_offset = layout->full_range ? 0 : 16 << more, .c_offset = 128 << more};
    set_weights(matrix.y, b * luma, r * luma, (int)lround(luma));
    set_weights(matrix.cb, 0.5 * chroma, -0.5 * r / (1 - b) * chroma, 0);
    set_weights(matrix.cr, -0.5 * b / (1 - r) * chroma, 0.5 * chroma, 0);
    return matrix;
}

struct rect convert_reach(struct rect changed, int width, int height)
{
    if (rect_is_empty(changed))
        return (struct rect){0};
    int x0 = changed.x & ~1, y0 = changed.y & ~1;
    int x1 = ((changed.x + changed.width) & ~1) + 2, y1 = (changed.y + changed.height + 1) & ~1;
    return rect_intersect((struct rect){x0, y0, x1 - x0, y1 - y0}, (struct rect){0, 0, width, height});
}

enum convert_speed convert_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vnni"))
        return CONVERT_AVX512;
    if (__builtin_cpu_supports("avx2"))
        return CONVERT_AVX2;
    return CONVERT_SSE2;
#else
    return CONVERT_PLAIN;
#endif
}

const char *convert_speed_name(enum convert_speed speed)
{
    static const char *const names[CONVERT_SPEEDS] = {"plain", "SSE2", "AVX2", "AVX-512"};
    return names[speed];
}

static inline void put(int bits, int value, uint8_t *line, int at)
{
    int most = (1 << bits) - 1;
    value = value < 0 ? 0 : value > most ? most : value;
    uint16_t word = (uint16_t)(value << (16 - bits));
    if (bits == 8)
        line[at] = (uint8_t)value;
    else
        memcpy(line + (ptrdiff_t)2 * at, &word, sizeof(word));
}

/* One line of a sample for each pixel. */
static inline void whole_plain(int bits, const int16_t weights[3], int offset, const uint8_t *row, int from, int to,
                               uint8_t *line)
{
    int fraction = CONVERT_SUM_BITS - bits;
    for (int x = from; x < to; x++) {
        const uint8_t *p = row + (ptrdiff_t)4 * x;
        int sum = weights[0] * p[0] + weights[1] * p[1] + weights[2] * p[2] + (1 << (fraction - 1));
        put(bits, (sum >> fraction) + offset, line, x);
    }
}

static inline int chroma_of(int bits, const int16_t weights[3], const int sums[3])
{
    int fraction = CONVERT_SUM_BITS - bits + 3; /* of eight pixels */
    return (weights[0] * sums[0] + weights[1] * sums[1] + weights[2] * sums[2] + (1 << (fraction - 1))) >> fraction;
}

/* The line of pairs for two rows of pixels. */
static inline void half_plain(int bits, const struct convert_matrix *matrix, const struct convert_rows *rows, int from,
                              int to)
{
    for (int x = from; x < to; x += 2) {
        int left = x > 0 || rows->has_left ? 4 * (x - 1) : 4 * x;
        int sums[3];
        for (int c = 0; c < 3; c++) {
            const uint8_t *a = rows->rows[0] + c, *b = rows->rows[1] + c;
            sums[c] = a[left] + b[left] + 2 * (a[4 * x] + b[4 * x]) + a[4 * x + 4] + b[4 * x + 4];
        }
        put(bits, chroma_of(bits, matrix->cb, sums) + matrix->c_offset, rows->lines[2], x);
        put(bits, chroma_of(bits, matrix->cr, sums) + matrix->c_offset, rows->lines[2], x + 1);
    }
}

static inline void rows_plain(int bits, bool half, const struct convert_matrix *matrix, const struct convert_rows *rows,
                              int from, int to)
{
    for (int row = 0; row < 2; row++) {
        const uint8_t *pixels = rows->rows[row];
        whole_plain(bits, matrix->y, matrix->y_offset, pixels, from, to, rows->lines[row]);
        if (!half) {
            whole_plain(bits, matrix->cb, matrix->c_offset, pixels, from, to, rows->lines[2 + row]);
            whole_plain(bits, matrix->cr, matrix->c_offset, pixels, from, to, rows->lines[4 + row]);
        }
    }
    if (half)
        half_plain(bits, matrix, rows, from, to);
}

/* Each kind is compiled by itself. */
static void convert_rows_plain(const struct convert_matrix *matrix, const struct convert_rows *rows, int from, int to)
{
    bool half = frame_shape_of(matrix->format)->half_rows;
    if (frame_shape_of(matrix->format)->bits == 8)
        half ? rows_plain(8, true, matrix, rows, from, to) : rows_plain(8, false, matrix, rows, from, to);
    else
        half ? rows_plain(10, true, matrix, rows, from, to) : rows_plain(10, false, matrix, rows, from, to);
}

void convert_rows(enum convert_speed speed, const struct convert_matrix *matrix, const struct convert_rows *rows,
                  int count)
{
    int done = 0;
#ifdef __x86_64__
    if (speed == CONVERT_SSE2)
        done = convert_rows_sse2(matrix, rows, count);
    if (speed == CONVERT_AVX2)
        done = convert_rows_avx2(matrix, rows, count);
    if (speed == CONVERT_AVX512)
        done = convert_rows_avx512(matrix, rows, count);
#else
    (void)speed;
#endif
    convert_rows_plain(matrix, rows, done, count);
}

int convert_lines(const struct frame *frame, int x, int y, uint8_t *ret_lines[CONVERT_LINES_MAX])
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    int count = 0;
    for (int plane = 0; plane < shape->planes; plane++) {
        ret_lines[count++] = frame_at(frame, plane, x, y);
        if (plane == 0 || !shape->half_rows)
            ret_lines[count++] = frame_at(frame, plane, x, y + 1);
    }
    return count;
}

void convert_area(enum convert_speed speed, const struct convert_matrix *matrix, const struct image *source,
                  struct rect area, struct frame *target)
{
    assert(source->width == target->layout.width && source->height == target->layout.height);
    assert(matrix->format == target->layout.format);
    assert(area.x >= 0 && area.y >= 0 && area.x + area.width <= source->width);
    assert(area.y + area.height <= source->height && !((area.x | area.y | area.width | area.height) & 1));
    for (int y = area.y; y < area.y + area.height && area.width > 0; y += 2) {
        struct convert_rows rows = {.rows = {image_at(source, area.x, y), image_at(source, area.x, y + 1)},
                                    .has_left = area.x > 0};
        int count = convert_lines(target, area.x, y, rows.lines);
        if (target->layout.format != FRAME_BGR0)
            convert_rows(speed, matrix, &rows, area.width);
        else
            for (int i = 0; i < count; i++)
                memcpy(rows.lines[i], rows.rows[i], (size_t)area.width * 4);
    }
}

void convert_copy(const struct frame *source, struct rect area, struct frame *target)
{
    const struct frame_shape *shape = frame_shape_of(target->layout.format);
    size_t bytes = (size_t)area.width * (size_t)shape->pixel_bytes;
    for (int plane = 0; plane < shape->planes; plane++) {
        for (int y = area.y; y < area.y + area.height; y += plane && shape->half_rows ? 2 : 1)
            memcpy(frame_at(target, plane, area.x, y), frame_at(source, plane, area.x, y), bytes);
    }
}
