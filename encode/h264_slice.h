/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264_slice: makes a slice of one encoder's picture into one of a larger picture, in which it has another place and
 * number. Only its header changes; what follows is copied, shifted by some bits. Pure.
 */
#pragma once

#include "encode/h264_stream.h"

struct h264_slice_place {
    uint32_t first_mb; /* added to its own */
    unsigned frame_num;
    bool alone; /* the encoder saw nothing above its first slice: nothing is filtered across that edge */
};

/*
 * nal  with its header, without start code: a slice of an IDR, or of a picture that refers to the one before
 * ret  Annex B; may not overlap
 * Returns the size there; 0: not such a slice, or no room.
 */
size_t h264_slice_move(const struct h264_stream *stream, const struct h264_slice_place *place, const uint8_t *nal,
                       size_t size, uint8_t *ret, size_t room);
