/* SPDX-License-Identifier: Apache-2.0 */
/* The list behind sessions.h, shared by sessions*.c and session_rtsp.c. */
#pragma once

#include "base/log.h"
#include "host/sessions.h"
#include "protocol/sdp.h"

struct session;

enum {
    SESSIONS_RUNS_MAX = 32,
    SESSIONS_LIVE_MAX = 16,
    SESSIONS_DYING_MAX = 16, /* their encoders and control peers are not gone yet; no launch beyond */
};

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
    struct session *first; /* newest first */
    uint64_t last_order;
    struct display_wish wish; /* given to the display last */
    int cores;
    struct run runs[SESSIONS_RUNS_MAX];
    int run_count;
    struct loop_timer *tick;
    bool stopping;                /* the host is: nothing is launched any more */
    void (*all_ended)(void *ctx); /* set until they have */
    void *all_ended_ctx;
    struct {
        uint64_t started, ended, rtsp_refused, pings_unknown;
    } counters;
    struct log_limit log_refused; /* without rtspenc a stranger at the client's address can cause these */
};

/* A session that is not on its way out is live. */

/* NULL: none. */
struct run *sessions_find_run(const struct sessions *self, const uint8_t sha256[32]);
/* Found or made; another one may give way to it. */
struct run *sessions_make_run(struct sessions *self, const uint8_t sha256[32]);
/* The live session of this client besides `but` (may be NULL); NULL: none. */
const struct session *sessions_live_of(const struct sessions *self, const uint8_t sha256[32],
                                       const struct session *but);
int sessions_count_others(const struct sessions *self, const uint8_t sha256[32]); /* live, of other clients */

/* sessions_share.c: what concerns more than one session. */

/* The live session that came first: its mode is the desktop's. NULL: none lives. */
const struct session *sessions_owner(const struct sessions *self);
/* A session came, went or has changed, or time has passed: what the display is wished to be and each session's rate. */
void sessions_share(struct sessions *self);
void sessions_tell(const struct session *session, enum sessions_event_kind kind);
/* A client runs it no more: says so when it was the last one. 0 is fine. */
void sessions_app_left(struct sessions *self, uint32_t app_id);
