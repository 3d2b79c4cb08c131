/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio ring: the samples of one tap that were not taken yet, and what replaces them when there are none or too many.
 * No thread, no clock: time comes in as an argument.
 */
#pragma once

#include "audio/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AUDIO_RING_PUSH_MAX = 4800, /* frames; of a larger push the end counts */
    AUDIO_RING_CAPACITY = AUDIO_RING_PUSH_MAX + 480,
    AUDIO_RING_FADE = 120, /* 2.5 ms */
};

struct audio_ring {
    int channels;
    size_t first, count; /* frames; `first`: the oldest */
    bool dropped_some;   /* since the last take: `fade` holds what would have come next */
    bool silent;         /* what was given last is silence that nobody played */
    int64_t newest_ns;   /* when the newest frame was taken from the server */
    int64_t due_ns;      /* silence starts, or the next of it is given; 0: nobody has read yet */
    int64_t patience_ns; /* how long to wait for samples after some came */
    int64_t burst_ns;    /* the first push of the burst at hand */
    size_t burst, former_burst;
    uint64_t dropped_frames, silent_frames;
    float last[AUDIO_CHANNELS_MAX]; /* the frame given last */
    float fade[AUDIO_RING_FADE * AUDIO_CHANNELS_MAX];
    float samples[AUDIO_RING_CAPACITY * AUDIO_CHANNELS_MAX];
};

void audio_ring_init(struct audio_ring *self, int channels);

/* Frames of the ring's channels. What waits is AUDIO_BACKLOG at most, or one push and 10 ms when a server delivers more
 * than that at a time; the oldest go. Pushes within 4 ms count as one from the second time on: a server that works in
 * steps of 21 or 25 ms hands them over in pieces, while a single heap of pieces is a backlog. */
void audio_ring_push(struct audio_ring *self, const float *samples, size_t frames, int64_t taken_ns, int64_t now_ns);

/*
 * frames        AUDIO_RING_FADE..AUDIO_BACKLOG
 * ret_taken_ns  of the last one given; for silence, when it was due
 * Returns 0, or the time until which it is worth waiting for a push: nothing is written then.
 */
int64_t audio_ring_take(struct audio_ring *self, float *ret_samples, size_t frames, int64_t now_ns,
                        int64_t *ret_taken_ns);
