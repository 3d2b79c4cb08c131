/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coder_x265: HEVC, 8 and 10 bit, 4:2:0 and 4:4:4. One slice whatever is asked for, as libx265 makes more only with
 * threads that return pictures late. It cannot forget a reference, nor keep one for long, nor begin a sweep of intra
 * columns on demand: a whole intra picture, which is no IDR, stands for all three. A new rate is taken and not heeded.
 */
#include "base/container_of.h"
#include "tests/fakegpu/coder.h"

#include <stdlib.h>
#include <string.h>
#include <x265.h>

enum { KEYFRAME_DISTANCE = 1 << 29 };

struct coder_x265_state {
    struct coder base;
    const x265_api *api;
    x265_encoder *x265;
    x265_param *param;
    enum coder_format format;
    bool forgotten;
    uint8_t *chroma; /* U then V: libx265 takes no interleaved pictures */
    uint8_t *bytes;
    size_t capacity;
};

static void x265_close(struct coder *base)
{
    struct coder_x265_state *self = container_of(base, struct coder_x265_state, base);
    if (self->x265)
        self->api->encoder_close(self->x265);
    if (self->param)
        self->api->param_free(self->param);
    free(self->chroma);
    free(self->bytes);
    free(self);
}

static void set_rate_control(x265_param *param, const struct coder_config *config)
{
    param->rc.rateControlMode = config->qp > 0 ? X265_RC_CQP : X265_RC_ABR;
    param->rc.qp = config->qp;
    param->rc.bitrate = param->rc.vbvMaxBitrate = config->bitrate_kbps;
    param->rc.vbvBufferSize = config->vbv_kbit;
}

static void set_colour(x265_param *param, const struct coder_colour *colour)
{
    if (!colour->primaries)
        return;
    param->vui.bEnableVideoSignalTypePresentFlag = 1;
    param->vui.bEnableVideoFullRangeFlag = colour->full_range;
    param->vui.bEnableColorDescriptionPresentFlag = 1;
    param->vui.colorPrimaries = colour->primaries;
    param->vui.transferCharacteristics = colour->transfer;
    param->vui.matrixCoeffs = colour->matrix;
}

static void set_structure(x265_param *param, const struct coder_config *config)
{
    param->sourceWidth = config->width;
    param->sourceHeight = config->height;
    param->fpsNum = config->fps_num;
    param->fpsDenom = config->fps_den;
    param->internalCsp = config->format == CODER_YUV444 || config->format == CODER_I410 ? X265_CSP_I444 : X265_CSP_I420;
    param->frameNumThreads = 1;
    param->bEnableWavefront = 0;
    param->lookaheadThreads = 0;
    param->keyframeMax = INT32_MAX; /* none of its own, nor makes it one of an intra picture that comes soon enough */
    param->keyframeMin = KEYFRAME_DISTANCE;
    param->bframes = 0;
    param->maxNumReferences = 1;
    param->bRepeatHeaders = 1;
    param->bAnnexB = 1;
    param->bEmitInfoSEI = 0;
    param->bEmitHRDSEI = 0;
    param->bEnableAccessUnitDelimiters = 0;
    param->logLevel = X265_LOG_ERROR;
}

static int depth_of(enum coder_format format)
{
    return format == CODER_I010 || format == CODER_I410 ? 10 : 8;
}

static bool fill_param(struct coder_x265_state *self, const struct coder_config *config)
{
    self->api = x265_api_get(depth_of(config->format));
    self->param = self->api ? self->api->param_alloc() : NULL;
    if (!self->param || self->api->param_default_preset(self->param, "ultrafast", "zerolatency") < 0)
        return false;
    self->api->param_parse(self->param, "pools", "none");
    set_structure(self->param, config);
    set_rate_control(self->param, config);
    set_colour(self->param, &config->colour);
    return true;
}

static struct coder *x265_open(const struct coder_config *config)
{
    struct coder_x265_state *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->base.ops = &coder_x265;
    self->format = config->format;
    self->chroma = malloc((size_t)config->width * (size_t)config->height);
    if (self->chroma && fill_param(self, config))
        self->x265 = self->api->encoder_open(self->param);
    if (self->x265)
        return &self->base;
    x265_close(&self->base);
    return NULL;
}

static void part_chroma(struct coder_x265_state *self, const struct coder_picture *picture, x265_picture *ret)
{
    int width = self->param->sourceWidth / 2, height = self->param->sourceHeight / 2;
    uint8_t *u = self->chroma, *v = u + (size_t)width * (size_t)height;
    for (int y = 0; y < height; y++) {
        const uint8_t *uv = picture->planes[1] + (ptrdiff_t)y * picture->strides[1];
        for (int x = 0; x < width; x++, uv += 2) {
            *u++ = uv[0];
            *v++ = uv[1];
        }
    }
    ret->planes[1] = self->chroma;
    ret->planes[2] = self->chroma + (size_t)width * (size_t)height;
    ret->stride[1] = ret->stride[2] = width;
}

static void fill_picture(struct coder_x265_state *self, const struct coder_picture *picture, x265_picture *ret)
{
    self->api->picture_init(self->param, ret);
    ret->pts = picture->number;
    ret->bitDepth = depth_of(self->format);
    ret->colorSpace = self->param->internalCsp;
    for (int i = 0; i < 3; i++) {
        ret->planes[i] = picture->planes[i];
        ret->stride[i] = picture->strides[i];
    }
    if (self->format == CODER_NV12)
        part_chroma(self, picture, ret);
    bool intra = picture->intra || picture->refresh || self->forgotten;
    ret->sliceType = picture->idr ? X265_TYPE_IDR : intra ? X265_TYPE_I : X265_TYPE_AUTO;
}

static bool collect(struct coder_x265_state *self, const x265_nal *nals, uint32_t count, size_t *ret_size)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += nals[i].sizeBytes;
    if (size > self->capacity) {
        free(self->bytes);
        self->bytes = malloc(size * 2);
        self->capacity = self->bytes ? size * 2 : 0;
    }
    if (!self->bytes)
        return false;
    *ret_size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (nals[i].type == NAL_UNIT_PREFIX_SEI || nals[i].type == NAL_UNIT_SUFFIX_SEI)
            continue;
        memcpy(self->bytes + *ret_size, nals[i].payload, nals[i].sizeBytes);
        *ret_size += nals[i].sizeBytes;
    }
    return *ret_size > 0;
}

static bool x265_encode(struct coder *base, const struct coder_picture *picture, struct coder_output *ret)
{
    struct coder_x265_state *self = container_of(base, struct coder_x265_state, base);
    x265_picture in, out;
    x265_nal *nals;
    uint32_t count;
    size_t size;
    self->api->picture_init(self->param, &out);
    fill_picture(self, picture, &in);
    if (self->api->encoder_encode(self->x265, &nals, &count, &in, &out) <= 0 || !collect(self, nals, count, &size))
        return false;
    self->forgotten = false;
    bool idr = out.sliceType == X265_TYPE_IDR;
    *ret = (struct coder_output){.bytes = self->bytes,
                                 .size = size,
                                 .idr = idr,
                                 .intra = idr || out.sliceType == X265_TYPE_I,
                                 .qp = (int)out.frameData.qp};
    return true;
}

static bool x265_headers(struct coder *base, const uint8_t **ret_bytes, size_t *ret_size)
{
    struct coder_x265_state *self = container_of(base, struct coder_x265_state, base);
    x265_nal *nals;
    uint32_t count;
    if (self->api->encoder_headers(self->x265, &nals, &count) < 0 || !collect(self, nals, count, ret_size))
        return false;
    *ret_bytes = self->bytes;
    return true;
}

static bool x265_set_rate(struct coder *base, int bitrate_kbps, int vbv_kbit)
{
    struct coder_x265_state *self = container_of(base, struct coder_x265_state, base);
    self->param->rc.bitrate = self->param->rc.vbvMaxBitrate = bitrate_kbps;
    self->param->rc.vbvBufferSize = vbv_kbit;
    return self->api->encoder_reconfig(self->x265, self->param) >= 0;
}

static void x265_forget_from(struct coder *base, int64_t number)
{
    (void)number;
    container_of(base, struct coder_x265_state, base)->forgotten = true;
}

const struct coder_ops coder_x265 = {
    .open = x265_open,
    .close = x265_close,
    .encode = x265_encode,
    .headers = x265_headers,
    .set_rate = x265_set_rate,
    .forget_from = x265_forget_from,
    .slice_nal_max = 31,
    .nal_shift = 1,
};
