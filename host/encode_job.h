/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_job: the encode thread of a stream, with the encoder and the picture it works at. A thread that hangs in an
 * encoder cannot be ended, so it can be left behind and another job goes on. Only a thread that is in the encoder can
 * be left: when it comes out it learns of that, under the job's lock, and from then on touches nothing but the job's
 * own things, which it frees. All that is not in the encoder belongs to one job at a time.
 */
#pragma once

#include "base/heartbeat.h"
#include "base/stats.h"
#include "capture/display.h"
#include "encode/encoder.h"
#include "net/video_sender.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct encode_job;

enum { ENCODE_JOB_ENCODERS_MAX = 4 };

/* What goes on from job to job; the stream's, which outlives all jobs but those left behind. */
struct encode_shared {
    struct video_sender *sender; /* set before encode_job_go() */
    struct heartbeat heartbeat;  /* busy while in the encoder */
    struct stats durations;
    atomic_bool idr_wanted;
    atomic_uint_fast64_t bitrate;     /* of the encoder << 32 | of the wire, kbit/s; not looked at yet; 0: as it is */
    atomic_uint_fast64_t lost_frames; /* first << 32 | last of what the client misses, not looked at yet; 0: none */
    atomic_uint confirmed_frame;      /* kept by the encoder, and the client has it; not looked at yet; 0: none */
    atomic_int encoder_index;         /* of the list, -1: none runs */
    atomic_uint failed, hung;         /* bit sets of the list, not looked at yet; who hung is in both */
    atomic_int_fast64_t interval_ns;  /* between pictures; any thread sets it */
    atomic_uint_fast64_t pictures, repeats, idrs, failures;
    atomic_int_fast64_t encode_ns; /* sum */
};

struct encode_job_config {
    struct encoder_config encoder;
    const char *encoders[ENCODE_JOB_ENCODERS_MAX]; /* in order of preference; static strings */
    int encoder_count;
    int idle_fps; /* repeats per second of a still picture, 0: none */
    /* On the encode thread: no encoder is left. Must not block. */
    void (*failed)(void *ctx);
    void *ctx;
};

/* What a job that is left behind leaves to the next one. */
struct encode_legacy {
    int encoder_index;  /* to begin with: the next of the list, if there is one */
    struct frame *last; /* a reference, or NULL */
    int64_t last_timestamp_ns;
    uint64_t too_large;
};

/*
 * Starts the thread, which makes its encoder. `config` is copied, `shared` and `view` outlive the job unless it is left
 * behind. `legacy`: of the job whose work this one takes over; its picture is given, also on failure. NULL: there was
 * none. Returns NULL on failure, logged.
 */
struct encode_job *encode_job_create(const struct encode_job_config *config, struct encode_shared *shared,
                                     struct view *view, const struct encode_legacy *legacy);
void encode_job_go(struct encode_job *self); /* shared->sender is there: pictures may be encoded */
/* True: the thread has been in the encoder for half a second at least, and is left behind. False, nothing written: it
 * goes on. */
bool encode_job_leave(struct encode_job *self, struct encode_legacy *ret_legacy);
bool encode_job_is_over(struct encode_job *self); /* the thread is at its end */
/* Ends the thread, if need be by leaving it behind, which takes seconds. The sender must not read any more. NULL is
 * fine. */
void encode_job_destroy(struct encode_job *self);
