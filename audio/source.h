/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio source: the sound of the desktop, 48 kHz, as it is played, in periods of 5 ms. One for the whole host, kept
 * open between sessions for a while; it survives its server: silence comes meanwhile. Backends: pulse.c (PulseAudio,
 * PipeWire) and silence.c. Each session has a tap, which holds at most 20 ms that were not taken yet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUDIO_RATE = 48000, AUDIO_PERIOD = 240, AUDIO_CHANNELS_MAX = 8, AUDIO_BACKLOG = 960 };

struct audio_source;
struct audio_tap;
struct audio_backend_ops; /* audio/source_backend.h */

struct audio_source_config {
    const char *backend;                 /* "auto" or NULL, or a name */
    const struct audio_backend_ops *ops; /* instead of one of the list, for tests; NULL: by name */
    const char *server; /* which sound server, as its library writes it; NULL or "": the library's default. Borrowed */
    /* The default sink of the user before we changed it is to be on disk before that happens ("" forgets it); any
     * thread; answered by audio_source_note_stored(), later and not from inside the call. NULL: the default is never
     * changed. */
    void (*note)(void *ctx, const char *note);
    const char *left_note;      /* of an earlier run that crashed; NULL: none. Borrowed for create */
    void (*changed)(void *ctx); /* any thread: something of the status is different */
    void *ctx;
};

struct audio_source *audio_source_create(const struct audio_source_config *config); /* NULL: logged */
void audio_source_destroy(struct audio_source *self); /* puts the default sink back; NULL is fine */
void audio_source_note_stored(struct audio_source *self, bool stored);

/* What a session wants. Order of channels: FL FR FC LFE BL BR SL SR, the first `channels` of them. */
struct audio_tap_config {
    int channels;      /* 2, 6 or 8; mixed from what the sink has */
    bool silence_host; /* the client does not want the host to be heard: our null sink becomes the default */
};
struct audio_tap *audio_source_open_tap(struct audio_source *self, const struct audio_tap_config *config);
void audio_tap_close(struct audio_tap *self); /* NULL is fine */

enum audio_tap_result { AUDIO_TAP_OK, AUDIO_TAP_WOKEN };
/* Waits for `frames` (240 or 480) frames of interleaved float samples; one reader thread. Without a server, or when a
 * sink delivers nothing, silence comes at the rate of the clock. `*ret_taken_ns`: when the last of these samples was
 * taken from the server. More than AUDIO_BACKLOG waiting: the oldest are dropped with a short cross-fade, and counted.
 */
enum audio_tap_result audio_tap_read(struct audio_tap *self, float *ret_samples, size_t frames, int64_t *ret_taken_ns);
void audio_tap_wake(struct audio_tap *self); /* any thread: a waiting or the next read returns WOKEN */

struct audio_source_status {
    char backend[16];   /* "pulse" */
    char sink[128];     /* what is heard; "" while there is none */
    char sentence[160]; /* what is wrong, for people; "" when all is well */
    int channels;       /* of the sink */
    bool silenced;      /* our null sink is the default */
    uint64_t reconnects, dropped_frames, silent_frames;
};
void audio_source_get_status(struct audio_source *self, struct audio_source_status *ret_status);
