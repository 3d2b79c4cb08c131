/* SPDX-License-Identifier: Apache-2.0 */
/* bench_cpu: what one thread has used of the processor. */
#pragma once

#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>
#include <time.h>

/* Any thread; `thread` was started and is not joined. User and system; 0 once it is over. */
static inline int64_t bench_thread_cpu_ns(const struct thread *thread)
{
    clockid_t clock;
    struct timespec used = {0};
    if (pthread_getcpuclockid(thread->os, &clock) == 0)
        clock_gettime(clock, &used);
    return used.tv_sec * CLOCK_SECOND_NS + used.tv_nsec;
}
