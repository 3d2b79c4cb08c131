/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desktop: the private display (`virtual_display`) and the session that runs in it. An X server of our own, Xorg with
 * the dummy driver for root, else Xvfb, with its own cookie; then `session_command`, started again when it ends. Main
 * thread.
 *
 *   off | starting ──► running ──(server died)──► waiting ──► starting ...      session: waiting ──► running ──►
 * waiting ...
 */
#pragma once

#include "host/config.h"
#include "net/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct desktop;

struct desktop_config {
    const struct config *config; /* outlives the desktop; virtual_width is not 0 */
    struct loop *loop;
    /* The server is ready, or gone (`display` "", and the sentence says why, for people). Borrowed. */
    void (*moved)(void *ctx, const char *display, const char *xauthority, const char *sentence);
    void (*changed)(void *ctx); /* something the page shows is different */
    void *ctx;
};

/* Starts the server; it is tried for ever, with growing pauses. NULL: out of memory, logged. */
struct desktop *desktop_create(const struct desktop_config *config);
/* Ends session and server: asked first, killed after PROGRAM_STOP_S. Waits for it. NULL is fine. */
void desktop_destroy(struct desktop *self);

/* Nobody streams, and somebody is about to, in this size. Xvfb has modes up to the size it was started in: for a larger
 * one it is started anew, unless programs have windows open on it (`sentence` of the status says so). Else nothing. */
void desktop_fit(struct desktop *self, int width, int height);

bool desktop_restart_session(struct desktop *self); /* false: there is no session_command */
void desktop_restart_server(struct desktop *self);  /* kills a hung one at once */

/* For programs of apps: "DISPLAY=:91" and the like, NULL-terminated; valid until the next change. */
const char *const *desktop_environment(const struct desktop *self);

/* {server, display, width, height, state, sentence, server_restarts,
 *  session: {command, user, state, restarts, last_end, output} or null}; the states as in the picture above. */
json_t *desktop_to_json(const struct desktop *self);
/* The last lines of the X server's log. Returns the length; "" when there is none. */
size_t desktop_server_log(const struct desktop *self, char *ret_text, size_t capacity);
