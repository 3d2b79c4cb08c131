/* SPDX-License-Identifier: Apache-2.0 */
/* convert_vector.inc with AVX2: 16 pixels of two rows at a time. Packing and V(shuffle_ps) keep to 16-byte lanes. */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define AVX2    __attribute__((target("avx2")))
#define INLINE  AVX2 __attribute__((always_inline)) static inline
#define V(name) _mm256_##name
typedef __m256i vector;
typedef __m256 floats;

/* Words 0-3, 8-11 | 4-7, 12-15. */
INLINE void store_bytes(vector words, uint8_t *ret_line)
{
    const vector order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
    vector bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words, words), order);
    _mm_storeu_si128((__m128i *)(void *)ret_line, _mm256_castsi256_si128(bytes));
}

INLINE void store_words(vector words, uint8_t *ret_line)
{
    words = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
    memcpy(ret_line, &words, sizeof(words));
}

/*
 * Columns 1 3 9 11 | 5 7 13 15 make -1 1 7 9 | 3 5 11 13.
 * `*previous`: element 0 is the column left of all; left as that of the next ones.
 */
INLINE vector left_of(vector odd, vector *previous)
{
    vector turned = _mm256_permutevar8x32_epi32(odd, _mm256_setr_epi32(7, 0, 5, 2, 1, 4, 3, 6));
    vector left = _mm256_blend_epi32(turned, *previous, 1);
    *previous = turned;
    return left;
}

#include "capture/convert_vector.inc"

AVX2 int convert_rows_avx2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    return convert_rows_vector(matrix, rows, count);
}
#endif
