/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crew.h"

/* With the lock held, which is given up meanwhile. */
static void take_part(struct crew *self)
{
    while (self->next < self->count) {
        int index = self->next++;
        self->working++;
        mutex_unlock(&self->lock);
        self->work(self->arg, index);
        mutex_lock(&self->lock);
        self->working--;
    }
}

static void live(void *arg)
{
    struct crew *self = arg;
    mutex_lock(&self->lock);
    while (!self->stopping) {
        take_part(self);
        if (!self->working)
            cond_signal(&self->done);
        if (!self->stopping)
            cond_wait(&self->called, &self->lock);
    }
    mutex_unlock(&self->lock);
}

void crew_init(struct crew *self, const char *name, int threads)
{
    *self = (struct crew){.size = 0};
    mutex_init(&self->lock);
    cond_init(&self->called);
    cond_init(&self->done);
    while (self->size < threads && self->size < CREW_MOST && thread_start(&self->threads[self->size], name, live, self))
        self->size++;
}

void crew_finish(struct crew *self)
{
    mutex_lock(&self->lock);
    self->stopping = true;
    cond_broadcast(&self->called);
    mutex_unlock(&self->lock);
    for (int i = 0; i < self->size; i++)
        thread_join(&self->threads[i]);
    cond_finish(&self->called);
    cond_finish(&self->done);
    mutex_finish(&self->lock);
}

void crew_run(struct crew *self, int count, void (*work)(void *arg, int index), void *arg)
{
    mutex_lock(&self->lock);
    self->work = work;
    self->arg = arg;
    self->next = 0;
    self->count = count;
    for (int i = 1; i < count && i <= self->size; i++)
        cond_signal(&self->called);
    take_part(self);
    while (self->working)
        cond_wait(&self->done, &self->lock);
    mutex_unlock(&self->lock);
}
