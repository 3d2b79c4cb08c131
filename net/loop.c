/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the loop's thread touches libevent; other threads append to a list and wake the loop.
 * Workers take jobs from a ring under the same lock and post their `done` back.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wake.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <stdlib.h>

enum { WORKERS = 2, WORK_MAX = 16 };

struct post {
    struct post *next;
    void (*run)(void *arg);
    void *arg;
};

struct job {
    void (*work)(void *arg);
    struct post *done; /* allocated beforehand: a finished job cannot fail to be reported */
};

struct loop {
    struct event_base *base;
    struct event *wake;
    struct wake news;
    struct thread workers[WORKERS];

    struct mutex lock; /* guards the rest */
    struct cond work_changed;
    struct post *posts, **posts_end;
    struct job jobs[WORK_MAX]; /* ring */
    unsigned job_first, job_count;
    bool stop_loop, stop_workers;
};

struct loop_timer {
    struct event *event;
    void (*fire)(void *arg);
    void *arg;
};

static void append(struct loop *self, struct post *post)
{
    mutex_lock(&self->lock);
    *self->posts_end = post;
    self->posts_end = &post->next;
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

/* Runs what is queued now; what these post themselves comes in the next round. */
static bool run_posts(struct loop *self)
{
    mutex_lock(&self->lock);
    struct post *post = self->posts;
    self->posts = NULL;
    self->posts_end = &self->posts;
    mutex_unlock(&self->lock);
    bool any = post != NULL;
    while (post) {
        struct post *next = post->next;
        post->run(post->arg);
        free(post);
        post = next;
    }
    return any;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *self = arg;
    (void)fd, (void)what;
    wake_clear(&self->news);
    run_posts(self);
    mutex_lock(&self->lock);
    bool stop = self->stop_loop;
    self->stop_loop = false;
    mutex_unlock(&self->lock);
    if (stop)
        event_base_loopbreak(self->base);
}

static void worker_run(void *arg)
{
    struct loop *self = arg;
    if (!thread_set_priority(THREAD_PRIORITY_LOW))
        log_debug("loop: a worker runs at normal priority");
    mutex_lock(&self->lock);
    for (;;) {
        if (self->job_count) {
            struct job job = self->jobs[self->job_first];
            self->job_first = (self->job_first + 1) % WORK_MAX;
            self->job_count--;
            mutex_unlock(&self->lock);
            job.work(job.done->arg);
            append(self, job.done);
            mutex_lock(&self->lock);
        } else if (self->stop_workers) {
            break;
        } else {
            cond_wait(&self->work_changed, &self->lock);
        }
    }
    mutex_unlock(&self->lock);
}

static struct event_base *make_base(void)
{
    evthread_use_pthreads();
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    /* Otherwise timers are up to 10 ms late: the coarse clock. */
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_create(void)
{
    struct loop *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("loop");
    mutex_init(&self->lock);
    cond_init(&self->work_changed);
    self->posts_end = &self->posts;
    self->base = make_base();
    if (!wake_init(&self->news) || !self->base) {
        log_error("loop: cannot make an event loop");
        goto fail;
    }
    self->wake = event_new(self->base, self->news.fd, EV_READ | EV_PERSIST, on_wake, self);
    if (!self->wake || event_add(self->wake, NULL) < 0) {
        log_oom("loop");
        goto fail;
    }
    for (int i = 0; i < WORKERS; i++) {
        if (!thread_start(&self->workers[i], "worker", worker_run, self))
            goto fail;
    }
    return self;

fail:
    loop_destroy(self);
    return NULL;
}

void loop_finish_work(struct loop *self)
{
    mutex_lock(&self->lock);
    self->stop_workers = true;
    cond_broadcast(&self->work_changed);
    mutex_unlock(&self->lock);
    for (int i = 0; i < WORKERS; i++)
        thread_join(&self->workers[i]);
    while (run_posts(self))
        ;
}

void loop_destroy(struct loop *self)
{
    if (!self)
        return;
    loop_finish_work(self);
    /* libevent frees a bufferevent in the next rounds only; event_base_free() would leave it. */
    for (int round = 0; self->base && round < 3; round++)
        event_base_loop(self->base, EVLOOP_NONBLOCK);
    if (self->wake)
        event_free(self->wake);
    if (self->base)
        event_base_free(self->base);
    wake_finish(&self->news);
    cond_finish(&self->work_changed);
    mutex_finish(&self->lock);
    free(self);
}

struct event_base *loop_base(struct loop *self)
{
    return self->base;
}

void loop_run(struct loop *self)
{
    if (event_base_dispatch(self->base) < 0)
        log_error("loop: the event loop failed");
}

void loop_stop(struct loop *self)
{
    mutex_lock(&self->lock);
    self->stop_loop = true;
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

static struct post *make_post(void (*run)(void *arg), void *arg)
{
    struct post *post = malloc(sizeof(*post));
    if (!post)
        return log_oom("loop");
    *post = (struct post){.run = run, .arg = arg};
    return post;
}

void loop_post(struct loop *self, void (*run)(void *arg), void *arg)
{
    struct post *post = make_post(run, arg);
    if (!post)
        abort(); /* a lost message would leave its sender waiting for ever; a restart is better */
    append(self, post);
}

bool loop_work(struct loop *self, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct post *post = make_post(done, arg);
    if (!post)
        return false;
    mutex_lock(&self->lock);
    bool room = self->job_count < WORK_MAX && !self->stop_workers;
    if (room) {
        self->jobs[(self->job_first + self->job_count++) % WORK_MAX] = (struct job){work, post};
        cond_signal(&self->work_changed);
    }
    mutex_unlock(&self->lock);
    if (!room)
        free(post);
    return room;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *self = arg;
    (void)fd;
    (void)what;
    self->fire(self->arg); /* may destroy the timer */
}

struct loop_timer *loop_timer_create(struct loop *self, int64_t delay_ns, bool repeat, void (*fire)(void *arg),
                                     void *arg)
{
    struct loop_timer *timer = malloc(sizeof(*timer));
    if (!timer)
        return log_oom("loop");
    *timer = (struct loop_timer){.fire = fire, .arg = arg};
    timer->event = event_new(self->base, -1, repeat ? EV_PERSIST : 0, on_timer, timer);
    if (delay_ns < 0)
        delay_ns = 0;
    struct timeval delay = {delay_ns / CLOCK_SECOND_NS, delay_ns % CLOCK_SECOND_NS / CLOCK_US_NS};
    if (!timer->event || event_add(timer->event, &delay) < 0) {
        loop_timer_destroy(timer);
        return log_oom("loop");
    }
    return timer;
}

void loop_timer_destroy(struct loop_timer *self)
{
    if (!self)
        return;
    if (self->event)
        event_free(self->event);
    free(self);
}
