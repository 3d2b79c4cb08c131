/* SPDX-License-Identifier: Apache-2.0 */
/*
 * display: one desktop. Owns the capture thread, its source (X11, or the status picture while there is none), the
 * cursor and the conversion. Sessions open views: each with its own size, format and mailbox for one picture.
 *
 * Thread: everything here may be called from any thread unless said otherwise; a view is taken from by one thread.
 * Costs nothing while no view is open, next to nothing while the screen stands still.
 */
#pragma once

#include "base/stats.h"
#include "capture/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct display;
struct heartbeat;
struct view;

enum { DISPLAY_NOTE_MAX = 2048, DISPLAY_PATH_MAX = 256, DISPLAY_CANDIDATES_MAX = 12, DISPLAY_VIEWS_MAX = 64 };

struct display_config {
    const char *name;   /* "auto" (capture/finder.h), ":N", "none" (the status picture for ever), "" (until
                           display_point() says); copied */
    const char *output; /* "auto" (primary, else the first), a RandR name, or "all" (whole screen); copied */
    /* What an earlier run that did not end well has changed and not put back, as given to `note`; NULL: nothing. */
    const char *left_note;
    /* Keep this text on disk, then call display_note_stored(); "" forgets it. Not called on the caller's thread, must
     * not block. NULL: nothing can be kept, and no mode is changed but that of a display of our own. */
    void (*note)(void *ctx, const char *note);
    /* Capture thread, must not block: what is captured, or its place on the screen, is another. May be NULL. */
    void (*moved)(void *ctx);
    void *ctx;
};

/* What the desktop is wanted to be like while somebody streams. All 0: as it was found. */
struct display_wish {
    int width, height; /* mode; 0: leave it */
    int fps_x100;      /* of the mode: the nearest the output can do that is not lower, else the highest */
    bool awake;        /* no screen saver, no DPMS */
    bool clip;         /* the pointer stays on the streamed output */
};

enum display_mode_state {
    DISPLAY_MODE_AS_FOUND, /* nothing wished, or nothing to change */
    DISPLAY_MODE_PENDING,
    DISPLAY_MODE_APPLIED,
    DISPLAY_MODE_REFUSED,  /* the mode guard or the server said no */
    DISPLAY_MODE_REVERTED, /* no picture came with it */
};
struct display_mode_status {
    enum display_mode_state state;
    int width, height; /* wished */
    int fps_x100;
    char sentence[160]; /* why not, for people; may be empty */
    bool awake, clipped;
    uint64_t switches, refusals, reverts;
};

struct display_candidate {
    char name[32];
    char reason[128]; /* why it was refused, or what it is */
    bool chosen;
};

struct display_status {
    bool capturing;    /* false: the status picture is shown */
    int width, height; /* of the captured area in px, 0 while not capturing */
    int x, y;          /* of its upper left corner on the screen */
    int screen_width, screen_height;
    char source[64];    /* "x11 :0 DP-1" */
    char sentence[160]; /* why there is no desktop, for people; empty while capturing */
    bool silent;        /* there is a server, and it does not answer */
    uint64_t reconnects;
    char name[32], xauthority[DISPLAY_PATH_MAX]; /* of the captured display, ":0"; xauthority "": the usual place */
    int64_t cookie_owner;                        /* only if this user owns that file; -1: whoever */
    struct display_mode_status mode;
    struct display_candidate candidates[DISPLAY_CANDIDATES_MAX]; /* of `auto`, at the last look */
    int candidate_count;
    uint64_t aborts; /* display_abort_source() that met a source */
};

struct display *display_create(const struct display_config *config); /* starts the thread; NULL: logged */
void display_destroy(struct display *self);                          /* after the last view is closed; NULL is fine */
void display_get_status(struct display *self, struct display_status *ret_status);

/* The desktop is there from now on (":91", file with its cookie), or nowhere (name "", and the sentence says why). For
 * a display of our own: its mode may be changed without a note. */
void display_point(struct display *self, const char *name, const char *xauthority, const char *sentence);
void display_set_wish(struct display *self, const struct display_wish *wish);
void display_note_stored(struct display *self, bool stored);

/* Busy while the capture thread is at work; see base/heartbeat.h. */
const struct heartbeat *display_heartbeat(const struct display *self);
/* The watchdog's remedy: ends the connection under a source that hangs; the capture thread opens it again. */
void display_abort_source(struct display *self);

struct view_config {
    struct frame_layout layout; /* the client's size and colours: the desktop is scaled into it, with black bars */
    int fps_x100;               /* at most this many pictures per second */
};

/* Any thread: pictures per second from now on, at most view_config.fps_x100. */
void view_set_rate(struct view *self, int fps_x100);

/* Starts capturing; the first picture (desktop or status) comes by itself within 1 s. NULL: logged. */
struct view *display_open_view(struct display *self, const struct view_config *config);
void view_close(struct view *self); /* NULL is fine; frames already taken stay valid */

enum view_result { VIEW_OK, VIEW_TIMEOUT, VIEW_WOKEN };
/*
 * Wait until `until_ns` for a picture newer than the last one taken. On VIEW_OK the caller owns a reference in
 * *ret_frame, and *ret_damage is everything that changed since the last picture *taken* (also what dropped ones had
 * changed).
 */
enum view_result view_take(struct view *self, int64_t until_ns, struct frame **ret_frame, struct region *ret_damage);
void view_wake(struct view *self); /* makes a waiting, or the next, view_take return VIEW_WOKEN */

struct view_counters {
    uint64_t pictures, dropped; /* dropped: replaced in the mailbox by a newer one */
    uint64_t unchanged;         /* not made: the display told of a change, but nothing looked different */
};
struct view_counters view_get_counters(struct view *self);
/* Durations since the last call: reading the display, and composing + scaling + converting. */
void view_take_stats(struct view *self, struct stats_summary *ret_fetch, struct stats_summary *ret_convert);
