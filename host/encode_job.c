/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encode thread does three things in turn: wait until the sender can take an access unit, take the newest picture
 * (or repeat the last one when it is due), encode and hand over. Pictures are dropped in the view's mailbox, before the
 * encoder, never after it.
 *
 * A still picture is repeated: twice at frame distance, so that a decoder which holds one picture shows the last one
 * and a lost one is noticed; then after 2, 4, 8 ... intervals, which refines its quality; then `idle_fps` times a
 * second. While the encoder says that it is still refining, the distance stays 2 intervals: a rate that is not used
 * then is lost.
 */
#include "host/encode_job.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/long_term.h"
#include "host/reference_window.h"

#include <stdlib.h>

enum { IDR_DISTANCE_MS = 100 }; /* requests that come closer to the last IDR wait for this distance */
#define END_LIMIT_NS    (3 * CLOCK_SECOND_NS)
#define HANG_MIN_NS     (CLOCK_SECOND_NS / 2) /* who has been in the encoder for less has come back meanwhile */
#define WORKED_NS       (2 * CLOCK_SECOND_NS)
#define CREATE_EXTRA_NS (3 * CLOCK_SECOND_NS) /* a driver that starts cold may need seconds, which is not a hang */

struct encode_job {
    struct encode_job_config config;
    struct encode_shared *shared; /* this and the next: not after having been left behind */
    struct view *view;
    struct thread thread;

    struct mutex lock; /* guards the next seven */
    struct cond changed;
    int references; /* owner and thread */
    bool started, stopping, over;
    bool in_encoder, left;

    /* encode thread only, and encode_job_leave() while it is in the encoder */
    struct encoder *encoder;
    int encoder_index; /* in config.encoders */
    int64_t made_ns;   /* when it was */
    struct frame *last;
    int64_t next_repeat_ns, last_idr_ns, last_timestamp_ns;
    int repeats_done;               /* of the last picture */
    int distance_doublings;         /* from one repeat to the next */
    uint64_t too_large;             /* access units the sender refused, as far as they were answered by an IDR */
    struct reference_window window; /* of this job's encoders, as is the next */
    struct long_term long_term;
    bool recovering; /* the encoder has forgotten what the client misses; the next picture says so */
};

enum step { GO_ON, NO_ENCODER, LEFT };

static void unref(struct encode_job *self)
{
    mutex_lock(&self->lock);
    bool last = --self->references == 0;
    mutex_unlock(&self->lock);
    if (!last)
        return;
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
    free(self);
}

static bool is_stopping(struct encode_job *self)
{
    mutex_lock(&self->lock);
    bool stopping = self->stopping;
    mutex_unlock(&self->lock);
    return stopping;
}

/* Around every call into an encoder. `busy_ns`: when the watchdog's time begins to run. */
static void enter_encoder(struct encode_job *self, int64_t busy_ns)
{
    mutex_lock(&self->lock);
    if (!self->left) {
        self->in_encoder = true;
        heartbeat_begin(&self->shared->heartbeat, busy_ns);
    }
    mutex_unlock(&self->lock);
}

/* False: left behind meanwhile. */
static bool leave_encoder(struct encode_job *self)
{
    mutex_lock(&self->lock);
    bool mine = !self->left;
    self->in_encoder = false;
    if (mine)
        heartbeat_end(&self->shared->heartbeat);
    mutex_unlock(&self->lock);
    return mine;
}

/* The encoder at encoder_index, or the next one that can be made. */
static enum step make_encoder(struct encode_job *self)
{
    for (; self->encoder_index < self->config.encoder_count; self->encoder_index++) {
        enter_encoder(self, clock_now_ns() + CREATE_EXTRA_NS);
        self->encoder = encoder_create(self->config.encoders[self->encoder_index], &self->config.encoder);
        if (!leave_encoder(self))
            return LEFT;
        if (self->encoder) {
            atomic_store(&self->shared->encoder_index, self->encoder_index);
            self->made_ns = clock_now_ns();
            return GO_ON;
        }
        atomic_fetch_or(&self->shared->failed, 1U << self->encoder_index);
    }
    atomic_store(&self->shared->encoder_index, -1);
    return NO_ENCODER;
}

static bool drop_encoder(struct encode_job *self)
{
    if (!self->encoder)
        return true;
    enter_encoder(self, clock_now_ns());
    encoder_destroy(self->encoder);
    self->encoder = NULL;
    return leave_encoder(self);
}

/* Another encoder has none of the pictures of the one before. */
static void forget_references(struct encode_job *self)
{
    self->recovering = false;
    self->window = (struct reference_window){.newest_frame = 0};
    self->long_term = (struct long_term){.begun = false};
    atomic_store(&self->shared->idr_wanted, true);
}

/* By the next of the list; the last one, if it has worked for a while, is made anew: the session has no other. */
static enum step replace_encoder(struct encode_job *self)
{
    bool is_last = self->encoder_index + 1 == self->config.encoder_count;
    bool again = is_last && clock_now_ns() - self->made_ns >= WORKED_NS;
    atomic_fetch_add(&self->shared->failures, 1);
    atomic_fetch_or(&self->shared->failed, 1U << self->encoder_index);
    if (!drop_encoder(self))
        return LEFT;
    self->encoder_index += !again;
    forget_references(self);
    enum step step = make_encoder(self);
    if (step == GO_ON)
        log_warn("stream: the encoder failed, going on with %s", encoder_name(self->encoder));
    return step;
}

static bool wait_for_start(struct encode_job *self)
{
    mutex_lock(&self->lock);
    while (!self->started && !self->stopping)
        cond_wait(&self->changed, &self->lock);
    bool go = !self->stopping;
    mutex_unlock(&self->lock);
    return go;
}

static bool idr_is_due(struct encode_job *self, int64_t now_ns)
{
    return atomic_load(&self->shared->idr_wanted) && now_ns - self->last_idr_ns >= IDR_DISTANCE_MS * CLOCK_MS_NS;
}

/* When the picture we have must be given again, if no new one comes. */
static int64_t next_deadline(struct encode_job *self)
{
    if (!self->last)
        return clock_now_ns() + CLOCK_SECOND_NS;
    if (self->recovering)
        return clock_now_ns();
    if (!atomic_load(&self->shared->idr_wanted))
        return self->next_repeat_ns;
    int64_t idr_ns = self->last_idr_ns + IDR_DISTANCE_MS * CLOCK_MS_NS;
    return idr_ns < self->next_repeat_ns ? idr_ns : self->next_repeat_ns;
}

static void schedule_repeat(struct encode_job *self, int64_t from_ns, bool refining)
{
    int idle_fps = self->config.idle_fps;
    int64_t interval_ns = atomic_load_explicit(&self->shared->interval_ns, memory_order_relaxed);
    /* The first one leaves room for a moving picture that comes a little late. */
    int64_t delay_ns = self->repeats_done ? interval_ns : interval_ns * 3 / 2;
    int64_t idle_ns = idle_fps ? CLOCK_SECOND_NS / idle_fps : INT64_MAX;
    if (idle_ns < interval_ns)
        idle_ns = interval_ns;
    if (self->repeats_done < 2) {
        self->distance_doublings = 0;
    } else {
        self->distance_doublings = refining ? 1 : self->distance_doublings + 1;
        int doublings = self->distance_doublings;
        delay_ns = doublings > 16 ? idle_ns : interval_ns << doublings;
        if (delay_ns >= idle_ns)
            delay_ns = idle_ns;
        else if (!idle_fps && delay_ns > CLOCK_SECOND_NS)
            delay_ns = INT64_MAX;
    }
    self->next_repeat_ns = delay_ns == INT64_MAX ? INT64_MAX : from_ns + delay_ns;
}

/* A refused access unit left no gap for the client to notice, but what follows refers to it. */
static void answer_refusals(struct encode_job *self, uint64_t too_large)
{
    if (too_large != self->too_large)
        atomic_store(&self->shared->idr_wanted, true);
    self->too_large = too_large;
}

/* What the client says it misses, as far as nobody has looked at it. */
static enum step answer_losses(struct encode_job *self)
{
    uint64_t lost = atomic_exchange(&self->shared->lost_frames, 0);
    int count, kept = encoder_references(self->encoder);
    if (!lost)
        return GO_ON;
    uint32_t first = (uint32_t)(lost >> 32);
    enum reference_answer answer = reference_window_lose(&self->window, first, (uint32_t)lost, kept, &count);
    if (answer == REFERENCE_ANSWERED)
        return GO_ON;
    int place = long_term_lose(&self->long_term, first);
    self->recovering = false;
    enter_encoder(self, clock_now_ns());
    if (answer == REFERENCE_FORGET)
        self->recovering = encoder_invalidate(self->encoder, count);
    else if (answer == REFERENCE_NONE_LEFT && place != LONG_TERM_NONE && place < encoder_long_terms(self->encoder))
        self->recovering = encoder_return_to(self->encoder, place, count);
    if (!leave_encoder(self))
        return LEFT;
    if (!self->recovering)
        atomic_store(&self->shared->idr_wanted, true);
    else if (answer == REFERENCE_NONE_LEFT)
        reference_window_return(&self->window, first);
    return GO_ON;
}

/* A new rate; where the encoder cannot change it, by a new encoder and an IDR. */
static enum step take_bitrate(struct encode_job *self)
{
    uint64_t wish = atomic_exchange(&self->shared->bitrate, 0);
    struct encoder_config *config = &self->config.encoder;
    if (!wish)
        return GO_ON;
    config->bitrate_kbps = (int)(wish >> 32);
    config->wire.kbps = (int)(uint32_t)wish;
    enter_encoder(self, clock_now_ns());
    bool good = encoder_set_bitrate(self->encoder, config->bitrate_kbps, config->wire.kbps);
    if (!leave_encoder(self))
        return LEFT;
    if (good)
        return GO_ON;
    forget_references(self);
    return drop_encoder(self) ? make_encoder(self) : LEFT;
}

/* Where the encoder shall keep the next picture, or LONG_TERM_NONE. */
static int choose_place(struct encode_job *self, bool idr, int64_t now_ns)
{
    long_term_confirm(&self->long_term, atomic_exchange(&self->shared->confirmed_frame, 0));
    bool can = !idr && encoder_long_terms(self->encoder) >= LONG_TERM_PLACES;
    return can ? long_term_choose(&self->long_term, now_ns) : LONG_TERM_NONE;
}

/* What is known now of a picture that was given to the sender and becomes this frame. */
static void remember(struct encode_job *self, uint32_t frame, bool idr, int place, int64_t now_ns)
{
    reference_window_add(&self->window, frame, idr);
    if (idr)
        long_term_restart(&self->long_term);
    else if (place != LONG_TERM_NONE)
        long_term_keep(&self->long_term, place, frame, now_ns);
}

static void count(struct encode_job *self, bool is_repeat, bool is_idr, int64_t begin_ns, int64_t end_ns)
{
    struct encode_shared *shared = self->shared;
    stats_add_ns(&shared->durations, end_ns - begin_ns);
    atomic_fetch_add_explicit(&shared->encode_ns, end_ns - begin_ns, memory_order_relaxed);
    atomic_fetch_add(is_repeat ? &shared->repeats : &shared->pictures, 1);
    if (!is_idr)
        return;
    atomic_fetch_add(&shared->idrs, 1);
    self->last_idr_ns = end_ns;
}

/* Gives the sender this part and the others. `ret_whole`: they all came. */
static enum step submit_all(struct encode_job *self, struct au_part *part, bool *ret_whole)
{
    struct video_sender *sender = self->shared->sender;
    enum encode_result result = ENCODE_OK;
    video_sender_submit(sender, part);
    while (!part->last && result == ENCODE_OK) {
        enter_encoder(self, clock_now_ns());
        result = encoder_next(self->encoder, part);
        if (!leave_encoder(self))
            return LEFT;
        if (result == ENCODE_OK)
            video_sender_submit_next(sender, part);
    }
    *ret_whole = result == ENCODE_OK;
    if (*ret_whole)
        return GO_ON;
    video_sender_give_up(sender);
    atomic_store(&self->shared->idr_wanted, true);
    return result == ENCODE_FAILED ? replace_encoder(self) : GO_ON;
}

/* `damage` empty: a repeat. */
static enum step encode_and_submit(struct encode_job *self, const struct region *damage, bool is_repeat)
{
    int64_t begin_ns = clock_now_ns();
    struct video_sender_counters sent = video_sender_get_counters(self->shared->sender);
    answer_refusals(self, sent.too_large);
    bool idr = idr_is_due(self, begin_ns);
    if (idr)
        atomic_store(&self->shared->idr_wanted, false);
    struct au_part part = {.parts = 1, .last = true};
    int place = choose_place(self, idr, begin_ns);
    enter_encoder(self, begin_ns);
    if (place != LONG_TERM_NONE)
        encoder_keep(self->encoder, place);
    enum encode_result result = encoder_encode(self->encoder, self->last, damage, begin_ns, idr, &part);
    if (!leave_encoder(self))
        return LEFT;
    if (result != ENCODE_OK)
        return replace_encoder(self);

    part.captured_ns = is_repeat ? 0 : self->last->captured_ns;
    int64_t timestamp_ns = is_repeat ? begin_ns : self->last->captured_ns;
    if (timestamp_ns <= self->last_timestamp_ns) /* taken from the display while the last one was being repeated */
        timestamp_ns = self->last_timestamp_ns + CLOCK_US_NS;
    part.timestamp_ns = self->last_timestamp_ns = timestamp_ns;
    if (self->recovering && part.type == PART_PREDICTED)
        part.type = PART_AFTER_INVALIDATION;
    self->recovering = false;
    part.long_term = place != LONG_TERM_NONE && part.type != PART_IDR;
    remember(self, sent.taken_frame + 1, part.type == PART_IDR, place, begin_ns);
    bool whole;
    enum step step = submit_all(self, &part, &whole);
    if (step == LEFT)
        return step;
    count(self, is_repeat, whole && part.type == PART_IDR, begin_ns, clock_now_ns());
    self->repeats_done = is_repeat ? self->repeats_done + 1 : 0;
    schedule_repeat(self, begin_ns, part.refining);
    return step;
}

static enum step encode_one(struct encode_job *self)
{
    if (!video_sender_wait_free(self->shared->sender, clock_now_ns() + CLOCK_SECOND_NS))
        return GO_ON; /* woken to stop, or the network holds us up: pictures are dropped meanwhile */
    enum step step = take_bitrate(self);
    if (step == GO_ON)
        step = answer_losses(self);
    if (step != GO_ON)
        return step;
    struct frame *frame;
    struct region damage = {0};
    if (view_take(self->view, next_deadline(self), &frame, &damage) == VIEW_OK) {
        frame_unref(self->last);
        self->last = frame;
        return encode_and_submit(self, &damage, false);
    }
    int64_t now_ns = clock_now_ns();
    if (self->last && (now_ns >= self->next_repeat_ns || self->recovering || idr_is_due(self, now_ns)))
        return encode_and_submit(self, &damage, true);
    return GO_ON;
}

static void encode_main(void *arg)
{
    struct encode_job *self = arg;
    /* An encoder's own threads have half of the work: at ordinary priority the slower half of each picture waited for
     * whatever else ran (docs/architecture.md, "Software encoding"). */
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME_INHERITED))
        log_info("stream: no real-time priority for the encode thread; pictures may be late on a busy machine");
    enum step step = make_encoder(self);
    if (step == GO_ON && wait_for_start(self)) {
        while (step == GO_ON && !is_stopping(self))
            step = encode_one(self);
    }
    if (step == NO_ENCODER)
        self->config.failed(self->config.ctx);
    drop_encoder(self);
    frame_unref(self->last);
    self->last = NULL;
    mutex_lock(&self->lock);
    self->over = true;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
    unref(self);
}

struct encode_job *encode_job_create(const struct encode_job_config *config, struct encode_shared *shared,
                                     struct view *view, const struct encode_legacy *legacy)
{
    struct encode_job *self = calloc(1, sizeof(*self));
    if (!self) {
        frame_unref(legacy ? legacy->last : NULL);
        return log_oom("stream");
    }
    self->config = *config;
    self->config.encoder.parts = true;
    self->shared = shared;
    self->view = view;
    self->references = 2;
    self->last_idr_ns = clock_now_ns() - CLOCK_SECOND_NS;
    mutex_init(&self->lock);
    cond_init(&self->changed);
    if (legacy) {
        self->encoder_index = legacy->encoder_index;
        self->last = legacy->last;
        self->last_timestamp_ns = legacy->last_timestamp_ns;
        self->too_large = legacy->too_large;
    }
    if (thread_start(&self->thread, "encode", encode_main, self))
        return self;
    frame_unref(self->last);
    self->references = 1;
    unref(self);
    return NULL;
}

void encode_job_go(struct encode_job *self)
{
    mutex_lock(&self->lock);
    self->started = true;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
}

/* Under the lock, which the thread needs to come out of the encoder and destroy it: the sender reads its bytes no
 * more. */
static void leave_behind(struct encode_job *self)
{
    self->left = true;
    if (self->shared->sender)
        video_sender_give_up(self->shared->sender);
    heartbeat_end(&self->shared->heartbeat);
    thread_abandon(&self->thread);
}

bool encode_job_leave(struct encode_job *self, struct encode_legacy *ret_legacy)
{
    mutex_lock(&self->lock);
    int64_t age_ns = heartbeat_age_ns(&self->shared->heartbeat, clock_now_ns());
    bool hangs = self->in_encoder && !self->left && age_ns >= HANG_MIN_NS;
    if (hangs) {
        int next = self->encoder_index + 1;
        atomic_fetch_or(&self->shared->hung, 1U << self->encoder_index);
        atomic_fetch_or(&self->shared->failed, 1U << self->encoder_index);
        *ret_legacy = (struct encode_legacy){
            .encoder_index = next < self->config.encoder_count ? next : self->encoder_index,
            .last = self->last,
            .last_timestamp_ns = self->last_timestamp_ns,
            .too_large = self->too_large,
        };
        if (self->last)
            frame_ref(self->last);
        leave_behind(self);
    }
    mutex_unlock(&self->lock);
    return hangs;
}

bool encode_job_is_over(struct encode_job *self)
{
    mutex_lock(&self->lock);
    bool over = self->over;
    mutex_unlock(&self->lock);
    return over;
}

/* Until the thread is over, or has been in the encoder for so long that it is left behind. */
static void await_end(struct encode_job *self)
{
    int64_t until_ns = clock_now_ns() + END_LIMIT_NS;
    mutex_lock(&self->lock);
    while (!self->over && !self->left) {
        if (cond_wait_until(&self->changed, &self->lock, until_ns))
            continue;
        if (self->in_encoder)
            leave_behind(self);
        until_ns = clock_now_ns() + CLOCK_SECOND_NS / 10;
    }
    bool left = self->left && !self->over;
    mutex_unlock(&self->lock);
    if (left)
        log_error("stream: the encoder hangs, its thread is left behind");
}

void encode_job_destroy(struct encode_job *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->stopping = true;
    cond_signal(&self->changed);
    bool left = self->left;
    mutex_unlock(&self->lock);
    if (!left) {
        if (self->shared->sender)
            video_sender_wake(self->shared->sender);
        view_wake(self->view);
        await_end(self);
        thread_join(&self->thread); /* not when it was left behind just now */
    }
    unref(self);
}
