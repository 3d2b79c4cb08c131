/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x264: H.264 in software, through libx264 itself.
 *
 * Rate: a quantiser per picture from encode/qp_control.h, in libx264's constant-QP mode; or, chosen at open, libx264's
 * own bitrate with a VBV buffer. The latter makes a picture of half the size for each frame, which costs more than all
 * the rest while little changes.
 *
 * Damage: macroblocks that no damage touches are handed over as "constant". x264 skips them without a search while the
 * QP is not lower than in the picture before.
 *
 * Losses: pictures are forgotten without an IDR where the client allows more than one reference frame.
 *
 * Little change: such pictures, and bands of rows in which nothing changes, are made without libx264: see
 * encode/x264_bands.h.
 *
 * Tools: those of `ultrafast` (whole-pixel search, one reference) with CABAC, small blocks in IDRs and a weak loop
 * filter, which costs little of its speed and gives better pictures than `superfast` at the same rate: see
 * docs/architecture.md, "Software encoding".
 */
#include "base/container_of.h"
#include "base/log.h"
#include "encode/backends.h"
#include "encode/mb_map.h"
#include "encode/motion_probe.h"
#include "encode/qp_control.h"
#include "encode/x264_bands.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x264.h>

enum {
    SLICE_MIN_PX = 64, /* of a sliced thread: libx264 makes fewer threads otherwise */
    BAND_ROWS = 15,    /* of macroblocks, where there is no reason for less */
    MV_RANGE = 128,    /* px; libx264 makes a table of this for each QP, and the usual 512 take 5 ms more to open */
    THREADS_MAX = 8,   /* each thread is a slice more, and slices cost bits */
    DEBLOCK = -2,      /* off below QP 20, where it blurs text */
    QP_MIDDLE = 30,    /* any between the ends of the range */
    /* A second. CABAC takes a sixth more time for a moving picture, and gives 1.6 dB: tests/quality. With 2 cores it
     * is for 1080p60 and not for 1440p60. */
    PIXELS_PER_CORE = 80000000,
    DPB_MBS = 184320, /* of level 5.2, H.264 table A-1 */

    VBV_QP_MIN = 16, /* of the bitrate mode, as are the next */
    VBV_INTERVALS = 4,
    VBV_MAX_MS = 100,
    PIXELS_1080P = 1920 * 1088 /* above: the faster preset */
};

struct encoder_x264_state {
    struct encoder base;
    struct x264_bands bands;
    struct frame_layout layout;
    enum encoder_rate rate;
    struct mb_map map;
    struct qp_control control;
    struct motion_probe probe;
    bool opened;       /* messages go to the log; before, they are the reason for a refusal */
    struct mutex lock; /* guards the next: several libx264 are opened at once */
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
    mutex_lock(&self->lock);
    if (self->opened)
        log_warn("x264: %s", text);
    else
        memcpy(self->message, text, sizeof(text));
    mutex_unlock(&self->lock);
}

static int count_cores(const struct encoder_config *config)
{
    long cores = config->threads > 0 ? config->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (int)cores;
}

static int count_threads(const struct encoder_config *config)
{
    int threads = count_cores(config);
    return threads > config->slices ? threads : config->slices;
}

/* As many as there are threads and slices wanted, and more: what rests in a picture is in bands of its own. */
static int count_bands(const struct encoder_config *config, const struct mb_map *map)
{
    int threads = count_threads(config), rests = map->rows / BAND_ROWS;
    if (config->rate != ENCODER_RATE_QUANTISER)
        return 1;
    return threads > rests ? threads : rests;
}

static void set_frame_rate(x264_param_t *param, const struct encoder_config *config)
{
    param->i_fps_num = (uint32_t)config->fps_x100;
    param->i_fps_den = 100;
    param->i_timebase_num = 100;
    param->i_timebase_den = (uint32_t)config->fps_x100;
    param->b_vfr_input = 0;
}

/* Whether there are cores enough for CABAC. */
static bool has_time(const struct encoder_config *config)
{
    int64_t pixels = (int64_t)config->layout.width * config->layout.height * config->fps_x100 / 100;
    return pixels <= (int64_t)PIXELS_PER_CORE * count_cores(config);
}

/*
 * In its constant-QP mode libx264 forces the QP of each picture into the range of those of its picture types, and these
 * are set by factors.
 */
static void set_quantiser(x264_param_t *param, bool has_time)
{
    param->rc.i_rc_method = X264_RC_CQP;
    param->rc.i_qp_constant = QP_MIDDLE;
    param->rc.f_ip_factor = exp2f((QP_MIDDLE - QP_CONTROL_MIN) / 6.0F);
    param->rc.f_pb_factor = exp2f((QP_CONTROL_MAX - QP_MIDDLE) / 6.0F);
    param->b_cabac = has_time;
    param->analyse.intra = X264_ANALYSE_I4x4;
    param->analyse.inter = 0;
    param->analyse.b_transform_8x8 = 0;
    param->b_deblocking_filter = 1;
    param->i_deblocking_filter_alphac0 = param->i_deblocking_filter_beta = DEBLOCK;
}

/*
 * A VBV buffer of four frame intervals, at most 100 ms, the size of the sender's token bucket. One interval would be
 * the lowest latency, but x264 then has to squeeze a whole IDR into the size of one ordinary picture, and the first
 * thing a user sees is mud. No filler: a still screen costs next to nothing.
 */
static void set_bitrate(x264_param_t *param, const struct encoder_config *config)
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
    param->rc.i_qp_min = VBV_QP_MIN;
    param->rc.b_mb_tree = 0;
    param->rc.i_lookahead = 0;
    param->analyse.b_transform_8x8 = 1;
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

/* As many as the client allows and levels up to 5.2 have buffers for. */
static int count_references(const struct encoder_config *config)
{
    int width = config->layout.width, height = config->layout.height, wish = config->max_reference_frames;
    int most = DPB_MBS / ((width + MB_MAP_PX - 1) / MB_MAP_PX * ((height + MB_MAP_PX - 1) / MB_MAP_PX));
    most = most < X264_BAND_REFERENCES ? most : X264_BAND_REFERENCES;
    most = wish && wish < most ? wish : most;
    return most < 1 ? 1 : most;
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
    param->i_dpb_size = count_references(config);
    param->i_keyint_max = X264_KEYINT_MAX_INFINITE;
    param->i_scenecut_threshold = 0;
    param->b_repeat_headers = 0; /* encode/x264_bands.h puts them in front of an IDR */
    param->b_annexb = 1;
    param->b_aud = 0;
    param->i_nal_hrd = X264_NAL_HRD_NONE;
    param->b_stitchable = 1;                            /* headers that do not depend on the pictures */
    param->analyse.i_weighted_pred = X264_WEIGHTP_NONE; /* would switch the damage hints off */
    param->analyse.b_mb_info = 1;
    param->analyse.i_mv_range = MV_RANGE;
}

static int colour_model(const struct frame_layout *layout)
{
    return layout->format == FRAME_NV12 ? X264_CSP_NV12 : X264_CSP_I444;
}

static bool fill_param(struct encoder_x264_state *self, const struct encoder_config *config, x264_param_t *ret_param)
{
    bool fast = config->rate == ENCODER_RATE_QUANTISER || config->layout.width * config->layout.height > PIXELS_1080P;
    if (x264_param_default_preset(ret_param, fast ? "ultrafast" : "superfast", "zerolatency") < 0)
        return false;
    ret_param->i_width = config->layout.width;
    ret_param->i_height = config->layout.height;
    ret_param->i_csp = colour_model(&config->layout);
    ret_param->i_log_level = X264_LOG_ERROR;
    ret_param->pf_log = take_message;
    ret_param->p_log_private = self;
    set_structure(ret_param, config);
    set_frame_rate(ret_param, config);
    if (config->rate == ENCODER_RATE_QUANTISER)
        set_quantiser(ret_param, has_time(config));
    else
        set_bitrate(ret_param, config);
    set_colour(ret_param, &config->layout);
    return x264_param_apply_profile(ret_param, config->layout.format == FRAME_NV12 ? "high" : "high444") == 0;
}

static void x264_destroy(struct encoder *base)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    x264_bands_close(&self->bands);
    mutex_finish(&self->lock);
    mb_map_finish(&self->map);
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
    mutex_init(&self->lock);
    self->layout = config->layout;
    self->rate = config->rate;
    bool mapped = mb_map_init(&self->map, config->layout.width, config->layout.height);
    motion_probe_init(&self->probe, &self->map);
    qp_control_init(&self->control, &(struct qp_control_config){.bitrate_kbps = config->bitrate_kbps,
                                                                .fps_x100 = config->fps_x100,
                                                                .burst_kbit = config->burst_kbit,
                                                                .wire = config->wire,
                                                                .macroblocks = self->map.count});
    snprintf(self->message, sizeof(self->message), "libx264 refuses the settings");
    if (!mapped || !fill_param(self, config, &param) ||
        !x264_bands_open(&self->bands, &param, &self->map, count_bands(config, &self->map), count_cores(config))) {
        snprintf(ret_reason, reason_size, "%s", mapped ? self->message : "out of memory");
        x264_destroy(&self->base);
        return NULL;
    }
    self->opened = true;
    self->base.references = self->bands.references;
    return &self->base;
}

/* The access unit at *ret_bytes; its size, or 0: failed. `qp` below 0: libx264's choice. */
static size_t run(struct encoder_x264_state *self, const struct frame *frame, bool idr, int qp,
                  const uint8_t **ret_bytes)
{
    struct x264_band_job job = {.frame = frame, .map = &self->map, .idr = idr, .qp = qp};
    return x264_bands_encode(&self->bands, &job, ret_bytes);
}

/* Little changes or nothing, nothing else is left to be made better, and there is room for it as it is. */
static bool wants_patch(const struct encoder_x264_state *self, const struct mb_map_change *change, bool idr,
                        int64_t now_ns)
{
    return !idr && self->control.qp <= QP_CONTROL_MIN && x264_bands_can_patch(&self->bands, change->count) &&
           qp_control_admits(&self->control, (int64_t)h264_patch_foretell(change->count) * 8, now_ns);
}

static size_t run_with_quantiser(struct encoder_x264_state *self, const struct frame *frame,
                                 const struct mb_map_change *change, bool idr, int64_t now_ns,
                                 const uint8_t **ret_bytes)
{
    bool new = motion_probe_is_cut(&self->probe, &self->map, frame) || idr;
    if (wants_patch(self, change, idr, now_ns)) {
        size_t size = x264_bands_patch(&self->bands, frame, &self->map, ret_bytes);
        qp_control_coded_raw(&self->control, change, (int64_t)size * 8, now_ns);
        mb_map_coded_raw(&self->map);
        return size;
    }
    struct mb_map_change seen = new ? mb_map_look(&self->map, frame) : *change;
    bool again = true; /* a few times at most: see there */
    size_t size = 0;
    while (again) {
        int qp = qp_control_choose(&self->control, &self->map, &seen, idr, now_ns);
        size = run(self, frame, idr, qp, ret_bytes);
        again = size && qp_control_coded(&self->control, &seen, (int64_t)size * 8);
    }
    mb_map_coded(&self->map, self->control.qp);
    return size;
}

static enum encode_result x264_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                                      int64_t now_ns, bool idr, struct au_part *ret_part)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    if (frame->layout.width != self->layout.width || frame->layout.height != self->layout.height) {
        log_error("x264: got a %dx%d picture, made for %dx%d", frame->layout.width, frame->layout.height,
                  self->layout.width, self->layout.height);
        return ENCODE_FAILED;
    }
    idr |= self->bands.pictures == 0;
    struct mb_map_change change = mb_map_mark(&self->map, frame, damage, idr);
    ret_part->size = self->rate == ENCODER_RATE_QUANTISER
                         ? run_with_quantiser(self, frame, &change, idr, now_ns, &ret_part->data)
                         : run(self, frame, idr, X264_QP_AUTO - 1, &ret_part->data);
    if (!ret_part->size)
        return ENCODE_FAILED;
    ret_part->refining = self->rate == ENCODER_RATE_QUANTISER && self->control.qp > QP_CONTROL_MIN;
    ret_part->type = idr ? PART_IDR : PART_PREDICTED;
    return ENCODE_OK;
}

/* libx264's own rate control is not changed while it runs. */
static bool x264_set_bitrate(struct encoder *base, int bitrate_kbps, int wire_kbps)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    if (self->rate != ENCODER_RATE_QUANTISER)
        return false;
    qp_control_set_rate(&self->control, bitrate_kbps, wire_kbps);
    return true;
}

static bool x264_invalidate(struct encoder *base, int count)
{
    struct encoder_x264_state *self = container_of(base, struct encoder_x264_state, base);
    if (!x264_bands_forget(&self->bands, count)) {
        log_warn("x264: without the newest %d pictures none can be referred to", count);
        return false;
    }
    mb_map_forget(&self->map, count);
    return true;
}

const struct encoder_ops encoder_x264 = {
    .name = "x264",
    .codecs = {ENCODER_H264},
    .codec_count = 1,
    .format = FRAME_NV12,
    .others = {FRAME_YUV444},
    .other_count = 1,
    .create = x264_create,
    .destroy = x264_destroy,
    .encode = x264_encode,
    .set_bitrate = x264_set_bitrate,
    .invalidate = x264_invalidate,
};
