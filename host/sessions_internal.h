/* SPDX-License-Identifier: Apache-2.0 */
/* The list behind sessions.h, shared by sessions.c and session_rtsp.c. */
#pragma once

#include "base/log.h"
#include "host/sessions.h"
#include "protocol/sdp.h"

struct session;

enum { SESSIONS_RUNS_MAX = 32 };

/* What a client runs, and its last launch: without the key, of which only the hash is kept. */
struct run {
    uint8_t sha256[32], key_hash[32];
    uint32_t app_id; /* 0: nothing */
    struct nvhttp_launch launch;
};

/* The operator's policy for video sent to this address. */
enum sdp_policy sessions_video_policy(const struct sessions *self, const struct address *peer);

struct sessions {
    struct sessions_config config;
    struct session *first;
    struct run runs[SESSIONS_RUNS_MAX];
    int run_count;
    struct loop_timer *tick;
    void (*all_ended)(void *ctx); /* set while the host stops */
    void *all_ended_ctx;
    struct {
        uint64_t started, ended, rtsp_refused, pings_unknown;
    } counters;
    struct log_limit log_refused; /* without rtspenc a stranger at the client's address can cause these */
};
