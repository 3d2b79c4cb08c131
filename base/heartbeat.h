/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heartbeat: when a stage began the piece of work it is at. One thread marks it, a watchdog on another reads it;
 * waiting for work is not being busy. Costs one atomic store each.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct heartbeat {
    atomic_int_fast64_t since_ns; /* monotonic; 0: waiting */
};

static inline void heartbeat_begin(struct heartbeat *self, int64_t now_ns)
{
    atomic_store_explicit(&self->since_ns, now_ns, memory_order_relaxed);
}

static inline void heartbeat_end(struct heartbeat *self)
{
    atomic_store_explicit(&self->since_ns, 0, memory_order_relaxed);
}

/* How long the stage has been at one piece of work; 0: it waits. Any thread. */
static inline int64_t heartbeat_age_ns(const struct heartbeat *self, int64_t now_ns)
{
    int64_t since_ns = atomic_load_explicit(&self->since_ns, memory_order_relaxed);
    return since_ns && now_ns > since_ns ? now_ns - since_ns : 0;
}
