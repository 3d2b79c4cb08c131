/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coder_x264: H.264. The pictures refer to one older one, the newest that is not forgotten, out of a buffer of `dpb`
 * pictures. libx264 knows for itself which pictures are corrupt (x264_encoder_invalidate_reference), but not what to do
 * when none is left, so the buffer is kept in mind here as well.
 *
 * libx264 has no long-term references either: a buffer of 16 pictures stands for them, and going back further than that
 * gives an IDR.
 *
 * libx264 gives frame_num as few bits as its buffer needs: 4, or 5 with long-term references. libavcodec's decoder
 * shows no picture for a while behind a loss that spans its wrap, so tests lose pictures elsewhere.
 *
 * A sweep of intra columns takes one picture for each column of macroblocks, whatever length was asked for.
 */
#include "base/container_of.h"
#include "tests/fakegpu/coder.h"

#include <stdlib.h>
#include <string.h>
#include <x264.h>

enum { DPB_MAX = 16, QP_PRESET = 28 };

struct coder_x264_state {
    struct coder base;
    x264_t *x264;
    x264_param_t param;
    bool intra_refresh;
    int64_t known[DPB_MAX]; /* what may still be referred to, the newest first; -1: forgotten */
    int known_count, dpb;
    uint8_t *bytes;
    size_t capacity;
};

static void set_rate_control(x264_param_t *param, const struct coder_config *config)
{
    if (config->qp > 0) {
        param->rc.i_rc_method = X264_RC_CQP;
        param->rc.i_qp_constant = config->qp;
        return;
    }
    param->rc.i_rc_method = X264_RC_ABR;
    param->rc.i_bitrate = param->rc.i_vbv_max_bitrate = config->bitrate_kbps;
    param->rc.i_vbv_buffer_size = config->vbv_kbit;
}

static void set_structure(x264_param_t *param, const struct coder_config *config)
{
    param->i_threads = 1;
    param->i_slice_count = config->slices;
    param->i_frame_reference = 1;
    param->i_dpb_size = config->dpb;
    param->i_keyint_max = X264_KEYINT_MAX_INFINITE;
    param->b_intra_refresh = config->intra_refresh;
    param->b_repeat_headers = 1;
    param->b_annexb = 1;
    param->b_vfr_input = 0;
    param->i_fps_num = param->i_timebase_den = config->fps_num;
    param->i_fps_den = param->i_timebase_num = config->fps_den;
    param->i_log_level = X264_LOG_ERROR;
    param->b_cabac = config->cabac;
    param->analyse.b_transform_8x8 = 1;
    param->analyse.i_weighted_pred = X264_WEIGHTP_NONE;
}

static void set_colour(x264_param_t *param, const struct coder_colour *colour)
{
    if (!colour->primaries)
        return;
    param->vui.b_fullrange = colour->full_range;
    param->vui.i_colorprim = colour->primaries;
    param->vui.i_transfer = colour->transfer;
    param->vui.i_colmatrix = colour->matrix;
}

static void x264_close(struct coder *base)
{
    struct coder_x264_state *self = container_of(base, struct coder_x264_state, base);
    if (self->x264)
        x264_encoder_close(self->x264);
    free(self->bytes);
    free(self);
}

static struct coder *x264_open(const struct coder_config *config)
{
    struct coder_x264_state *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->base.ops = &coder_x264;
    self->dpb = config->dpb < DPB_MAX ? config->dpb : DPB_MAX;
    self->intra_refresh = config->intra_refresh;
    x264_param_default_preset(&self->param, "ultrafast", "zerolatency");
    self->param.i_width = config->width;
    self->param.i_height = config->height;
    self->param.i_csp = config->format == CODER_YUV444 ? X264_CSP_I444 : X264_CSP_NV12;
    set_structure(&self->param, config);
    set_rate_control(&self->param, config);
    set_colour(&self->param, &config->colour);
    if (config->format != CODER_I010 && x264_param_apply_profile(&self->param, config->profile) == 0)
        self->x264 = x264_encoder_open(&self->param);
    if (self->x264)
        return &self->base;
    x264_close(&self->base);
    return NULL;
}

static bool knows_any(const struct coder_x264_state *self)
{
    for (int i = 0; i < self->known_count; i++)
        if (self->known[i] >= 0)
            return true;
    return false;
}

static void remember(struct coder_x264_state *self, int64_t number, bool idr)
{
    if (idr)
        self->known_count = 0;
    if (self->known_count == self->dpb)
        self->known_count--;
    memmove(self->known + 1, self->known, (size_t)self->known_count * sizeof(self->known[0]));
    self->known[0] = number;
    self->known_count++;
}

static void x264_forget_from(struct coder *base, int64_t number)
{
    struct coder_x264_state *self = container_of(base, struct coder_x264_state, base);
    for (int i = 0; i < self->known_count; i++)
        if (self->known[i] >= number)
            self->known[i] = -1;
    if (self->intra_refresh) /* libx264 cannot do both */
        self->known_count = 0;
    else
        x264_encoder_invalidate_reference(self->x264, number);
}

static bool keep(struct coder_x264_state *self, const uint8_t *bytes, int count, size_t *size)
{
    size_t wanted = *size + (size_t)count;
    if (wanted > self->capacity) {
        uint8_t *grown = realloc(self->bytes, wanted * 2);
        if (!grown)
            return false;
        self->bytes = grown;
        self->capacity = wanted * 2;
    }
    memcpy(self->bytes + *size, bytes, (size_t)count);
    *size = wanted;
    return true;
}

/* Without libx264's notes. */
static bool collect(struct coder_x264_state *self, const x264_nal_t *nals, int count, size_t *ret_size)
{
    *ret_size = 0;
    for (int i = 0; i < count; i++)
        if (nals[i].i_type != NAL_SEI && !keep(self, nals[i].p_payload, nals[i].i_payload, ret_size))
            return false;
    return *ret_size > 0;
}

static void fill_picture(const struct coder_x264_state *self, const struct coder_picture *picture, x264_picture_t *ret)
{
    x264_picture_init(ret);
    ret->i_pts = picture->number;
    ret->img.i_csp = self->param.i_csp;
    ret->img.i_plane = self->param.i_csp == X264_CSP_I444 ? 3 : 2;
    for (int i = 0; i < ret->img.i_plane; i++) {
        ret->img.plane[i] = picture->planes[i];
        ret->img.i_stride[i] = picture->strides[i];
    }
    ret->i_type = X264_TYPE_AUTO;
    if (picture->idr)
        ret->i_type = X264_TYPE_IDR;
    else if (picture->intra || !knows_any(self))
        ret->i_type = picture->number ? X264_TYPE_I : X264_TYPE_IDR;
}

static bool x264_encode(struct coder *base, const struct coder_picture *picture, struct coder_output *ret)
{
    struct coder_x264_state *self = container_of(base, struct coder_x264_state, base);
    x264_picture_t in, out;
    x264_nal_t *nals;
    int count;
    if (picture->refresh)
        x264_encoder_intra_refresh(self->x264);
    fill_picture(self, picture, &in);
    if (x264_encoder_encode(self->x264, &nals, &count, &in, &out) <= 0)
        return false;
    size_t size;
    if (!collect(self, nals, count, &size))
        return false;
    bool idr = out.i_type == X264_TYPE_IDR;
    remember(self, picture->number, idr);
    *ret = (struct coder_output){.bytes = self->bytes,
                                 .size = size,
                                 .idr = idr,
                                 .intra = idr || out.i_type == X264_TYPE_I,
                                 .qp = out.i_qpplus1 > 0 ? out.i_qpplus1 - 1 : QP_PRESET};
    return true;
}

static bool x264_headers(struct coder *base, const uint8_t **ret_bytes, size_t *ret_size)
{
    struct coder_x264_state *self = container_of(base, struct coder_x264_state, base);
    x264_nal_t *nals;
    int count;
    if (x264_encoder_headers(self->x264, &nals, &count) < 0 || !collect(self, nals, count, ret_size))
        return false;
    *ret_bytes = self->bytes;
    return true;
}

static bool x264_set_rate(struct coder *base, int bitrate_kbps, int vbv_kbit)
{
    struct coder_x264_state *self = container_of(base, struct coder_x264_state, base);
    self->param.rc.i_bitrate = self->param.rc.i_vbv_max_bitrate = bitrate_kbps;
    self->param.rc.i_vbv_buffer_size = vbv_kbit;
    return x264_encoder_reconfig(self->x264, &self->param) == 0;
}

const struct coder_ops coder_x264 = {
    .open = x264_open,
    .close = x264_close,
    .encode = x264_encode,
    .headers = x264_headers,
    .set_rate = x264_set_rate,
    .forget_from = x264_forget_from,
    .slice_nal_max = 5,
    .nal_shift = 0,
};
