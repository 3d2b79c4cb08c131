/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoders: what the encoders of this machine can do. All are tried once at the start; hardware that refused then (no
 * licence yet, all its sessions in use, a driver that was just installed) is tried again when a client launches
 * something, at most every 30 s.
 */
#pragma once

#include "encode/encoder.h"
#include "host/config.h"

struct loop;

struct encoders {
    struct encoder_report reports[ENCODER_REPORTS_MAX]; /* main thread, after the start; their names and order stay */
    int count;

    struct loop *loop;
    void (*changed)(void *ctx); /* a report is different; main thread */
    void *ctx;
    bool busy;
    int64_t again_ns;                                 /* not before; 0: at once */
    struct encoder_report fresh[ENCODER_REPORTS_MAX]; /* the worker's while `busy` */
};

/* Any thread, before all others; may take a second. `wish`: as of encoder_probe(). */
void encoders_probe(struct encoders *self, const char *wish);
/* Then, if `codecs` lets software make HEVC or AV1: how fast it does. Any thread; some 0.2 s each. */
void encoders_measure(struct encoders *self, enum config_codecs codecs);
/* Main thread, when something is launched: what it brings is for the next launch. Does nothing without refused
 * hardware. Finishes before loop_finish_work() returns. */
void encoders_try_refused(struct encoders *self, int64_t now_ns);
