/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: one launch of one client, from the /launch reply to the end of its stream. Used by sessions*.c and
 * session_rtsp.c only. Main thread, but for what is marked.
 */
#pragma once

#include "host/codec_offer.h"
#include "host/encode_budget.h"
#include "host/report.h"
#include "host/sessions.h"
#include "host/sound.h"
#include "host/stream.h"
#include "protocol/rtsp_seal.h"
#include "protocol/sdp.h"

#include <stdatomic.h>

enum session_state { SESSION_PENDING, SESSION_STARTING, SESSION_RUNNING, SESSION_STOPPING };

enum { SESSION_TOKEN_TEXT = 17 }; /* 16 characters: a ping payload of any other length is ignored by clients */

struct session {
    struct sessions *owner;
    struct session *next;
    char id[9];
    struct sessions_caller client;
    struct nvhttp_launch launch;
    uint32_t app_id;
    uint64_t order; /* by start; a session that replaces another one of its client inherits it */
    enum session_state state;
    int64_t created_ns, expires_ns; /* PENDING and STARTING end at expires_ns */
    int64_t running_wall_ms;

    bool encrypted_rtsp;
    struct rtsp_seal *seal; /* both directions' counters; NULL with plain RTSP */
    char token[SESSION_TOKEN_TEXT], audio_ping[SESSION_TOKEN_TEXT], video_ping[SESSION_TOKEN_TEXT];
    uint32_t connect_data;
    unsigned setups; /* bit set of session_rtsp.c */
    bool announced;
    struct sdp_announce announce;
    struct address rtsp_peer;

    uint32_t control_id; /* 0: not registered, or ended */
    bool control_connected, pinged;
    struct address control_peer, control_local, video_peer;
    struct stream *dying_stream; /* on its way to a worker */
    bool dying_queued;
    struct address sound_peer;
    bool sound_pinged, sound_failed;
    struct sound *sound;       /* NULL: none, or not yet */
    struct sound *dying_sound; /* goes with dying_stream */
    const struct heartbeat *watched_sound;
    struct sound_report sound_report; /* of the last second */
    struct report report;
    bool first_picture_sent;
    int bitrate_kbps; /* of all that is sent; 0: no stream yet */
    bool software;    /* its encoder, the last one we know of, runs on our cores */
    struct encode_budget_entry budget;
    char rate_reason[ENCODE_BUDGET_REASON_MAX];     /* why it has fewer pictures than it wished; "": it has all */
    const struct heartbeat *watched[STREAM_STAGES]; /* known to the watchdog; NULL: not */
    const char *end_reason;                         /* for the log */

    struct mutex
        lock; /* guards the next five: main writes, the control thread reads; only calls that never block inside */
    struct stream *stream;
    struct address posted_peer, posted_local;
    enum control_end posted_end;
    struct seat_client *seat_client; /* while the control peer is there; NULL: none */

    uint32_t missing_from; /* control thread: the first frame of the range that the client named last */
    /* counted by the control thread */
    atomic_uint_fast64_t lost_packets, fec_reports, blocks_lost, idr_requests, invalidations;
    atomic_uint_fast64_t input_messages, input_unknown, input_malformed;
    atomic_bool start_seen; /* the first 0x0302 of a session means "start", not a loss */
};

enum { SESSION_LAUNCH_TIMEOUT_S = 10, SESSION_PENDING_MAX_S = 60, SESSION_START_TIMEOUT_S = 10 };

struct codec_wish session_wish(const struct nvhttp_launch *launch);
/* ANNOUNCE was accepted: register with the control host and prepare the picture. False: logged, the session is over. */
bool session_begin(struct session *self);
/* Begin the end; the object goes when stream and control peer are gone, which may be now: do not touch it afterwards.
 * `code`: CONTROL_CODE_* of the termination message; `reason`: a constant, for the log. */
void session_stop(struct session *self, uint32_t code, const char *reason);
/* Something that a stopping session waited for is gone; afterwards the object may be, too. */
void session_free_if_over(struct session *session);

/* sessions_control.c: what to tell the control host; holds the key, wipe it. */
void session_expect_control(struct session *session, struct control_session_config *ret_config);
/* Starts the stream once both the control peer and the video ping have come. May end the session. */
void session_maybe_run(struct session *session);

/* sessions_sound.c */
/* Starts the sound once the session runs and the client has pinged for it; fine at any time. */
void session_maybe_hear(struct session *session);
void session_stop_sound(struct session *session);    /* it goes with the stream; does not wait */
void session_look_at_sound(struct session *session); /* once a second */
json_t *session_sound_to_json(const struct session *session);

/* sessions_watch.c: the watchdog looks at the stages of a running stream. */
void session_watch(struct session *session);
void session_tell_failures(struct session *session); /* of its encoders, since the last call; fine without a stream */
/* Input: the control thread joins, takes and leaves. */
void session_join_seat(struct session *session);
void session_leave_seat(struct session *session);
void session_take_input(struct session *session, const uint8_t *packet, size_t size);
json_t *session_input_json(struct session *session);
void session_unwatch(struct session *session); /* fine when it is not watched */
