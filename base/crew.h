/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew: a few threads that share out one piece of work of a picture at a time, together with the thread that has it.
 * They have the priority of the thread that called crew_init(), if that one hands it on, and keep it also when the
 * caller is abandoned (thread.h). Nothing allocates after init.
 */
#pragma once

#include "base/thread.h"

enum { CREW_MOST = 15 };

struct crew {
    struct mutex lock; /* guards all below */
    struct cond called, done;
    struct thread threads[CREW_MOST];
    int size; /* threads */
    void (*work)(void *arg, int index);
    void *arg;
    int next, count; /* index to be taken, and how many there are */
    int working;     /* threads inside `work`, the caller too */
    bool stopping;
};

/* `threads` beside the caller, 0..CREW_MOST; fewer when the system has no more: logged. `name` as in thread_start(). */
void crew_init(struct crew *self, const char *name, int threads);
void crew_finish(struct crew *self);
/* work(arg, index) for each index from 0 to count - 1, in this order, on whichever thread is free; waits for all. One
 * caller at a time. */
void crew_run(struct crew *self, int count, void (*work)(void *arg, int index), void *arg);
