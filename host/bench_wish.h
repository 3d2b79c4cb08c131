/* SPDX-License-Identifier: Apache-2.0 */
/* bench_wish: what Moonlight asks for on a local network. Pure. */
#pragma once

#include "capture/frame.h"
#include "host/bench_words.h"
#include "protocol/sdp.h"

static inline struct sdp_announce bench_wish(const struct bench_size *size, int fps, int bitrate_kbps)
{
    return (struct sdp_announce){
        .width = size->width,
        .height = size->height,
        .fps = fps,
        .fps_x100 = fps * 100,
        .packet_size = 1392,
        .bitrate_kbps = bitrate_kbps,
        .codec = SDP_H264,
        .colour_space = FRAME_BT709,
        .slices = 1,
        .min_fec_packets = 2,
        .audio_channels = 2,
    };
}
