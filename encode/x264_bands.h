/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x264_bands: the picture as bands of rows, each with a libx264 (encode/x264_band.h) and each a slice. Bands in which
 * nothing changes, and pictures in which little does, take no libx264 (encode/h264_patch.h).
 *
 * Pictures can be forgotten: each libx264 keeps as many as the stream has references, and takes up an older one of its
 * own; what small changes did to that one since is undone. So nothing is copied before there is a loss.
 */
#pragma once

#include "base/crew.h"
#include "encode/x264_band.h"

enum { X264_BANDS_MOST = 16 };

struct x264_bands_undo; /* what a macroblock was before a small change */

struct x264_bands {
    struct x264_band bands[X264_BANDS_MOST];
    int count;
    struct h264_stream stream;
    struct h264_patch patch;
    bool can_patch;
    struct crew crew;
    bool has_crew;
    uint8_t *unit; /* the access unit in hand; it begins with the parameter sets, which only an IDR carries */
    size_t room, headers;
    int64_t pictures;             /* made so far, each try of an IDR counted: the next one's time stamp */
    unsigned frame_num;           /* of the last one */
    uint32_t known;               /* bit i: the picture i before it may be referred to */
    int references;               /* pictures that a decoder keeps */
    struct x264_bands_undo *undo; /* [undo_room], a ring; NULL: nothing is ever undone */
    int undo_room, undo_next;

    struct x264_band_job job; /* in hand, as are the next */
    int active[X264_BANDS_MOST], active_count;
    bool done[X264_BANDS_MOST];
};

/*
 * param    of the whole picture, borrowed; i_dpb_size: references, see x264_band_open()
 * count    bands wanted; 1: libx264's own threads and slices
 * threads  that work on them, the caller too
 * False: libx264 refuses (told through the param's log function, on any of the threads), or out of memory.
 */
bool x264_bands_open(struct x264_bands *self, const x264_param_t *param, const struct mb_map *map, int count,
                     int threads);
void x264_bands_close(struct x264_bands *self); /* also a zeroed one */

/* The picture whose changes `job->map` marks, encoded; order and pts are set here. The access unit, valid until the
 * next call: its size, or 0: failed, logged. */
size_t x264_bands_encode(struct x264_bands *self, const struct x264_band_job *job, const uint8_t **ret_unit);

/* The newest `count` pictures, fewer than there are references, are referred to no more; then mb_map_forget() must be
 * told, too. False: none is left to refer to, and nothing has happened. */
bool x264_bands_forget(struct x264_bands *self, int count);

/* Whether a picture in which so many macroblocks change can do without libx264; also none, a repeat. Not the one after
 * forgetting, or what a libx264 may not refer to could fill its buffer. */
bool x264_bands_can_patch(const struct x264_bands *self, int changed);
/* Makes it; as x264_bands_encode(). */
size_t x264_bands_patch(struct x264_bands *self, const struct frame *frame, const struct mb_map *map,
                        const uint8_t **ret_unit);
