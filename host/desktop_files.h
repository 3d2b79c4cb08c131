/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desktop_files: the private display's files: its cookie and, for Xorg, its configuration. They are in the state
 * folder; when the session belongs to another user, that user has a copy of the cookie, his own, under /run/earthshine.
 * Files that a crash left are written over by the next start. Main thread; small files.
 */
#pragma once

#include "base/child.h"
#include "host/config.h"

#include <stdbool.h>
#include <stdint.h>

enum { DESKTOP_COOKIE_BYTES = 16, DESKTOP_PATH_MAX = CONFIG_PATH_MAX + 64 };

struct desktop_files {
    char folder[DESKTOP_PATH_MAX], xauthority[DESKTOP_PATH_MAX]; /* ours */
    char user_folder[64], user_xauthority[96];                   /* "": the session runs as we do */
    uint8_t cookie[DESKTOP_COOKIE_BYTES];                        /* never logged */
};

/* Fresh folders and a fresh cookie. `user`: whom the session runs as; "" or our own name: as we do.
 * False: `ret_reason` says why, for people. */
bool desktop_files_make(struct desktop_files *self, const char *state_dir, const char *user,
                        char ret_reason[CHILD_REASON_MAX]);
/* A file of that name in `folder`, 0600. */
bool desktop_files_write(const struct desktop_files *self, const char *name, const char *text,
                         char ret_path[DESKTOP_PATH_MAX], char ret_reason[CHILD_REASON_MAX]);
void desktop_files_remove(const struct desktop_files *self);
