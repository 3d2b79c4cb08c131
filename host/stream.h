/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: the picture of one session: a view of the display, an encoder and a sender, joined by the encode thread.
 * Create and start on one thread, destroy on any, once nobody else uses it. What says "any thread" may be called from
 * others in between.
 */
#pragma once

#include "base/stats.h"
#include "capture/display.h"
#include "encode/encoder.h"
#include "net/video_sender.h"

#include <stdbool.h>
#include <stdint.h>

struct heartbeat;
struct stream;

enum { STREAM_ENCODERS_MAX = 4 };

struct stream_config {
    struct display *display;       /* outlives the stream */
    struct view_config view;       /* layout.format: for NV12 the stream sets what the first encoder likes */
    struct encoder_config encoder; /* layout and fps are set by the stream from the view */
    /* In order of preference: when one fails, the next takes over with an IDR; the last one is made anew if it has
     * worked for 2 s. Borrowed for the call. */
    const struct encoder_report *encoders[STREAM_ENCODERS_MAX];
    int encoder_count;
    struct video_sender_config sender; /* destination and source come with stream_start */
    int idle_fps;                      /* repeats per second of a still picture, 0: none */
    /* Any thread but the caller's: no encoder is left. Called once; must not block, must not destroy the stream. */
    void (*failed)(void *ctx);
    void *ctx;
};

/* Opens the view and starts making the encoder, so that the first picture is ready when the client's ping comes. */
struct stream *stream_create(const struct stream_config *config); /* NULL: logged */
bool stream_start(struct stream *self, const struct address *destination,
                  const struct address *source); /* false: logged */
void stream_destroy(struct stream *self);        /* stops and joins; NULL is fine */

void stream_set_port(struct stream *self, uint16_t port); /* the peer's, after start */

/* Any thread. The next picture, or at once a repeat of the last one, is an IDR; requests before it is made are one. */
void stream_request_idr(struct stream *self);
/* Any thread: the client never got frames first..last whole. What needs them is not sent any more: the next picture, or
 * at once a repeat, refers to older ones, or is an IDR. Answered once, however often it is said. */
void stream_report_missing(struct stream *self, uint32_t first, uint32_t last);
/* Any thread: the client has this frame, which was marked as a long-term reference. */
void stream_report_kept(struct stream *self, uint32_t frame);
/* Any thread: the client reported a loss. True: this made GSO go off; ask for an IDR, remember the interface. */
bool stream_report_loss(struct stream *self);
/* Any thread: it reported a block of several packets that was repaired. */
void stream_report_arrival(struct stream *self);

/* Main thread: pictures per second from now on, at most what the client asked for. */
void stream_set_rate(struct stream *self, int fps_x100);

/* Main thread: kbit/s of the encoder, and of all that is sent, from the next picture on. */
void stream_set_bitrate(struct stream *self, int encoder_kbps, int wire_kbps);

enum stream_stage { STREAM_ENCODE, STREAM_SEND, STREAM_STAGES };
/* Busy while the stage works at a picture (waiting for the pacer is not work); of the stage's present thread, always
 * the same pointer. An encoder has 3 s more to be made. STREAM_SEND: NULL before stream_start. Main thread. */
const struct heartbeat *stream_heartbeat(const struct stream *self, enum stream_stage stage);
/* Main thread. The stage hangs: its thread is left behind (it frees what it holds if it ever returns) and a new one
 * goes on, with an IDR; frame numbers, sequence numbers and IVs continue and never repeat. An encoder that hung is not
 * used again while there is another. A thread that is out of the encoder, or of the kernel, by now is let go on.
 * False: that did not work, the session must end. */
bool stream_replace(struct stream *self, enum stream_stage stage);

/* An encoder of the list that could not be made, failed or hung. */
struct stream_failure {
    const char *encoder; /* name */
    bool hung;
};
/* Main thread: those since the last call; returns how many. */
int stream_take_failures(struct stream *self, struct stream_failure ret_failures[STREAM_ENCODERS_MAX]);

struct stream_report {
    const char *encoder; /* name, "" while none runs */
    struct video_sender_counters sender;
    struct view_counters view;
    uint64_t pictures, repeats, idrs, encoder_failures, replaced;
    int64_t encode_ns; /* sum of the durations of all encodes since the start */
    bool software;     /* the encoder in use runs on our cores */
    struct stats_summary fetch, convert, encode, packetise, send, latency; /* since the last call */
    struct stats_samples latencies;                                        /* what `latency` sums up */
};
void stream_take_report(struct stream *self, struct stream_report *ret_report); /* one caller: main */
