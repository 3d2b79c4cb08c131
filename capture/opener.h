/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opener: opens a desktop's source on a thread of its own, because a stopped X server keeps its caller waiting. One
 * attempt at a time; its thread is always joined. Used by the capture thread. The list of desktop sources is here.
 *
 * "auto" is a round: all displays the finder tells, in its order, each with each of its cookies, until one opens. A
 * server that does not answer gets less time when others are still to be tried.
 */
#pragma once

#include "base/thread.h"
#include "capture/display.h"
#include "capture/source.h"

enum opener_state { OPENER_IDLE, OPENER_BUSY, OPENER_DONE };

struct opener_wish {
    char display[64]; /* ":0" or "auto" */
    char xauthority[DISPLAY_PATH_MAX];
    char output[64];
    char present[32]; /* with "auto", the display captured now: only a better one is opened. "": none */
};

struct opener_result {
    struct source *source; /* the caller's; NULL: none */
    char sentence[160];    /* why none */
    bool unreachable;      /* a named display that is not there at all */
    bool is_slow;          /* looking for displays took long: do not do it often */
    struct display_candidate candidates[DISPLAY_CANDIDATES_MAX]; /* of "auto" */
    int candidate_count;
};

/*
 * What an earlier round has learnt by trying. A look for a better display does not try the others again, and one that
 * refused our cookies is let be for a while unless it or they change: an X server writes down whom it turns away.
 */
struct opener_memory {
    char name[32], found[128], told[128]; /* found: what the finder said of it */
    uint64_t barred_by;                   /* finder_candidate.fingerprint */
    int64_t barred_ns;                    /* when; 0: not barred */
};

struct opener {
    struct thread thread;
    struct opener_wish wish;
    struct opener_memory memory[DISPLAY_CANDIDATES_MAX]; /* opener's thread */
    void (*wake)(void *context);                         /* called on the opener's thread when it is done */
    void *context;

    struct mutex lock; /* guards the rest */
    bool done, cancelled;
    struct x11_connect *connect; /* of the attempt under way */
    char trying[32];
    int64_t began_ns, limit_ns;
    bool timed_out;
    struct opener_result result;
};

void opener_init(struct opener *self, void (*wake)(void *context), void *context);
void opener_finish(struct opener *self); /* ends a running attempt */
/* When idle. False: no thread. */
bool opener_start(struct opener *self, const struct opener_wish *wish);
/* OPENER_DONE is told once, with the result. */
enum opener_state opener_poll(struct opener *self, struct opener_result *ret_result);
/*
 * While busy: ends an attempt that has taken too long. `ret_slow`: the display that keeps us waiting noticeably, ""
 * for none. Returns when to call again.
 */
int64_t opener_watch(struct opener *self, int64_t now_ns, char *ret_slow, size_t slow_size);
void opener_cancel(struct opener *self); /* any thread; what runs will be done soon, without success */
