/* SPDX-License-Identifier: Apache-2.0 */
/* The SSE2 twins of the two loops of scale.c, for every x86-64: pairs of taps by madd, the same integers. */
#include "capture/scale.h"

#ifdef __x86_64__
#include <emmintrin.h>
#include <stddef.h>
#include <string.h>

static int weight_pair(const int16_t *weights)
{
    return (int)((uint32_t)(uint16_t)weights[0] | (uint32_t)(uint16_t)weights[1] << 16);
}

/* `*sums` of four channels more: `pairs`: of bytes, of two taps. */
static inline void add_taps(__m128i pairs, __m128i weights, __m128i *low, __m128i *high)
{
    __m128i zero = _mm_setzero_si128();
    *low = _mm_add_epi32(*low, _mm_madd_epi16(_mm_unpacklo_epi8(pairs, zero), weights));
    *high = _mm_add_epi32(*high, _mm_madd_epi16(_mm_unpackhi_epi8(pairs, zero), weights));
}

static inline void store_sums(__m128i low, __m128i high, int16_t *ret_sums)
{
    __m128i words = _mm_packs_epi32(_mm_srai_epi32(low, 8), _mm_srai_epi32(high, 8));
    _mm_storeu_si128((__m128i *)(void *)ret_sums, words);
}

int scale_sum_rows_sse2(const uint8_t *const *rows, const int16_t *weights, int taps, int count, int16_t *ret_sums)
{
    int i = 0;
    for (; i + 16 <= count; i += 16) {
        __m128i half = _mm_set1_epi32(1 << 7), sums[] = {half, half, half, half};
        for (int tap = 0; tap < taps; tap += 2) {
            __m128i pair = _mm_set1_epi32(weight_pair(weights + tap));
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(rows[tap] + i));
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(rows[tap + 1] + i));
            add_taps(_mm_unpacklo_epi8(a, b), pair, &sums[0], &sums[1]);
            add_taps(_mm_unpackhi_epi8(a, b), pair, &sums[2], &sums[3]);
        }
        store_sums(sums[0], sums[1], ret_sums + i);
        store_sums(sums[2], sums[3], ret_sums + i + 8);
    }
    return i;
}

/* A pixel's channels, 32 bits each, of `taps` pixels with 16. */
static inline __m128i sum_pixels(const int16_t *sums, const int16_t *weights, int taps)
{
    __m128i sum = _mm_set1_epi32(1 << 19);
    for (int tap = 0; tap < taps; tap += 2) {
        __m128i pixels = _mm_loadu_si128((const __m128i *)(const void *)(sums + (ptrdiff_t)4 * tap));
        __m128i pairs = _mm_unpacklo_epi16(pixels, _mm_srli_si128(pixels, 8)); /* B0 B1 G0 G1 R0 R1 x0 x1 */
        sum = _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi32(weight_pair(weights + tap))));
    }
    return _mm_srai_epi32(sum, 20);
}

void scale_sum_columns_sse2(const struct scale_axis *axis, const int16_t *sums, int sums_x, int x0, int x1,
                            uint8_t *ret_pixels)
{
    const int taps = axis->taps; /* the compiler must think that the pixels overwrite `*axis` */
    const int *first = axis->first;
    const int16_t *weights = axis->weights + (size_t)x0 * (size_t)taps;
    for (int x = x0; x < x1; x++, weights += taps, ret_pixels += 4) {
        __m128i sum = sum_pixels(sums + (ptrdiff_t)(first[x] - sums_x) * 4, weights, taps);
        __m128i words = _mm_packs_epi32(sum, sum);
        int pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
        memcpy(ret_pixels, &pixel, sizeof(pixel));
    }
}
#endif
