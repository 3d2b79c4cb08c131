/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encode thread does three things in turn: wait until the sender can take an access unit, take the newest picture
 * (or repeat the last one when it is due), encode and hand over. Pictures are dropped in the view's mailbox, before the
 * encoder, never after it.
 *
 * A still picture is repeated: twice at frame distance, so that a decoder which holds one picture shows the last one
 * and a lost one is noticed; then after 2, 4, 8 ... intervals, which refines its quality; then `idle_fps` times a
 * second.
 */
#include "host/stream.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { IDR_DISTANCE_MS = 100 }; /* requests that come closer to the last IDR wait for this distance */

struct stream {
    struct stream_config config;
    struct view *view;
    struct video_sender *sender; /* set by stream_start before `started` */
    struct thread thread;

    struct mutex lock; /* guards the next two */
    struct cond changed;
    bool started, stopping;

    atomic_bool idr_wanted;
    atomic_uint_fast64_t pictures, repeats, idrs, encoder_failures;
    _Atomic(const char *) encoder_name;
    struct stats encode_stats;

    /* encode thread only */
    struct encoder *encoder;
    int encoder_index; /* in config.encoders */
    struct frame *last;
    int64_t interval_ns, next_repeat_ns, last_idr_ns, last_timestamp_ns;
    int repeats_done;   /* of the last picture */
    uint64_t too_large; /* access units the sender refused, as far as they were answered by an IDR */
};

static bool is_stopping(struct stream *self)
{
    mutex_lock(&self->lock);
    bool stopping = self->stopping;
    mutex_unlock(&self->lock);
    return stopping;
}

/* The encoder at encoder_index, or the next one that can be made. */
static bool make_encoder(struct stream *self)
{
    for (; self->encoder_index < self->config.encoder_count; self->encoder_index++) {
        const char *name = self->config.encoders[self->encoder_index]->name;
        self->encoder = encoder_create(name, &self->config.encoder);
        if (self->encoder) {
            atomic_store(&self->encoder_name, name);
            return true;
        }
    }
    atomic_store(&self->encoder_name, "");
    return false;
}

static bool replace_encoder(struct stream *self)
{
    atomic_fetch_add(&self->encoder_failures, 1);
    encoder_destroy(self->encoder);
    self->encoder = NULL;
    self->encoder_index++;
    atomic_store(&self->idr_wanted, true);
    if (!make_encoder(self))
        return false;
    log_warn("stream: the encoder failed, going on with %s", encoder_name(self->encoder));
    return true;
}

static bool wait_for_start(struct stream *self)
{
    mutex_lock(&self->lock);
    while (!self->started && !self->stopping)
        cond_wait(&self->changed, &self->lock);
    bool go = !self->stopping;
    mutex_unlock(&self->lock);
    return go;
}

static bool idr_is_due(struct stream *self, int64_t now_ns)
{
    return atomic_load(&self->idr_wanted) && now_ns - self->last_idr_ns >= IDR_DISTANCE_MS * CLOCK_MS_NS;
}

/* When the picture we have must be given again, if no new one comes. */
static int64_t next_deadline(struct stream *self)
{
    if (!self->last)
        return clock_now_ns() + CLOCK_SECOND_NS;
    if (!atomic_load(&self->idr_wanted))
        return self->next_repeat_ns;
    int64_t idr_ns = self->last_idr_ns + IDR_DISTANCE_MS * CLOCK_MS_NS;
    return idr_ns < self->next_repeat_ns ? idr_ns : self->next_repeat_ns;
}

static void schedule_repeat(struct stream *self, int64_t from_ns)
{
    int idle_fps = self->config.idle_fps;
    /* The first one leaves room for a moving picture that comes a little late. */
    int64_t delay_ns = self->repeats_done ? self->interval_ns : self->interval_ns * 3 / 2;
    int64_t idle_ns = idle_fps ? CLOCK_SECOND_NS / idle_fps : INT64_MAX;
    if (self->repeats_done >= 2) {
        int doublings = self->repeats_done - 1;
        delay_ns = doublings > 16 ? idle_ns : self->interval_ns << doublings;
        if (delay_ns >= idle_ns)
            delay_ns = idle_ns;
        else if (!idle_fps && delay_ns > CLOCK_SECOND_NS)
            delay_ns = INT64_MAX;
    }
    self->next_repeat_ns = delay_ns == INT64_MAX ? INT64_MAX : from_ns + delay_ns;
}

/* A refused access unit left no gap for the client to notice, but what follows refers to it. */
static void answer_refusals(struct stream *self)
{
    uint64_t too_large = video_sender_get_counters(self->sender).too_large;
    if (too_large != self->too_large)
        atomic_store(&self->idr_wanted, true);
    self->too_large = too_large;
}

/* `damage` empty: a repeat. False: no encoder is left. */
static bool encode_and_submit(struct stream *self, const struct region *damage, bool is_repeat)
{
    int64_t begin_ns = clock_now_ns();
    answer_refusals(self);
    bool idr = idr_is_due(self, begin_ns);
    if (idr)
        atomic_store(&self->idr_wanted, false);
    struct au_part part = {.parts = 1, .last = true};
    if (encoder_encode(self->encoder, self->last, damage, idr, &part) != ENCODE_OK)
        return replace_encoder(self);
    int64_t end_ns = clock_now_ns();
    stats_add_ns(&self->encode_stats, end_ns - begin_ns);

    part.captured_ns = is_repeat ? 0 : self->last->captured_ns;
    int64_t timestamp_ns = is_repeat ? begin_ns : self->last->captured_ns;
    if (timestamp_ns <= self->last_timestamp_ns) /* taken from the display while the last one was being repeated */
        timestamp_ns = self->last_timestamp_ns + CLOCK_US_NS;
    part.timestamp_ns = self->last_timestamp_ns = timestamp_ns;
    atomic_fetch_add(is_repeat ? &self->repeats : &self->pictures, 1);
    if (part.type == PART_IDR) {
        atomic_fetch_add(&self->idrs, 1);
        self->last_idr_ns = end_ns;
    }
    video_sender_submit(self->sender, &part);
    self->repeats_done = is_repeat ? self->repeats_done + 1 : 0;
    schedule_repeat(self, begin_ns);
    return true;
}

static bool encode_one(struct stream *self)
{
    if (!video_sender_wait_free(self->sender, clock_now_ns() + CLOCK_SECOND_NS))
        return true; /* woken to stop, or the network holds us up: pictures are dropped meanwhile */
    struct frame *frame;
    struct region damage = {0};
    if (view_take(self->view, next_deadline(self), &frame, &damage) == VIEW_OK) {
        frame_unref(self->last);
        self->last = frame;
        return encode_and_submit(self, &damage, false);
    }
    int64_t now_ns = clock_now_ns();
    if (self->last && (now_ns >= self->next_repeat_ns || idr_is_due(self, now_ns)))
        return encode_and_submit(self, &damage, true);
    return true;
}

static void encode_main(void *arg)
{
    struct stream *self = arg;
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME))
        log_info("stream: no real-time priority for the encode thread; pictures may be late on a busy machine");
    bool good = make_encoder(self);
    if (good && wait_for_start(self)) {
        while (good && !is_stopping(self))
            good = encode_one(self);
    }
    if (!good)
        self->config.failed(self->config.ctx);
}

struct stream *stream_create(const struct stream_config *config)
{
    struct stream *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("stream");
    self->config = *config;
    mutex_init(&self->lock);
    cond_init(&self->changed);
    stats_init(&self->encode_stats);
    atomic_init(&self->encoder_name, "");
    self->interval_ns = 100 * CLOCK_SECOND_NS / config->view.fps_x100;
    self->last_idr_ns = -CLOCK_SECOND_NS;

    struct stream_config *mine = &self->config;
    mine->view.layout.format = config->encoders[0]->format;
    mine->encoder.layout = mine->view.layout;
    mine->encoder.fps_x100 = mine->view.fps_x100;
    for (int i = 0; i < mine->encoder_count; i++) {
        if (mine->encoders[i]->format != mine->view.layout.format) /* the view's buffers are of one kind */
            mine->encoder_count = i;
    }
    self->view = display_open_view(mine->display, &mine->view);
    if (!self->view || !thread_start(&self->thread, "encode", encode_main, self)) {
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
    self->sender = video_sender_create(&self->config.sender);
    self->config.sender.key = NULL; /* borrowed for the call only */
    if (!self->sender)
        return false;
    mutex_lock(&self->lock);
    self->started = true;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
    return true;
}

void stream_destroy(struct stream *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->stopping = true;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
    if (self->sender)
        video_sender_wake(self->sender);
    if (self->view)
        view_wake(self->view);
    thread_join(&self->thread);
    video_sender_destroy(self->sender); /* before the encoder, whose bytes it may still read */
    encoder_destroy(self->encoder);
    frame_unref(self->last);
    view_close(self->view);
    stats_finish(&self->encode_stats);
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
    free(self);
}

/* The sender as other threads may see it: NULL until stream_start is done. */
static struct video_sender *started_sender(struct stream *self)
{
    mutex_lock(&self->lock);
    struct video_sender *sender = self->started ? self->sender : NULL;
    mutex_unlock(&self->lock);
    return sender;
}

void stream_set_port(struct stream *self, uint16_t port)
{
    if (started_sender(self))
        video_sender_set_port(self->sender, port);
}

void stream_request_idr(struct stream *self)
{
    atomic_store(&self->idr_wanted, true);
    view_wake(self->view);
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

void stream_take_report(struct stream *self, struct stream_report *ret_report)
{
    *ret_report = (struct stream_report){
        .encoder = atomic_load(&self->encoder_name),
        .view = view_get_counters(self->view),
        .pictures = atomic_load(&self->pictures),
        .repeats = atomic_load(&self->repeats),
        .idrs = atomic_load(&self->idrs),
        .encoder_failures = atomic_load(&self->encoder_failures),
        .encode = stats_take(&self->encode_stats),
    };
    view_take_stats(self->view, &ret_report->fetch, &ret_report->convert);
    struct video_sender *sender = started_sender(self);
    if (sender) {
        ret_report->sender = video_sender_get_counters(sender);
        video_sender_take_stats(sender, &ret_report->packetise, &ret_report->send, &ret_report->latency);
    }
}
