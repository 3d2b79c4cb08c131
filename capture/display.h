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
struct view;

struct display_config {
    const char *name;   /* "auto" ($DISPLAY), ":N", "none" (the status picture for ever); copied */
    const char *output; /* "auto" (primary, else the first), a RandR name, or "all" (whole screen); copied */
};

struct display_status {
    bool capturing;     /* false: the status picture is shown */
    int width, height;  /* of the captured area in px, 0 while not capturing */
    char source[64];    /* "x11 :0 DP-1" */
    char sentence[160]; /* why there is no desktop, for people; empty while capturing */
    uint64_t reconnects;
};

struct display *display_create(const struct display_config *config); /* starts the thread; NULL: logged */
void display_destroy(struct display *self);                          /* after the last view is closed; NULL is fine */
void display_get_status(struct display *self, struct display_status *ret_status);

struct view_config {
    struct frame_layout layout; /* the client's size and colours: the desktop is scaled into it, with black bars */
    int fps_x100;               /* at most this many pictures per second */
};

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
};
struct view_counters view_get_counters(struct view *self);
/* Durations since the last call: reading the display, and composing + scaling + converting. */
void view_take_stats(struct view *self, struct stats_summary *ret_fetch, struct stats_summary *ret_convert);
