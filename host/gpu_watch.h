/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu_watch: keeps what is known of the GPU up to date, and logs what is wrong with it when that changes: a licence
 * comes and goes while the host runs.
 */
#pragma once

#include "host/encoders.h"
#include "host/gpu.h"

struct gpu_watch {
    const char *root; /* see gpu_read() */
    struct loop *loop;
    const struct encoders *encoders;
    void (*changed)(void *ctx); /* something is wrong, or not any more; main thread */
    void *ctx;

    struct gpu_facts facts; /* main thread, after the start */
    struct loop_timer *timer;
    bool busy;
    struct gpu_facts fresh; /* the worker's while `busy` */
    struct gpu_finding told[GPU_FINDINGS_MAX];
    int told_count;
};

void gpu_watch_read(struct gpu_watch *self); /* any thread, before all others */
/* Main thread, as are the next ones. Looks again each minute if there is a GPU of NVIDIA. False: no memory. */
bool gpu_watch_start(struct gpu_watch *self);
void gpu_watch_stop(struct gpu_watch *self); /* a look that is under way finishes before loop_finish_work() returns */
void gpu_watch_look(struct gpu_watch *self); /* at once, by a worker; not while that is at it */
json_t *gpu_watch_to_json(const struct gpu_watch *self);
