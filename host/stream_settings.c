/* SPDX-License-Identifier: Apache-2.0 */
#include "host/stream_settings.h"

#include "protocol/video_packet.h"

enum { VIDEO_HEADER_BYTES = 16 }; /* of packetSize: docs/protocol.md, "Video packets" */

/* kbit that 4 FEC blocks of at most 255 packets carry: beyond that a frame loses its share of parity. */
static int burst_kbit(int packet_size, int fec_percent)
{
    int data_packets = 4 * (25500 / (100 + fec_percent));
    return data_packets * (packet_size - VIDEO_HEADER_BYTES) * 8 / 1000;
}

int stream_settings_allowed_kbps(const struct config *config, const struct sdp_announce *wish)
{
    bool too_much = config->bitrate_max_kbps && wish->bitrate_kbps > config->bitrate_max_kbps;
    return too_much ? config->bitrate_max_kbps : wish->bitrate_kbps;
}

int stream_settings_encoder_kbps(const struct config *config, const struct sdp_announce *wish, int kbps)
{
    return sdp_encoder_bitrate_kbps(kbps, config->fec_percent, wish->audio_channels, wish->audio_high_quality);
}

static enum frame_format picture_format(const struct sdp_announce *wish)
{
    if (wish->chroma444)
        return wish->ten_bit ? FRAME_YUV444_10 : FRAME_YUV444;
    return wish->ten_bit ? FRAME_P010 : FRAME_NV12;
}

/* BT.2020 needs ten bits: with eight it is BT.709. */
static enum frame_colour_space colour_space(const struct sdp_announce *wish)
{
    enum frame_colour_space asked = (enum frame_colour_space)wish->colour_space;
    return asked == FRAME_BT2020 && !wish->ten_bit ? FRAME_BT709 : asked;
}

static struct view_config view_settings(const struct sdp_announce *wish)
{
    return (struct view_config){
        .layout = {.width = wish->width,
                   .height = wish->height,
                   .format = picture_format(wish),
                   .colour_space = colour_space(wish),
                   .full_range = wish->full_range},
        .fps_x100 = wish->fps_x100,
    };
}

static struct encoder_config encoder_settings(const struct config *config, const struct sdp_announce *wish)
{
    return (struct encoder_config){
        .codec = (enum encoder_codec)wish->codec,
        .bitrate_kbps = stream_settings_encoder_kbps(config, wish, stream_settings_allowed_kbps(config, wish)),
        .slices = wish->slices,
        .burst_kbit = burst_kbit(wish->packet_size, config->fec_percent),
        .max_reference_frames = wish->max_reference_frames,
        .rate = (enum encoder_rate)config->rate_control,
        .wire = {.kbps = stream_settings_allowed_kbps(config, wish),
                 .packet_bytes = wish->packet_size + VIDEO_SHARD_EXTRA +
                                 (wish->encryption & SDP_ENCRYPT_VIDEO ? VIDEO_SEAL_BYTES : 0),
                 .payload_bytes = wish->packet_size - VIDEO_HEADER_BYTES,
                 .fec_percent = config->fec_percent,
                 .min_parity = wish->min_fec_packets},
    };
}

struct stream_config stream_settings(const struct config *config, const struct sdp_announce *wish)
{
    return (struct stream_config){
        .view = view_settings(wish),
        .encoder = encoder_settings(config, wish),
        .sender = {.packet_size = wish->packet_size,
                   .fec_percent = config->fec_percent,
                   .min_parity = wish->min_fec_packets,
                   .dscp = wish->video_qos,
                   .bitrate_kbps = stream_settings_allowed_kbps(config, wish)},
        .idle_fps = config->idle_fps,
    };
}
