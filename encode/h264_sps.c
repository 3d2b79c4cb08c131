/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264, 7.3.2.1.1 (SPS) and E.1.1 (VUI). bitstream_restriction is the last thing in an SPS. */
#include "encode/h264_sps.h"

#include <string.h>

enum {
    NAL_SPS = 7,
    MV_LENGTH_LOG2 = 16 /* any motion vector */,
    VUI_FLAGS_BEFORE = 8,
    EXTENDED_SAR = 255,
    BUFFER = 320
};

struct bits {
    uint8_t data[BUFFER]; /* without emulation prevention */
    size_t count;         /* bits in it */
    size_t at;
    bool bad;
};

struct sps {
    uint32_t max_num_ref_frames;
    bool has_vui;
    size_t end; /* bit of vui_parameters_present_flag, or of bitstream_restriction_flag behind a VUI */
    bool is_restricted;
    uint32_t max_num_reorder_frames, max_dec_frame_buffering;
};

static uint32_t read_bits(struct bits *self, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++, self->at++) {
        self->bad |= self->at >= self->count;
        if (self->bad)
            return 0;
        value = value << 1 | (self->data[self->at / 8] >> (7 - self->at % 8) & 1U);
    }
    return value;
}

static uint32_t read_ue(struct bits *self)
{
    int zeros = 0;
    while (!read_bits(self, 1) && !self->bad)
        zeros++;
    self->bad |= zeros > 31;
    return self->bad ? 0 : (1U << zeros) - 1 + read_bits(self, zeros);
}

static int32_t read_se(struct bits *self)
{
    uint32_t value = read_ue(self);
    return value & 1 ? (int32_t)(value / 2 + 1) : -(int32_t)(value / 2);
}

static void skip_ue(struct bits *self, int count)
{
    while (count--)
        read_ue(self);
}

static void write_bits(struct bits *self, uint32_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, self->count++) {
        self->bad |= self->count >= sizeof(self->data) * 8;
        if (self->bad)
            return;
        if (value >> i & 1)
            self->data[self->count / 8] |= (uint8_t)(0x80 >> self->count % 8);
    }
}

static void write_ue(struct bits *self, uint32_t value)
{
    int length = 1;
    while (value + 1 >= 2U << (length - 1) && length < 32)
        length++;
    write_bits(self, 0, length - 1);
    write_bits(self, value + 1, length);
}

static void skip_scaling_list(struct bits *self, int size)
{
    int32_t last = 8, next = 8;
    for (int i = 0; i < size && !self->bad; i++) {
        int32_t delta = next ? read_se(self) : 0;
        self->bad |= delta < -128 || delta > 127;
        if (next && !self->bad)
            next = (last + delta + 256) % 256;
        last = next ? next : last;
    }
}

static void skip_scaling_matrix(struct bits *self, int lists)
{
    for (int i = 0; i < lists && !self->bad; i++)
        if (read_bits(self, 1))
            skip_scaling_list(self, i < 6 ? 16 : 64);
}

static bool has_chroma_format(uint32_t profile_idc)
{
    static const uint8_t with[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    return memchr(with, (int)profile_idc, sizeof(with)) != NULL;
}

static void skip_chroma_format(struct bits *self)
{
    uint32_t chroma_format_idc = read_ue(self);
    if (chroma_format_idc == 3)
        read_bits(self, 1);
    skip_ue(self, 2); /* bit depths */
    read_bits(self, 1);
    if (read_bits(self, 1))
        skip_scaling_matrix(self, chroma_format_idc == 3 ? 12 : 8);
}

static void skip_order_count(struct bits *self)
{
    uint32_t pic_order_cnt_type = read_ue(self);
    if (pic_order_cnt_type == 0)
        read_ue(self);
    if (pic_order_cnt_type != 1)
        return;
    read_bits(self, 1);
    skip_ue(self, 2);
    uint32_t cycle = read_ue(self);
    self->bad |= cycle > 255;
    for (uint32_t i = 0; i < cycle && !self->bad; i++)
        read_ue(self);
}

static void skip_hrd(struct bits *self)
{
    uint32_t cpb_cnt_minus1 = read_ue(self);
    self->bad |= cpb_cnt_minus1 > 31;
    read_bits(self, 8);
    for (uint32_t i = 0; i <= cpb_cnt_minus1 && !self->bad; i++) {
        skip_ue(self, 2);
        read_bits(self, 1);
    }
    read_bits(self, 20);
}

static void skip_vui(struct bits *self)
{
    if (read_bits(self, 1) && read_bits(self, 8) == EXTENDED_SAR)
        read_bits(self, 32);
    if (read_bits(self, 1)) /* overscan */
        read_bits(self, 1);
    if (read_bits(self, 1)) { /* video_signal_type */
        read_bits(self, 4);
        if (read_bits(self, 1))
            read_bits(self, 24);
    }
    if (read_bits(self, 1)) /* chroma_loc */
        skip_ue(self, 2);
    if (read_bits(self, 1)) { /* timing */
        read_bits(self, 32);
        read_bits(self, 32);
        read_bits(self, 1);
    }
    bool nal_hrd = read_bits(self, 1);
    if (nal_hrd)
        skip_hrd(self);
    bool vcl_hrd = read_bits(self, 1);
    if (vcl_hrd)
        skip_hrd(self);
    if (nal_hrd || vcl_hrd)
        read_bits(self, 1);
    read_bits(self, 1); /* pic_struct */
}

static void parse_frame(struct bits *self, struct sps *ret)
{
    uint32_t profile_idc = read_bits(self, 8);
    read_bits(self, 16); /* constraints, level */
    read_ue(self);
    if (has_chroma_format(profile_idc))
        skip_chroma_format(self);
    read_ue(self); /* log2_max_frame_num */
    skip_order_count(self);
    ret->max_num_ref_frames = read_ue(self);
    read_bits(self, 1);
    skip_ue(self, 2); /* size */
    if (!read_bits(self, 1))
        read_bits(self, 1);
    read_bits(self, 1);
    if (read_bits(self, 1))
        skip_ue(self, 4); /* cropping */
}

static bool parse(struct bits *self, struct sps *ret)
{
    if ((read_bits(self, 8) & 31) != NAL_SPS)
        return false;
    parse_frame(self, ret);
    ret->end = self->at;
    ret->has_vui = read_bits(self, 1);
    if (!ret->has_vui)
        return !self->bad;
    skip_vui(self);
    ret->end = self->at;
    ret->is_restricted = read_bits(self, 1);
    if (ret->is_restricted) {
        read_bits(self, 1);
        skip_ue(self, 4);
        ret->max_num_reorder_frames = read_ue(self);
        ret->max_dec_frame_buffering = read_ue(self);
    }
    return !self->bad && ret->max_num_ref_frames <= 16;
}

/* Without the zero byte's guard. */
static bool unescape(const uint8_t *nal, size_t size, struct bits *ret)
{
    int zeros = 0;
    size_t count = 0;
    if (size > H264_SPS_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool guard = zeros >= 2 && nal[i] == 3;
        zeros = guard || nal[i] ? 0 : zeros + 1;
        if (!guard)
            ret->data[count++] = nal[i];
    }
    ret->count = count * 8;
    return true;
}

/* Ends the unit with its stop bit. 0: no room. */
static size_t escape(struct bits *self, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    size_t size = 0;
    int zeros = 0;
    write_bits(self, 1, 1);
    for (size_t i = 0; i < (self->count + 7) / 8; i++) {
        bool guard = zeros == 2 && self->data[i] <= 3;
        if (self->bad || size + guard + 1 > H264_SPS_MAX + H264_SPS_GROWTH_MAX)
            return 0;
        if (guard)
            ret[size++] = 3;
        zeros = guard ? 0 : zeros;
        zeros = self->data[i] ? 0 : zeros + 1;
        ret[size++] = self->data[i];
    }
    return size;
}

/* All before bit `end`. */
static void copy_head(const struct bits *from, size_t end, struct bits *ret)
{
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->data, from->data, (end + 7) / 8);
    if (end % 8)
        ret->data[end / 8] &= (uint8_t)(0xFF00 >> end % 8);
    ret->count = end;
}

size_t h264_sps_restrict(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    struct bits in = {.at = 0}, out;
    struct sps sps = {.has_vui = false};
    if (!unescape(nal, size, &in) || !parse(&in, &sps))
        return 0;
    if (sps.is_restricted && !sps.max_num_reorder_frames && sps.max_dec_frame_buffering == sps.max_num_ref_frames)
        return 0;
    copy_head(&in, sps.end, &out);
    if (!sps.has_vui) {
        write_bits(&out, 1, 1);
        write_bits(&out, 0, VUI_FLAGS_BEFORE);
    }
    write_bits(&out, 3, 2); /* bitstream_restriction_flag, motion_vectors_over_pic_boundaries_flag */
    write_ue(&out, 0);      /* no limit of bytes per picture, and of bits per macroblock */
    write_ue(&out, 0);
    write_ue(&out, MV_LENGTH_LOG2);
    write_ue(&out, MV_LENGTH_LOG2);
    write_ue(&out, 0); /* max_num_reorder_frames */
    write_ue(&out, sps.max_num_ref_frames);
    return escape(&out, ret);
}

size_t h264_sps_loosen(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX])
{
    struct bits in = {.at = 0}, out;
    struct sps sps = {.has_vui = false};
    if (!unescape(nal, size, &in) || !parse(&in, &sps) || !sps.is_restricted)
        return 0;
    copy_head(&in, sps.end, &out);
    write_bits(&out, 0, 1);
    return escape(&out, ret);
}
