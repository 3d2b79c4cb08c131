/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/quality/judge.h"

#include "tests/quality/metrics.h"

#include <libavcodec/avcodec.h>
#include <libavutil/video_enc_params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *picture;
};

void judge_destroy(struct judge *self)
{
    if (!self)
        return;
    avcodec_free_context(&self->decoder);
    av_packet_free(&self->packet);
    av_frame_free(&self->picture);
    free(self);
}

struct judge *judge_create(void)
{
    struct judge *self = calloc(1, sizeof(*self));
    const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_H264);
    if (self && codec) {
        self->decoder = avcodec_alloc_context3(codec);
        self->packet = av_packet_alloc();
        self->picture = av_frame_alloc();
    }
    if (self && self->decoder && self->packet && self->picture) {
        self->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
        self->decoder->export_side_data |= AV_CODEC_EXPORT_DATA_VIDEO_ENC_PARAMS;
        self->decoder->err_recognition = AV_EF_EXPLODE;
        self->decoder->thread_count = 1;
        if (avcodec_open2(self->decoder, codec, NULL) == 0)
            return self;
    }
    fprintf(stderr, "quality: no H.264 decoder\n");
    judge_destroy(self);
    return NULL;
}

static bool decode(struct judge *self, const struct au_part *part)
{
    if (av_new_packet(self->packet, (int)part->size) < 0)
        return false;
    memcpy(self->packet->data, part->data, part->size);
    int sent = avcodec_send_packet(self->decoder, self->packet);
    av_packet_unref(self->packet);
    return sent == 0 && avcodec_receive_frame(self->decoder, self->picture) == 0 &&
           !(self->picture->flags & AV_FRAME_FLAG_CORRUPT) && self->picture->decode_error_flags == 0;
}

static double area_psnr(const struct judge *self, const struct frame *painted, struct rect r)
{
    const AVFrame *picture = self->picture;
    struct metrics_plane a = {.data = painted->planes[0] + (int64_t)r.y * painted->strides[0] + r.x,
                              .stride = painted->strides[0],
                              .step = 1,
                              .width = r.width,
                              .height = r.height};
    struct metrics_plane b = a;
    b.data = picture->data[0] + (int64_t)r.y * picture->linesize[0] + r.x;
    b.stride = picture->linesize[0];
    return metrics_psnr(metrics_squared_error(&a, &b), (int64_t)r.width * r.height);
}

static double chroma_psnr(const struct judge *self, const struct frame *painted)
{
    int64_t error = 0;
    struct metrics_plane a = {.stride = painted->strides[1],
                              .step = 2,
                              .width = painted->layout.width / 2,
                              .height = painted->layout.height / 2};
    for (int i = 0; i < 2; i++) {
        struct metrics_plane b = a;
        a.data = painted->planes[1] + i;
        b.data = self->picture->data[1 + i];
        b.stride = self->picture->linesize[1 + i];
        b.step = 1;
        error += metrics_squared_error(&a, &b);
    }
    return metrics_psnr(error, (int64_t)a.width * a.height * 2);
}

static double luma_ssim(const struct judge *self, const struct frame *painted)
{
    struct metrics_plane a = {painted->planes[0], painted->strides[0], 1, painted->layout.width,
                              painted->layout.height};
    struct metrics_plane b = a;
    b.data = self->picture->data[0];
    b.stride = self->picture->linesize[0];
    return metrics_ssim(&a, &b);
}

static double mean_qp(const struct judge *self)
{
    const AVFrameSideData *side = av_frame_get_side_data(self->picture, AV_FRAME_DATA_VIDEO_ENC_PARAMS);
    AVVideoEncParams *params = side ? (AVVideoEncParams *)(void *)side->data : NULL;
    if (!params || params->nb_blocks == 0)
        return 0;
    int64_t sum = 0;
    for (unsigned i = 0; i < params->nb_blocks; i++)
        sum += params->qp + av_video_enc_params_block(params, i)->delta_qp;
    return (double)sum / params->nb_blocks;
}

bool judge_see(struct judge *self, const struct au_part *part, const struct frame *painted, struct rect area,
               struct judge_score *ret_score)
{
    const struct frame_layout *layout = &painted->layout;
    if (!decode(self, part)) {
        fprintf(stderr, "quality: an access unit of %zu bytes gave no whole picture\n", part->size);
        return false;
    }
    if (self->picture->width != layout->width || self->picture->height != layout->height ||
        self->picture->format != AV_PIX_FMT_YUV420P) {
        fprintf(stderr, "quality: a picture of %dx%d, format %d, came out\n", self->picture->width,
                self->picture->height, self->picture->format);
        return false;
    }
    if (ret_score)
        *ret_score = (struct judge_score){
            .psnr_y = area_psnr(self, painted, (struct rect){0, 0, layout->width, layout->height}),
            .psnr_c = chroma_psnr(self, painted),
            .psnr_y_area = area_psnr(self, painted, area),
            .ssim = luma_ssim(self, painted),
            .qp = mean_qp(self),
        };
    av_frame_unref(self->picture);
    return true;
}
