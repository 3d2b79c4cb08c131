/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse: what the files of the PulseAudio backend share; no other file includes it.
 *
 * One thread runs libpulse's main loop and touches everything but `asked`. libpulse's callbacks only write down what
 * they are told; then pulse.c's step looks at all of it and does the next thing, one request to the server at a time.
 * So there is one place that decides, and it always decides on what the server said after the last request.
 */
#pragma once

#include "audio/source_backend.h"
#include "base/thread.h"

#include <pulse/pulseaudio.h>
#include <stdatomic.h>

#define PULSE_SINK_NAME    "Earthshine"
#define PULSE_QUIET_MIN_NS (INT64_C(4) * 1000000000) /* a new recording may be 2 s late with its first samples */

enum { PULSE_NAME_SIZE = 256, PULSE_NOTE_SIZE = PULSE_NAME_SIZE + 32, PULSE_SENTENCE_SIZE = 160 };

/* A sink, as the server describes it. */
struct pulse_sink {
    char name[PULSE_NAME_SIZE]; /* "": there is none */
    char monitor[PULSE_NAME_SIZE];
    uint32_t index, owner_module;
    uint32_t rate;
    pa_channel_map map;
};

/* What the server has, after the last look. */
struct pulse_facts {
    char default_name[PULSE_NAME_SIZE];
    struct pulse_sink default_sink; /* none while the server names one that is not in its list */
    struct pulse_sink ours;
    bool has_device;     /* a sink that is neither ours nor the server's own stand-in */
    bool former_is_here; /* the sink that is to be put back */
};

/* The default sink, and what we have done to it. From NOTING to RESTORING a note may be on disk. */
enum pulse_default {
    PULSE_DEFAULT_LEFT_ALONE,
    PULSE_DEFAULT_NOTING, /* the note is on its way to the disk */
    PULSE_DEFAULT_NOTED,  /* it is there: ours may become the default; or ours was until the server was lost */
    PULSE_DEFAULT_SETTLING,
    PULSE_DEFAULT_IS_OURS,
    PULSE_DEFAULT_RESTORING,
    PULSE_DEFAULT_YIELDED, /* somebody chose another one since: it stays */
    PULSE_DEFAULT_REFUSED, /* no note, or the server does not want to */
};

enum pulse_request { PULSE_IDLE, PULSE_LOADING, PULSE_UNLOADING, PULSE_SETTING };

/* What the other threads ask for. */
struct pulse_asked {
    bool open, silence, ending;
    int channels;
    unsigned times;       /* something was asked */
    int notes_unanswered; /* also those that forget: the answers say not which they are about */
    bool note_lost;
};

struct pulse {
    struct audio_backend base;
    const struct audio_backend_events *events;
    void *events_ctx;
    bool may_change_default;
    char server[PULSE_NAME_SIZE];
    struct thread thread;

    struct mutex lock; /* guards the next three */
    struct cond changed;
    struct pulse_asked asked;
    bool ended;
    atomic_bool abandoned; /* nobody waits for the thread any more: no event, and it frees all */

    pa_mainloop *loop; /* pa_mainloop_wakeup() from any thread */

    /* The rest: its own thread only. */
    struct pulse_asked now; /* copy of `asked` */
    int64_t linger_until_ns, end_by_ns;
    int64_t wake_ns; /* when the step wants to look again at the latest */

    pa_context *context; /* NULL between two attempts */
    int cookie_file;     /* -1: none; open as long as `context` may read it */
    int socket_file;     /* likewise, what it connects to */
    bool ready, is_new, was_ready, is_lost;
    int64_t attempt_ns, attempt_until_ns, pause_ns, lost_ns;
    char trouble[PULSE_SENTENCE_SIZE]; /* why there is no server */

    struct pulse_facts facts, next_facts;
    bool is_stale, facts_known;
    int looks_pending; /* replies of a look that have not come yet */
    enum pulse_request request;
    bool request_done, request_ok;
    int64_t looked_ns, doubted_ns, doubt_pause_ns; /* the default sink is unknown since */
    int64_t answer_by_ns;                          /* of looks and requests; 0: nothing is awaited */

    enum pulse_default default_state;
    char former[PULSE_NAME_SIZE];
    bool owes_note; /* a note is on disk */
    int64_t settled_by_ns, load_again_ns, unload_again_ns, device_seen_ns, left_until_ns;
    bool load_refused, owns_sink;
    bool has_looked; /* for what an earlier run has left */
    bool is_left;    /* `former` is from an earlier run */

    pa_stream *stream;
    struct pulse_sink recorded; /* what `stream` hears */
    bool stream_failed;
    int64_t stream_again_ns, heard_ns, quiet_pause_ns; /* a recording that brings nothing for so long is left */
    int channels;                                      /* that are pushed */
    signed char order[AUDIO_CHANNELS_MAX];             /* for each of them: channel of the sink, or -1 for silence */
    float period[AUDIO_PERIOD * AUDIO_CHANNELS_MAX];

    struct audio_backend_sink told; /* texts in the next two */
    char told_name[PULSE_NAME_SIZE], told_sentence[PULSE_SENTENCE_SIZE];
    bool has_told;
};

/* --- pulse.c --- */

bool pulse_wants_sound(const struct pulse *self, int64_t now_ns); /* somebody listens, or did a minute ago */
void pulse_wake_by(struct pulse *self, int64_t ns);
/* For when this connection shows signs of being broken; nobody is told. */
void pulse_connect_again(struct pulse *self, int64_t now_ns);
/* The request was sent as `operation` (NULL: it was not). Its reply ends in pulse_replied(). */
void pulse_sent(struct pulse *self, enum pulse_request request, pa_operation *operation, int64_t now_ns);
void pulse_replied(struct pulse *self, bool ok);

/* --- pulse_sink.c: the sink of ours, and the default --- */

/* One step; nothing is awaited from the server and the facts are fresh. */
void pulse_sink_step(struct pulse *self, int64_t now_ns);
bool pulse_sink_is_tidy(const struct pulse *self); /* nothing is left to put back or to remove */
void pulse_sink_lost_server(struct pulse *self);
bool pulse_sink_note_write(const char *former, char *ret_note, size_t size);
bool pulse_sink_note_read(const char *note, char *ret_former, size_t size); /* false: not one of ours */
bool pulse_sink_is_device(const pa_sink_info *info); /* neither ours nor a server's stand-in for none */
bool pulse_sink_is_ours(const pa_sink_info *info);

/* --- pulse_cookie.c: the socket and the secret of another user's sound server --- */

/* As root, for "unix:/run/user/UID/...": the open socket, to connect to by /proc/self/fd. False: there is none of that
 * user, and the address must not be tried. True with -1: any other address, for libpulse as it is. */
bool pulse_socket_for_server(const char *server, int *ret_socket);
/* An O_PATH file; -1: no socket of `owner`, wherever links led. */
int pulse_socket_open(const char *path, unsigned owner);

/* The open file of the user whose socket "unix:..." it is; -1: our own, another kind of address, none found, or
 * PULSE_COOKIE names one. */
int pulse_cookie_for_server(const char *server);
/* The same with a given home: only a regular file of `owner`. */
int pulse_cookie_open(const char *home, unsigned owner);

/* --- pulse_record.c: recording what is heard --- */

void pulse_record_step(struct pulse *self, int64_t now_ns);
void pulse_record_stop(struct pulse *self);
/* How many channels a sink with this map is pushed as, and which of its channels each is: 2, 6 or 8. */
int pulse_record_order(const pa_channel_map *map, signed char ret_order[AUDIO_CHANNELS_MAX]);
