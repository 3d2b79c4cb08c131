/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of backends and the taps. Two locks: `control` lets the calls into the backend be one at a time, as it was
 * promised; `lock` guards what its thread and the readers share, and nothing is called while it is held.
 */
#include "audio/source.h"

#include "audio/mix.h"
#include "audio/ring.h"
#include "audio/source_backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct audio_tap {
    struct audio_source *source;
    struct audio_tap *next;
    bool silence_host;
    struct cond changed; /* with the source's lock */
    bool woken;          /* under the lock, as all below */
    struct audio_ring ring;
};

struct audio_source {
    void (*note)(void *ctx, const char *note);
    void (*changed)(void *ctx);
    void *ctx;

    struct mutex control; /* around all calls into the backend; guards the next four */
    struct audio_backend *backend;
    int taps_open, taps_silencing;

    struct mutex lock; /* guards the rest */
    struct audio_tap *first;
    struct audio_source_status status; /* with the counters of the taps that are closed */
    float mixed[AUDIO_RING_PUSH_MAX * AUDIO_CHANNELS_MAX];
};

/* In order of preference. */
static const struct audio_backend_ops *const backends[] = {
#ifdef HAVE_PULSE
    &audio_backend_pulse,
#endif
    &audio_backend_silence,
};

/* --- what the backend tells --- */

static void on_push(void *ctx, const float *samples, size_t frames, int channels, int64_t taken_ns)
{
    struct audio_source *self = ctx;
    if (!frames || !audio_mix_channels_known(channels))
        return;
    int64_t now_ns = clock_now_ns();
    mutex_lock(&self->lock);
    if (frames > AUDIO_RING_PUSH_MAX) {
        samples += (frames - AUDIO_RING_PUSH_MAX) * (size_t)channels;
        self->status.dropped_frames += frames - AUDIO_RING_PUSH_MAX;
        frames = AUDIO_RING_PUSH_MAX;
    }
    for (struct audio_tap *tap = self->first; tap; tap = tap->next) {
        audio_mix(samples, channels, self->mixed, tap->ring.channels, frames);
        audio_ring_push(&tap->ring, self->mixed, frames, taken_ns, now_ns);
        cond_signal(&tap->changed);
    }
    mutex_unlock(&self->lock);
}

static void tell_changed(struct audio_source *self)
{
    if (self->changed)
        self->changed(self->ctx);
}

static void on_sink(void *ctx, const struct audio_backend_sink *sink)
{
    struct audio_source *self = ctx;
    mutex_lock(&self->lock);
    text_copy(self->status.sink, sizeof(self->status.sink), sink->name ? sink->name : "");
    text_copy(self->status.sentence, sizeof(self->status.sentence), sink->sentence ? sink->sentence : "");
    text_make_printable(self->status.sink); /* the page's JSON takes UTF-8 only; a cut name may end within a letter */
    text_make_printable(self->status.sentence);
    self->status.channels = sink->channels;
    self->status.silenced = sink->silenced;
    mutex_unlock(&self->lock);
    tell_changed(self);
}

static void on_reconnected(void *ctx)
{
    struct audio_source *self = ctx;
    mutex_lock(&self->lock);
    self->status.reconnects++;
    mutex_unlock(&self->lock);
    tell_changed(self);
}

static void on_note(void *ctx, const char *note)
{
    struct audio_source *self = ctx;
    if (self->note)
        self->note(self->ctx, note);
}

static const struct audio_backend_events events = {
    .push = on_push,
    .sink = on_sink,
    .reconnected = on_reconnected,
    .note = on_note,
};

/* --- the source --- */

static bool make_backend(struct audio_source *self, const struct audio_source_config *config,
                         const struct audio_backend_ops *ops)
{
    const struct audio_backend_config backend_config = {
        .events = &events,
        .ctx = self,
        .left_note = config->left_note,
        .may_change_default = config->note != NULL,
        .server = config->server,
    };
    self->backend = ops->create(&backend_config);
    if (self->backend)
        text_copy(self->status.backend, sizeof(self->status.backend), ops->name);
    return self->backend != NULL;
}

/* The first of the list that works, or the one that is named. */
static bool choose_backend(struct audio_source *self, const struct audio_source_config *config)
{
    bool any = !config->backend || strcmp(config->backend, "auto") == 0, known = any;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        bool named = !any && strcmp(config->backend, backends[i]->name) == 0;
        known |= named;
        if ((any || named) && make_backend(self, config, backends[i]))
            return true;
    }
    if (!known)
        log_error("audio: there is no backend \"%s\" in this build", config->backend);
    return false;
}

struct audio_source *audio_source_create(const struct audio_source_config *config)
{
    struct audio_source *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("audio");
    self->note = config->note;
    self->changed = config->changed;
    self->ctx = config->ctx;
    mutex_init(&self->control);
    mutex_init(&self->lock);
    if (config->ops ? make_backend(self, config, config->ops) : choose_backend(self, config)) {
        log_info("audio: sound comes from %s", self->status.backend);
        return self;
    }
    audio_source_destroy(self);
    return NULL;
}

void audio_source_destroy(struct audio_source *self)
{
    if (!self)
        return;
    assert(!self->first);
    if (self->backend)
        self->backend->ops->destroy(self->backend);
    mutex_finish(&self->lock);
    mutex_finish(&self->control);
    free(self);
}

void audio_source_note_stored(struct audio_source *self, bool stored)
{
    mutex_lock(&self->control);
    self->backend->ops->note_stored(self->backend, stored);
    mutex_unlock(&self->control);
}

void audio_source_get_status(struct audio_source *self, struct audio_source_status *ret_status)
{
    mutex_lock(&self->lock);
    *ret_status = self->status;
    for (const struct audio_tap *tap = self->first; tap; tap = tap->next) {
        ret_status->dropped_frames += tap->ring.dropped_frames;
        ret_status->silent_frames += tap->ring.silent_frames;
    }
    mutex_unlock(&self->lock);
}

/* --- taps --- */

struct audio_tap *audio_source_open_tap(struct audio_source *self, const struct audio_tap_config *config)
{
    assert(audio_mix_channels_known(config->channels));
    struct audio_tap *tap = calloc(1, sizeof(*tap));
    if (!tap)
        return log_oom("audio");
    tap->source = self;
    tap->silence_host = config->silence_host;
    cond_init(&tap->changed);
    audio_ring_init(&tap->ring, config->channels);
    mutex_lock(&self->lock);
    tap->next = self->first;
    self->first = tap;
    mutex_unlock(&self->lock);

    mutex_lock(&self->control);
    if (self->taps_open++ == 0)
        self->backend->ops->open(self->backend, config->channels);
    if (config->silence_host && self->taps_silencing++ == 0)
        self->backend->ops->silence_host(self->backend, true);
    mutex_unlock(&self->control);
    return tap;
}

void audio_tap_close(struct audio_tap *tap)
{
    if (!tap)
        return;
    struct audio_source *self = tap->source;
    mutex_lock(&self->lock);
    struct audio_tap **at = &self->first;
    while (*at != tap)
        at = &(*at)->next;
    *at = tap->next;
    self->status.dropped_frames += tap->ring.dropped_frames;
    self->status.silent_frames += tap->ring.silent_frames;
    mutex_unlock(&self->lock);

    mutex_lock(&self->control);
    if (tap->silence_host && --self->taps_silencing == 0)
        self->backend->ops->silence_host(self->backend, false);
    if (--self->taps_open == 0)
        self->backend->ops->close(self->backend);
    mutex_unlock(&self->control);
    cond_finish(&tap->changed);
    free(tap);
}

enum audio_tap_result audio_tap_read(struct audio_tap *tap, float *ret_samples, size_t frames, int64_t *ret_taken_ns)
{
    struct audio_source *self = tap->source;
    int64_t until_ns;
    mutex_lock(&self->lock);
    while (!tap->woken &&
           (until_ns = audio_ring_take(&tap->ring, ret_samples, frames, clock_now_ns(), ret_taken_ns)) != 0)
        cond_wait_until(&tap->changed, &self->lock, until_ns);
    bool woken = tap->woken;
    tap->woken = false;
    mutex_unlock(&self->lock);
    return woken ? AUDIO_TAP_WOKEN : AUDIO_TAP_OK;
}

void audio_tap_wake(struct audio_tap *tap)
{
    mutex_lock(&tap->source->lock);
    tap->woken = true;
    cond_signal(&tap->changed);
    mutex_unlock(&tap->source->lock);
}
