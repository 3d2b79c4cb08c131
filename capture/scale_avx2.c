/* SPDX-License-Identifier: Apache-2.0 */
/* scale_sum_rows_sse2() with AVX2. The other loop has vectors of one pixel. */
#include "capture/scale.h"

#ifdef __x86_64__
#include <immintrin.h>

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
#endif
