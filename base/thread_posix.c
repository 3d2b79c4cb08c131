/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int error)
{
    assert(error == 0);
    (void)error;
}

void mutex_init(struct mutex *self)
{
    must(pthread_mutex_init(&self->os, NULL));
}

void mutex_finish(struct mutex *self)
{
    must(pthread_mutex_destroy(&self->os));
}

void mutex_lock(struct mutex *self)
{
    must(pthread_mutex_lock(&self->os));
}

void mutex_unlock(struct mutex *self)
{
    must(pthread_mutex_unlock(&self->os));
}

void cond_init(struct cond *self)
{
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes));
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must(pthread_cond_init(&self->os, &attributes));
    pthread_condattr_destroy(&attributes);
}

void cond_finish(struct cond *self)
{
    must(pthread_cond_destroy(&self->os));
}

void cond_signal(struct cond *self)
{
    must(pthread_cond_signal(&self->os));
}

void cond_broadcast(struct cond *self)
{
    must(pthread_cond_broadcast(&self->os));
}

void cond_wait(struct cond *self, struct mutex *lock)
{
    must(pthread_cond_wait(&self->os, &lock->os));
}

bool cond_wait_until(struct cond *self, struct mutex *lock, int64_t until_ns)
{
    struct timespec ts = {until_ns / CLOCK_SECOND_NS, until_ns % CLOCK_SECOND_NS};
    int error = pthread_cond_timedwait(&self->os, &lock->os, &ts);
    assert(error == 0 || error == ETIMEDOUT);
    return error == 0;
}

struct start {
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void *thread_main(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    prctl(PR_SET_NAME, start.name);
    start.run(start.arg);
    return NULL;
}

bool thread_start(struct thread *self, const char *name, void (*run)(void *arg), void *arg)
{
    struct start *start = malloc(sizeof(*start));
    if (!start)
        return log_oom("thread") != NULL;
    start->run = run;
    start->arg = arg;
    strncpy(start->name, name, sizeof(start->name) - 1);
    start->name[sizeof(start->name) - 1] = 0;

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&self->os, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        log_error("thread: cannot start %s: %s", name, strerror(error));
        free(start);
        return false;
    }
    self->running = true;
    return true;
}

void thread_join(struct thread *self)
{
    if (!self->running)
        return;
    must(pthread_join(self->os, NULL));
    self->running = false;
}

void thread_abandon(struct thread *self)
{
    if (!self->running)
        return;
    const struct sched_param ordinary = {0};
    pthread_setschedparam(self->os, SCHED_OTHER, &ordinary); /* it may be spinning, and block a core otherwise */
    must(pthread_detach(self->os));
    self->running = false;
}

static bool set_nice(int value)
{
    return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), value) == 0; /* per thread on Linux */
}

bool thread_set_priority(enum thread_priority priority)
{
    if (priority == THREAD_PRIORITY_LOW)
        return set_nice(10);
    prctl(PR_SET_TIMERSLACK, 10000UL); /* ns */
    struct sched_param parameters = {.sched_priority = 10};
    int policy = SCHED_RR | (priority == THREAD_PRIORITY_REALTIME ? SCHED_RESET_ON_FORK : 0);
    if (pthread_setschedparam(pthread_self(), policy, &parameters) == 0)
        return true;
    return set_nice(-10);
}
