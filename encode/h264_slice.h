/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264_slice: makes a slice of one encoder's picture into one of a larger picture, in which it has another place and
 * number, and maybe another way to the picture it refers to. Only its header changes; what follows is copied, shifted
 * by some bits. Pure.
 */
#pragma once

#include "encode/h264_stream.h"
#include "encode/rbsp.h"

/* A picture among the others. */
struct h264_order {
    unsigned frame_num; /* taken modulo what fits */
    int frame_num_bits; /* of it, in a header of the stream that this is for */
    unsigned distance;  /* back to the picture it refers to; 1: the one before */
};

struct h264_slice_place {
    uint32_t first_mb; /* added to its own */
    struct h264_order order;
    bool alone; /* the encoder saw nothing above its first slice: nothing is filtered across that edge */
};

/* What the header of a P slice says of its references, from num_ref_idx_active_override_flag on. */
void h264_slice_write_references(struct rbsp *out, const struct h264_order *order);

/*
 * stream  the encoder's own
 * nal     with its header, without start code: a slice of an IDR, or of a picture that refers to one other
 * ret     Annex B; may not overlap
 * Returns the size there; 0: not such a slice, or no room.
 */
size_t h264_slice_move(const struct h264_stream *stream, const struct h264_slice_place *place, const uint8_t *nal,
                       size_t size, uint8_t *ret, size_t room);
