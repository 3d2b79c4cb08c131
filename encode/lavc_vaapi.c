/* SPDX-License-Identifier: Apache-2.0 */
/* lavc_vaapi: VAAPI through libavcodec, from NV12 uploaded to a surface. Never ran on hardware. */
#include "encode/backends.h"
#include "encode/lavc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <libavutil/hwcontext.h>

#define RENDER_NODE "/dev/dri/renderD128"

static const char *const names[] = {"h264_vaapi", "hevc_vaapi", "av1_vaapi"}; /* by codec */

static bool vaapi_knows(enum encoder_codec codec)
{
    return lavc_has(names[codec]);
}

/* The device and the surfaces that pictures are uploaded to. 0 or an AVERROR. */
static int vaapi_make_surfaces(struct lavc *self)
{
    int error = av_hwdevice_ctx_create(&self->device, AV_HWDEVICE_TYPE_VAAPI, RENDER_NODE, NULL, 0);
    if (error < 0)
        return error;
    self->surfaces = av_hwframe_ctx_alloc(self->device);
    if (!self->surfaces)
        return AVERROR(ENOMEM);
    AVHWFramesContext *frames = (AVHWFramesContext *)(void *)self->surfaces->data;
    frames->format = AV_PIX_FMT_VAAPI;
    frames->sw_format = self->pixels;
    frames->width = self->context->width;
    frames->height = self->context->height;
    frames->initial_pool_size = 4;
    error = av_hwframe_ctx_init(self->surfaces);
    if (error < 0)
        return error;
    self->context->hw_frames_ctx = av_buffer_ref(self->surfaces);
    return self->context->hw_frames_ctx ? 0 : AVERROR(ENOMEM);
}

struct lavc *lavc_vaapi_prepare(const struct encoder_config *config, bool low_power, char *ret_reason,
                                size_t reason_size)
{
    static const struct lavc_option options[] = {{"rc_mode", "CBR"}, {"async_depth", "1"}, {"aud", "0"}, {"sei", "0"}};
    struct lavc *self = lavc_alloc(&encoder_vaapi, names[config->codec], config, ret_reason, reason_size);
    if (!self)
        return NULL;
    self->context->pix_fmt = AV_PIX_FMT_VAAPI;
    self->context->gop_size = INT_MAX;
    self->context->refs = 1;
    lavc_set_options(self, options, sizeof(options) / sizeof(options[0]));
    lavc_set_option(self, "low_power", low_power ? "1" : "0");
    return self;
}

static struct encoder *vaapi_try(const struct encoder_config *config, bool low_power, char *ret_reason,
                                 size_t reason_size)
{
    struct lavc *self = lavc_vaapi_prepare(config, low_power, ret_reason, reason_size);
    if (!self)
        return NULL;
    int error = vaapi_make_surfaces(self);
    if (error >= 0)
        return lavc_open(self, ret_reason, reason_size);
    snprintf(ret_reason, reason_size, "VAAPI on " RENDER_NODE " failed: %s", av_err2str(error));
    lavc_destroy(&self->base);
    return NULL;
}

/* Some GPUs encode in the low-power block only, others only outside of it. */
static struct encoder *vaapi_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    if (access(RENDER_NODE, R_OK | W_OK) != 0) {
        snprintf(ret_reason, reason_size, errno == EACCES ? "no permission for %s" : "no %s", RENDER_NODE);
        return NULL;
    }
    struct encoder *encoder = vaapi_try(config, true, ret_reason, reason_size);
    return encoder ? encoder : vaapi_try(config, false, ret_reason, reason_size);
}

const struct encoder_ops encoder_vaapi = {
    .name = "vaapi",
    .hardware = true,
    .codecs = {ENCODER_H264, ENCODER_HEVC, ENCODER_AV1}, /* libavcodec 5.1 does not know the last */
    .codec_count = 3,
    .format = FRAME_NV12,
    .others = {FRAME_P010},
    .other_count = 1,
    .knows = vaapi_knows,
    .create = vaapi_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};
