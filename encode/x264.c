/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x264: H.264 in software, through libx264 itself.
 *
 * Preset. p50 of a picture in ms (ultrafast / superfast), two threads on two shared cores, 20 Mbit/s, 60 pictures/s,
 * one run of 120 pictures each (tests/bench/bench_encode.c), before QP_MIN was set:
 *
 *   1080p  type 3.0 / 8.0   scroll 5.0 / 8.5    whole picture moving 9.4 / 11.7
 *
 *   1440p  type 6.3 / 10.7  scroll 8.2 / 11.7   whole picture moving 12.4 / 18.6
 *
 * With superfast at 1440p even the median of a moving picture misses its 16.7 ms, so pictures above 1080p get ultrafast
 * (whose p99 of 21 ms there misses it too); up to 1080p superfast mostly holds the rate and spends its time on finer
 * blocks and arithmetic coding. Sliced threads, where all work on one picture and none waits for the next, take a
 * moving picture from 17.2 to 12.4 ms (ultrafast, 1440p) and from 19.1 to 11.7 ms (superfast, 1080p). Where little
 * changes they neither help nor hurt clearly. There are as many as cores.
 *
 * Rate: constant bitrate with a VBV buffer of four frame intervals, at most 100 ms, the size of the sender's token
 * bucket. One interval would be the lowest latency, but x264 then has to squeeze a whole IDR into the size of one
 * ordinary picture, and the first thing a user sees is mud. No filler: a still screen costs next to nothing.
 *
 * Damage: macroblocks that no damage touches are handed over as "constant". x264 then skips them without a search once
 * their last quality is as good as the current quantiser, so still areas are still refined. Refinement stops at QP_MIN,
 * which looks lossless: without it a desktop with one changing glyph went on taking two to three times the bits.
 */
#include "base/container_of.h"
#include "base/log.h"
#include "encode/annexb.h"
#include "encode/backends.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x264.h>

enum {
    MACROBLOCK_PX = 16,
    SLICE_MIN_PX = 64, /* of a sliced thread: libx264 makes fewer threads otherwise */
    QP_MIN = 16,       /* about 41 dB on small text */
    VBV_INTERVALS = 4,
    VBV_MAX_MS = 100,
    THREADS_MAX = 8,           /* each thread is a slice more, and slices cost bits */
    PIXELS_1080P = 1920 * 1088 /* above: the faster preset */
};

struct encoder_x264_state {
    struct encoder base;
    x264_t *x264;
    struct frame_layout layout;
    int64_t pts;       /* counts pictures */
    uint8_t *constant; /* a byte per macroblock, row by row */
    int columns, rows; /* of macroblocks */
    bool opened;       /* messages go to the log; before, they are the reason for a refusal */
    char message[160]; /* x264's last error while opening */
};

static void take_message(void *private_data, int level, const char *format, va_list arguments)
{
    struct encoder_x264_state *self = private_data;
    char text[sizeof(self->message)];
    if (level > X264_LOG_ERROR)
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (self->opened)
        log_warn("x264: %s", text);
    else
        memcpy(self->message, text, sizeof(text));
}

static int count_threads(const struct encoder_config *config)
{
    long cores = config->threads > 0 ? config->threads : sysconf(_SC_NPROCESSORS_ONLN);
    int threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (int)cores;
    return threads > config->slices ? threads : config->slices;
}

static void set_rate(x264_param_t *param, const struct encoder_config *config)
{
    int64_t vbv = (int64_t)config->bitrate_kbps * 100 * VBV_INTERVALS / config->fps_x100;
    int64_t most = (int64_t)config->bitrate_kbps * VBV_MAX_MS / 1000;
    if (config->burst_kbit && most > config->burst_kbit)
        most = config->burst_kbit;
    param->rc.i_rc_method = X264_RC_ABR;
    param->rc.i_bitrate = config->bitrate_kbps;
    param->rc.i_vbv_max_bitrate = config->bitrate_kbps;
    param->rc.i_vbv_buffer_size = (int)(vbv < most ? vbv : most);
    param->rc.f_vbv_buffer_init = 1.0F;
    param->rc.b_filler = 0;
    param->rc.i_qp_min = QP_MIN;
    param->rc.b_mb_tree = 0;
    param->rc.i_lookahead = 0;
    param->i_fps_num = (uint32_t)config->fps_x100;
    param->i_fps_den = 100;
    param->i_timebase_num = 100;
    param->i_timebase_den = (uint32_t)config->fps_x100;
    param->b_vfr_input = 0;
}

/* Codes of H.273, "colour" in docs/protocol.md. BT.2020 needs ten bits: eight-bit streams fall back to BT.709. */
static void set_colour(x264_param_t *param, const struct frame_layout *layout)
{
    int code = layout->colour_space == FRAME_BT601 ? 6 : 1;
    param->vui.i_vidformat = 5; /* unspecified */
    param->vui.b_fullrange = layout->full_range;
    param->vui.i_colorprim = code;
    param->vui.i_transfer = code;
    param->vui.i_colmatrix = code;
    param->vui.i_chroma_loc = 0; /* left */
}

static void set_structure(x264_param_t *param, const struct encoder_config *config)
{
    int slices = count_threads(config);
    bool high_enough = slices * SLICE_MIN_PX <= config->layout.height;
    param->i_threads = high_enough ? slices : 1;
    param->b_sliced_threads = high_enough && slices > 1;
    param->i_slice_count = high_enough ? slices : config->slices;
    param->i_lookahead_threads = 1;
    param->i_sync_lookahead = 0;
    param->i_bframe = 0;
    param->i_frame_reference = 1;
    param->i_dpb_size = 1;
    param->i_keyint_max = X264_KEYINT_MAX_INFINITE;
    param->i_scenecut_threshold = 0;
    param->b_repeat_headers = 1;
    param->b_annexb = 1;
    param->b_aud = 0;
    param->i_nal_hrd = X264_NAL_HRD_NONE;
    param->b_stitchable = 1;                            /* headers that do not depend on the pictures */
    param->analyse.i_weighted_pred = X264_WEIGHTP_NONE; /* would switch the damage hints off */
    param->analyse.b_transform_8x8 = 1;                 /* makes it High profile also with the fastest preset */
    param->analyse.b_mb_info = 1;
}

static bool fill_param(struct encoder_x264_state *self, const struct encoder_config *config, x264_param_t *ret_param)
{
    bool large = config->layout.width * config->layout.height > PIXELS_1080P;
    if (x264_param_default_preset(ret_param, large ? "ultrafast" : "superfast", "zerolatency") < 0)
        return false;
    ret_param->i_width = config->layout.width;
    ret_param->i_height = config->layout.height;
    ret_param->i_csp = X264_CSP_NV12;
    ret_param->i_log_level = X264_LOG_ERROR;
    ret_param->pf_log = take_message;
    ret_param->p_log_private = self;
    set_structure(ret_param, config);
    set_rate(ret_param, config);
    set_colour(ret_param, &config->layout);
    return x264_param_apply_profile(ret_param, "high") == 0;
}

static void x264_destroy(struct encoder *base)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    if (self->x264)
        x264_encoder_close(self->x264);
    free(self->constant);
    free(self);
}

static struct encoder *x264_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    x264_param_t param;
    struct encoder_x264_state *self = calloc(1, sizeof(*self));
    if (!self) {
        snprintf(ret_reason, reason_size, "out of memory");
        return NULL;
    }
    self->base.ops = &encoder_x264;
    self->layout = config->layout;
    self->columns = (config->layout.width + MACROBLOCK_PX - 1) / MACROBLOCK_PX;
    self->rows = (config->layout.height + MACROBLOCK_PX - 1) / MACROBLOCK_PX;
    self->constant = malloc((size_t)self->columns * (size_t)self->rows);
    snprintf(self->message, sizeof(self->message), "libx264 refuses the settings");
    if (self->constant && fill_param(self, config, &param))
        self->x264 = x264_encoder_open(&param);
    if (!self->x264) {
        snprintf(ret_reason, reason_size, "%s", self->constant ? self->message : "out of memory");
        x264_destroy(&self->base);
        return NULL;
    }
    self->opened = true;
    return &self->base;
}

/* Every macroblock that the damage does not touch is constant. */
static void mark_constant(struct encoder_x264_state *self, const struct region *damage)
{
    struct rect all = {0, 0, self->layout.width, self->layout.height};
    memset(self->constant, X264_MBINFO_CONSTANT, (size_t)self->columns * (size_t)self->rows);
    for (int i = 0; i < damage->count; i++) {
        struct rect r = rect_intersect(damage->rects[i], all);
        if (rect_is_empty(r))
            continue;
        int left = r.x / MACROBLOCK_PX, right = (r.x + r.width - 1) / MACROBLOCK_PX;
        int top = r.y / MACROBLOCK_PX, bottom = (r.y + r.height - 1) / MACROBLOCK_PX;
        for (int row = top; row <= bottom; row++)
            memset(self->constant + (size_t)row * (size_t)self->columns + left, 0, (size_t)(right - left + 1));
    }
}

static void fill_picture(struct encoder_x264_state *self, const struct frame *frame, bool idr, x264_picture_t *ret)
{
    x264_picture_init(ret);
    ret->img.i_csp = X264_CSP_NV12;
    ret->img.i_plane = 2;
    for (int i = 0; i < 2; i++) {
        ret->img.plane[i] = frame->planes[i];
        ret->img.i_stride[i] = frame->strides[i];
    }
    ret->i_type = idr ? X264_TYPE_IDR : X264_TYPE_AUTO;
    ret->i_pts = self->pts++;
    ret->prop.mb_info = self->constant;
}

static enum encode_result x264_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                                      bool idr, struct au_part *ret_part)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    struct annexb_h264 unit;
    x264_picture_t in, out;
    x264_nal_t *nals = NULL;
    int count = 0;
    if (frame->layout.width != self->layout.width || frame->layout.height != self->layout.height) {
        log_error("x264: got a %dx%d picture, made for %dx%d", frame->layout.width, frame->layout.height,
                  self->layout.width, self->layout.height);
        return ENCODE_FAILED;
    }
    mark_constant(self, damage);
    fill_picture(self, frame, idr, &in);
    int size = x264_encoder_encode(self->x264, &nals, &count, &in, &out);
    /* All NAL payloads of a picture follow one another in memory: x264.h, x264_encoder_encode. */
    if (size <= 0 || count <= 0 || !annexb_h264_tidy(nals[0].p_payload, (size_t)size, &unit)) {
        log_error("x264: encoding picture %lld failed (%d)", (long long)in.i_pts, size);
        return ENCODE_FAILED;
    }
    ret_part->data = nals[0].p_payload + unit.start;
    ret_part->size = (size_t)size - unit.start;
    ret_part->type = unit.idr ? PART_IDR : PART_PREDICTED;
    return ENCODE_OK;
}

const struct encoder_ops encoder_x264 = {
    .name = "x264",
    .codecs = {ENCODER_H264},
    .codec_count = 1,
    .format = FRAME_NV12,
    .create = x264_create,
    .destroy = x264_destroy,
    .encode = x264_encode,
};
