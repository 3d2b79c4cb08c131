/* SPDX-License-Identifier: Apache-2.0 */
#include "host/report.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum { LATENCIES_A_LINE = 80 };

/*
 * A second of 60 encodes, or one spent encoding, counts half; a few repeats of a still picture hardly count, and are
 * not enough to begin with. Few encodes that take long are those of a busy machine.
 */
static void smooth_encode_ns(struct report *self, const struct stream_report *before)
{
    const double half_count = 60, half_ns = 1e9, least_share = 0.1;
    double count = (double)(self->now.pictures + self->now.repeats - before->pictures - before->repeats);
    double busy_ns = (double)(self->now.encode_ns - before->encode_ns);
    double by_count = count / (count + half_count), by_time = busy_ns / (busy_ns + half_ns);
    double share = by_count > by_time ? by_count : by_time;
    if (count < 1 || (!self->encode_ns && share < least_share))
        return;
    self->encode_ns += (int64_t)((busy_ns / count - (double)self->encode_ns) * (self->encode_ns ? share : 1));
}

/* Up at once, down by a quarter each second: a desktop moves in bursts. Never 0 again, which means unknown. */
static void follow_rate(struct report *self, const struct stream_report *before, double seconds)
{
    double count = (double)(self->now.pictures + self->now.repeats - before->pictures - before->repeats);
    int made = (int)(count * 100 / seconds) + 1, faded = self->made_fps_x100 * 3 / 4;
    self->made_fps_x100 = made > faded ? made : faded;
}

void report_update(struct report *self, struct stream *stream, uint64_t lost_packets, int64_t now_ns)
{
    struct report before = *self;
    stream_take_report(stream, &self->now);
    self->taken_ns = now_ns;
    self->dropped = self->now.view.dropped;
    self->lost_packets = lost_packets;
    if (!before.taken_ns)
        return; /* the first one has no second to compare with */
    smooth_encode_ns(self, &before.now);
    double seconds = (double)(now_ns - before.taken_ns) / 1e9;
    follow_rate(self, &before.now, seconds);
    uint64_t packets = self->now.sender.packets - before.now.sender.packets;
    self->fps = (double)(self->now.sender.frames - before.now.sender.frames) / seconds;
    self->kbps = (double)(self->now.sender.bytes - before.now.sender.bytes) * 8 / 1000 / seconds;
    double lost = (double)(lost_packets - before.lost_packets);
    self->loss_percent = packets ? lost * 100 / (double)packets : 0;
    if (self->loss_percent > 100)
        self->loss_percent = 100; /* reports of the second before */
}

/* "p50/p99/max" in ms */
struct stage_text {
    char text[40];
};

static struct stage_text stage_text(const struct stats_summary *summary)
{
    struct stage_text stage;
    snprintf(stage.text, sizeof(stage.text), "%.1f/%.1f/%.1f", summary->p50_us / 1000.0, summary->p99_us / 1000.0,
             summary->max_us / 1000.0);
    return stage;
}

/* Each picture's, a line for so many of them that it stays whole. The last second's, so this costs a picture nothing.
 */
static void log_latencies(const struct stats_samples *samples, const char *session_id)
{
    uint32_t count = samples->count < STATS_CAPACITY ? samples->count : STATS_CAPACITY;
    char text[LATENCIES_A_LINE * sizeof("4294967295") + 1];
    for (uint32_t i = 0, used = 0; i < count; i++) {
        used += (uint32_t)snprintf(text + used, sizeof(text) - used, " %u", samples->us[i]);
        if (i + 1 < count && (i + 1) % LATENCIES_A_LINE)
            continue;
        log_debug("stream %s: latencies us%s", session_id, text);
        used = 0;
    }
}

void report_log(const struct report *self, const char *session_id)
{
    const struct stream_report *now = &self->now;
    log_info("stream %s: %.1f fps %.0f kbit/s %s; ms p50/p99/max: fetch %s convert %s encode %s packetise %s send %s "
             "latency %s; dropped %llu idr %llu repeats %llu loss %.1f%%%s",
             session_id, self->fps, self->kbps, now->encoder, stage_text(&now->fetch).text,
             stage_text(&now->convert).text, stage_text(&now->encode).text, stage_text(&now->packetise).text,
             stage_text(&now->send).text, stage_text(&now->latency).text, (unsigned long long)self->dropped,
             (unsigned long long)now->idrs, (unsigned long long)now->repeats, self->loss_percent,
             now->sender.gso ? "" : " no-gso");
    log_latencies(&now->latencies, session_id);
}

void report_to_json(const struct report *self, json_t *object)
{
    json_object_set_new(object, "encoder", json_string(self->now.encoder ? self->now.encoder : ""));
    json_object_set_new(object, "rate_fps", json_real(self->fps));
    json_object_set_new(object, "kbps", json_real(self->kbps));
    bool measured = self->now.latency.count > 0; /* not while a still picture is only repeated */
    json_object_set_new(object, "latency_p50_ms",
                        measured ? json_real(self->now.latency.p50_us / 1000.0) : json_null());
    json_object_set_new(object, "latency_p99_ms",
                        measured ? json_real(self->now.latency.p99_us / 1000.0) : json_null());
    json_object_set_new(object, "loss_percent", json_real(self->loss_percent));
    json_object_set_new(object, "dropped", json_integer((json_int_t)self->dropped));
}
