/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/quality/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <x264.h>

struct reference {
    x264_t *x264;
    int64_t pts;
};

static bool fill_param(const struct reference_config *config, x264_param_t *ret_param)
{
    if (x264_param_default_preset(ret_param, "superfast", "zerolatency") < 0)
        return false;
    ret_param->i_width = config->layout.width;
    ret_param->i_height = config->layout.height;
    ret_param->i_csp = X264_CSP_NV12;
    ret_param->i_log_level = X264_LOG_ERROR;
    ret_param->i_fps_num = (uint32_t)config->fps;
    ret_param->i_fps_den = 1;
    ret_param->i_keyint_max = X264_KEYINT_MAX_INFINITE;
    ret_param->i_threads = 1;
    ret_param->b_sliced_threads = 0;
    ret_param->i_slice_count = config->slices;
    ret_param->b_vfr_input = 0;
    ret_param->rc.i_rc_method = X264_RC_ABR;
    ret_param->rc.i_bitrate = config->bitrate_kbps;
    ret_param->rc.i_vbv_max_bitrate = config->bitrate_kbps;
    ret_param->rc.i_vbv_buffer_size = config->bitrate_kbps * config->vbv_percent / 100 / config->fps;
    return x264_param_apply_profile(ret_param, "high") == 0;
}

struct reference *reference_create(const struct reference_config *config)
{
    x264_param_t param;
    struct reference *self = calloc(1, sizeof(*self));
    if (self && fill_param(config, &param))
        self->x264 = x264_encoder_open(&param);
    if (self && self->x264)
        return self;
    fprintf(stderr, "quality: libx264 does not open\n");
    reference_destroy(self);
    return NULL;
}

void reference_destroy(struct reference *self)
{
    if (self && self->x264)
        x264_encoder_close(self->x264);
    free(self);
}

bool reference_encode(struct reference *self, const struct frame *frame, struct au_part *ret_part)
{
    x264_picture_t in, out;
    x264_nal_t *nals = NULL;
    int count = 0;
    x264_picture_init(&in);
    in.img.i_csp = X264_CSP_NV12;
    in.img.i_plane = 2;
    for (int i = 0; i < 2; i++) {
        in.img.plane[i] = frame->planes[i];
        in.img.i_stride[i] = frame->strides[i];
    }
    in.i_pts = self->pts++;
    int size = x264_encoder_encode(self->x264, &nals, &count, &in, &out);
    if (size <= 0 || count <= 0) {
        fprintf(stderr, "quality: libx264 made nothing of a picture\n");
        return false;
    }
    *ret_part = (struct au_part){.data = nals[0].p_payload, .size = (size_t)size, .parts = 1, .last = true};
    return true;
}
