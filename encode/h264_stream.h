/* SPDX-License-Identifier: Apache-2.0 */
/* h264_stream: what the parameter sets of a stream say about its slice headers. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h264_stream {
    int frame_num_bits;
    uint32_t pps_id;
    int init_qp;
    bool cabac, has_filter_control;
    bool is_420; /* with eight bits */
};

/*
 * headers  Annex B with SPS and PPS
 * False: no such, or a stream that is not as libx264 makes it here: one reference by default, without fields,
 * reordering, weighted prediction, slice groups, redundant pictures.
 */
bool h264_stream_read(struct h264_stream *ret, const uint8_t *headers, size_t size);
/* Whether slices of the one fit the other's parameter sets, except that frame_num may have another width. */
bool h264_stream_is_same(const struct h264_stream *a, const struct h264_stream *b);
