/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoders: what the encoders of this machine can do now; what clients are offered follows it. All are tried once at
 * the start. Hardware that refuses then (for good, as the GPU lacks a codec: never again), or that fails in a session
 * (its driver was reset, no licence any more, all its sessions in use), is tried again when a client launches
 * something, at most every 30 s; that which fails in a session also at once, as it may be the session alone. Until it
 * works clients are not offered what it made. A driver that does not answer holds up nothing else
 * (host/driver_thread.h).
 */
#pragma once

#include "encode/encoder.h"
#include "host/config.h"

struct driver_thread;

struct encoders {
    struct encoder_report reports[ENCODER_REPORTS_MAX]; /* main thread, after the start; their names and order stay */
    int count;

    struct driver_thread *drivers;
    enum config_codecs codecs;
    void (*changed)(void *ctx); /* a report is different; main thread */
    void *ctx;
    bool busy;        /* some are tried */
    bool again;       /* one failed meanwhile */
    int64_t again_ns; /* not before; 0: at once */
};

enum { ENCODERS_PATIENCE_S = 10 }; /* a driver that answers later does not answer */
/* Any thread, before all others; may take a second, or the patience with one driver. `wish`: as of encoder_probe(). */
void encoders_probe(struct encoders *self, const char *wish);
/* Then: how fast software makes HEVC or AV1, if `codecs` lets it be offered, or a GPU makes the codec whose work it
 * would have to go on with. Any thread; some 0.2 s each. */
void encoders_measure(struct encoders *self);
/* Main thread, when something is launched: what it brings is for the next launch. Does nothing without refused
 * hardware. */
void encoders_try_refused(struct encoders *self, int64_t now_ns);
/* Main thread: an encoder of this name could not be made for a session, failed in it, or hung. Hardware is not offered
 * until it is tried, with all its codecs; one that hung not before the next launch. */
void encoders_failed(struct encoders *self, const char *name, bool hung);
