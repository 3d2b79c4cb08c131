/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/quality/judge.h"

#include "host/bench_decoder.h"
#include "tests/quality/metrics.h"

#include <libavutil/video_enc_params.h>
#include <stdio.h>
#include <stdlib.h>

struct judge {
    struct bench_decoder decoder;
};

void judge_destroy(struct judge *self)
{
    if (!self)
        return;
    bench_decoder_close(&self->decoder);
    free(self);
}

struct judge *judge_create(void)
{
    struct judge *self = calloc(1, sizeof(*self));
    if (self && bench_decoder_open(&self->decoder, AV_CODEC_ID_H264, AV_CODEC_EXPORT_DATA_VIDEO_ENC_PARAMS))
        return self;
    fprintf(stderr, "quality: no H.264 decoder\n");
    judge_destroy(self);
    return NULL;
}

static double area_psnr(const AVFrame *picture, const struct frame *painted, struct rect r)
{
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

static double chroma_psnr(const AVFrame *picture, const struct frame *painted)
{
    int64_t error = 0;
    struct metrics_plane a = {.stride = painted->strides[1],
                              .step = 2,
                              .width = painted->layout.width / 2,
                              .height = painted->layout.height / 2};
    for (int i = 0; i < 2; i++) {
        struct metrics_plane b = a;
        a.data = painted->planes[1] + i;
        b.data = picture->data[1 + i];
        b.stride = picture->linesize[1 + i];
        b.step = 1;
        error += metrics_squared_error(&a, &b);
    }
    return metrics_psnr(error, (int64_t)a.width * a.height * 2);
}

static double luma_ssim(const AVFrame *picture, const struct frame *painted)
{
    struct metrics_plane a = {painted->planes[0], painted->strides[0], 1, painted->layout.width,
                              painted->layout.height};
    struct metrics_plane b = a;
    b.data = picture->data[0];
    b.stride = picture->linesize[0];
    return metrics_ssim(&a, &b);
}

static double mean_qp(const AVFrame *picture)
{
    const AVFrameSideData *side = av_frame_get_side_data(picture, AV_FRAME_DATA_VIDEO_ENC_PARAMS);
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
    AVFrame *picture = self->decoder.picture;
    if (!bench_decoder_decode(&self->decoder, part)) {
        fprintf(stderr, "quality: an access unit of %zu bytes gave no whole picture\n", part->size);
        return false;
    }
    if (picture->width != layout->width || picture->height != layout->height || picture->format != AV_PIX_FMT_YUV420P) {
        fprintf(stderr, "quality: a picture of %dx%d, format %d, came out\n", picture->width, picture->height,
                picture->format);
        return false;
    }
    if (ret_score)
        *ret_score = (struct judge_score){
            .psnr_y = area_psnr(picture, painted, (struct rect){0, 0, layout->width, layout->height}),
            .psnr_c = chroma_psnr(picture, painted),
            .psnr_y_area = area_psnr(picture, painted, area),
            .ssim = luma_ssim(picture, painted),
            .qp = mean_qp(picture),
        };
    av_frame_unref(picture);
    return true;
}
