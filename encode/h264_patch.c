/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264: 7.3.3 (slice header), 7.3.4 (slice data), 7.3.5 (macroblock layer). */
#include "encode/h264_patch.h"

#include "encode/cabac.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAL_HEADER = 0x41, /* slice of a reference picture */
    SLICE_P = 0,
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

bool h264_patch_init(struct h264_patch *self, const struct h264_stream *stream, const struct mb_map *map)
{
    *self = (struct h264_patch){.stream = *stream};
    self->room = h264_patch_bound(map->count, H264_PATCH_MOST);
    self->raw = malloc(self->room);
    return self->raw != NULL;
}

void h264_patch_finish(struct h264_patch *self)
{
    free(self->raw);
    self->raw = NULL;
}

size_t h264_patch_bound(int macroblocks, int changed)
{
    size_t raw = HEADER_BYTES + (size_t)(macroblocks * EMPTY_BITS + 7) / 8 +
                 (size_t)changed * (H264_PATCH_MB_BYTES + MB_OVERHEAD);
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

static void write_header(const struct h264_stream *stream, uint32_t first_mb, const struct h264_order *order,
                         struct rbsp *out)
{
    rbsp_write_bits(out, NAL_HEADER, 8);
    rbsp_write_ue(out, first_mb);
    rbsp_write_ue(out, SLICE_P);
    rbsp_write_ue(out, stream->pps_id);
    rbsp_write_bits(out, order->frame_num, order->frame_num_bits);
    h264_slice_write_references(out, order);
    rbsp_write_bits(out, 0, 1); /* adaptive_ref_pic_marking_mode_flag */
    if (stream->cabac)
        rbsp_write_ue(out, 0); /* cabac_init_idc */
    rbsp_write_ue(out, 0);     /* slice_qp_delta, signed */
    if (stream->has_filter_control)
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

static void write_by_cavlc(const struct h264_patch_area *area, struct rbsp *out)
{
    const struct mb_map *map = area->map;
    uint32_t skipped = 0;
    for (int row = area->first_row; row < area->end_row; row++)
        for (int column = 0; column < map->columns; column++) {
            if (map->constant[row * map->columns + column] == MB_MAP_CONSTANT) {
                skipped++;
                continue;
            }
            rbsp_write_ue(out, skipped);
            rbsp_write_ue(out, I_PCM_IN_P);
            write_raw(area->frame, column, row, out);
            skipped = 0;
        }
    if (skipped)
        rbsp_write_ue(out, skipped);
    rbsp_write_bits(out, 1, 1); /* rbsp_stop_one_bit */
}

static void write_by_cabac(int init_qp, const struct h264_patch_area *area, struct rbsp *out)
{
    const struct mb_map *map = area->map;
    cabac_context skip_flag[3], type = cabac_context_init(type_init[0], type_init[1], init_qp),
                                intra_type = cabac_context_init(intra_type_init[0], intra_type_init[1], init_qp);
    struct cabac cabac;
    for (int i = 0; i < 3; i++)
        skip_flag[i] = cabac_context_init(skip_flag_init[i][0], skip_flag_init[i][1], init_qp);
    align(out, 1);
    cabac_start(&cabac, out);
    for (int row = area->first_row; row < area->end_row; row++)
        for (int column = 0; column < map->columns; column++) {
            const uint8_t *constant = map->constant + row * map->columns + column;
            bool is_last = column == map->columns - 1 && row == area->end_row - 1;
            int beside = (column && !constant[-1]) + (row > area->first_row && !constant[-map->columns]);
            cabac_encode(&cabac, &skip_flag[beside], constant[0]);
            if (constant[0] == MB_MAP_CHANGED) {
                cabac_encode(&cabac, &type, 1);
                cabac_encode(&cabac, &intra_type, 1);
                cabac_terminate(&cabac, 1);
                write_raw(area->frame, column, row, out);
                cabac_start(&cabac, out);
            }
            cabac_terminate(&cabac, is_last);
        }
}

size_t h264_patch_write(struct h264_patch *self, const struct h264_order *order, const struct h264_patch_area *area,
                        uint8_t *ret, size_t room)
{
    static const uint8_t start_code[] = {0, 0, 0, 1};
    struct rbsp out = {.data = self->raw, .room = self->room};
    write_header(&self->stream, (uint32_t)(area->first_row * area->map->columns), order, &out);
    if (self->stream.cabac)
        write_by_cabac(self->stream.init_qp, area, &out);
    else
        write_by_cavlc(area, &out);
    if (room < sizeof(start_code))
        return 0;
    memcpy(ret, start_code, sizeof(start_code));
    size_t size = rbsp_escape(&out, ret + sizeof(start_code), room - sizeof(start_code));
    return size ? size + sizeof(start_code) : 0;
}
