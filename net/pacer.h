/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pacer: when the next packets of a video stream may leave. Pure: time comes in as an argument.
 *
 * Three limits: 80 % of 1 Gbit/s inside a frame and from one frame to the next (buffers of switches and radios); a
 * bucket of 4 frame shares of the configured rate, which fills while idle; and never more than the rate in one second:
 * near the rate that makes frames wait, so an encoder should aim some per cent below. The last two do not count an IDR,
 * up to 100 ms of the rate: it cannot be smaller, and waiting would only delay it. That is for one IDR a second: who
 * asks for more gets them within the rate, so that no second ever carries more than 1.1 times as much.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACER_SLOTS = 257 /* 256 make a second; one more, so that none is forgotten too early */ };

struct pacer {
    int64_t line_ns;   /* the line is busy until then */
    int64_t due_ns;    /* of the batch asked for last */
    int64_t bucket_ns; /* the bucket is full again then */
    int64_t capacity_ns;
    int64_t rate_bytes;         /* per second; 0: no limit but the line */
    int64_t exempt_bytes;       /* left of this IDR */
    int64_t next_exempt_ns;     /* no other IDR is exempt before */
    int64_t slot;               /* the newest slot: number since time 0 */
    int64_t slots_bytes;        /* sum of all slots */
    int64_t slots[PACER_SLOTS]; /* bytes sent in the last second */
};

/* bitrate_kbps: all UDP payload, 0: no limit. fps_x100: 6000 is 60 per second. */
void pacer_init(struct pacer *self, int bitrate_kbps, int fps_x100);
/* What was sent at the old rate does not count against the new one. */
void pacer_set_rate(struct pacer *self, int bitrate_kbps);
void pacer_frame(struct pacer *self, bool idr, int64_t now_ns); /* a frame begins */
/* When a batch of this size may leave: now_ns or later. */
int64_t pacer_due_ns(struct pacer *self, size_t bytes, int64_t now_ns);
void pacer_sent(struct pacer *self, size_t bytes, int64_t now_ns);
