/* SPDX-License-Identifier: Apache-2.0 */
#include "host/stream.h"

#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "host/encode_job.h"

#include <stdlib.h>

enum { LEFT_MAX = 4 }; /* encode threads that hang at the same time; one more, and the session ends */

struct stream {
    struct stream_config config; /* without the borrowed parts */
    struct encode_job_config job_config;
    bool software[STREAM_ENCODERS_MAX];
    struct encode_shared shared;

    /* main thread */
    struct encode_job *job;
    struct encode_job *left[LEFT_MAX]; /* behind; NULL: a free place */
    uint64_t encoders_replaced;
    int fps_x100;
    struct view_counters before; /* of the views that are closed */

    struct mutex lock; /* guards the next two; their holder only wakes the view */
    struct view *view; /* of the job; main thread changes it */
    bool started;      /* shared.sender is set */
};

static struct view *open_view(const struct stream *self)
{
    struct view *view = display_open_view(self->config.display, &self->config.view);
    if (view)
        view_set_rate(view, self->fps_x100);
    return view;
}

/* Only the encoders for the kind of picture that the view makes: its buffers are of one kind. */
static void take_encoders(struct stream *self, const struct stream_config *config)
{
    enum frame_format format = config->view.layout.format;
    bool plain = format == FRAME_NV12;
    if (plain)
        self->config.view.layout.format = format = config->encoders[0]->format;
    self->job_config.encoder = config->encoder;
    self->job_config.encoder.layout = self->config.view.layout;
    self->job_config.encoder.fps_x100 = config->view.fps_x100;
    for (int i = 0; i < config->encoder_count; i++) {
        if (plain ? config->encoders[i]->format != format : !config->encoders[i]->takes[format])
            continue;
        int place = self->job_config.encoder_count++;
        self->job_config.encoders[place] = config->encoders[i]->name;
        self->software[place] = !config->encoders[i]->hardware;
    }
}

struct stream *stream_create(const struct stream_config *config)
{
    struct stream *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("stream");
    self->config = *config;
    self->fps_x100 = config->view.fps_x100;
    self->job_config =
        (struct encode_job_config){.idle_fps = config->idle_fps, .failed = config->failed, .ctx = config->ctx};
    take_encoders(self, config);
    mutex_init(&self->lock);
    stats_init(&self->shared.durations);
    atomic_init(&self->shared.encoder_index, -1);
    atomic_init(&self->shared.interval_ns, 100 * CLOCK_SECOND_NS / config->view.fps_x100);
    self->view = open_view(self);
    if (self->view)
        self->job = encode_job_create(&self->job_config, &self->shared, self->view, NULL);
    if (!self->job) {
        stream_destroy(self);
        return NULL;
    }
    return self;
}

bool stream_start(struct stream *self, const struct address *destination, const struct address *source)
{
    self->config.sender.destination = *destination;
    self->config.sender.source = *source;
    self->config.sender.fps_x100 = self->config.view.fps_x100;
    self->shared.sender = video_sender_create(&self->config.sender);
    self->config.sender.key = NULL; /* borrowed for the call only */
    if (!self->shared.sender)
        return false;
    mutex_lock(&self->lock);
    self->started = true;
    mutex_unlock(&self->lock);
    encode_job_go(self->job);
    return true;
}

void stream_destroy(struct stream *self)
{
    if (!self)
        return;
    if (self->shared.sender)
        video_sender_stop(self->shared.sender); /* before the encoder goes, whose bytes it may still read */
    encode_job_destroy(self->job);
    for (int i = 0; i < LEFT_MAX; i++)
        encode_job_destroy(self->left[i]);
    video_sender_destroy(self->shared.sender);
    view_close(self->view);
    stats_finish(&self->shared.durations);
    mutex_finish(&self->lock);
    free(self);
}

/* The sender as other threads may see it: NULL until stream_start is done. */
static struct video_sender *started_sender(struct stream *self)
{
    mutex_lock(&self->lock);
    struct video_sender *sender = self->started ? self->shared.sender : NULL;
    mutex_unlock(&self->lock);
    return sender;
}

void stream_set_port(struct stream *self, uint16_t port)
{
    struct video_sender *sender = started_sender(self);
    if (sender)
        video_sender_set_port(sender, port);
}

void stream_request_idr(struct stream *self)
{
    atomic_store(&self->shared.idr_wanted, true);
    mutex_lock(&self->lock);
    view_wake(self->view);
    mutex_unlock(&self->lock);
}

/* Both, and what is between them. */
static uint64_t join_ranges(uint64_t a, uint64_t b)
{
    uint64_t first = a >> 32 < b >> 32 ? a >> 32 : b >> 32;
    uint32_t last = (uint32_t)a > (uint32_t)b ? (uint32_t)a : (uint32_t)b;
    return first << 32 | last;
}

void stream_report_missing(struct stream *self, uint32_t first, uint32_t last)
{
    uint64_t range = (uint64_t)first << 32 | last, joined, before = atomic_load(&self->shared.lost_frames);
    if (first > last || !last) { /* no such frames */
        stream_request_idr(self);
        return;
    }
    do
        joined = before ? join_ranges(before, range) : range;
    while (!atomic_compare_exchange_weak(&self->shared.lost_frames, &before, joined));
    mutex_lock(&self->lock);
    view_wake(self->view);
    mutex_unlock(&self->lock);
}

void stream_report_kept(struct stream *self, uint32_t frame)
{
    atomic_store(&self->shared.confirmed_frame, frame);
}

bool stream_report_loss(struct stream *self)
{
    struct video_sender *sender = started_sender(self);
    return sender && video_sender_report_loss(sender);
}

void stream_report_arrival(struct stream *self)
{
    struct video_sender *sender = started_sender(self);
    if (sender)
        video_sender_report_arrival(sender);
}

void stream_set_rate(struct stream *self, int fps_x100)
{
    int most = self->config.view.fps_x100;
    self->fps_x100 = fps_x100 < 1 || fps_x100 > most ? most : fps_x100;
    view_set_rate(self->view, self->fps_x100);
    atomic_store(&self->shared.interval_ns, 100 * CLOCK_SECOND_NS / self->fps_x100);
}

void stream_set_bitrate(struct stream *self, int encoder_kbps, int wire_kbps)
{
    self->job_config.encoder.bitrate_kbps = encoder_kbps; /* of jobs to come */
    self->job_config.encoder.wire.kbps = wire_kbps;
    atomic_store(&self->shared.bitrate, (uint64_t)encoder_kbps << 32 | (uint32_t)wire_kbps);
    self->config.sender.bitrate_kbps = wire_kbps;
    if (self->started)
        video_sender_set_bitrate(self->shared.sender, wire_kbps);
}

const struct heartbeat *stream_heartbeat(const struct stream *self, enum stream_stage stage)
{
    if (stage == STREAM_ENCODE)
        return &self->shared.heartbeat;
    return self->started ? video_sender_heartbeat(self->shared.sender) : NULL;
}

/* A place in `left`, after those who came out at last are let go; -1: none. */
static int find_place(struct stream *self)
{
    int place = -1;
    for (int i = 0; i < LEFT_MAX; i++) {
        if (self->left[i] && encode_job_is_over(self->left[i])) {
            encode_job_destroy(self->left[i]);
            self->left[i] = NULL;
        }
        if (!self->left[i])
            place = i;
    }
    return place;
}

/* The view of a job that is left behind goes: that thread holds one of its frames, maybe for ever. */
static bool renew_view(struct stream *self)
{
    struct view *view = open_view(self), *old = self->view;
    if (!view)
        return false;
    mutex_lock(&self->lock);
    self->view = view;
    mutex_unlock(&self->lock);
    struct view_counters counters = view_get_counters(old);
    self->before.pictures += counters.pictures;
    self->before.dropped += counters.dropped;
    view_close(old);
    return true;
}

static bool replace_encode_job(struct stream *self)
{
    int place = find_place(self);
    struct encode_legacy legacy;
    if (place < 0) {
        if (heartbeat_age_ns(&self->shared.heartbeat, clock_now_ns()) < CLOCK_SECOND_NS / 2)
            return true;
        log_error("stream: the encoder hangs for the %dth time, and no thread of it came back", LEFT_MAX + 1);
        return false;
    }
    if (!encode_job_leave(self->job, &legacy))
        return true;
    self->left[place] = self->job;
    self->job = NULL;
    self->encoders_replaced++;
    atomic_store(&self->shared.encoder_index, -1);
    atomic_store(&self->shared.idr_wanted, true);
    if (!renew_view(self)) {
        frame_unref(legacy.last);
        return false;
    }
    log_warn("stream: the encoder hangs and is left behind, going on with %s",
             self->job_config.encoders[legacy.encoder_index]);
    self->job = encode_job_create(&self->job_config, &self->shared, self->view, &legacy);
    if (self->job && self->started)
        encode_job_go(self->job);
    return self->job != NULL;
}

static bool replace_send_thread(struct stream *self)
{
    if (!self->started)
        return true;
    uint64_t before = video_sender_get_counters(self->shared.sender).replaced;
    if (!video_sender_replace(self->shared.sender))
        return false;
    if (video_sender_get_counters(self->shared.sender).replaced != before) {
        log_warn("stream: sending hangs, its thread is left behind and a new one goes on");
        stream_request_idr(self); /* part of a picture is lost */
    }
    return true;
}

bool stream_replace(struct stream *self, enum stream_stage stage)
{
    if (!self->job)
        return false;
    return stage == STREAM_ENCODE ? replace_encode_job(self) : replace_send_thread(self);
}

int stream_take_failures(struct stream *self, struct stream_failure ret_failures[STREAM_ENCODERS_MAX])
{
    unsigned failed = atomic_exchange(&self->shared.failed, 0), hung = atomic_exchange(&self->shared.hung, 0);
    int count = 0;
    for (int i = 0; i < self->job_config.encoder_count; i++)
        if (failed >> i & 1)
            ret_failures[count++] =
                (struct stream_failure){.encoder = self->job_config.encoders[i], .hung = hung >> i & 1};
    return count;
}

void stream_take_report(struct stream *self, struct stream_report *ret_report)
{
    struct encode_shared *shared = &self->shared;
    int index = atomic_load(&shared->encoder_index);
    *ret_report = (struct stream_report){
        .encoder = index < 0 ? "" : self->job_config.encoders[index],
        .software = index >= 0 && self->software[index],
        .view = view_get_counters(self->view),
        .pictures = atomic_load(&shared->pictures),
        .repeats = atomic_load(&shared->repeats),
        .idrs = atomic_load(&shared->idrs),
        .encoder_failures = atomic_load(&shared->failures),
        .replaced = self->encoders_replaced,
        .encode_ns = atomic_load(&shared->encode_ns),
        .encode = stats_take(&shared->durations),
    };
    ret_report->view.pictures += self->before.pictures;
    ret_report->view.dropped += self->before.dropped;
    view_take_stats(self->view, &ret_report->fetch, &ret_report->convert);
    struct video_sender *sender = started_sender(self);
    if (sender) {
        ret_report->sender = video_sender_get_counters(sender);
        ret_report->replaced += ret_report->sender.replaced;
        video_sender_take_stats(sender, &ret_report->packetise, &ret_report->send, &ret_report->latencies);
        ret_report->latency = stats_summarise(&ret_report->latencies);
    }
}
