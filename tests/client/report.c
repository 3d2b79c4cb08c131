/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/report.h"

#include "base/clock.h"

#include <jansson.h>
#include <stdlib.h>

void report_datagram(struct report *self, size_t size, int64_t arrival_ns)
{
    if (!self->first_datagram_ns)
        self->first_datagram_ns = arrival_ns;
    int64_t second = (arrival_ns - self->first_datagram_ns) / CLOCK_SECOND_NS;
    if (second >= 0 && second < REPORT_SECONDS_MAX)
        self->bytes_in_second[second] += size;
    if (arrival_ns > self->last_datagram_ns)
        self->last_datagram_ns = arrival_ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* {"count", "p50", "p95", "p99", "max"}; sorts the values. */
static json_t *summary(double *values, size_t count)
{
    if (!count)
        return json_pack("{s:i}", "count", 0);
    qsort(values, count, sizeof(*values), compare);
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)count, "p50", values[count / 2], "p95",
                     values[count * 95 / 100], "p99", values[count * 99 / 100], "max", values[count - 1]);
}

/* Times of the pictures: latency field, distance of arrivals, gaps, age. */
static void add_times(json_t *to, const struct recording *recording, int fps)
{
    double *values = calloc(recording->count + 1, sizeof(*values));
    if (!values)
        return;
    size_t count = 0;
    for (size_t i = 0; i < recording->count; i++)
        if (recording->entries[i].latency_100us)
            values[count++] = recording->entries[i].latency_100us / 10.0;
    json_object_set_new(to, "latency_ms", summary(values, count));
    long long gaps = 0;
    count = 0;
    for (size_t i = 1; i < recording->count; i++) {
        values[count] = (double)(recording->entries[i].last_ns - recording->entries[i - 1].last_ns) / 1e6;
        gaps += values[count++] > 1500.0 / fps;
    }
    json_object_set_new(to, "interval_ms", summary(values, count));
    json_object_set_new(to, "gaps", json_integer(gaps));
    count = 0;
    for (size_t i = 0; i < recording->count; i++)
        if (recording->entries[i].timecode_valid)
            values[count++] = recording->entries[i].age_ms;
    json_object_set_new(to, "age_ms", summary(values, count));
    count = 0;
    for (size_t i = 0; i < recording->count; i++)
        values[count++] = (double)(recording->entries[i].last_ns - recording->entries[i].first_ns) / 1e6;
    json_object_set_new(to, "transfer_ms", summary(values, count));
    free(values);
}

static json_t *rates(const struct report *self)
{
    json_t *list = json_array();
    int64_t seconds = (self->last_datagram_ns - self->first_datagram_ns) / CLOCK_SECOND_NS;
    for (int64_t s = 0; self->first_datagram_ns && s <= seconds && s < REPORT_SECONDS_MAX; s++)
        json_array_append_new(list, json_real((double)self->bytes_in_second[s] * 8 / 1000));
    return list;
}

static void add_frames(json_t *to, const struct report *self)
{
    const struct depacketise_counters *c = &self->frames;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"frames_complete", c->frames_complete},
        {"frames_delivered", c->frames_delivered},
        {"frames_lost", c->frames_lost},
        {"frames_recovered", c->frames_recovered},
        {"frames_dropped", c->frames_dropped},
        {"blocks_recovered", c->blocks_recovered},
        {"blocks_lost", c->blocks_lost},
        {"max_blocks", c->max_blocks},
        {"idr", c->idr},
        {"idr_unmarked", c->idr_unmarked},
        {"idr_unrecognised", c->idr_unrecognised},
        {"packets", c->packets},
        {"parity_packets", c->parity_packets},
        {"late_packets", c->late},
        {"duplicates", c->duplicates},
        {"malformed", c->malformed},
        {"refused_packets", c->refused},
        {"dropped_on_purpose", self->dropped_on_purpose},
        {"datagrams", self->video.datagrams},
        {"bytes", self->video.bytes},
        {"datagrams_cut", self->video.cut},
        {"datagrams_broken", self->video.broken},
        {"iv_not_rising", self->video.stale_counter},
        {"audio_packets", self->audio_packets},
        {"idr_requests", self->idr_requests},
        {"invalidations", self->invalidations},
        {"confirmations", self->confirmations},
        {"fec_statuses", self->statuses},
        {"control_sent", self->control.sent},
        {"control_received", self->control.received},
        {"control_broken", self->control.broken},
        {"hdr_messages", self->control.hdr},
        {"round_trip_ms", self->control.round_trip_ms},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_object_set_new(to, rows[i].name, json_integer((json_int_t)rows[i].value));
    json_object_set_new(to, "malformed_reason", json_string(c->malformed_reason));
}

static json_t *decoded(const struct decode_result *d)
{
    return json_pack("{s:i, s:i, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "pictures", d->decoded,
                     "errors", d->errors, "chroma444", d->chroma444, "bits", d->bits, "width", d->width, "height",
                     d->height, "held_max", d->held_max, "colorspace", d->colorspace, "range", d->range, "primaries",
                     d->primaries, "transfer", d->transfer, "timecodes", d->timecodes, "error", d->error);
}

static json_t *negotiated(const struct rtsp_result *rtsp)
{
    static const char *const codecs[] = {"h264", "hevc", "av1"};
    return json_pack("{s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:b, s:i, s:i, s:i, s:i, s:b, s:b, s:s}", "codec",
                     codecs[rtsp->codec], "sealed", rtsp->sealed, "steps", rtsp->steps, "status", rtsp->status,
                     "encryption_supported", (json_int_t)rtsp->encryption_supported, "encryption_requested",
                     (json_int_t)rtsp->encryption_requested, "encryption_enabled", (json_int_t)rtsp->encryption_enabled,
                     "invalidation_offered", rtsp->invalidation_offered, "packet_size", rtsp->packet_size, "video_port",
                     rtsp->video_port, "audio_port", rtsp->audio_port, "control_port", rtsp->control_port,
                     "video_ping_keyed", rtsp->video_ping[0] != 0, "audio_ping_keyed", rtsp->audio_ping[0] != 0,
                     "describe", rtsp->describe);
}

void report_print(const struct report *self, const struct options *options, const struct recording *recording)
{
    json_t *root = json_object();
    int64_t from_ns = self->first_picture_ns ? self->first_picture_ns : self->end_ns;
    json_object_set_new(root, "error", json_string(self->error));
    json_object_set_new(root, "resumed", json_boolean(self->resumed));
    json_object_set_new(root, "launch_status", json_integer(self->launch_status));
    json_object_set_new(root, "launch_ms", json_real(self->launch_ms));
    json_object_set_new(root, "cancel_status", json_integer(self->cancel_status));
    if (self->first_picture_ns)
        json_object_set_new(root, "first_picture_ms",
                            json_real((double)(self->first_picture_ns - self->launch_ns) / 1e6));
    json_object_set_new(root, "seconds", json_real((double)(self->end_ns - from_ns) / 1e9));
    json_object_set_new(root, "control_gone", json_boolean(self->control_gone));
    json_object_set_new(root, "termination",
                        self->control.terminated ? json_integer(self->control.termination) : json_null());
    add_frames(root, self);
    add_times(root, recording, options->wish.fps);
    json_object_set_new(root, "kbps", rates(self));
    json_object_set_new(root, "rtsp", negotiated(&self->rtsp));
    json_object_set_new(root, "decoded", decoded(&self->decoded));
    json_object_set_new(root, "sound", self->sound ? self->sound : json_null());
    json_dumpf(root, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(root);
}
