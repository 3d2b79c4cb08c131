/* SPDX-License-Identifier: Apache-2.0 */
/* report: what one session did in the last second: the operator's log line and the page's numbers. Main thread. */
#pragma once

#include "host/stream.h"

#include <jansson.h>
#include <stdint.h>

struct report {
    int64_t taken_ns;         /* when; 0: nothing yet */
    struct stream_report now; /* stage summaries of the last second, counters since the start */
    double fps, kbps, loss_percent;
    uint64_t dropped;      /* pictures replaced in the mailbox, since the start */
    uint64_t lost_packets; /* as reported by the client, since the start */
    int64_t encode_ns;     /* duration of an encode, smoothed over seconds; 0: too few yet */
    int made_fps_x100;     /* encodes per second: the highest of the last seconds, fading; 0: not known yet */
};

/* Takes the stream's report and compares it with the last one. `lost_packets`: the client's count since the start. */
void report_update(struct report *self, struct stream *stream, uint64_t lost_packets, int64_t now_ns);
/* One line; at debug level also each picture's latency, for a bench: "stream ID: latencies us 3120 2995 ...". */
void report_log(const struct report *self, const char *session_id);
/* Adds encoder, rate_fps, kbps, latency_p50_ms, latency_p99_ms (null: nothing new was shown), loss_percent, dropped to
 * `object`. */
void report_to_json(const struct report *self, json_t *object);
