/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sdp: what the host offers (DESCRIBE) and what the client wants (ANNOUNCE). Pure.
 * Source: docs/protocol.md, "SDP".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of encryptionSupported, -Requested and -Enabled. */
enum { SDP_ENCRYPT_CONTROL = 1, SDP_ENCRYPT_VIDEO = 2, SDP_ENCRYPT_AUDIO = 4 };
/* Bits of x-ss-general.featureFlags. */
enum { SDP_FEATURE_PEN_TOUCH = 1, SDP_FEATURE_CONTROLLER_MOTION = 2 };
/* Numbers of bitStreamFormat. */
enum sdp_codec { SDP_H264, SDP_HEVC, SDP_AV1, SDP_CODEC_COUNT };

/* Encryption of video; the control stream is always encrypted. */
enum sdp_policy { SDP_POLICY_OFF, SDP_POLICY_OPPORTUNISTIC, SDP_POLICY_MANDATORY };
unsigned sdp_policy_supported(enum sdp_policy policy);
unsigned sdp_policy_requested(enum sdp_policy policy);
bool sdp_policy_allows(enum sdp_policy policy, unsigned enabled);

/* --- DESCRIBE --- */

struct sdp_offer {
    unsigned feature_flags; /* SDP_FEATURE_* that are accepted as input */
    enum sdp_policy policy;
    bool reference_invalidation; /* 0x0301 ranges and LTR acknowledgements are honoured */
    bool hevc, av1;              /* as in ServerCodecModeSupport of /serverinfo */
    const char *client_layout;   /* surroundParams of the launch; NULL, empty or not acceptable: left out */
};
enum { SDP_DESCRIBE_MAX = 1024 };
/* NUL-terminated. Returns the length without NUL. */
size_t sdp_describe(const struct sdp_offer *offer, char ret_text[SDP_DESCRIBE_MAX]);

/* --- Opus layouts ("surround-params") --- */

enum { SDP_CHANNELS_MAX = 8, SDP_LAYOUT_TEXT = 3 + SDP_CHANNELS_MAX + 1 };
struct sdp_layout {
    int channels, streams, coupled;
    uint8_t mapping[SDP_CHANNELS_MAX]; /* of the encoder, by FL FR C LFE RL RR SL SR */
};
/* The layouts of the lines that DESCRIBE always carries. NULL: not 2, 6 or 8 channels. */
const struct sdp_layout *sdp_layout_standard(int channels, bool high_quality);
/* Digits of the line. Clients move the last digit of normal-quality surround to the place of LFE, so it is written
 * last. */
void sdp_layout_write(const struct sdp_layout *layout, bool high_quality, char ret_text[SDP_LAYOUT_TEXT]);
/* A layout made by the client, seen as the client will use it. False: not acceptable, nothing written. */
bool sdp_layout_read(const char *text, bool high_quality, struct sdp_layout *ret_layout);

/* --- ANNOUNCE --- */

struct sdp_limits {
    bool codec[SDP_CODEC_COUNT];   /* what DESCRIBE and /serverinfo offer */
    bool ten_bit[SDP_CODEC_COUNT]; /* of 4:2:0 */
    bool chroma444[SDP_CODEC_COUNT], chroma444_ten_bit[SDP_CODEC_COUNT];
    enum sdp_policy policy;
    int64_t pixels_max;  /* of a picture; 0: the sides alone are limited */
    int packet_size_max; /* 0: 1456 */
};

struct sdp_announce {
    int width, height;
    int fps, fps_x100; /* fps_x100: the client's exact rate when it gave a plausible one */
    int packet_size;
    int bitrate_kbps; /* all of the client's budget, 500..800000 */
    enum sdp_codec codec;
    bool ten_bit, chroma444, full_range;
    int colour_space;         /* 0 BT.601, 1 BT.709, 2 BT.2020 */
    int max_reference_frames; /* 0: the host chooses */
    int slices;               /* 1..16 */
    bool intra_refresh;
    bool fec;                  /* fec.enable */
    int min_fec_packets;       /* 0..16 */
    bool video_qos, audio_qos; /* mark with DSCP */

    unsigned encryption; /* SDP_ENCRYPT_* that are in force */
    bool fec_status;     /* sends 0x5502 */
    bool session_id_v1;  /* echoes ping payload and connect data: never match by address */

    int audio_channels; /* 2, 6, 8 */
    unsigned audio_channel_mask;
    bool audio_high_quality;
    int audio_packet_ms; /* 5, 10, 20 */
};

enum { SDP_REASON_MAX = 128 };
/*
 * Parses the body of ANNOUNCE. `low_quality_audio`: rtsp_host_is_any().
 * Returns 200, or 400 (malformed or not offered) or 403 (encryption policy) with the reason for the log; then
 * `*ret_announce` is left alone.
 */
int sdp_parse_announce(const char *text, size_t size, const struct sdp_limits *limits, bool low_quality_audio,
                       struct sdp_announce *ret_announce, char ret_reason[SDP_REASON_MAX]);

/* Rate for the encoder once FEC, sound and overhead are taken off the client's budget; 100 at least. */
int sdp_encoder_bitrate_kbps(int total_kbps, int fec_percent, int audio_channels, bool audio_high_quality);
