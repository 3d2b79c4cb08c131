/* SPDX-License-Identifier: Apache-2.0 */
#include "host/saver.h"

#include "base/log.h"

#include <stdlib.h>

struct job {
    struct saver *saver;
    struct state_snapshot *snapshot;
    void (*done)(void *arg, bool stored);
    void *arg;
    bool stored;
};

static void write_on_worker(void *arg)
{
    struct job *job = arg;
    job->stored = state_write(job->saver->state, job->snapshot);
}

static void finish(void *arg)
{
    struct job *job = arg;
    if (!job->stored)
        job->saver->failures++;
    if (job->done)
        job->done(job->arg, job->stored);
    state_snapshot_destroy(job->snapshot);
    free(job);
}

void saver_save(struct saver *self, void (*done)(void *arg, bool stored), void *arg)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job) {
        log_oom("saver");
        self->failures++;
        if (done)
            done(arg, false);
        return;
    }
    *job = (struct job){.saver = self, .done = done, .arg = arg, .snapshot = state_serialise(self->state)};
    if (job->snapshot && self->at_end)
        write_on_worker(job);
    else if (job->snapshot && loop_work(self->loop, write_on_worker, finish, job))
        return;
    else if (job->snapshot)
        log_error("saver: the workers are busy, the state was not written");
    finish(job);
}
