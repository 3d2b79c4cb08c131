/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264: 7.3.2.2 (PPS), 7.3.3 (slice header), 7.3.4 (slice data), 7.3.5 (macroblock layer). */
#include "encode/h264_patch.h"

#include "encode/annexb.h"
#include "encode/cabac.h"
#include "encode/h264_sps.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAL_HEADER = 0x41, /* slice of a reference picture */
    SLICE_ALL_P = 5,
    I_PCM_IN_P = 30, /* mb_type: 25 behind the five of P */
    FILTER_OFF = 1,
    HEADER_BYTES = 32,
    MB_OVERHEAD = 8, /* bytes: of the skipped ones before it, type, alignment */
    EMPTY_BITS = 1,  /* of a skipped one, at most on average */
};

/* (m, n) of Table 9-13 and 9-14 for cabac_init_idc 0. */
static const int8_t skip_flag_init[3][2] = {{23, 33}, {23, 2}, {21, 0}}; /* ctxIdx 11..13 */
static const int8_t type_init[2] = {1, 9};                               /* ctxIdx 14: intra in P */
static const int8_t intra_type_init[2] = {5, 57};                        /* ctxIdx 17: not I_NxN */

static bool read_pps(struct h264_patch *self, const uint8_t *nal, size_t size)
{
    uint8_t read[H264_SPS_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)};
    if (!rbsp_open(&in, nal, size))
        return false;
    rbsp_read_bits(&in, 8);
    self->pps_id = rbsp_read_ue(&in);
    rbsp_read_ue(&in); /* seq_parameter_set_id */
    self->cabac = rbsp_read_bits(&in, 1);
    rbsp_read_bits(&in, 1);              /* bottom_field_pic_order: not with pic_order_cnt_type 2 */
    bool plain = rbsp_read_ue(&in) == 0; /* num_slice_groups_minus1 */
    plain &= rbsp_read_ue(&in) == 0;     /* num_ref_idx_l0_default_active_minus1 */
    rbsp_read_ue(&in);
    plain &= !rbsp_read_bits(&in, 1); /* weighted_pred */
    rbsp_read_bits(&in, 2);
    self->init_qp = 26 + rbsp_read_se(&in);
    rbsp_read_se(&in);
    rbsp_read_se(&in);
    self->has_filter_control = rbsp_read_bits(&in, 1);
    rbsp_read_bits(&in, 1);
    plain &= !rbsp_read_bits(&in, 1); /* redundant_pic_cnt_present */
    return plain && !in.bad && self->init_qp >= 0 && self->init_qp <= 51;
}

static bool read_headers(struct h264_patch *self, const uint8_t *headers, size_t size)
{
    struct annexb_nal unit = {.end = 0};
    bool has_pps = false;
    while (annexb_next(headers, size, unit.end, &unit)) {
        int type = headers[unit.head] & 31;
        if (type == ANNEXB_H264_SPS)
            self->frame_num_bits = h264_sps_frame_num_bits(headers + unit.head, unit.end - unit.head);
        if (type == ANNEXB_H264_PPS)
            has_pps = read_pps(self, headers + unit.head, unit.end - unit.head);
    }
    return self->frame_num_bits && has_pps;
}

bool h264_patch_init(struct h264_patch *self, const struct mb_map *map, const uint8_t *headers, size_t size)
{
    *self = (struct h264_patch){.columns = map->columns, .rows = map->rows};
    if (!read_headers(self, headers, size))
        return false;
    self->room = h264_patch_bound(self, H264_PATCH_MOST);
    self->raw = malloc(self->room);
    return self->raw != NULL;
}

void h264_patch_finish(struct h264_patch *self)
{
    free(self->raw);
    self->raw = NULL;
}

size_t h264_patch_bound(const struct h264_patch *self, int macroblocks)
{
    size_t raw = HEADER_BYTES + (size_t)(self->columns * self->rows * EMPTY_BITS + 7) / 8 +
                 (size_t)macroblocks * (H264_PATCH_MB_BYTES + MB_OVERHEAD);
    return raw + raw / 2; /* emulation prevention */
}

size_t h264_patch_foretell(int macroblocks)
{
    return HEADER_BYTES + (size_t)macroblocks * (H264_PATCH_MB_BYTES + MB_OVERHEAD);
}

static int clip(int value, int limit)
{
    return value < limit ? value : limit - 1;
}

void h264_patch_take(const struct frame *frame, int column, int row, uint8_t ret[H264_PATCH_MB_BYTES])
{
    enum { HALF_PX = MB_MAP_PX / 2 };
    uint8_t *cb = ret + MB_MAP_PX * MB_MAP_PX, *cr = cb + HALF_PX * HALF_PX;
    int x = column * MB_MAP_PX, y = row * MB_MAP_PX, width = frame->layout.width, height = frame->layout.height;
    for (int i = 0; i < MB_MAP_PX; i++) {
        const uint8_t *luma = frame->planes[0] + clip(y + i, height) * (ptrdiff_t)frame->strides[0];
        for (int j = 0; j < MB_MAP_PX; j++)
            ret[i * MB_MAP_PX + j] = luma[clip(x + j, width)];
    }
    width = (width + 1) / 2;
    height = (height + 1) / 2;
    for (int i = 0; i < HALF_PX; i++) {
        const uint8_t *chroma = frame->planes[1] + clip(y / 2 + i, height) * (ptrdiff_t)frame->strides[1];
        for (int j = 0; j < HALF_PX; j++, cb++, cr++) {
            *cb = chroma[clip(x / 2 + j, width) * 2];
            *cr = chroma[clip(x / 2 + j, width) * 2 + 1];
        }
    }
}

static void write_header(const struct h264_patch *self, unsigned frame_num, struct rbsp *out)
{
    rbsp_write_bits(out, NAL_HEADER, 8);
    rbsp_write_ue(out, 0); /* first_mb_in_slice */
    rbsp_write_ue(out, SLICE_ALL_P);
    rbsp_write_ue(out, self->pps_id);
    rbsp_write_bits(out, frame_num, self->frame_num_bits);
    rbsp_write_bits(out, 0, 3); /* num_ref_idx_active_override, list modification, adaptive marking */
    if (self->cabac)
        rbsp_write_ue(out, 0); /* cabac_init_idc */
    rbsp_write_ue(out, 0);     /* slice_qp_delta, signed */
    if (self->has_filter_control)
        rbsp_write_ue(out, FILTER_OFF);
}

static void align(struct rbsp *out, uint32_t with)
{
    while (out->count % 8)
        rbsp_write_bits(out, with, 1);
}

static void write_raw(const struct frame *frame, int column, int row, struct rbsp *out)
{
    uint8_t samples[H264_PATCH_MB_BYTES];
    h264_patch_take(frame, column, row, samples);
    align(out, 0);
    rbsp_write_bytes(out, samples, sizeof(samples));
}

static void write_by_cavlc(const struct mb_map *map, const struct frame *frame, struct rbsp *out)
{
    uint32_t skipped = 0;
    for (int row = 0, at = 0; row < map->rows; row++)
        for (int column = 0; column < map->columns; column++, at++) {
            if (map->constant[at] == MB_MAP_CONSTANT) {
                skipped++;
                continue;
            }
            rbsp_write_ue(out, skipped);
            rbsp_write_ue(out, I_PCM_IN_P);
            write_raw(frame, column, row, out);
            skipped = 0;
        }
    if (skipped)
        rbsp_write_ue(out, skipped);
    rbsp_write_bits(out, 1, 1); /* rbsp_stop_one_bit */
}

static void write_by_cabac(const struct h264_patch *self, const struct mb_map *map, const struct frame *frame,
                           struct rbsp *out)
{
    cabac_context skip_flag[3], type = cabac_context_init(type_init[0], type_init[1], self->init_qp),
                                intra_type = cabac_context_init(intra_type_init[0], intra_type_init[1], self->init_qp);
    struct cabac cabac;
    for (int i = 0; i < 3; i++)
        skip_flag[i] = cabac_context_init(skip_flag_init[i][0], skip_flag_init[i][1], self->init_qp);
    align(out, 1);
    cabac_start(&cabac, out);
    for (int row = 0, at = 0; row < map->rows; row++)
        for (int column = 0; column < map->columns; column++, at++) {
            const uint8_t *constant = map->constant + at;
            int changed_beside = (column && !constant[-1]) + (row && !constant[-map->columns]);
            cabac_encode(&cabac, &skip_flag[changed_beside], constant[0]);
            if (constant[0] == MB_MAP_CHANGED) {
                cabac_encode(&cabac, &type, 1);
                cabac_encode(&cabac, &intra_type, 1);
                cabac_terminate(&cabac, 1);
                write_raw(frame, column, row, out);
                cabac_start(&cabac, out);
            }
            cabac_terminate(&cabac, at + 1 == map->count);
        }
}

size_t h264_patch_write(struct h264_patch *self, unsigned frame_num, const struct mb_map *map,
                        const struct frame *frame, uint8_t *ret, size_t room)
{
    static const uint8_t start_code[] = {0, 0, 0, 1};
    struct rbsp out = {.data = self->raw, .room = self->room};
    write_header(self, frame_num, &out);
    if (self->cabac)
        write_by_cabac(self, map, frame, &out);
    else
        write_by_cavlc(map, frame, &out);
    if (room < sizeof(start_code))
        return 0;
    memcpy(ret, start_code, sizeof(start_code));
    size_t size = rbsp_escape(&out, ret + sizeof(start_code), room - sizeof(start_code));
    return size ? size + sizeof(start_code) : 0;
}

static bool has_zeros(const uint8_t *bytes, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!bytes[i - 1] && !bytes[i])
            return true;
    return false;
}

bool h264_patch_renumber(const struct h264_patch *self, uint8_t *nal, size_t size, unsigned frame_num)
{
    uint8_t head[HEADER_BYTES];
    size_t count = size < sizeof(head) ? size : sizeof(head);
    struct rbsp bits = {.data = head, .room = sizeof(head), .count = count * 8, .at = 8};
    memcpy(head, nal, count);
    if ((head[0] & 31) != ANNEXB_H264_SLICE)
        return false;
    rbsp_skip_ue(&bits, 3); /* first_mb_in_slice, slice_type, pic_parameter_set_id */
    size_t end = bits.at + (size_t)self->frame_num_bits, bytes = (end + 7) / 8;
    for (size_t at = bits.at; at < end && end <= bits.count; at++) {
        uint8_t bit = (uint8_t)(0x80 >> at % 8);
        head[at / 8] = (uint8_t)(frame_num >> (end - 1 - at) & 1 ? head[at / 8] | bit : head[at / 8] & ~bit);
    }
    /* Two zero bytes and what follows would be something else. No header has them that has a short frame_num. */
    size_t seen = bytes < count ? bytes + 1 : count;
    if (bits.bad || end > bits.count || has_zeros(nal, seen) || has_zeros(head, seen))
        return false;
    memcpy(nal, head, bytes);
    return true;
}
