/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stats.h"

#include <stdlib.h>
#include <string.h>

void stats_init(struct stats *self)
{
    mutex_init(&self->lock);
    self->count = 0;
}

void stats_finish(struct stats *self)
{
    mutex_finish(&self->lock);
}

void stats_add_ns(struct stats *self, int64_t duration_ns)
{
    int64_t us = duration_ns > 0 ? duration_ns / 1000 : 0;
    mutex_lock(&self->lock);
    self->samples_us[self->count++ % STATS_CAPACITY] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    mutex_unlock(&self->lock);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

struct stats_summary stats_take(struct stats *self)
{
    uint32_t samples[STATS_CAPACITY];
    mutex_lock(&self->lock);
    uint32_t count = self->count, kept = count < STATS_CAPACITY ? count : STATS_CAPACITY;
    memcpy(samples, self->samples_us, kept * sizeof(samples[0]));
    self->count = 0;
    mutex_unlock(&self->lock);
    if (!kept)
        return (struct stats_summary){0};
    qsort(samples, kept, sizeof(samples[0]), compare_u32);
    return (struct stats_summary){
        .count = count,
        .p50_us = samples[kept / 2],
        .p95_us = samples[kept * 95 / 100],
        .p99_us = samples[kept * 99 / 100],
        .max_us = samples[kept - 1],
    };
}
