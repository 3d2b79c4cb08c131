/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: where a display's pictures come from. One implementation per file. A source belongs to the capture thread;
 * only opening one runs elsewhere.
 */
#pragma once

#include "capture/cursor.h"
#include "capture/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

enum source_state {
    SOURCE_QUIET,   /* nothing new since the last fetch */
    SOURCE_CHANGED, /* fetch will probably bring something */
    SOURCE_FAILED,  /* gone: destroy it; `sentence` says why */
};

struct source_picture {
    struct image image;    /* valid until the next call; the caller may draw on it if it restores it before that */
    struct cursor *cursor; /* to be composed; NULL: none, or the source has done it */
    struct region damage;  /* what changed since the last fetch, cursor included */
    bool resized;          /* the size or place changed: all is damage */
};

struct source_ops {
    const char *name; /* "x11" */
    void (*destroy)(struct source *self);
    /* Descriptor that becomes readable when there is something to pump; -1: none. */
    int (*fd)(const struct source *self);
    /* Someone watches, or nobody does: without viewers a source does next to nothing. */
    void (*set_viewed)(struct source *self, bool viewed);
    /* Handle what has arrived, without waiting. `*ret_again_ns`: call again then, whatever the descriptor says. */
    enum source_state (*pump)(struct source *self, int64_t now_ns, int64_t *ret_again_ns);
    /* Bring the image up to date; waits 500 ms at most. False: failed. `*ret_picture` is written only on success. */
    bool (*fetch)(struct source *self, int64_t now_ns, struct source_picture *ret_picture);
    /* Optional. Any thread, while the source exists: what hangs in one of the calls above fails now. */
    void (*abort)(struct source *self);
};

struct source {
    const struct source_ops *ops;
    int width, height; /* px, of the captured area */
    int x, y;          /* of its upper left corner on the screen */
    int screen_width, screen_height;
    char place[64];       /* "x11 :0 DP-1" */
    char sentence[160];   /* why it failed, for people */
    char display[32];     /* ":0"; "": not a display */
    char xauthority[256]; /* file with its cookie; "": the usual place */
    int64_t cookie_owner; /* see x11_connect_require_owner(); -1: whoever */
};

/*
 * The status picture: a test card with a clock and one sentence. NULL: logged.
 * width, height: even, 64 or more
 */
struct source *source_status_create(int width, int height);
void source_status_set_sentence(struct source *self, const char *sentence);

/* As x11_connect_open(), and the source around the connection. */
struct x11_connect;
struct source *x11_connect_finish(struct x11_connect *connect, const char *output, char *ret_sentence,
                                  size_t sentence_size);
