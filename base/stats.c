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

static uint32_t kept(uint32_t count)
{
    return count < STATS_CAPACITY ? count : STATS_CAPACITY;
}

void stats_take_samples(struct stats *self, struct stats_samples *ret_samples)
{
    mutex_lock(&self->lock);
    ret_samples->count = self->count;
    memcpy(ret_samples->us, self->samples_us, kept(self->count) * sizeof(ret_samples->us[0]));
    self->count = 0;
    mutex_unlock(&self->lock);
}

static struct stats_summary sort_and_summarise(struct stats_samples *samples)
{
    uint32_t count = kept(samples->count), *us = samples->us;
    if (!count)
        return (struct stats_summary){0};
    qsort(us, count, sizeof(us[0]), compare_u32);
    return (struct stats_summary){
        .count = samples->count,
        .p50_us = us[count / 2],
        .p95_us = us[count * 95 / 100],
        .p99_us = us[count * 99 / 100],
        .max_us = us[count - 1],
    };
}

struct stats_summary stats_summarise(const struct stats_samples *samples)
{
    struct stats_samples sorted;
    sorted.count = samples->count;
    memcpy(sorted.us, samples->us, kept(samples->count) * sizeof(sorted.us[0]));
    return sort_and_summarise(&sorted);
}

struct stats_summary stats_take(struct stats *self)
{
    struct stats_samples samples;
    stats_take_samples(self, &samples);
    return sort_and_summarise(&samples);
}
