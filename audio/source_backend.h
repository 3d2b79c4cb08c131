/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio source backend: what one sound server provides. One implementation per file (pulse.c, silence.c); source.c
 * holds the list of them, and does what all share: taps, mixing, silence while nothing comes, dropping what is late.
 * A backend therefore never invents samples: while it has no server, or its sink gives nothing, it just pushes nothing,
 * and looks for the server again by itself.
 */
#pragma once

#include "audio/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is heard at the moment. */
struct audio_backend_sink {
    const char *name;     /* "" while there is none */
    int channels;         /* of the samples that are pushed: 2, 6 or 8; 0 while there is no sink */
    bool silenced;        /* our null sink is the default at this moment */
    const char *sentence; /* what is wrong and what to do, for people; "" when all is well */
};

/* What a backend tells its source. Called on a thread of the backend's, or from inside create and destroy, one at a
 * time; they take a short lock and do not block. All borrowed for the call. */
struct audio_backend_events {
    /*
     * Interleaved samples at AUDIO_RATE, -1..1, just taken from the server; any count, best one period of AUDIO_PERIOD.
     * channels  2, 6 or 8: the first of FL FR FC LFE BL BR SL SR. A sink with another layout is asked for as the
     *           smallest of these that holds it (mono as 2, quad as 6), which a server does by itself. It may differ
     *           from push to push.
     * taken_ns  monotonic clock: when the last of these samples was taken from the server
     */
    void (*push)(void *ctx, const float *samples, size_t frames, int channels, int64_t taken_ns);
    /* Something of these is different: a sink appeared, changed or went, the server was lost (name "", channels 0, a
     * sentence) or is back. Nothing is assumed before the first call. */
    void (*sink)(void *ctx, const struct audio_backend_sink *sink);
    /* The server is back after it was lost: counted. */
    void (*reconnected)(void *ctx);
    /* The default sink of the user, as text that left_note gives back, has to be on disk before the default is changed:
     * the answer comes by note_stored(). "" forgets it. */
    void (*note)(void *ctx, const char *note);
};

struct audio_backend_config {
    const struct audio_backend_events *events; /* kept until destroy */
    void *ctx;
    const char *left_note;   /* what note() gave in an earlier run that crashed: put it back at once; NULL: none */
    bool may_change_default; /* false: nobody keeps notes, the default sink is never changed */
    /* Which server: "" or NULL is the library's own default; else an address such as
     * "unix:/run/user/1000/pulse/native", for a host that does not run as the user whose desktop it streams. */
    const char *server;
};

struct audio_backend;

/* All calls come from one thread at a time and return at once: what takes longer is done on the backend's own thread.
 * All are required. */
struct audio_backend_ops {
    const char *name; /* the word used in the configuration, "pulse" */
    /* NULL: cannot work here at all (out of memory, no thread); logged. A server that is not there is not that: it is
     * waited for. */
    struct audio_backend *(*create)(const struct audio_backend_config *config);
    /* Puts the default sink back (waits for it 500 ms at most) and ends its threads; no event comes after it. */
    void (*destroy)(struct audio_backend *self);
    /* Somebody listens: from now on samples are pushed. `channels`: 2, 6 or 8, what a sink of our own gets, should one
     * be made. / Nobody does any more: nothing is pushed; the recording itself may go on for a minute. */
    void (*open)(struct audio_backend *self, int channels);
    void (*close)(struct audio_backend *self);
    /* The host is not to be heard: our null sink becomes the default, after a note; false: the default is put back. */
    void (*silence_host)(struct audio_backend *self, bool silence);
    /* Answer to note(): false means it is not on disk, and the default must stay as it is. */
    void (*note_stored)(struct audio_backend *self, bool stored);
};

struct audio_backend {
    const struct audio_backend_ops *ops; /* embedded in each backend's own struct */
};

extern const struct audio_backend_ops audio_backend_pulse; /* HAVE_PULSE */
extern const struct audio_backend_ops audio_backend_silence;
