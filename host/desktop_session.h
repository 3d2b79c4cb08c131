/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desktop_session: keeps `session_command` running while there is a display: started again when it ends, after pauses
 * that grow while it does not stay. Main thread.
 */
#pragma once

#include "net/loop.h"

#include <jansson.h>
#include <stdbool.h>

struct desktop_session;

struct desktop_session_config {
    struct loop *loop;
    const char *command;        /* of /bin/sh; outlives the session */
    const char *user;           /* "": as we are; outlives the session */
    void (*changed)(void *ctx); /* something the page shows is different */
    void *ctx;
};

struct desktop_session *
desktop_session_create(const struct desktop_session_config *config); /* NULL: no memory, logged */
/* Ends it: asked first, killed after PROGRAM_STOP_S. Waits for it. NULL is fine. */
void desktop_session_destroy(struct desktop_session *self);

/* The display is there: its environment ("NAME=value"), valid until the next call; NULL: it is gone, and so the command
 * is to end. */
void desktop_session_set_display(struct desktop_session *self, const char *const *environment);
/* Now, without a pause. */
void desktop_session_restart(struct desktop_session *self);
/* {command, user, state: "waiting" or "running", restarts, last_end, output} */
json_t *desktop_session_to_json(const struct desktop_session *self);
