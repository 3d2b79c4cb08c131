/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper: looks after the streamed desktop besides taking its picture: mode, waking, pointer. A thread with a
 * connection of its own, so that a display that stops answering holds nobody up. What it is to bring about is a wish,
 * stated as a whole; it compares and acts. Backends: keeper_backend.h, one file each.
 *
 * Mode, crash-proof: what was there is first given to `note`, and only when that is stored the mode is switched. The
 * note is forgotten when all is put back. A new mode that brings no picture within 15 s is reverted and not tried
 * again.
 */
#pragma once

#include "capture/display.h"

#include <stdbool.h>

struct keeper;

struct keeper_config {
    const char *left_note;                     /* see display_config */
    void (*note)(void *ctx, const char *note); /* each, also "", is answered by one keeper_note_stored() */
    void *ctx;
    int64_t picture_limit_ns; /* for tests: how long to wait for a new mode's picture; 0: 15 s */
};

struct keeper *keeper_create(const struct keeper_config *config); /* starts the thread; NULL: logged */
/* Puts mode, pointer and screen saver back if the display answers within 2 s. NULL is fine. */
void keeper_destroy(struct keeper *self);

/* Capture thread: this display is captured now, and which output was wished ("auto", a name, "all"). `owner`: whose the
 * file with the cookie must be, -1: whoever's. `is_ours`: it ends with us, so no note is needed. */
void keeper_attach(struct keeper *self, const char *display, const char *xauthority, int64_t owner, const char *output,
                   bool is_ours);
void keeper_detach(struct keeper *self);
/* Capture thread: a picture of the desktop was shown, of this size. Cheap: no lock held by slow work. */
void keeper_saw_picture(struct keeper *self, int width, int height);

/* Any thread. */
void keeper_set_wish(struct keeper *self, const struct display_wish *wish);
void keeper_note_stored(struct keeper *self, bool stored);
void keeper_get_status(struct keeper *self, struct display_mode_status *ret_status);
