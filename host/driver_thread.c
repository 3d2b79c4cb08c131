/* SPDX-License-Identifier: Apache-2.0 */
#include "host/driver_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/loop.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define END_LIMIT_NS (2 * CLOCK_SECOND_NS)

struct job {
    struct job *next;
    void (*work)(void *data);
    void (*done)(void *ctx, const void *data); /* NULL: somebody waits, and frees it */
    void *ctx;
    bool finished;
    alignas(max_align_t) unsigned char data[];
};

/* What the thread works with; it outlives its owner if the thread is left behind. */
struct desk {
    struct mutex lock; /* guards all */
    struct cond changed;
    struct loop *loop;
    struct job *jobs, **jobs_end; /* not begun */
    bool stopping, over;
    bool left; /* the thread is behind: what is here belongs to it */
};

struct driver_thread {
    struct loop *loop;
    struct desk *desk; /* NULL: a thread could not be made */
    struct thread thread;
};

static void drop_jobs(struct desk *desk)
{
    while (desk->jobs) {
        struct job *job = desk->jobs;
        desk->jobs = job->next;
        free(job);
    }
    desk->jobs_end = &desk->jobs;
}

static void free_desk(struct desk *desk)
{
    drop_jobs(desk);
    cond_finish(&desk->changed);
    mutex_finish(&desk->lock);
    free(desk);
}

static void tell(void *arg)
{
    struct job *job = arg;
    job->done(job->ctx, job->data);
    free(job);
}

/* Under the lock, or its owner might end the loop meanwhile; posting only appends. */
static void finish(struct desk *desk, struct job *job)
{
    job->finished = true;
    if (desk->left)
        free(job);
    else if (job->done)
        loop_post(desk->loop, tell, job);
    else
        cond_broadcast(&desk->changed);
}

static void run(void *arg)
{
    struct desk *desk = arg;
    thread_set_priority(THREAD_PRIORITY_LOW);
    mutex_lock(&desk->lock);
    while (!desk->left && (desk->jobs || !desk->stopping)) {
        struct job *job = desk->jobs;
        if (!job) {
            cond_wait(&desk->changed, &desk->lock);
            continue;
        }
        desk->jobs = job->next;
        if (!desk->jobs)
            desk->jobs_end = &desk->jobs;
        mutex_unlock(&desk->lock);
        job->work(job->data);
        mutex_lock(&desk->lock);
        finish(desk, job);
    }
    desk->over = true;
    bool left = desk->left;
    cond_broadcast(&desk->changed);
    mutex_unlock(&desk->lock);
    if (left)
        free_desk(desk);
}

static void start(struct driver_thread *self)
{
    struct desk *desk = self->desk = calloc(1, sizeof(*desk));
    if (!desk) {
        log_oom("drivers");
        return;
    }
    mutex_init(&desk->lock);
    cond_init(&desk->changed);
    desk->loop = self->loop;
    desk->jobs_end = &desk->jobs;
    if (!thread_start(&self->thread, "drivers", run, desk)) {
        free_desk(desk);
        self->desk = NULL;
    }
}

struct driver_thread *driver_thread_create(struct loop *loop)
{
    struct driver_thread *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("drivers");
    self->loop = loop;
    start(self);
    if (self->desk)
        return self;
    free(self);
    return NULL;
}

/* Unlocks. The desk is the thread's from here on. */
static void leave_behind(struct driver_thread *self)
{
    struct desk *desk = self->desk;
    desk->left = true;
    self->desk = NULL;
    thread_abandon(&self->thread);
    mutex_unlock(&desk->lock);
}

void driver_thread_destroy(struct driver_thread *self)
{
    struct desk *desk = self ? self->desk : NULL;
    if (desk) {
        int64_t until_ns = clock_now_ns() + END_LIMIT_NS;
        mutex_lock(&desk->lock);
        drop_jobs(desk);
        desk->stopping = true;
        cond_broadcast(&desk->changed);
        while (!desk->over && cond_wait_until(&desk->changed, &desk->lock, until_ns))
            ;
        if (desk->over) {
            mutex_unlock(&desk->lock);
            thread_join(&self->thread);
            free_desk(desk);
        } else {
            log_error("drivers: one does not answer, its thread is left behind");
            leave_behind(self);
        }
    }
    free(self);
}

static struct job *make_job(void (*work)(void *data), const void *data, size_t size)
{
    struct job *job = calloc(1, sizeof(*job) + size);
    if (!job)
        return log_oom("drivers");
    job->work = work;
    memcpy(job->data, data, size);
    return job;
}

/* Under the lock. */
static void append(struct desk *desk, struct job *job)
{
    *desk->jobs_end = job;
    desk->jobs_end = &job->next;
    cond_broadcast(&desk->changed);
}

bool driver_thread_ask(struct driver_thread *self, void (*work)(void *data), void (*done)(void *ctx, const void *data),
                       void *ctx, const void *data, size_t size)
{
    struct job *job = self && self->desk ? make_job(work, data, size) : NULL;
    if (!job)
        return false;
    job->done = done;
    job->ctx = ctx;
    mutex_lock(&self->desk->lock);
    append(self->desk, job);
    mutex_unlock(&self->desk->lock);
    return true;
}

bool driver_thread_run(struct driver_thread *self, void (*work)(void *data), void *data, size_t size, int64_t limit_ns)
{
    struct desk *desk = self->desk;
    struct job *job = desk ? make_job(work, data, size) : NULL;
    int64_t until_ns = clock_now_ns() + limit_ns;
    if (!job)
        return false;
    mutex_lock(&desk->lock);
    append(desk, job);
    while (!job->finished && cond_wait_until(&desk->changed, &desk->lock, until_ns))
        ;
    if (!job->finished) {
        leave_behind(self);
        start(self);
        return false;
    }
    mutex_unlock(&desk->lock);
    memcpy(data, job->data, size);
    free(job);
    return true;
}
