/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opener: opens a desktop's source on a thread of its own, because a stopped X server keeps its caller waiting. One
 * attempt at a time; its thread is always joined. Used by the capture thread. The list of desktop sources is here.
 */
#pragma once

#include "base/thread.h"
#include "capture/source.h"

enum opener_state { OPENER_IDLE, OPENER_BUSY, OPENER_DONE };

struct opener {
    struct thread thread;
    struct x11_connect *connect; /* of the running attempt */
    char output[64];
    void (*wake)(void *context); /* called on the opener's thread when it is done */
    void *context;

    struct mutex lock; /* guards the next three */
    bool done;
    struct source *source;
    char sentence[160];
};

void opener_init(struct opener *self, void (*wake)(void *context), void *context);
void opener_finish(struct opener *self); /* ends a running attempt */
/* False: there is nothing to connect to; the sentence says so. */
bool opener_start(struct opener *self, const char *display, const char *xauthority, const char *output,
                  char *ret_sentence, size_t sentence_size);
/* OPENER_DONE, told once: `*ret_source` is the caller's, or NULL and the sentence says why. */
enum opener_state opener_poll(struct opener *self, struct source **ret_source, char *ret_sentence,
                              size_t sentence_size);
void opener_cancel(struct opener *self); /* the running attempt will be done soon, without success */
