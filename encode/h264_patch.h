/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264_patch: a slice of a predicted H.264 picture in which few macroblocks change, without an encoder: those are sent
 * as they are (I_PCM, without loss), all others are skipped, which repeats them from the picture before. It takes
 * microseconds where an encoder goes through the whole picture. Pure; nothing allocates after init.
 */
#pragma once

#include "encode/h264_slice.h"
#include "encode/mb_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H264_PATCH_MOST = 256,     /* macroblocks that change */
    H264_PATCH_MB_BYTES = 384, /* of a raw one, Y then Cb then Cr */
};

struct h264_patch {
    struct h264_stream stream;
    uint8_t *raw; /* the unit in hand, before emulation prevention */
    size_t room;
};

/* `stream`: 4:2:0 with eight bits. False: out of memory. */
bool h264_patch_init(struct h264_patch *self, const struct h264_stream *stream, const struct mb_map *map);
void h264_patch_finish(struct h264_patch *self);

/* Bytes at most of a slice with so many macroblocks, `changed` of which change, and the bytes that are usual. */
size_t h264_patch_bound(int macroblocks, int changed);
size_t h264_patch_foretell(int changed);

/* A macroblock of `frame`, NV12; what lies beyond its edges repeats the edge. */
void h264_patch_take(const struct frame *frame, int column, int row, uint8_t ret[H264_PATCH_MB_BYTES]);

struct h264_patch_area {
    const struct mb_map *map;  /* marks what changes, at most H264_PATCH_MOST in the area */
    int first_row, end_row;    /* of macroblocks */
    const struct frame *frame; /* NULL if nothing changes */
};
/*
 * The slice in which what changes becomes as it is in the frame.
 * ret  Annex B, of a picture that the next can refer to; `room` at least h264_patch_bound()
 * Returns its size; 0: no room.
 */
size_t h264_patch_write(struct h264_patch *self, const struct h264_order *order, const struct h264_patch_area *area,
                        uint8_t *ret, size_t room);
