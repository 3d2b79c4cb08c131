/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_eye.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>

struct bench_eye {
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *picture;
};

void bench_eye_destroy(struct bench_eye *self)
{
    if (!self)
        return;
    avcodec_free_context(&self->decoder);
    av_packet_free(&self->packet);
    av_frame_free(&self->picture);
    free(self);
}

/* One thread: more would hold pictures back. */
static bool open_decoder(struct bench_eye *self, const AVCodec *codec)
{
    self->decoder = avcodec_alloc_context3(codec);
    self->packet = av_packet_alloc();
    self->picture = av_frame_alloc();
    if (!self->decoder || !self->packet || !self->picture)
        return false;
    self->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
    self->decoder->err_recognition = AV_EF_EXPLODE;
    self->decoder->thread_count = 1;
    return avcodec_open2(self->decoder, codec, NULL) == 0;
}

struct bench_eye *bench_eye_create(enum encoder_codec codec)
{
    static const enum AVCodecID ids[] = {
        [ENCODER_H264] = AV_CODEC_ID_H264, [ENCODER_HEVC] = AV_CODEC_ID_HEVC, [ENCODER_AV1] = AV_CODEC_ID_AV1};
    const AVCodec *decoder = avcodec_find_decoder(ids[codec]);
    struct bench_eye *self = decoder ? calloc(1, sizeof(*self)) : NULL;
    if (self && open_decoder(self, decoder))
        return self;
    bench_eye_destroy(self);
    return NULL;
}

static bool decode(struct bench_eye *self, const struct au_part *part)
{
    if (av_new_packet(self->packet, (int)part->size) < 0)
        return false;
    memcpy(self->packet->data, part->data, part->size);
    int sent = avcodec_send_packet(self->decoder, self->packet);
    av_packet_unref(self->packet);
    return sent == 0 && avcodec_receive_frame(self->decoder, self->picture) == 0 &&
           !(self->picture->flags & AV_FRAME_FLAG_CORRUPT) && self->picture->decode_error_flags == 0;
}

static bool has_luma_like(const AVFrame *picture, const struct frame *painted)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)picture->format);
    return format && format->comp[0].depth == 8 && format->comp[0].step == 1 &&
           !(format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_HWACCEL)) &&
           picture->width == painted->layout.width && picture->height == painted->layout.height;
}

static const uint8_t *painted_row(const struct frame *painted, int y)
{
    return painted->planes[0] + (int64_t)y * painted->strides[0];
}

static double mean_squared_error(const AVFrame *picture, const struct frame *painted)
{
    int64_t sum = 0;
    for (int y = 0; y < painted->layout.height; y++) {
        const uint8_t *a = painted_row(painted, y), *b = picture->data[0] + (int64_t)y * picture->linesize[0];
        int row = 0; /* 4096 samples of 255 squared fit */
        for (int x = 0; x < painted->layout.width; x++)
            row += (a[x] - b[x]) * (a[x] - b[x]);
        sum += row;
    }
    return (double)sum / ((double)painted->layout.width * painted->layout.height);
}

/* What the error of an even grey would be. */
static double variance(const struct frame *painted)
{
    int64_t sum = 0, squares = 0;
    for (int y = 0; y < painted->layout.height; y++) {
        const uint8_t *row = painted_row(painted, y);
        int row_sum = 0, row_squares = 0;
        for (int x = 0; x < painted->layout.width; x++) {
            row_sum += row[x];
            row_squares += row[x] * row[x];
        }
        sum += row_sum;
        squares += row_squares;
    }
    double samples = (double)painted->layout.width * painted->layout.height, mean = (double)sum / samples;
    return (double)squares / samples - mean * mean;
}

static double psnr_of(double error)
{
    return error > 0 ? fmin(BENCH_EYE_PSNR_MAX, 10 * log10(255.0 * 255.0 / error)) : BENCH_EYE_PSNR_MAX;
}

static enum bench_eye_result judge(const AVFrame *picture, const struct frame *painted, double *ret_psnr)
{
    if (!has_luma_like(picture, painted))
        return BENCH_EYE_SIZE;
    double error = mean_squared_error(picture, painted);
    *ret_psnr = psnr_of(error);
    return error * 2 > variance(painted) ? BENCH_EYE_WRONG : BENCH_EYE_SEEN;
}

enum bench_eye_result bench_eye_see(struct bench_eye *self, const struct au_part *part, const struct frame *painted,
                                    double *ret_psnr)
{
    if (!decode(self, part))
        return BENCH_EYE_NOTHING;
    enum bench_eye_result result = judge(self->picture, painted, ret_psnr);
    av_frame_unref(self->picture);
    return result;
}
