/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX-512 VNNI twin of convert_rows_plain(): 16 pixels of two rows at a time, the same integers.
 * _mm512_dpbusd_epi32 adds four products of unsigned and signed bytes: those of a pixel. A weight of 16 bits is
 * 256 * high + low, both signed bytes, so two of them make an exact sum. Chroma is linear: at half size, columns are
 * weighted first, both rows in one sum, then the three columns of a sample are added.
 * `bits`, of a sample, is a constant where these functions end up.
 */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE AVX512 __attribute__((always_inline)) static inline

/* One of Y, Cb, Cr. Per pixel, start + 256 * (high . pixel) + low . pixel. */
struct part {
    __m512i high, low;
    __m512i start; /* rounding and offset, / 256 */
};

struct parts {
    struct part y, cb, cr;
};

INLINE struct part part_of(const int16_t weights[3], int start)
{
    uint32_t high = 0, low = 0;
    for (int i = 0; i < 3; i++) {
        int8_t rest = (int8_t)(weights[i] & 255);
        int8_t whole = (int8_t)((weights[i] - rest) / 256); /* no weight is above 0.8 * 32768 */
        low |= (uint32_t)(uint8_t)rest << (8 * i);
        high |= (uint32_t)(uint8_t)whole << (8 * i);
    }
    return (struct part){_mm512_set1_epi32((int)high), _mm512_set1_epi32((int)low), _mm512_set1_epi32(start / 256)};
}

/* 16 samples from their sums, by masked lanes. None is negative, and only one of eight bits can be too large, by one.
 */
INLINE void store16(int bits, int fraction, __m512i sums, __mmask16 mask, uint8_t *ret_line)
{
    __m512i samples = _mm512_srai_epi32(sums, fraction);
    if (bits == 8)
        _mm512_mask_cvtusepi32_storeu_epi8(ret_line, mask, samples);
    else
        _mm512_mask_cvtepi32_storeu_epi16(ret_line, mask, _mm512_slli_epi32(samples, 16 - bits));
}

INLINE void whole16(int bits, __m512i pixels, const struct part *part, __mmask16 mask, uint8_t *ret_line)
{
    __m512i sums = _mm512_slli_epi32(_mm512_dpbusd_epi32(part->start, pixels, part->high), 8);
    sums = _mm512_dpbusd_epi32(sums, pixels, part->low);
    store16(bits, CONVERT_SUM_BITS - bits, sums, mask, ret_line);
}

/* Both rows of each column. */
INLINE __m512i columns16(__m512i upper, __m512i lower, const struct part *part)
{
    __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(part->start, upper, part->high), lower, part->high);
    sum = _mm512_slli_epi32(sum, 8);
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, upper, part->low), lower, part->low);
}

/* `*previous`: its last two elements are Cb and Cr of the column left of these; left as that of the next 16. */
INLINE void half16(int bits, __m512i upper, __m512i lower, const struct parts *parts, __m512i *previous, __mmask16 mask,
                   uint8_t *ret_line)
{
    __m512i cb = columns16(upper, lower, &parts->cb), cr = columns16(upper, lower, &parts->cr);
    __m512i even = _mm512_mask_shuffle_epi32(cb, 0xaaaa, cr, _MM_PERM_CCAA);
    __m512i odd = _mm512_mask_shuffle_epi32(cr, 0x5555, cb, _MM_PERM_DDBB);
    __m512i left = _mm512_alignr_epi32(odd, *previous, 14);
    *previous = odd;
    __m512i sums = _mm512_add_epi32(_mm512_add_epi32(left, odd), _mm512_add_epi32(even, even));
    store16(bits, CONVERT_SUM_BITS - bits + 3, sums, mask, ret_line);
}

AVX512 static inline __m512i first_left(const struct convert_rows *rows, const struct parts *parts)
{
    int at = rows->has_left ? -4 : 0;
    __m512i upper = _mm512_maskz_loadu_epi32(1, rows->rows[0] + at);
    __m512i lower = _mm512_maskz_loadu_epi32(1, rows->rows[1] + at);
    __m512i columns = _mm512_unpacklo_epi32(columns16(upper, lower, &parts->cb), columns16(upper, lower, &parts->cr));
    return _mm512_broadcastq_epi64(_mm512_castsi512_si128(columns));
}

/* Rounding and offset of a sum; at half size each of four columns' worth brings a part of it. */
static int start_of(int fraction, int offset, bool half)
{
    int start = (1 << (fraction - 1)) + (offset << fraction);
    return half ? 2 * start : start; /* of eight, in a fourth */
}

INLINE __mmask16 lanes_of(int count)
{
    return count < 16 ? (__mmask16)((1u << count) - 1) : 0xffff;
}

/* 4:2:0. */
INLINE int convert_half(int bits, const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    int fraction = CONVERT_SUM_BITS - bits, c_start = start_of(fraction, matrix->c_offset, true);
    const struct parts parts = {part_of(matrix->y, start_of(fraction, matrix->y_offset, false)),
                                part_of(matrix->cb, c_start), part_of(matrix->cr, c_start)};
    __m512i previous = first_left(rows, &parts);
    int bytes = bits == 8 ? 1 : 2;
    for (int x = 0; x < count; x += 16) {
        __mmask16 mask = lanes_of(count - x);
        __m512i upper = _mm512_maskz_loadu_epi32(mask, rows->rows[0] + 4 * x);
        __m512i lower = _mm512_maskz_loadu_epi32(mask, rows->rows[1] + 4 * x);
        whole16(bits, upper, &parts.y, mask, rows->lines[0] + x * bytes);
        whole16(bits, lower, &parts.y, mask, rows->lines[1] + x * bytes);
        half16(bits, upper, lower, &parts, &previous, mask, rows->lines[2] + x * bytes);
    }
    return count;
}

/* 4:4:4. */
INLINE int convert_whole(int bits, const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    int fraction = CONVERT_SUM_BITS - bits, c_start = start_of(fraction, matrix->c_offset, false);
    const struct parts parts = {part_of(matrix->y, start_of(fraction, matrix->y_offset, false)),
                                part_of(matrix->cb, c_start), part_of(matrix->cr, c_start)};
    int bytes = bits == 8 ? 1 : 2;
    for (int row = 0; row < 2; row++) {
        uint8_t *y = rows->lines[row], *cb = rows->lines[2 + row], *cr = rows->lines[4 + row];
        for (int x = 0; x < count; x += 16) {
            __mmask16 mask = lanes_of(count - x);
            __m512i pixels = _mm512_maskz_loadu_epi32(mask, rows->rows[row] + 4 * x);
            whole16(bits, pixels, &parts.y, mask, y + x * bytes);
            whole16(bits, pixels, &parts.cb, mask, cb + x * bytes);
            whole16(bits, pixels, &parts.cr, mask, cr + x * bytes);
        }
    }
    return count;
}

AVX512 int convert_rows_avx512(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    const struct frame_shape *shape = frame_shape_of(matrix->format);
    if (shape->bits == 8)
        return shape->half_rows ? convert_half(8, matrix, rows, count) : convert_whole(8, matrix, rows, count);
    return shape->half_rows ? convert_half(10, matrix, rows, count) : convert_whole(10, matrix, rows, count);
}
#endif
