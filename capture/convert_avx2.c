/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX2 twin of convert_rows_plain(): 16 pixels of two rows at a time, the same integers.
 * Products of 8-bit (luma) or 11-bit (chroma sums of eight samples) values and 15-bit weights are added in 32 bits by
 * _mm256_madd_epi16: pairs (B, G) and (R, x), x with weight 0; the horizontal add joins the two.
 */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

struct weights {
    __m256i y, cb, cr, y_round, c_round, y_offset, c_offset;
};

AVX2 static inline __m256i spread(const int16_t weights[3])
{
    return _mm256_setr_epi16(weights[0], weights[1], weights[2], 0, weights[0], weights[1], weights[2], 0, weights[0],
                             weights[1], weights[2], 0, weights[0], weights[1], weights[2], 0);
}

AVX2 static inline __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* 8 pixels: their luma sums as 32 bits, in order 0 1 2 3 | 4 5 6 7. */
AVX2 static inline __m256i luma8(__m256i pixels, const struct weights *w)
{
    __m256i zero = _mm256_setzero_si256();
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi8(pixels, zero), w->y);
    __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi8(pixels, zero), w->y);
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_hadd_epi32(low, high), w->y_round), 15);
}

AVX2 static inline void luma16(__m256i a, __m256i b, const struct weights *w, uint8_t *ret_luma)
{
    __m256i words = _mm256_packs_epi32(luma8(a, w), luma8(b, w)); /* 0-3 8-11 | 4-7 12-15 */
    words = _mm256_add_epi16(_mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0)), w->y_offset);
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), _MM_SHUFFLE(3, 1, 2, 0));
    _mm_storeu_si128((__m128i *)(void *)ret_luma, _mm256_castsi256_si128(bytes));
}

/*
 * 8 pixels of two rows: four Cb and Cr as 32 bits, in order Cb0 Cb1 Cr0 Cr1 | Cb2 Cb3 Cr2 Cr3.
 * `*previous`: element 0 is the column sum left of these pixels; left as that of the next eight.
 */
AVX2 static inline __m256i chroma4(__m256i upper, __m256i lower, __m256i *previous, const struct weights *w)
{
    __m256i zero = _mm256_setzero_si256();
    __m256i low = _mm256_add_epi16(_mm256_unpacklo_epi8(upper, zero), _mm256_unpacklo_epi8(lower, zero));
    __m256i high = _mm256_add_epi16(_mm256_unpackhi_epi8(upper, zero), _mm256_unpackhi_epi8(lower, zero));
    __m256i even = _mm256_unpacklo_epi64(low, high), odd = _mm256_unpackhi_epi64(low, high);
    __m256i turned = _mm256_permute4x64_epi64(odd, _MM_SHUFFLE(2, 1, 0, 3));
    __m256i left = _mm256_blend_epi32(turned, *previous, 0x03);
    *previous = turned;
    __m256i sums = _mm256_add_epi16(_mm256_add_epi16(left, odd), _mm256_add_epi16(even, even));
    __m256i both = _mm256_hadd_epi32(_mm256_madd_epi16(sums, w->cb), _mm256_madd_epi16(sums, w->cr));
    return _mm256_srai_epi32(_mm256_add_epi32(both, w->c_round), 18);
}

AVX2 static inline void chroma8(__m256i a, __m256i b, const struct weights *w, uint8_t *ret_chroma)
{
    /* words of a lane: Cb0 Cb1 Cr0 Cr1 of a, the same of b */
    const __m256i order = _mm256_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 1, 3, 4, 6, 5,
                                           7, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i words = _mm256_add_epi16(_mm256_packs_epi32(a, b), w->c_offset);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(words, words), order);
    /* 32-bit groups: a's first half, b's first | a's second, b's second */
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 3, 6, 7));
    _mm_storeu_si128((__m128i *)(void *)ret_chroma, _mm256_castsi256_si128(bytes));
}

/* Column sum of the pixel left of the first, in element 0. */
AVX2 static __m256i first_left(const struct convert_rows *rows)
{
    int at = rows->has_left ? -4 : 0;
    uint64_t sum = 0;
    for (int c = 0; c < 3; c++)
        sum |= (uint64_t)(rows->rows[0][at + c] + rows->rows[1][at + c]) << (16 * c);
    return _mm256_castsi128_si256(_mm_cvtsi64_si128((long long)sum));
}

AVX2 int convert_rows_avx2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    const struct weights w = {
        .y = spread(matrix->y),
        .cb = spread(matrix->cb),
        .cr = spread(matrix->cr),
        .y_round = _mm256_set1_epi32(1 << 14),
        .c_round = _mm256_set1_epi32(1 << 17),
        .y_offset = _mm256_set1_epi16((int16_t)matrix->y_offset),
        .c_offset = _mm256_set1_epi16(128),
    };
    if (count < 16)
        return 0;
    __m256i previous = first_left(rows);
    int x = 0;
    for (; x + 16 <= count; x += 16) {
        const uint8_t *upper = rows->rows[0] + 4 * x, *lower = rows->rows[1] + 4 * x;
        __m256i upper_a = load(upper), upper_b = load(upper + 32), lower_a = load(lower), lower_b = load(lower + 32);
        luma16(upper_a, upper_b, &w, rows->y[0] + x);
        luma16(lower_a, lower_b, &w, rows->y[1] + x);
        __m256i a = chroma4(upper_a, lower_a, &previous, &w);
        __m256i b = chroma4(upper_b, lower_b, &previous, &w);
        chroma8(a, b, &w, rows->c + x);
    }
    return x;
}
#endif
