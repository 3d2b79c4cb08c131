/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes is paced by who pushes. Only when nothing came for a while the clock does it, with silence, until something
 * comes again. Each change between sound, silence and a gap is faded, because a jump is heard as a crack: the frames
 * that would have been next are kept when the oldest are dropped, and fade out below what is given instead.
 */
#include "audio/ring.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

#define PATIENCE_NS (40 * CLOCK_MS_NS)
#define BURST_NS    (4 * CLOCK_MS_NS)

static int64_t duration_ns(size_t frames)
{
    return (int64_t)frames * CLOCK_SECOND_NS / AUDIO_RATE;
}

void audio_ring_init(struct audio_ring *self, int channels)
{
    memset(self, 0, sizeof(*self));
    self->channels = channels;
    self->patience_ns = PATIENCE_NS;
    self->silent = true;
}

static void copy_out(const struct audio_ring *self, float *to, size_t frames)
{
    size_t channels = (size_t)self->channels, until_end = AUDIO_RING_CAPACITY - self->first;
    size_t part = frames < until_end ? frames : until_end;
    memcpy(to, self->samples + self->first * channels, part * channels * sizeof(*to));
    memcpy(to + part * channels, self->samples, (frames - part) * channels * sizeof(*to));
}

static void copy_in(struct audio_ring *self, const float *from, size_t frames)
{
    size_t channels = (size_t)self->channels, at = (self->first + self->count) % AUDIO_RING_CAPACITY;
    size_t part = frames < AUDIO_RING_CAPACITY - at ? frames : AUDIO_RING_CAPACITY - at;
    memcpy(self->samples + at * channels, from, part * channels * sizeof(*from));
    memcpy(self->samples, from + part * channels, (frames - part) * channels * sizeof(*from));
    self->count += frames;
}

static void skip(struct audio_ring *self, size_t frames)
{
    self->first = (self->first + frames) % AUDIO_RING_CAPACITY;
    self->count -= frames;
}

static void drop(struct audio_ring *self, size_t frames)
{
    if (!self->dropped_some && self->count >= AUDIO_RING_FADE) {
        copy_out(self, self->fade, AUDIO_RING_FADE);
        self->dropped_some = true;
    }
    skip(self, frames);
    self->dropped_frames += frames;
}

/* How much the server is known to deliver at a time, this push included. */
static size_t delivered_at_once(struct audio_ring *self, size_t frames, int64_t now_ns)
{
    if (now_ns - self->burst_ns >= BURST_NS) {
        self->former_burst = self->burst;
        self->burst = 0;
        self->burst_ns = now_ns;
    }
    self->burst += frames;
    size_t usual = self->burst < self->former_burst ? self->burst : self->former_burst;
    if (usual > AUDIO_RING_PUSH_MAX)
        usual = AUDIO_RING_PUSH_MAX;
    return frames > usual ? frames : usual;
}

void audio_ring_push(struct audio_ring *self, const float *samples, size_t frames, int64_t taken_ns, int64_t now_ns)
{
    if (frames > AUDIO_RING_PUSH_MAX) {
        samples += (frames - AUDIO_RING_PUSH_MAX) * (size_t)self->channels;
        self->dropped_frames += frames - AUDIO_RING_PUSH_MAX;
        frames = AUDIO_RING_PUSH_MAX;
    }
    size_t bound = delivered_at_once(self, frames, now_ns) + 480;
    if (bound < AUDIO_BACKLOG)
        bound = AUDIO_BACKLOG;
    if (self->count + frames > bound)
        drop(self, self->count + frames - bound);
    copy_in(self, samples, frames);
    self->newest_ns = taken_ns;
    self->patience_ns = PATIENCE_NS + 2 * duration_ns(frames);
    if (self->due_ns)
        self->due_ns = now_ns + self->patience_ns;
}

/* From what was given last to what is given now, over the first frames of it. */
static void fade_in(struct audio_ring *self, float *samples)
{
    size_t channels = (size_t)self->channels;
    if (!self->dropped_some && !self->silent)
        return;
    for (size_t i = 0; i < AUDIO_RING_FADE; i++) {
        float share = (float)(i + 1) / (AUDIO_RING_FADE + 1);
        for (size_t c = 0; c < channels; c++) {
            float old = self->dropped_some ? self->fade[i * channels + c] : 0;
            samples[i * channels + c] = share * samples[i * channels + c] + (1 - share) * old;
        }
    }
    self->dropped_some = false;
}

static void remember_last(struct audio_ring *self, const float *samples, size_t frames)
{
    size_t channels = (size_t)self->channels;
    memcpy(self->last, samples + (frames - 1) * channels, channels * sizeof(*samples));
}

/* What is left, and zeros, to which the last frame sinks down. */
static void give_silence(struct audio_ring *self, float *ret_samples, size_t frames)
{
    size_t channels = (size_t)self->channels, left = self->count < frames ? self->count : frames;
    copy_out(self, ret_samples, left);
    if (left)
        remember_last(self, ret_samples, left);
    skip(self, left);
    for (size_t i = left; i < frames; i++) {
        float share = 1 - (float)(i - left + 1) / AUDIO_RING_FADE;
        for (size_t c = 0; c < channels; c++)
            ret_samples[i * channels + c] = share > 0 ? share * self->last[c] : 0;
    }
    remember_last(self, ret_samples, frames);
    self->silent_frames += frames - left;
    self->silent = true;
    self->dropped_some = false;
}

int64_t audio_ring_take(struct audio_ring *self, float *ret_samples, size_t frames, int64_t now_ns,
                        int64_t *ret_taken_ns)
{
    assert(frames >= AUDIO_RING_FADE && frames <= AUDIO_BACKLOG);
    if (!self->due_ns)
        self->due_ns = now_ns + duration_ns(frames);
    if (self->count >= frames) {
        copy_out(self, ret_samples, frames);
        skip(self, frames);
        fade_in(self, ret_samples);
        remember_last(self, ret_samples, frames);
        self->silent = false;
        *ret_taken_ns = self->newest_ns - duration_ns(self->count);
        return 0;
    }
    if (now_ns < self->due_ns)
        return self->due_ns;
    give_silence(self, ret_samples, frames);
    *ret_taken_ns = self->due_ns;
    self->due_ns += duration_ns(frames);
    if (self->due_ns < now_ns) /* late already: what is missing is not caught up with */
        self->due_ns = now_ns;
    return 0;
}
