/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/convert.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { FRACTION = 15, CHROMA_FRACTION = FRACTION + 3 /* eight samples are summed */ };

/* Weights that sum to `total` whatever the rounding, so that grey has no tint and white is exactly white. */
static void set_weights(int16_t ret_weights[3], double b, double r, int total)
{
    ret_weights[0] = (int16_t)lround(b);
    ret_weights[2] = (int16_t)lround(r);
    ret_weights[1] = (int16_t)(total - ret_weights[0] - ret_weights[2]);
}

struct convert_matrix convert_matrix_for(enum frame_colour_space colour_space, bool full_range)
{
    static const double kr[] = {[FRAME_BT601] = 0.299, [FRAME_BT709] = 0.2126, [FRAME_BT2020] = 0.2627};
    static const double kb[] = {[FRAME_BT601] = 0.114, [FRAME_BT709] = 0.0722, [FRAME_BT2020] = 0.0593};
    double r = kr[colour_space], b = kb[colour_space];
    double one = 1 << FRACTION;
    double luma = one * (full_range ? 1.0 : 219.0 / 255.0), chroma = one * (full_range ? 1.0 : 224.0 / 255.0);
    struct convert_matrix matrix = {.y_offset = full_range ? 0 : 16};
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
#endif
    return CONVERT_PLAIN;
}

const char *convert_speed_name(enum convert_speed speed)
{
    static const char *const names[CONVERT_SPEEDS] = {"plain", "AVX2", "AVX-512"};
    return names[speed];
}

static uint8_t clamp_byte(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static uint8_t luma_of(const struct convert_matrix *matrix, const uint8_t *p)
{
    int sum = matrix->y[0] * p[0] + matrix->y[1] * p[1] + matrix->y[2] * p[2] + (1 << (FRACTION - 1));
    return clamp_byte((sum >> FRACTION) + matrix->y_offset);
}

static uint8_t chroma_of(const int16_t weights[3], const int sums[3])
{
    int sum = weights[0] * sums[0] + weights[1] * sums[1] + weights[2] * sums[2] + (1 << (CHROMA_FRACTION - 1));
    return clamp_byte((sum >> CHROMA_FRACTION) + 128);
}

static void convert_rows_plain(const struct convert_matrix *matrix, const struct convert_rows *rows, int from, int to)
{
    for (int row = 0; row < 2; row++) {
        for (int x = from; x < to; x++)
            rows->y[row][x] = luma_of(matrix, rows->rows[row] + 4 * x);
    }
    for (int x = from; x < to; x += 2) {
        int left = x > 0 || rows->has_left ? 4 * (x - 1) : 4 * x;
        int sums[3];
        for (int c = 0; c < 3; c++) {
            const uint8_t *a = rows->rows[0] + c, *b = rows->rows[1] + c;
            sums[c] = a[left] + b[left] + 2 * (a[4 * x] + b[4 * x]) + a[4 * x + 4] + b[4 * x + 4];
        }
        rows->c[x] = chroma_of(matrix->cb, sums);
        rows->c[x + 1] = chroma_of(matrix->cr, sums);
    }
}

void convert_rows(enum convert_speed speed, const struct convert_matrix *matrix, const struct convert_rows *rows,
                  int count)
{
    int done = 0;
#ifdef __x86_64__
    if (speed == CONVERT_AVX2)
        done = convert_rows_avx2(matrix, rows, count);
    if (speed == CONVERT_AVX512)
        done = convert_rows_avx512(matrix, rows, count);
#else
    (void)speed;
#endif
    convert_rows_plain(matrix, rows, done, count);
}

static void convert_nv12(enum convert_speed speed, const struct convert_matrix *matrix, const struct image *source,
                         struct rect area, struct frame *target)
{
    for (int y = area.y; y < area.y + area.height; y += 2) {
        uint8_t *luma = target->planes[0] + (int64_t)y * target->strides[0] + area.x;
        struct convert_rows rows = {
            .rows = {image_at(source, area.x, y), image_at(source, area.x, y + 1)},
            .y = {luma, luma + target->strides[0]},
            .c = target->planes[1] + (int64_t)(y / 2) * target->strides[1] + area.x,
            .has_left = area.x > 0,
        };
        convert_rows(speed, matrix, &rows, area.width);
    }
}

void convert_area(enum convert_speed speed, const struct convert_matrix *matrix, const struct image *source,
                  struct rect area, struct frame *target)
{
    assert(source->width == target->layout.width && source->height == target->layout.height);
    assert(area.x >= 0 && area.y >= 0 && area.x + area.width <= source->width);
    assert(area.y + area.height <= source->height && !((area.x | area.y | area.width | area.height) & 1));
    if (rect_is_empty(area))
        return;
    if (target->layout.format == FRAME_NV12) {
        convert_nv12(speed, matrix, source, area, target);
        return;
    }
    for (int y = area.y; y < area.y + area.height; y++)
        memcpy(target->planes[0] + (int64_t)y * target->strides[0] + (int64_t)area.x * 4, image_at(source, area.x, y),
               (size_t)area.width * 4);
}

static void copy_plane(const struct frame *source, struct frame *target, int plane, struct rect bytes)
{
    for (int y = bytes.y; y < bytes.y + bytes.height; y++)
        memcpy(target->planes[plane] + (int64_t)y * target->strides[plane] + bytes.x,
               source->planes[plane] + (int64_t)y * source->strides[plane] + bytes.x, (size_t)bytes.width);
}

void convert_copy(const struct frame *source, struct rect area, struct frame *target)
{
    if (target->layout.format == FRAME_NV12) {
        copy_plane(source, target, 0, area);
        copy_plane(source, target, 1, (struct rect){area.x, area.y / 2, area.width, area.height / 2});
    } else {
        copy_plane(source, target, 0, (struct rect){area.x * 4, area.y, area.width * 4, area.height});
    }
}
