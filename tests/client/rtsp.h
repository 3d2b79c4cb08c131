/* SPDX-License-Identifier: Apache-2.0 */
/* rtsp: the client's RTSP dialog, plain or sealed (docs/protocol.md, "RTSP"). */
#pragma once

#include "tests/client/depacketise.h"
#include "tests/client/http.h"

struct rtsp_wish { /* what ANNOUNCE asks for */
    int width, height, fps, bitrate_kbps, packet_size, slices, csc;
    bool encrypt_video, one_reference;
    int min_parity;
    int audio_channels, audio_ms;
    bool audio_high;   /* surround: AudioQuality */
    bool audio_normal; /* stereo: a Host header by which the host knows that the client wants normal quality */
    bool encrypt_audio;
    enum depacketise_codec codec; /* if the host offers it; else H.264 */
    bool chroma444, ten_bit;
    const char *extra; /* more "a=..." lines, or NULL */
};

struct rtsp_result {
    int steps;  /* requests answered with 200 */
    int status; /* of the last reply, 0: none */
    bool sealed, invalidation_offered;
    enum depacketise_codec codec; /* as announced */
    uint32_t encryption_supported, encryption_requested, encryption_enabled;
    int packet_size; /* as announced */
    uint16_t video_port, audio_port, control_port;
    char video_ping[17], audio_ping[17]; /* "" without one */
    uint32_t connect_data;
    char describe[4096];
    char error[160];
};

/* The whole dialog up to PLAY. `url` is sessionUrl0, `key` the rikey. False: `error` and `status` say where it ended.
 */
bool rtsp_run(const struct http_target *target, const char *url, const uint8_t key[16], const struct rtsp_wish *wish,
              struct rtsp_result *ret_result);
