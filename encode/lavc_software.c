/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lavc_software: HEVC and AV1 through libavcodec.
 *
 * libx265 writes 2 KB about itself in front of the first slice unless
 * info=0, and with that clients do not recognise an IDR ("codec payload", docs/protocol.md). With more than one slice
 * it holds a picture back, so there is one, whatever the client wishes; decoders go along its wavefronts instead.
 *
 * `ultrafast` with sample adaptive offset (SAO): 15 to 20 % more processor time, but on the painted scenes at 720p60
 * and 10 Mbit/s 9 dB more for `type` (at 0.6 times the rate), 7 for `scroll` and 1 for `video`. (Without SAO
 * libx265 3.5 forgets to free 90 KB with each encoder, too.)
 *
 * AV1 is libaom's: SVT-AV1 1.4.1, of the same Debian, holds two pictures back in its low-delay mode, which it calls a
 * work in progress. libaom's tools for screens (palettes and more) suit a desktop: of the same scenes `type` has 66 dB
 * at 0.6 Mbit/s and `scroll` 58 at 3, `video` 40 at 10, with 13, 23 and 35 ms of processor time a picture. An IDR takes
 * 0.2 s of it.
 */
#include "encode/backends.h"
#include "encode/lavc.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS_MAX = 16 };

/* One and a half pictures: with one, as hardware has it, the picture after a change stays blurred for longer. */
enum { BUFFER_PICTURES_X2 = 3 };

/* NULL: *ret_reason is written. */
static struct lavc *alloc_planar(const struct encoder_ops *ops, const char *codec_name,
                                 const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    static const enum AVPixelFormat formats[FRAME_FORMATS] = {[FRAME_NV12] = AV_PIX_FMT_YUV420P,
                                                              [FRAME_P010] = AV_PIX_FMT_YUV420P10,
                                                              [FRAME_YUV444] = AV_PIX_FMT_YUV444P,
                                                              [FRAME_YUV444_10] = AV_PIX_FMT_YUV444P10};
    struct lavc *self = lavc_alloc(ops, codec_name, config, ret_reason, reason_size);
    if (!self)
        return NULL;
    self->pixels = self->context->pix_fmt = formats[config->layout.format];
    if (planar_init(&self->planar, &config->layout))
        return self;
    snprintf(ret_reason, reason_size, "out of memory");
    lavc_destroy(&self->base);
    return NULL;
}

static struct encoder *x265_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    static const struct lavc_option options[] = {{"preset", "ultrafast"}, {"tune", "zerolatency"}, {"forced-idr", "1"}};
    static const char *const profiles[FRAME_FORMATS] = {
        [FRAME_NV12] = "main", [FRAME_P010] = "main10", [FRAME_YUV444] = "main444-8", [FRAME_YUV444_10] = "main444-10"};
    struct lavc *self = alloc_planar(&encoder_x265, "libx265", config, ret_reason, reason_size);
    if (!self)
        return NULL;
    lavc_set_buffer(self, config, BUFFER_PICTURES_X2);
    lavc_set_options(self, options, sizeof(options) / sizeof(options[0]));
    lavc_set_option(self, "profile", profiles[config->layout.format]);
    char params[256], pools[16] = "";
    if (config->threads)
        snprintf(pools, sizeof(pools), ":pools=%d", config->threads);
    snprintf(params, sizeof(params),
             "log-level=none:info=0:hrd=0:aud=0:repeat-headers=1:annexb=1:keyint=-1:scenecut=0:open-gop=0:bframes=0:"
             "rc-lookahead=0:ref=1:frame-threads=1:slices=1:sao=1%s",
             pools);
    lavc_set_option(self, "x265-params", params);
    return lavc_open(self, ret_reason, reason_size);
}

const struct encoder_ops encoder_x265 = {
    .name = "x265",
    .codecs = {ENCODER_HEVC},
    .codec_count = 1,
    .format = FRAME_NV12,
    .others = {FRAME_P010, FRAME_YUV444, FRAME_YUV444_10},
    .other_count = 3,
    .create = x265_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};

/* Rounded up: so many slices at least. */
static int log2_of(int count)
{
    int log2 = 0;
    while (1 << log2 < count)
        log2++;
    return log2;
}

static int count_cores(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (int)count;
}

static struct encoder *aom_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    static const struct lavc_option options[] = {
        {"usage", "realtime"},
        {"lag-in-frames", "0"},
        {"row-mt", "1"},
        {"aq-mode", "3"}, /* refreshes what rests, a part at a time */
        {"aom-params", "cpu-used=10:tune-content=screen:max-intra-rate=400"},
    };
    struct lavc *self = alloc_planar(&encoder_aom, "libaom-av1", config, ret_reason, reason_size);
    if (!self)
        return NULL;
    AVCodecContext *context = self->context;
    lavc_set_buffer(self, config, BUFFER_PICTURES_X2);
    context->rc_min_rate = context->bit_rate; /* is what chooses CBR */
    context->gop_size = INT_MAX;
    context->thread_count = config->threads ? config->threads : count_cores();
    lavc_set_options(self, options, sizeof(options) / sizeof(options[0]));
    char tile_rows[12];
    snprintf(tile_rows, sizeof(tile_rows), "%d", log2_of(config->slices));
    lavc_set_option(self, "tile-rows", tile_rows);
    return lavc_open(self, ret_reason, reason_size);
}

const struct encoder_ops encoder_aom = {
    .name = "aom",
    .codecs = {ENCODER_AV1},
    .codec_count = 1,
    .format = FRAME_NV12,
    .others = {FRAME_YUV444}, /* with ten bits libaom 3.6.0 fails an assertion, which ends the process */
    .other_count = 1,
    .create = aom_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};
