/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions: who launched, who streams. One session object per launch: key, tokens, timers, control peer, stream.
 * Main thread only; the control thread reaches a session through the callbacks it was given and nothing else.
 *
 *   launch ──► PENDING ──ANNOUNCE──► STARTING ──control peer and video ping──► RUNNING ──► STOPPING ──► gone
 *
 * Up to 16 clients stream at once, each with a session of its own; a new launch of a client takes the place of its old
 * one. What a client runs (`currentgame`) is kept per certificate and outlives its session until /cancel. The session
 * that came first owns the mode of the desktop; when it ends, the next one does. Software encodes that do not fit the
 * cores get fewer pictures, the first session excepted (host/encode_budget.h).
 */
#pragma once

#include "capture/display.h"
#include "encode/encoder.h"
#include "host/config.h"
#include "net/address.h"
#include "net/control_host.h"
#include "net/loop.h"
#include "net/rtsp_server.h"
#include "protocol/nvhttp.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sessions;
struct udp_socket;
struct audio_source;
struct gso_policy;
struct seat;
struct watchdog;

enum sessions_event_kind {
    SESSIONS_EVENT_LAUNCHED,      /* a launch or resume was accepted, nothing is streamed yet */
    SESSIONS_EVENT_ANNOUNCED,     /* its size and rate are final */
    SESSIONS_EVENT_FIRST_PICTURE, /* the first picture of a session was sent */
    SESSIONS_EVENT_ENDED,         /* a session is over for whatever reason */
    SESSIONS_EVENT_QUIT,          /* the last client that ran the app has quit it */
};
struct sessions_event {
    enum sessions_event_kind kind;
    uint32_t app_id;
    const char *client; /* its name; NULL in QUIT */
    int width, height;  /* as launched or announced; 0: not said */
    int fps_x100;
    int others;        /* live sessions of any app besides this one, and besides the one that a launch replaces */
    int others_of_app; /* of the same app, one to be replaced included: the app has a session all the time */
};

struct sessions_config {
    const struct config *config; /* this and the next ten outlive the sessions, but for `control` */
    struct loop *loop;
    struct display *display;
    struct control_host *control;
    struct seat *seat; /* takes the input; NULL: it is only counted */
    /* Of DESCRIBE, SDP_FEATURE_*: what input is taken now. NULL: none. */
    unsigned (*feature_flags)(void *ctx);
    struct watchdog *watchdog; /* looks at the streams' stages; NULL: nobody does */
    struct udp_socket *video_socket, *audio_socket;
    struct audio_source *audio; /* NULL: no session has sound */
    struct gso_policy *gso;
    const struct encoder_report *reports;
    int report_count;
    void (*changed)(void *ctx); /* something the page shows is different */
    void (*gso_off)(void *ctx); /* the list of gso_policy has grown: remember it */
    /* An encoder could not be made for a session, failed in it, or hung. NULL: nobody is told. */
    void (*encoder_failed)(void *ctx, const char *name, bool hung);
    /* What apps and the desktop must know; called after the lists are up to date, may not change them. */
    void (*event)(void *ctx, const struct sessions_event *event);
    void *ctx;
};

struct sessions *sessions_create(const struct sessions_config *config);
/* Ends all of them with a termination message; `done(ctx)` is called when the last one is gone. */
void sessions_end_all(struct sessions *self, void (*done)(void *ctx), void *ctx);
/* With control_host_destroy(), before the loop goes on: what streams have posted may still end sessions. */
void sessions_lose_control(struct sessions *self);
/* After that and loop_finish_work(); ends at once what did not end by sessions_end_all(). NULL is
 * fine. */
void sessions_destroy(struct sessions *self);

/* Who asks: a paired client and the connection it came on. */
struct sessions_caller {
    char name[129];
    uint8_t sha256[32];
    struct address peer, local;
    unsigned rights; /* enum seat_right */
};

enum sessions_result {
    SESSIONS_OK,
    SESSIONS_FULL,        /* 16 other clients stream */
    SESSIONS_BUSY,        /* 16 earlier sessions have not ended yet, after launches in a row */
    SESSIONS_NOT_RUNNING, /* resume without anything running */
    SESSIONS_NO_ENCODER,
    SESSIONS_TOO_LARGE,    /* no encoder makes pictures of this size, or too few of them */
    SESSIONS_REPEATED_KEY, /* the rikey of the client's last session */
    SESSIONS_FAILED,
};
/* A live session of the same client is ended first. */
enum sessions_result sessions_launch(struct sessions *self, const struct sessions_caller *caller,
                                     const struct nvhttp_launch *launch, bool resume, bool encrypted_rtsp);
/* Ends the caller's sessions and what it runs; when no session of that app is left, the app is over for everybody. Also
 * for the removal of a client. */
void sessions_cancel(struct sessions *self, const uint8_t sha256[32]);
bool sessions_end(struct sessions *self, const char *id); /* the page's button: the stream only */
/* All that its video sends from now on, SESSIONS_BITRATE_MIN_KBPS to what its client asked for; 0 sets it back to that.
 * Until the session ends. */
enum sessions_bitrate_result { SESSIONS_BITRATE_SET, SESSIONS_BITRATE_NO_SESSION, SESSIONS_BITRATE_OUT_OF_RANGE };
enum { SESSIONS_BITRATE_MIN_KBPS = 500 };
enum sessions_bitrate_result sessions_set_bitrate(struct sessions *self, const char *id, int kbps);
uint32_t sessions_running_app(const struct sessions *self, const uint8_t sha256[32]); /* 0: none */
/* Of the client's last launch, for the values that some clients leave out in /resume; NULL: none. Until the next
 * launch. */
const struct nvhttp_launch *sessions_last_launch(const struct sessions *self, const uint8_t sha256[32]);
/* True: a launch from `peer` must be refused unless its client can do everything encrypted. */
bool sessions_demand_encryption(const struct sessions *self, const struct address *peer);
/* The app ended by itself: its sessions end, nobody runs it any more. No SESSIONS_EVENT_QUIT follows. */
void sessions_app_over(struct sessions *self, uint32_t app_id);
/* What the client may do from now on, also in a session under way. */
void sessions_set_rights(struct sessions *self, const uint8_t sha256[32], unsigned rights);
bool sessions_streaming(const struct sessions *self, const uint8_t sha256[32]);

/* For the callbacks of rtsp_server (ctx: the sessions) and of the ping listeners. */
size_t sessions_rtsp(void *ctx, const struct rtsp_server_message *message, uint8_t *ret_reply, size_t capacity);
bool sessions_expect_rtsp(void *ctx, const struct address *peer);
void sessions_video_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer);
void sessions_audio_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer);

json_t *sessions_to_json(const struct sessions *self);
/* Adds "sessions_*" counters. */
void sessions_counters(const struct sessions *self, json_t *object);
