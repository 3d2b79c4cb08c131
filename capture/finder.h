/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finder: which X displays there are, for `display = auto`: $DISPLAY, the sessions logind knows, and sockets; best
 * first. Reads files, /proc and asks logind: on the opener's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { FINDER_MAX = 12, FINDER_NAME_MAX = 32, FINDER_PATH_MAX = 256, FINDER_REASON_MAX = 128, FINDER_COOKIES_MAX = 4 };

struct finder_candidate {
    char name[FINDER_NAME_MAX]; /* ":0" */
    /* Files with its cookie, to be tried in this order; the first may be "": as xcb finds it ($XAUTHORITY, home). */
    char cookies[FINDER_COOKIES_MAX][FINDER_PATH_MAX];
    int cookie_count;
    int rank;                       /* lower is better */
    bool usable;                    /* false: not even tried */
    char reason[FINDER_REASON_MAX]; /* why not, or what it is: "active session of anna", "$DISPLAY" */
};

/* Returns how many, best first, usable ones before the others. */
size_t finder_survey(struct finder_candidate ret_candidates[FINDER_MAX]);
