/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_eye.h"

#include "host/bench_decoder.h"

#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdlib.h>

struct bench_eye {
    struct bench_decoder decoder;
};

void bench_eye_destroy(struct bench_eye *self)
{
    if (!self)
        return;
    bench_decoder_close(&self->decoder);
    free(self);
}

struct bench_eye *bench_eye_create(enum encoder_codec codec)
{
    static const enum AVCodecID ids[] = {
        [ENCODER_H264] = AV_CODEC_ID_H264, [ENCODER_HEVC] = AV_CODEC_ID_HEVC, [ENCODER_AV1] = AV_CODEC_ID_AV1};
    struct bench_eye *self = calloc(1, sizeof(*self));
    if (self && bench_decoder_open(&self->decoder, ids[codec], 0))
        return self;
    bench_eye_destroy(self);
    return NULL;
}

static bool has_luma_like(const AVFrame *picture, const struct frame *painted)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)picture->format);
    int bits = frame_shape_of(painted->layout.format)->bits;
    return format && format->comp[0].depth == bits && format->comp[0].step == (bits > 8 ? 2 : 1) &&
           format->comp[0].shift == 0 && !(format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_HWACCEL)) &&
           picture->width == painted->layout.width && picture->height == painted->layout.height;
}

/* --- one row of luma, of at most 4096 samples --- */

/* What is summed over a picture; of the painted one's samples and of the differences to the decoded ones. */
struct sums {
    int64_t painted, painted_squares, error_squares;
};

static void add_row(const uint8_t *painted, const uint8_t *decoded, int count, struct sums *sums)
{
    int sum = 0, squares = 0, errors = 0;
    for (int i = 0; i < count; i++) {
        int difference = painted[i] - decoded[i];
        sum += painted[i];
        squares += painted[i] * painted[i];
        errors += difference * difference;
    }
    sums->painted += sum;
    sums->painted_squares += squares;
    sums->error_squares += errors;
}

/* Ten bits: at the top of a painted word, at the bottom of a decoded one. */
static void add_row_10(const uint16_t *painted, const uint16_t *decoded, int count, struct sums *sums)
{
    int64_t sum = 0, squares = 0, errors = 0;
    for (int i = 0; i < count; i++) {
        int sample = painted[i] >> 6, difference = sample - decoded[i];
        sum += sample;
        squares += sample * sample;
        errors += difference * difference;
    }
    sums->painted += sum;
    sums->painted_squares += squares;
    sums->error_squares += errors;
}

static struct sums add_all(const AVFrame *picture, const struct frame *painted)
{
    struct sums sums = {0};
    bool ten_bit = frame_shape_of(painted->layout.format)->bits > 8;
    for (int y = 0; y < painted->layout.height; y++) {
        const uint8_t *a = painted->planes[0] + (int64_t)y * painted->strides[0];
        const uint8_t *b = picture->data[0] + (int64_t)y * picture->linesize[0];
        if (ten_bit)
            add_row_10((const uint16_t *)(const void *)a, (const uint16_t *)(const void *)b, painted->layout.width,
                       &sums);
        else
            add_row(a, b, painted->layout.width, &sums);
    }
    return sums;
}

/* --- the picture --- */

static double psnr_of(double error, int bits)
{
    double peak = (1 << bits) - 1;
    return error > 0 ? fmin(BENCH_EYE_PSNR_MAX, 10 * log10(peak * peak / error)) : BENCH_EYE_PSNR_MAX;
}

/* The painted picture's variance is what the error of an even grey would be. */
static enum bench_eye_result judge(const AVFrame *picture, const struct frame *painted, double *ret_psnr)
{
    if (!has_luma_like(picture, painted))
        return BENCH_EYE_SIZE;
    struct sums sums = add_all(picture, painted);
    double samples = (double)painted->layout.width * painted->layout.height;
    double mean = (double)sums.painted / samples, error = (double)sums.error_squares / samples;
    double variance = (double)sums.painted_squares / samples - mean * mean;
    *ret_psnr = psnr_of(error, frame_shape_of(painted->layout.format)->bits);
    return error * 2 > variance ? BENCH_EYE_WRONG : BENCH_EYE_SEEN;
}

enum bench_eye_result bench_eye_see(struct bench_eye *self, const struct au_part *part, const struct frame *painted,
                                    double *ret_psnr)
{
    if (!bench_decoder_decode(&self->decoder, part))
        return BENCH_EYE_NOTHING;
    enum bench_eye_result result = judge(self->decoder.picture, painted, ret_psnr);
    av_frame_unref(self->decoder.picture);
    return result;
}
