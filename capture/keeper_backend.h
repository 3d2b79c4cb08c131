/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_backend: one kind of desktop, as the keeper sees it. One implementation per file; keeper.c holds the list.
 * Everything is called on the keeper's thread but abort(). A backend never waits longer than a few seconds, except in
 * finish(), which abort() ends.
 */
#pragma once

#include "capture/display.h"

#include <stdbool.h>
#include <stddef.h>

enum { KEEPER_SENTENCE_SIZE = 160, KEEPER_OWED_MAX = DISPLAY_NOTE_MAX - 512, KEEPER_IDENTITY_SIZE = 96 };

enum keeper_answer {
    KEEPER_DONE,
    KEEPER_NOTHING, /* there is nothing to change: it is so */
    KEEPER_REFUSED, /* with a sentence */
    KEEPER_GONE,    /* the display ended or does not answer: close the backend */
};

/* A switch that was thought through. */
struct keeper_plan {
    int width, height, fps_x100;         /* of the picture that will come */
    char owed[KEEPER_OWED_MAX];          /* what is to be put back afterwards, and how it is recognised */
    char sentence[KEEPER_SENTENCE_SIZE]; /* why refused; or what is not quite as wished */
};

struct keeper_backend;
struct keeper_backend_ops {
    const char *name;

    /* As x11_connect_begin() and x11_connect_require_owner(), base/x11_connect.h. `output`: see display_config. */
    struct keeper_backend *(*begin)(const char *display, const char *xauthority, int64_t owner, const char *output,
                                    char *ret_sentence, size_t sentence_size);
    bool (*finish)(struct keeper_backend *self, char *ret_sentence, size_t sentence_size);
    void (*abort)(struct keeper_backend *self); /* any thread, while it exists: what hangs in it fails now */
    void (*close)(struct keeper_backend *self);

    int (*fd)(const struct keeper_backend *self);
    /* Handles what has arrived. False: gone. `*ret_changed`: something about modes or outputs. */
    bool (*pump)(struct keeper_backend *self, bool *ret_changed);
    /* Which server this is: the same text only for the same process of the same boot. */
    const char *(*identity)(const struct keeper_backend *self);
    /* The machine's boot, a part of the identity; needs no display. */
    void (*boot)(char *ret_text, size_t size);

    /*
     * How to come from here, with what is owed (a former plan's, "": nothing) put back, to the wished size. May make a
     * mode but shows nothing new yet. KEEPER_DONE: switch_to() may follow. KEEPER_NOTHING: it is so with nothing owed.
     */
    enum keeper_answer (*plan)(struct keeper_backend *self, const char *owed, int width, int height, int fps_x100,
                               struct keeper_plan *ret_plan);
    /* Does what the last plan says. */
    enum keeper_answer (*switch_to)(struct keeper_backend *self, char *ret_sentence, size_t sentence_size);
    /* Puts back what still is as it was set, and removes all modes of ours that nobody uses. */
    enum keeper_answer (*put_back)(struct keeper_backend *self, const char *owed, char *ret_sentence,
                                   size_t sentence_size);
    /* How the streamed output's mode compares to what was set. KEEPER_NOTHING: as set; KEEPER_DONE: somebody has
     * changed it, and the sentence says to what; KEEPER_REFUSED: another output is streamed now. */
    enum keeper_answer (*compare)(struct keeper_backend *self, const char *owed, char *ret_sentence,
                                  size_t sentence_size);

    /* Call with true again every 30 s. */
    enum keeper_answer (*keep_awake)(struct keeper_backend *self, bool awake);
    /* Call with true again when something about outputs has changed. `*ret_clipped`: there is more to keep it out of.
     */
    enum keeper_answer (*clip)(struct keeper_backend *self, bool clip, bool *ret_clipped);
};

struct keeper_backend {
    const struct keeper_backend_ops *ops;
};

extern const struct keeper_backend_ops keeper_x11;
