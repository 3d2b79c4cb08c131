/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu_watch: keeps what is known of the GPU up to date, and logs what is wrong with it when that changes: a licence
 * comes and goes while the host runs, and drivers begin to hang.
 */
#pragma once

#include "host/encoders.h"
#include "host/gpu.h"

struct driver_thread;
struct loop;

struct gpu_watch {
    const char *root; /* see gpu_read() */
    struct loop *loop;
    struct driver_thread *drivers;
    const struct encoders *encoders;
    void (*changed)(void *ctx); /* something is wrong, or not any more; main thread */
    void *ctx;

    struct gpu_facts facts; /* main thread, after the start */
    struct loop_timer *timer;
    bool busy;
    int64_t asked_ns; /* when it became so */
    struct gpu_finding told[GPU_FINDINGS_MAX];
    int told_count;
};

void gpu_watch_read(struct gpu_watch *self); /* any thread, before all others; 5 s if the driver does not answer */
/* Main thread, as are the next ones. Looks again each minute if there is a GPU of NVIDIA. False: no memory. */
bool gpu_watch_start(struct gpu_watch *self);
void gpu_watch_stop(struct gpu_watch *self);
void gpu_watch_look(
    struct gpu_watch *self); /* at once; not while it does. Who does not answer is found out a minute later */
void gpu_watch_tick(struct gpu_watch *self, int64_t now_ns); /* what it does each minute */
json_t *gpu_watch_to_json(const struct gpu_watch *self);
