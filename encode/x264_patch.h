/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x264_patch: pictures in which little changes, made without libx264 (encode/h264_patch.h) but in its stream.
 *
 * libx264 goes through the whole picture, 20 MB of memory at 1440p, to find that a letter was typed. So such pictures
 * are made beside it, and libx264 kept in step: their samples are put into the picture it refers to, and the slices it
 * writes later get the numbers that the decoder counts.
 *
 * The picture it refers to is the one that x264_encoder_encode() reports, with PAD more samples around, as in every
 * build whose x264_frame_new was read (see BUILDS in the .c file); others do without these pictures.
 */
#pragma once

#include "encode/h264_patch.h"

#include <x264.h>

struct x264_patch {
    struct h264_patch patch;
    bool possible;          /* the next do not count else */
    x264_image_t reference; /* libx264's own memory */
    unsigned frame_num;     /* of the last picture */
    bool behind;            /* libx264 counts fewer */
    uint8_t *bytes;
    size_t room;
};

/* `x264` is open; whole pixels (subme 0), one reference. Where it is not possible, all goes on without it. */
void x264_patch_init(struct x264_patch *self, x264_t *x264, const struct mb_map *map);
void x264_patch_finish(struct x264_patch *self);

/* After each picture that libx264 made, `picture` what it reported. False: a slice could not be numbered, logged. */
bool x264_patch_follow(struct x264_patch *self, const x264_nal_t *nals, int count, const x264_picture_t *picture);

/* Whether a picture in which so many macroblocks change can be one; also none, a repeat. Not the first. */
bool x264_patch_can(const struct x264_patch *self, int changed);
/* Makes it: its size, at *ret_bytes until the next. */
size_t x264_patch_make(struct x264_patch *self, const struct mb_map *map, const struct frame *frame,
                       uint8_t **ret_bytes);
