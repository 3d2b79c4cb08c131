/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: durations of one stage, for p50/p99/max of the last second or so.
 * One writer thread, readers on any thread; the lock is held only to add a number or copy an array.
 */
#pragma once

#include "base/thread.h"

#include <stdint.h>

enum { STATS_CAPACITY = 1024 };

struct stats {
    struct mutex lock; /* guards all */
    uint32_t count;    /* samples since the last take; beyond the capacity the oldest are overwritten */
    uint32_t samples_us[STATS_CAPACITY];
};
struct stats_summary {
    uint32_t count, p50_us, p95_us, p99_us, max_us; /* all 0 without samples */
};
struct stats_samples {
    uint32_t count;              /* since the last take */
    uint32_t us[STATS_CAPACITY]; /* the first min(count, capacity) are set: the newest of them, in no order */
};

void stats_init(struct stats *self);
void stats_finish(struct stats *self);
void stats_add_ns(struct stats *self, int64_t duration_ns); /* negative counts as 0 */
/* Summary of what came since the last take; starts anew. */
struct stats_summary stats_take(struct stats *self);
/* The samples themselves; starts anew. */
void stats_take_samples(struct stats *self, struct stats_samples *ret_samples);
struct stats_summary stats_summarise(const struct stats_samples *samples);
