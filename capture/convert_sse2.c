/* SPDX-License-Identifier: Apache-2.0 */
/* convert_vector.inc with SSE2, which every x86-64 has: 8 pixels of two rows at a time. */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE  __attribute__((always_inline)) static inline
#define V(name) _mm_##name
typedef __m128i vector;
typedef __m128 floats;

INLINE void store_bytes(vector words, uint8_t *ret_line)
{
    _mm_storel_epi64((vector *)(void *)ret_line, _mm_packus_epi16(words, words));
}

INLINE void store_words(vector words, uint8_t *ret_line)
{
    memcpy(ret_line, &words, sizeof(words));
}

/* `*previous`: element 0 is the column left of all; left as that of the next ones. */
INLINE vector left_of(vector odd, vector *previous)
{
    vector turned = _mm_shuffle_epi32(odd, _MM_SHUFFLE(2, 1, 0, 3));
    vector left = (vector)_mm_move_ss((floats)turned, (floats)*previous);
    *previous = turned;
    return left;
}

#include "capture/convert_vector.inc"

int convert_rows_sse2(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    return convert_rows_vector(matrix, rows, count);
}
#endif
