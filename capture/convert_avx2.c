/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 twin of convert_rows_plain(): 16 pixels of two rows at a time, the same integers.
 * Products of 8-bit (a pixel) or 11-bit (sums of eight pixels) values and 16-bit weights are added in 32 bits by
 * _mm256_madd_epi16: pairs (B, G) and (R, x), x with weight 0; the horizontal add joins the two.
 * `bits`, of a sample, is a constant where these functions end up.
 */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define INLINE AVX2 __attribute__((always_inline)) static inline

/* One of Y, Cb, Cr. */
struct part {
    __m256i weights, offset; /* 16 bits */
};

struct parts {
    struct part y, cb, cr;
};

INLINE struct part part_of(const int16_t weights[3], int offset)
{
    uint64_t pixel = (uint16_t)weights[0] | (uint64_t)(uint16_t)weights[1] << 16 | (uint64_t)(uint16_t)weights[2] << 32;
    return (struct part){_mm256_set1_epi64x((long long)pixel), _mm256_set1_epi16((int16_t)offset)};
}

/* 8 pixels as words: 0 1 | 4 5 and 2 3 | 6 7. */
struct pixels8 {
    __m256i low, high;
};

INLINE struct pixels8 load8(const uint8_t *p)
{
    __m256i pixels = _mm256_loadu_si256((const __m256i *)(const void *)p), zero = _mm256_setzero_si256();
    return (struct pixels8){_mm256_unpacklo_epi8(pixels, zero), _mm256_unpackhi_epi8(pixels, zero)};
}

INLINE __m256i round_off(__m256i sums, int fraction)
{
    return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << (fraction - 1))), fraction);
}

/* 8 samples without offset as 32 bits: 0 1 2 3 | 4 5 6 7. */
INLINE __m256i whole8(int bits, struct pixels8 pixels, const struct part *part)
{
    __m256i low = _mm256_madd_epi16(pixels.low, part->weights), high = _mm256_madd_epi16(pixels.high, part->weights);
    return round_off(_mm256_hadd_epi32(low, high), CONVERT_SUM_BITS - bits);
}

/* 16 samples, words in this order: 0-3, 8-11, 4-7, 12-15. None of ten bits is outside of them. */
INLINE void store16(int bits, __m256i words, uint8_t *ret_line)
{
    words = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
    if (bits == 8) {
        __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), _MM_SHUFFLE(3, 1, 2, 0));
        _mm_storeu_si128((__m128i *)(void *)ret_line, _mm256_castsi256_si128(bytes));
        return;
    }
    _mm256_storeu_si256((__m256i *)(void *)ret_line, _mm256_slli_epi16(words, 16 - bits));
}

INLINE void whole16(int bits, struct pixels8 first, struct pixels8 second, const struct part *part, uint8_t *ret_line)
{
    __m256i words = _mm256_packs_epi32(whole8(bits, first, part), whole8(bits, second, part));
    store16(bits, _mm256_add_epi16(words, part->offset), ret_line);
}

/*
 * 8 pixels of two rows: four Cb and Cr without offset as 32 bits, in order Cb0 Cb1 Cr0 Cr1 | Cb2 Cb3 Cr2 Cr3.
 * `*previous`: element 0 is the column sum left of these pixels; left as that of the next eight.
 */
INLINE __m256i half4(int bits, struct pixels8 upper, struct pixels8 lower, __m256i *previous, const struct parts *parts)
{
    __m256i low = _mm256_add_epi16(upper.low, lower.low), high = _mm256_add_epi16(upper.high, lower.high);
    __m256i even = _mm256_unpacklo_epi64(low, high), odd = _mm256_unpackhi_epi64(low, high);
    __m256i turned = _mm256_permute4x64_epi64(odd, _MM_SHUFFLE(2, 1, 0, 3));
    __m256i left = _mm256_blend_epi32(turned, *previous, 0x03);
    *previous = turned;
    __m256i sums = _mm256_add_epi16(_mm256_add_epi16(left, odd), _mm256_add_epi16(even, even));
    __m256i cb = _mm256_madd_epi16(sums, parts->cb.weights), cr = _mm256_madd_epi16(sums, parts->cr.weights);
    return round_off(_mm256_hadd_epi32(cb, cr), CONVERT_SUM_BITS - bits + 3);
}

INLINE void half16(int bits, __m256i first, __m256i second, const struct parts *parts, uint8_t *ret_line)
{
    /* words of a lane: Cb0 Cb1 Cr0 Cr1 of the first eight, the same of the second */
    const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3, 6, 7,
                                           8, 9, 12, 13, 10, 11, 14, 15);
    __m256i words = _mm256_add_epi16(_mm256_packs_epi32(first, second), parts->cb.offset);
    store16(bits, _mm256_shuffle_epi8(words, order), ret_line);
}

/* Column sum of the pixel left of the first, in element 0. */
INLINE __m256i first_left(const struct convert_rows *rows)
{
    int at = rows->has_left ? -4 : 0;
    uint64_t sum = 0;
    for (int c = 0; c < 3; c++)
        sum |= (uint64_t)(rows->rows[0][at + c] + rows->rows[1][at + c]) << (16 * c);
    return _mm256_castsi128_si256(_mm_cvtsi64_si128((long long)sum));
}

/* 4:2:0. */
INLINE int convert_half(int bits, const struct parts *parts, const struct convert_rows *rows, int count)
{
    __m256i previous = first_left(rows);
    int x = 0, bytes = bits == 8 ? 1 : 2;
    for (; x + 16 <= count; x += 16) {
        struct pixels8 upper_a = load8(rows->rows[0] + 4 * x), upper_b = load8(rows->rows[0] + 4 * x + 32);
        struct pixels8 lower_a = load8(rows->rows[1] + 4 * x), lower_b = load8(rows->rows[1] + 4 * x + 32);
        whole16(bits, upper_a, upper_b, &parts->y, rows->lines[0] + x * bytes);
        whole16(bits, lower_a, lower_b, &parts->y, rows->lines[1] + x * bytes);
        __m256i a = half4(bits, upper_a, lower_a, &previous, parts);
        __m256i b = half4(bits, upper_b, lower_b, &previous, parts);
        half16(bits, a, b, parts, rows->lines[2] + x * bytes);
    }
    return x;
}

/* 4:4:4. */
INLINE int convert_whole(int bits, const struct parts *parts, const struct convert_rows *rows, int count)
{
    int whole = count & ~15, bytes = bits == 8 ? 1 : 2;
    for (int row = 0; row < 2; row++) {
        uint8_t *y = rows->lines[row], *cb = rows->lines[2 + row], *cr = rows->lines[4 + row];
        for (int x = 0; x < whole; x += 16) {
            struct pixels8 a = load8(rows->rows[row] + 4 * x), b = load8(rows->rows[row] + 4 * x + 32);
            whole16(bits, a, b, &parts->y, y + x * bytes);
            whole16(bits, a, b, &parts->cb, cb + x * bytes);
            whole16(bits, a, b, &parts->cr, cr + x * bytes);
        }
    }
    return whole;
}

AVX2 int convert_rows_avx2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    const struct frame_shape *shape = frame_shape_of(matrix->format);
    if (count < 16)
        return 0;
    const struct parts parts = {part_of(matrix->y, matrix->y_offset), part_of(matrix->cb, matrix->c_offset),
                                part_of(matrix->cr, matrix->c_offset)};
    if (shape->bits == 8)
        return shape->half_rows ? convert_half(8, &parts, rows, count) : convert_whole(8, &parts, rows, count);
    return shape->half_rows ? convert_half(10, &parts, rows, count) : convert_whole(10, &parts, rows, count);
}
#endif
