/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264, 7.3.2.1.1 (SPS) and E.1.1 (VUI). bitstream_restriction is the last thing in an SPS. */
#include "encode/h264_sps.h"

#include "encode/rbsp.h"

#include <string.h>

enum { NAL_SPS = 7, MV_LENGTH_LOG2 = 16 /* any motion vector */, VUI_FLAGS_BEFORE = 8, EXTENDED_SAR = 255 };

struct sps {
    uint32_t max_num_ref_frames, frame_num_bits, pic_order_cnt_type;
    size_t frame_num_at;    /* bit of log2_max_frame_num_minus4 */
    bool is_420, is_frames; /* 4:2:0 with eight bits; no fields, no separate colour planes */
    bool has_vui;
    size_t end; /* bit of vui_parameters_present_flag, or of bitstream_restriction_flag behind a VUI */
    bool is_restricted;
    uint32_t max_num_reorder_frames, max_dec_frame_buffering;
};

static void skip_scaling_list(struct rbsp *self, int size)
{
    int32_t last = 8, next = 8;
    for (int i = 0; i < size && !self->bad; i++) {
        int32_t delta = next ? rbsp_read_se(self) : 0;
        self->bad |= delta < -128 || delta > 127;
        if (next && !self->bad)
            next = (last + delta + 256) % 256;
        last = next ? next : last;
    }
}

static void skip_scaling_matrix(struct rbsp *self, int lists)
{
    for (int i = 0; i < lists && !self->bad; i++)
        if (rbsp_read_bits(self, 1))
            skip_scaling_list(self, i < 6 ? 16 : 64);
}

static bool has_chroma_format(uint32_t profile_idc)
{
    static const uint8_t with[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    return memchr(with, (int)profile_idc, sizeof(with)) != NULL;
}

static void read_chroma_format(struct rbsp *self, struct sps *ret)
{
    uint32_t chroma_format_idc = rbsp_read_ue(self);
    if (chroma_format_idc == 3)
        ret->is_frames = !rbsp_read_bits(self, 1);
    uint32_t luma_bits = rbsp_read_ue(self), chroma_bits = rbsp_read_ue(self);
    rbsp_read_bits(self, 1);
    if (rbsp_read_bits(self, 1))
        skip_scaling_matrix(self, chroma_format_idc == 3 ? 12 : 8);
    ret->is_420 = chroma_format_idc == 1 && !luma_bits && !chroma_bits;
}

/* Returns pic_order_cnt_type. */
static uint32_t read_order_count(struct rbsp *self)
{
    uint32_t pic_order_cnt_type = rbsp_read_ue(self);
    if (pic_order_cnt_type == 0)
        rbsp_read_ue(self);
    if (pic_order_cnt_type != 1)
        return pic_order_cnt_type;
    rbsp_read_bits(self, 1);
    rbsp_skip_ue(self, 2);
    uint32_t cycle = rbsp_read_ue(self);
    self->bad |= cycle > 255;
    for (uint32_t i = 0; i < cycle && !self->bad; i++)
        rbsp_read_ue(self);
    return pic_order_cnt_type;
}

static void skip_hrd(struct rbsp *self)
{
    uint32_t cpb_cnt_minus1 = rbsp_read_ue(self);
    self->bad |= cpb_cnt_minus1 > 31;
    rbsp_read_bits(self, 8);
    for (uint32_t i = 0; i <= cpb_cnt_minus1 && !self->bad; i++) {
        rbsp_skip_ue(self, 2);
        rbsp_read_bits(self, 1);
    }
    rbsp_read_bits(self, 20);
}

static void skip_vui(struct rbsp *self)
{
    if (rbsp_read_bits(self, 1) && rbsp_read_bits(self, 8) == EXTENDED_SAR)
        rbsp_read_bits(self, 32);
    if (rbsp_read_bits(self, 1)) /* overscan */
        rbsp_read_bits(self, 1);
    if (rbsp_read_bits(self, 1)) { /* video_signal_type */
        rbsp_read_bits(self, 4);
        if (rbsp_read_bits(self, 1))
            rbsp_read_bits(self, 24);
    }
    if (rbsp_read_bits(self, 1)) /* chroma_loc */
        rbsp_skip_ue(self, 2);
    if (rbsp_read_bits(self, 1)) { /* timing */
        rbsp_read_bits(self, 32);
        rbsp_read_bits(self, 32);
        rbsp_read_bits(self, 1);
    }
    bool nal_hrd = rbsp_read_bits(self, 1);
    if (nal_hrd)
        skip_hrd(self);
    bool vcl_hrd = rbsp_read_bits(self, 1);
    if (vcl_hrd)
        skip_hrd(self);
    if (nal_hrd || vcl_hrd)
        rbsp_read_bits(self, 1);
    rbsp_read_bits(self, 1); /* pic_struct */
}

static void parse_frame(struct rbsp *self, struct sps *ret)
{
    uint32_t profile_idc = rbsp_read_bits(self, 8);
    rbsp_read_bits(self, 16); /* constraints, level */
    rbsp_read_ue(self);
    ret->is_420 = ret->is_frames = true;
    if (has_chroma_format(profile_idc))
        read_chroma_format(self, ret);
    ret->frame_num_at = self->at;
    ret->frame_num_bits = rbsp_read_ue(self) + 4;
    ret->pic_order_cnt_type = read_order_count(self);
    ret->max_num_ref_frames = rbsp_read_ue(self);
    rbsp_read_bits(self, 1);
    rbsp_skip_ue(self, 2); /* size */
    bool frame_mbs_only = rbsp_read_bits(self, 1);
    if (!frame_mbs_only)
        rbsp_read_bits(self, 1);
    ret->is_frames &= frame_mbs_only;
    rbsp_read_bits(self, 1);
    if (rbsp_read_bits(self, 1))
        rbsp_skip_ue(self, 4); /* cropping */
}

static bool parse(struct rbsp *self, struct sps *ret)
{
    if ((rbsp_read_bits(self, 8) & 31) != NAL_SPS)
        return false;
    parse_frame(self, ret);
    ret->end = self->at;
    ret->has_vui = rbsp_read_bits(self, 1);
    if (!ret->has_vui)
        return !self->bad;
    skip_vui(self);
    ret->end = self->at;
    ret->is_restricted = rbsp_read_bits(self, 1);
    if (ret->is_restricted) {
        rbsp_read_bits(self, 1);
        rbsp_skip_ue(self, 4);
        ret->max_num_reorder_frames = rbsp_read_ue(self);
        ret->max_dec_frame_buffering = rbsp_read_ue(self);
    }
    return !self->bad && ret->max_num_ref_frames <= 16;
}

size_t h264_sps_restrict(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    uint8_t read[H264_SPS_MAX], written[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)}, out = {.data = written, .room = sizeof(written)};
    struct sps sps = {.has_vui = false};
    if (!rbsp_open(&in, nal, size) || !parse(&in, &sps))
        return 0;
    if (sps.is_restricted && !sps.max_num_reorder_frames && sps.max_dec_frame_buffering == sps.max_num_ref_frames)
        return 0;
    rbsp_copy_head(&in, sps.end, &out);
    if (!sps.has_vui) {
        rbsp_write_bits(&out, 1, 1);
        rbsp_write_bits(&out, 0, VUI_FLAGS_BEFORE);
    }
    rbsp_write_bits(&out, 3, 2); /* bitstream_restriction_flag, motion_vectors_over_pic_boundaries_flag */
    rbsp_write_ue(&out, 0);      /* no limit of bytes per picture, and of bits per macroblock */
    rbsp_write_ue(&out, 0);
    rbsp_write_ue(&out, MV_LENGTH_LOG2);
    rbsp_write_ue(&out, MV_LENGTH_LOG2);
    rbsp_write_ue(&out, 0); /* max_num_reorder_frames */
    rbsp_write_ue(&out, sps.max_num_ref_frames);
    return rbsp_close(&out, ret, H264_SPS_MAX + H264_SPS_GROWTH_MAX);
}

size_t h264_sps_widen(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    uint8_t read[H264_SPS_MAX], written[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)}, out = {.data = written, .room = sizeof(written)};
    struct sps sps = {.has_vui = false};
    if (!rbsp_open(&in, nal, size) || !parse(&in, &sps) || sps.frame_num_bits >= H264_SPS_WIDE_BITS)
        return 0;
    rbsp_copy_head(&in, sps.frame_num_at, &out);
    rbsp_write_ue(&out, H264_SPS_WIDE_BITS - 4);
    in.at = sps.frame_num_at;
    rbsp_read_ue(&in);
    while (in.at < in.count)
        rbsp_write_bits(&out, rbsp_read_bits(&in, 1), 1);
    while (out.count && !(out.data[(out.count - 1) / 8] >> (7 - (out.count - 1) % 8) & 1))
        out.count--; /* what was behind the stop bit */
    return rbsp_escape(&out, ret, H264_SPS_MAX + H264_SPS_GROWTH_MAX);
}

size_t h264_sps_loosen(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    uint8_t read[H264_SPS_MAX], written[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)}, out = {.data = written, .room = sizeof(written)};
    struct sps sps = {.has_vui = false};
    if (!rbsp_open(&in, nal, size) || !parse(&in, &sps) || !sps.is_restricted)
        return 0;
    rbsp_copy_head(&in, sps.end, &out);
    rbsp_write_bits(&out, 0, 1);
    return rbsp_close(&out, ret, H264_SPS_MAX + H264_SPS_GROWTH_MAX);
}

int h264_sps_frame_num_bits(const uint8_t *nal, size_t size, bool *ret_is_420)
{
    uint8_t read[H264_SPS_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)};
    struct sps sps = {.has_vui = false};
    if (!rbsp_open(&in, nal, size) || !parse(&in, &sps))
        return 0;
    *ret_is_420 = sps.is_420;
    return sps.is_frames && sps.pic_order_cnt_type == 2 && sps.frame_num_bits <= 16 ? (int)sps.frame_num_bits : 0;
}
