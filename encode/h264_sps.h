/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264_sps: adds to a sequence parameter set what a decoder must know to show each picture at once, also after a loss.
 *
 * Without bitstream_restriction in the VUI a decoder has to assume that pictures are reordered over its whole buffer,
 * and holds several back ("codec payload", docs/protocol.md). NVENC through libavcodec does not ask for it.
 *
 * Where frame numbers begin anew in the midst of lost pictures, libavcodec's decoder takes what follows for older
 * pictures and shows nothing until the next IDR. So they should not do so every 16 pictures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H264_SPS_MAX = 256,
    H264_SPS_GROWTH_MAX = 24, /* bytes that h264_sps_restrict() may add */
    H264_SPS_WIDE_BITS = 16,
};

/*
 * nal  the unit from its header byte on, without start code, at most H264_SPS_MAX bytes
 * ret  the same with max_num_reorder_frames 0 and max_dec_frame_buffering as many as it has reference frames
 * Returns the new size. 0: nothing is written, as the unit is no SPS, is damaged, or says all this already. Pure.
 */
size_t h264_sps_restrict(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX]);

/* The same unit with frame numbers of H264_SPS_WIDE_BITS, the most there are, as above. 0: it has them, or is damaged.
 */
size_t h264_sps_widen(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX]);

/* The same unit without bitstream_restriction, as above. 0: it has none, or is damaged. For tests. */
size_t h264_sps_loosen(const uint8_t *nal, size_t size, uint8_t ret[H264_SPS_MAX + H264_SPS_GROWTH_MAX]);

/*
 * Of a stream of whole frames, shown in the order in which they are decoded (pic_order_cnt_type 2): the bits of
 * frame_num in its slice headers, 4..16, and whether it is 4:2:0 with eight bits. 0: it is another stream, or no SPS.
 */
int h264_sps_frame_num_bits(const uint8_t *nal, size_t size, bool *ret_is_420);
