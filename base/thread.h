/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: threads, mutexes and condition variables. Waits use the monotonic clock of base/clock.h.
 * A failing lock or wait is our own mistake and asserts.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mutex {
    pthread_mutex_t os;
};
struct cond {
    pthread_cond_t os;
};
struct thread {
    pthread_t os;
    bool running; /* set by start, cleared by join */
};

void mutex_init(struct mutex *self);
void mutex_finish(struct mutex *self);
void mutex_lock(struct mutex *self);
void mutex_unlock(struct mutex *self);

void cond_init(struct cond *self);
void cond_finish(struct cond *self);
void cond_signal(struct cond *self);
void cond_broadcast(struct cond *self);
void cond_wait(struct cond *self, struct mutex *lock);
/* False when `until_ns` (monotonic) passed without a signal. */
bool cond_wait_until(struct cond *self, struct mutex *lock, int64_t until_ns);

/* `name` at most 15 characters; `run(arg)` until it returns. All signals are blocked in the new thread. False: logged.
 */
bool thread_start(struct thread *self, const char *name, void (*run)(void *arg), void *arg);
void thread_join(struct thread *self); /* fine when never started */
/* Instead of join, for a thread that hangs in somebody else's code: it goes on at ordinary priority, and what it uses
 * must outlive it. */
void thread_abandon(struct thread *self);

enum thread_priority {
    THREAD_PRIORITY_LOW,      /* workers: gives way to everything */
    THREAD_PRIORITY_REALTIME, /* capture, encode, send: SCHED_RR, else a negative nice value; small timer slack */
    THREAD_PRIORITY_REALTIME_INHERITED, /* and so are threads that it starts: those of an encoder */
};
/* For the calling thread. False when refused; the caller may log it once. */
bool thread_set_priority(enum thread_priority priority);
