/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.265, 7.3.2.2 (SPS), 7.3.4 (scaling lists), 7.3.7 (reference picture sets), E.2 (VUI, HRD). */
#include "encode/hevc_sps.h"

#include "encode/rbsp.h"

enum {
    NAL_SPS = 33,
    PROFILE_BITS = 96, /* profile_tier_level() without sub-layers */
    EXTENDED_SAR = 255,
    VUI_FLAGS_BEFORE = 9, /* bitstream_restriction_flag, all 0 */
    MV_LENGTH_LOG2 = 15,  /* any motion vector */
    SHORT_TERM_SETS_MAX = 64,
    SET_PICTURES_MAX = 16,
    LONG_TERMS_MAX = 32,
    CPBS_MAX = 32,
};

struct sps {
    size_t reorder_at, reorder_end; /* bits of sps_max_num_reorder_pics */
    uint32_t max_num_reorder_pics;
    size_t vui_at; /* bit of vui_parameters_present_flag, or of bitstream_restriction_flag in a VUI */
    bool has_vui, is_restricted;
    size_t order_count_bits;
};

static bool flag(struct rbsp *self)
{
    return rbsp_read_bits(self, 1);
}

static uint32_t read_limited(struct rbsp *self, uint32_t max)
{
    uint32_t value = rbsp_read_ue(self);
    self->bad |= value > max;
    return self->bad ? 0 : value;
}

static void read_picture(struct rbsp *self, struct sps *ret)
{
    rbsp_read_ue(self);          /* sps_seq_parameter_set_id */
    if (rbsp_read_ue(self) == 3) /* chroma_format_idc */
        rbsp_read_bits(self, 1);
    rbsp_skip_ue(self, 2); /* size */
    if (flag(self))        /* conformance_window */
        rbsp_skip_ue(self, 4);
    rbsp_skip_ue(self, 2); /* bit depths */
    ret->order_count_bits = read_limited(self, 12) + 4;
    rbsp_read_bits(self, 1); /* sps_sub_layer_ordering_info_present_flag: there is one layer */
    rbsp_read_ue(self);
    ret->reorder_at = self->at;
    ret->max_num_reorder_pics = rbsp_read_ue(self);
    ret->reorder_end = self->at;
    rbsp_read_ue(self);
}

static void skip_scaling_list(struct rbsp *self, int size_id)
{
    int count = size_id ? 64 : 16;
    if (!flag(self)) {
        rbsp_read_ue(self);
        return;
    }
    for (int i = size_id > 1 ? -1 : 0; i < count && !self->bad; i++)
        rbsp_read_se(self);
}

static void skip_scaling_lists(struct rbsp *self)
{
    for (int size_id = 0; size_id < 4; size_id++)
        for (int matrix = 0; matrix < 6 && !self->bad; matrix += size_id == 3 ? 3 : 1)
            skip_scaling_list(self, size_id);
}

static void skip_tools(struct rbsp *self)
{
    rbsp_skip_ue(self, 6);        /* block sizes */
    if (flag(self) && flag(self)) /* scaling_list_enabled_flag, sps_scaling_list_data_present_flag */
        skip_scaling_lists(self);
    rbsp_read_bits(self, 2); /* amp, sample_adaptive_offset */
    if (!flag(self))         /* pcm_enabled_flag */
        return;
    rbsp_read_bits(self, 8);
    rbsp_skip_ue(self, 2);
    rbsp_read_bits(self, 1);
}

/* A set told by the one before it, of `pictures`. Returns how many it has. */
static uint32_t skip_predicted_set(struct rbsp *self, uint32_t pictures)
{
    uint32_t count = 0;
    rbsp_read_bits(self, 1); /* delta_rps_sign */
    rbsp_read_ue(self);
    for (uint32_t i = 0; i <= pictures && !self->bad; i++)
        count += flag(self) || flag(self); /* used_by_curr_pic_flag, use_delta_flag */
    self->bad |= count > SET_PICTURES_MAX;
    return count;
}

static uint32_t skip_set(struct rbsp *self)
{
    uint32_t before = read_limited(self, SET_PICTURES_MAX), after = read_limited(self, SET_PICTURES_MAX);
    for (uint32_t i = 0; i < before + after && !self->bad; i++) {
        rbsp_read_ue(self);
        rbsp_read_bits(self, 1);
    }
    return before + after;
}

static void skip_reference_sets(struct rbsp *self, const struct sps *sps)
{
    uint32_t sets = read_limited(self, SHORT_TERM_SETS_MAX), pictures = 0;
    for (uint32_t i = 0; i < sets && !self->bad; i++)
        pictures = i && flag(self) ? skip_predicted_set(self, pictures) : skip_set(self);
    uint32_t long_terms = flag(self) ? read_limited(self, LONG_TERMS_MAX) : 0;
    for (uint32_t i = 0; i < long_terms; i++)
        rbsp_read_bits(self, (int)sps->order_count_bits + 1);
}

static void skip_sub_layer_hrd(struct rbsp *self, uint32_t cpbs, bool sub_pictures)
{
    for (uint32_t i = 0; i < cpbs && !self->bad; i++) {
        rbsp_skip_ue(self, sub_pictures ? 4 : 2);
        rbsp_read_bits(self, 1);
    }
}

static void skip_hrd(struct rbsp *self)
{
    bool nal = flag(self), vcl = flag(self), sub_pictures = (nal || vcl) && flag(self);
    if (sub_pictures)
        rbsp_read_bits(self, 19);
    if (nal || vcl)
        rbsp_read_bits(self, 8 + (sub_pictures ? 4 : 0) + 15);
    bool fixed = flag(self) || flag(self); /* fixed_pic_rate_general_flag, _within_cvs_flag */
    bool low_delay = false;
    if (fixed)
        rbsp_read_ue(self);
    else
        low_delay = flag(self);
    uint32_t cpbs = low_delay ? 1 : read_limited(self, CPBS_MAX - 1) + 1;
    if (nal)
        skip_sub_layer_hrd(self, cpbs, sub_pictures);
    if (vcl)
        skip_sub_layer_hrd(self, cpbs, sub_pictures);
}

static void skip_vui(struct rbsp *self)
{
    if (flag(self) && rbsp_read_bits(self, 8) == EXTENDED_SAR)
        rbsp_read_bits(self, 32);
    if (flag(self)) /* overscan */
        rbsp_read_bits(self, 1);
    if (flag(self)) { /* video_signal_type */
        rbsp_read_bits(self, 4);
        if (flag(self))
            rbsp_read_bits(self, 24);
    }
    if (flag(self)) /* chroma_loc */
        rbsp_skip_ue(self, 2);
    rbsp_read_bits(self, 3);
    if (flag(self)) /* default_display_window */
        rbsp_skip_ue(self, 4);
    if (!flag(self)) /* timing */
        return;
    rbsp_read_bits(self, 32);
    rbsp_read_bits(self, 32);
    if (flag(self)) /* vui_poc_proportional_to_timing_flag */
        rbsp_read_ue(self);
    if (flag(self))
        skip_hrd(self);
}

/* Bit of the stop bit; 0: there is none. */
static size_t find_stop(const struct rbsp *self)
{
    size_t at = self->count;
    while (at > 0 && !(self->data[(at - 1) / 8] >> (7 - (at - 1) % 8) & 1))
        at--;
    return at ? at - 1 : 0;
}

/* What comes behind it and is known ends where the set does; extensions are not known. */
static bool ends_well(struct rbsp *self, const struct sps *sps)
{
    if (sps->is_restricted) {
        rbsp_read_bits(self, 3);
        rbsp_skip_ue(self, 5);
    }
    bool extended = flag(self);
    return !self->bad && (extended || self->at == find_stop(self));
}

static bool parse(struct rbsp *self, struct sps *ret)
{
    if ((rbsp_read_bits(self, 16) >> 9 & 63) != NAL_SPS)
        return false;
    rbsp_read_bits(self, 4);
    if (rbsp_read_bits(self, 3)) /* sps_max_sub_layers_minus1 */
        return false;
    for (int bits = 0; bits < 1 + PROFILE_BITS; bits++) /* from sps_temporal_id_nesting_flag on */
        rbsp_read_bits(self, 1);
    read_picture(self, ret);
    skip_tools(self);
    skip_reference_sets(self, ret);
    rbsp_read_bits(self, 2); /* temporal_mvp, strong_intra_smoothing */
    ret->vui_at = self->at;
    ret->has_vui = flag(self);
    if (ret->has_vui) {
        skip_vui(self);
        ret->vui_at = self->at;
        ret->is_restricted = flag(self);
    }
    return ends_well(self, ret);
}

static void copy_bits(const struct rbsp *from, size_t begin, size_t end, struct rbsp *to)
{
    for (size_t at = begin; at < end; at++)
        rbsp_write_bits(to, from->data[at / 8] >> (7 - at % 8) & 1U, 1);
}

static void write_restriction(const struct sps *sps, struct rbsp *out)
{
    if (!sps->has_vui) {
        rbsp_write_bits(out, 1, 1);
        rbsp_write_bits(out, 0, VUI_FLAGS_BEFORE);
    }
    rbsp_write_bits(out, 10, 4); /* bitstream_restriction_flag, tiles_fixed 0, mv_over_pic_boundaries 1, same lists 0 */
    rbsp_write_ue(out, 0);       /* min_spatial_segmentation_idc */
    rbsp_write_ue(out, 0);       /* no limit of bytes per picture, and of bits per block */
    rbsp_write_ue(out, 0);
    rbsp_write_ue(out, MV_LENGTH_LOG2);
    rbsp_write_ue(out, MV_LENGTH_LOG2);
}

size_t hevc_sps_restrict(const uint8_t *nal, size_t size, uint8_t ret[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX])
{
    uint8_t read[HEVC_SPS_MAX], written[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)}, out = {.data = written, .room = sizeof(written)};
    struct sps sps = {.has_vui = false};
    if (!rbsp_open(&in, nal, size) || !parse(&in, &sps))
        return 0;
    if (sps.is_restricted && !sps.max_num_reorder_pics)
        return 0;
    rbsp_copy_head(&in, sps.reorder_at, &out);
    rbsp_write_ue(&out, 0);
    copy_bits(&in, sps.reorder_end, sps.vui_at, &out);
    if (!sps.is_restricted)
        write_restriction(&sps, &out);
    copy_bits(&in, sps.is_restricted ? sps.vui_at : sps.vui_at + 1, find_stop(&in), &out);
    return rbsp_close(&out, ret, HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX);
}
