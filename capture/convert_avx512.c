/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX-512 VNNI twin of convert_rows_plain(): 16 pixels of two rows at a time, the same integers.
 * _mm512_dpbusd_epi32 adds four products of unsigned and signed bytes: those of a pixel. A weight of 15 bits is
 * 256 * high + low, both signed bytes, so two of them make an exact sum. Chroma is linear: columns are weighted first,
 * both rows in one sum, then the three columns of a sample are added.
 */
#include "capture/convert.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

/* One output: per pixel, start + 256 * (high . pixel) + low . pixel. */
struct weights {
    __m512i high, low;
    __m512i start; /* rounding and offset, / 256 */
};

AVX512 static inline struct weights split(const int16_t weights[3], int start)
{
    uint32_t high = 0, low = 0;
    for (int i = 0; i < 3; i++) {
        int8_t rest = (int8_t)(weights[i] & 255);
        int8_t whole = (int8_t)((weights[i] - rest) / 256); /* no weight is above 0.8 * 32768 */
        low |= (uint32_t)(uint8_t)rest << (8 * i);
        high |= (uint32_t)(uint8_t)whole << (8 * i);
    }
    return (struct weights){_mm512_set1_epi32((int)high), _mm512_set1_epi32((int)low), _mm512_set1_epi32(start / 256)};
}

AVX512 static inline void luma16(__m512i pixels, const struct weights *w, __mmask16 mask, uint8_t *ret_luma)
{
    __m512i sum = _mm512_slli_epi32(_mm512_dpbusd_epi32(w->start, pixels, w->high), 8);
    sum = _mm512_srai_epi32(_mm512_dpbusd_epi32(sum, pixels, w->low), 15); /* weights of luma are not negative */
    _mm512_mask_cvtusepi32_storeu_epi8(ret_luma, mask, sum);
}

/* Both rows of each column. */
AVX512 static inline __m512i columns16(__m512i upper, __m512i lower, const struct weights *w)
{
    __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(w->start, upper, w->high), lower, w->high);
    sum = _mm512_slli_epi32(sum, 8);
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, upper, w->low), lower, w->low);
}

/* `*previous`: its last two elements are Cb and Cr of the column left of these; left as that of the next 16. */
AVX512 static inline void chroma16(__m512i cb, __m512i cr, __m512i *previous, __mmask16 mask, uint8_t *ret_chroma)
{
    __m512i even = _mm512_mask_shuffle_epi32(cb, 0xaaaa, cr, _MM_PERM_CCAA);
    __m512i odd = _mm512_mask_shuffle_epi32(cr, 0x5555, cb, _MM_PERM_DDBB);
    __m512i left = _mm512_alignr_epi32(odd, *previous, 14);
    *previous = odd;
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(left, odd), _mm512_add_epi32(even, even));
    sum = _mm512_max_epi32(_mm512_srai_epi32(sum, 18), _mm512_setzero_si512());
    _mm512_mask_cvtusepi32_storeu_epi8(ret_chroma, mask, sum);
}

AVX512 static inline __m512i first_left(const struct convert_rows *rows, const struct weights *cb,
                                        const struct weights *cr)
{
    int at = rows->has_left ? -4 : 0;
    __m512i upper = _mm512_maskz_loadu_epi32(1, rows->rows[0] + at);
    __m512i lower = _mm512_maskz_loadu_epi32(1, rows->rows[1] + at);
    __m512i columns = _mm512_unpacklo_epi32(columns16(upper, lower, cb), columns16(upper, lower, cr));
    return _mm512_broadcastq_epi64(_mm512_castsi512_si128(columns));
}

AVX512 int convert_rows_avx512(const struct convert_matrix *matrix, const struct convert_rows *rows, int count)
{
    /* Four columns' worth are added for a sample of chroma. */
    const int luma_start = (1 << 14) + (matrix->y_offset << 15), chroma_start = ((1 << 17) + (128 << 18)) / 4;
    const struct weights y = split(matrix->y, luma_start);
    const struct weights cb = split(matrix->cb, chroma_start), cr = split(matrix->cr, chroma_start);
    __m512i previous = first_left(rows, &cb, &cr);
    for (int x = 0; x < count; x += 16) {
        __mmask16 mask = count - x < 16 ? (__mmask16)((1u << (count - x)) - 1) : 0xffff;
        __m512i upper = _mm512_maskz_loadu_epi32(mask, rows->rows[0] + 4 * x);
        __m512i lower = _mm512_maskz_loadu_epi32(mask, rows->rows[1] + 4 * x);
        luma16(upper, &y, mask, rows->y[0] + x);
        luma16(lower, &y, mask, rows->y[1] + x);
        chroma16(columns16(upper, lower, &cb), columns16(upper, lower, &cr), &previous, mask, rows->c + x);
    }
    return count;
}
#endif
