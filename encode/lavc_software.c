/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lavc_software: HEVC by libx265 through libavcodec. It writes 2 KB about itself in front of the first slice unless
 * info=0, and with that clients do not recognise an IDR ("codec payload", docs/protocol.md). With more than one slice
 * it holds a picture back, so there is one, whatever the client wishes; decoders go along its wavefronts instead.
 *
 * `ultrafast` with sample adaptive offset (SAO): 15 to 20 % more processor time, but on the painted scenes at 720p60
 * and 10 Mbit/s 9 dB more for `type` (at 0.6 times the rate), 7 for `scroll` and 1 for `video`. (Without SAO
 * libx265 3.5 forgets to free 90 KB with each encoder, too.)
 */
#include "encode/backends.h"
#include "encode/lavc.h"

#include <stdio.h>

/* One and a half pictures: with one, as hardware has it, the picture after a change stays blurred for longer. */
static void widen_buffer(AVCodecContext *context)
{
    context->rc_buffer_size += context->rc_buffer_size / 2;
}

static bool take_planar(struct lavc *self, char *ret_reason, size_t reason_size)
{
    self->context->pix_fmt = AV_PIX_FMT_YUV420P;
    bool done = planar_chroma_init(&self->planar_chroma, self->context->width, self->context->height);
    if (!done)
        snprintf(ret_reason, reason_size, "out of memory");
    return done;
}

static struct encoder *x265_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    static const struct lavc_option options[] = {
        {"preset", "ultrafast"}, {"tune", "zerolatency"}, {"profile", "main"}, {"forced-idr", "1"}};
    struct lavc *self = lavc_alloc(&encoder_x265, "libx265", config, ret_reason, reason_size);
    if (!self)
        return NULL;
    if (!take_planar(self, ret_reason, reason_size)) {
        lavc_destroy(&self->base);
        return NULL;
    }
    widen_buffer(self->context);
    lavc_set_options(self, options, sizeof(options) / sizeof(options[0]));
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
    .create = x265_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};
