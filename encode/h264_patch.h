/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264_patch: a predicted H.264 picture in which few macroblocks change, without an encoder: those are sent as they are
 * (I_PCM, without loss), all others are skipped, which repeats them from the picture before. It takes microseconds
 * where an encoder goes through the whole picture.
 *
 * It stands between pictures of an encoder, whose parameter sets it uses. The encoder does not know of it: each of its
 * later pictures must get a new number, until its next IDR. Pure; nothing allocates after init.
 */
#pragma once

#include "encode/mb_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H264_PATCH_MOST = 256,     /* macroblocks */
    H264_PATCH_MB_BYTES = 384, /* of a raw one, Y then Cb then Cr */
};

struct h264_patch {
    int columns, rows; /* of macroblocks */
    int frame_num_bits;
    uint32_t pps_id;
    int init_qp;
    bool cabac, has_filter_control;
    uint8_t *raw; /* the unit in hand, before emulation prevention */
    size_t room;
};

/*
 * headers  Annex B with the encoder's SPS and PPS
 * False: out of memory, or a stream whose pictures this cannot make (fields, other than 4:2:0 with eight bits,
 * reordering, weighted prediction, more than one reference by default).
 */
bool h264_patch_init(struct h264_patch *self, const struct mb_map *map, const uint8_t *headers, size_t size);
void h264_patch_finish(struct h264_patch *self);

/* Bytes that the picture will have at most. */
size_t h264_patch_bound(const struct h264_patch *self, int macroblocks);
/* What is usual. */
size_t h264_patch_foretell(int macroblocks);

/* A macroblock of `frame`, NV12; what lies beyond its edges repeats the edge. */
void h264_patch_take(const struct frame *frame, int column, int row, uint8_t ret[H264_PATCH_MB_BYTES]);

/*
 * The picture in which the macroblocks that `map` marks as changed, at most H264_PATCH_MOST, become those of `frame`.
 * frame_num  of the picture before, plus 1; taken modulo what fits
 * ret        Annex B, one slice, a reference for the next; `room` at least h264_patch_bound()
 * Returns its size; 0: no room.
 */
size_t h264_patch_write(struct h264_patch *self, unsigned frame_num, const struct mb_map *map,
                        const struct frame *frame, uint8_t *ret, size_t room);

/* A slice of the encoder's, not of an IDR, from its NAL header on: writes frame_num, in place. False: it is no such
 * slice, or cannot hold the number; then it is as it was. */
bool h264_patch_renumber(const struct h264_patch *self, uint8_t *nal, size_t size, unsigned frame_num);
