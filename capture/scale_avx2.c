/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX2 twins of the two loops of scale.c: pairs of taps by madd, the same integers. */
#include "capture/scale.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

static int weight_pair(const int16_t *weights)
{
    return (int)((uint32_t)(uint16_t)weights[0] | (uint32_t)(uint16_t)weights[1] << 16);
}

AVX2 int scale_sum_rows_avx2(const uint8_t *const *rows, const int16_t *weights, int taps, int count, int16_t *ret_sums)
{
    int i = 0;
    for (; i + 16 <= count; i += 16) {
        __m256i low = _mm256_set1_epi32(1 << 7), high = low;
        for (int tap = 0; tap < taps; tap += 2) {
            __m256i pair = _mm256_set1_epi32(weight_pair(weights + tap));
            __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(rows[tap] + i)));
            __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(rows[tap + 1] + i)));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), pair));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), pair));
        }
        __m256i sums = _mm256_packs_epi32(_mm256_srai_epi32(low, 8), _mm256_srai_epi32(high, 8));
        _mm256_storeu_si256((__m256i *)(void *)(ret_sums + i), sums);
    }
    return i;
}

AVX2 void scale_sum_columns_avx2(const struct scale_axis *axis, const int16_t *sums, int sums_x, int x0, int x1,
                                 uint8_t *ret_pixels)
{
    /* two pixels of four words: B0 B1 G0 G1 R0 R1 x0 x1 */
    const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    for (int x = x0; x < x1; x++) {
        const int16_t *weights = axis->weights + (size_t)x * (size_t)axis->taps;
        const int16_t *from = sums + (ptrdiff_t)(axis->first[x] - sums_x) * 4;
        __m128i sum = _mm_set1_epi32(1 << 19);
        for (int tap = 0; tap < axis->taps; tap += 2) {
            __m128i pair = _mm_loadu_si128((const __m128i *)(const void *)(from + (ptrdiff_t)4 * tap));
            sum = _mm_add_epi32(
                sum, _mm_madd_epi16(_mm_shuffle_epi8(pair, order), _mm_set1_epi32(weight_pair(weights + tap))));
        }
        sum = _mm_srai_epi32(sum, 20);
        __m128i words = _mm_packs_epi32(sum, sum);
        int pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
        memcpy(ret_pixels + (ptrdiff_t)4 * (x - x0), &pixel, sizeof(pixel));
    }
}
#endif
