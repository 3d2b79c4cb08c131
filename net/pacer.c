/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pacer.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define SLOT_NS   (SECOND_NS / (PACER_SLOTS - 1))

enum {
    LINE_NS_PER_BYTE = 10,  /* 80 % of 1 Gbit/s */
    LINE_LATE_NS = 1000000, /* sleeping too long may be made up for, so far */
    BUCKET_FRAMES = 4,
    EXEMPT_PER_SECOND = 10, /* an IDR: 1/10 s of the rate */
    FPS_X100_DEFAULT = 6000,
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t bytes_per_s(int bitrate_kbps)
{
    return bitrate_kbps > 0 ? (int64_t)bitrate_kbps * 125 : 0;
}

void pacer_init(struct pacer *self, int bitrate_kbps, int fps_x100)
{
    *self = (struct pacer){
        .rate_bytes = bytes_per_s(bitrate_kbps),
        .capacity_ns = BUCKET_FRAMES * 100 * SECOND_NS / (fps_x100 > 0 ? fps_x100 : FPS_X100_DEFAULT),
    };
}

void pacer_set_rate(struct pacer *self, int bitrate_kbps)
{
    self->rate_bytes = bytes_per_s(bitrate_kbps);
    self->bucket_ns = self->slots_bytes = 0;
    memset(self->slots, 0, sizeof(self->slots));
}

void pacer_frame(struct pacer *self, bool idr, int64_t now_ns)
{
    self->exempt_bytes = idr && now_ns >= self->next_exempt_ns ? self->rate_bytes / EXEMPT_PER_SECOND : 0;
}

static int64_t charged(const struct pacer *self, size_t bytes)
{
    if (!self->rate_bytes)
        return 0;
    return max64((int64_t)bytes - self->exempt_bytes, 0);
}

/* The bucket as a time: full at or after bucket_ns, empty capacity_ns before it. More than it holds waits until it is
 * full and then overdraws it. */
static int64_t bucket_due(const struct pacer *self, int64_t bytes)
{
    int64_t cost = bytes * SECOND_NS / self->rate_bytes;
    return self->bucket_ns - max64(self->capacity_ns - cost, 0);
}

/* Forget slots that are a second old. */
static void advance(struct pacer *self, int64_t now_ns)
{
    int64_t slot = now_ns / SLOT_NS;
    if (slot - self->slot >= PACER_SLOTS) {
        memset(self->slots, 0, sizeof(self->slots));
        self->slots_bytes = 0;
        self->slot = slot;
    }
    while (self->slot < slot) {
        int64_t *oldest = &self->slots[++self->slot % PACER_SLOTS];
        self->slots_bytes -= *oldest;
        *oldest = 0;
    }
}

/* When enough of the last second is over for these bytes; with nothing sent in it, now. */
static int64_t second_due(const struct pacer *self, int64_t bytes)
{
    int64_t left = self->slots_bytes, slot = self->slot;
    while (left > 0 && left + bytes > self->rate_bytes)
        left -= self->slots[++slot % PACER_SLOTS];
    return slot > self->slot ? slot * SLOT_NS : 0;
}

int64_t pacer_due_ns(struct pacer *self, size_t bytes, int64_t now_ns)
{
    int64_t due = max64(now_ns, self->line_ns), counted = charged(self, bytes);
    if (counted) {
        advance(self, now_ns);
        due = max64(due, max64(bucket_due(self, counted), second_due(self, counted)));
    }
    self->due_ns = due;
    return due;
}

void pacer_sent(struct pacer *self, size_t bytes, int64_t now_ns)
{
    int64_t start_ns = max64(self->due_ns, now_ns - LINE_LATE_NS);
    self->line_ns = max64(self->line_ns, start_ns) + (int64_t)bytes * LINE_NS_PER_BYTE;
    int64_t counted = charged(self, bytes);
    if (self->exempt_bytes)
        self->next_exempt_ns = now_ns + SECOND_NS;
    self->exempt_bytes = max64(self->exempt_bytes - (int64_t)bytes, 0);
    if (!counted)
        return;
    advance(self, now_ns);
    self->slots[self->slot % PACER_SLOTS] += counted;
    self->slots_bytes += counted;
    self->bucket_ns = max64(self->bucket_ns, now_ns) + counted * SECOND_NS / self->rate_bytes;
}
