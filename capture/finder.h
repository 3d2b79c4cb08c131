/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finder: which X displays there are, for `display = auto`: $DISPLAY, the sessions logind knows, and sockets; best
 * first. Reads files, /proc and asks logind: on the opener's thread only. The order and the texts are made by pure
 * functions (finder_facts.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FINDER_MAX = 12, FINDER_NAME_MAX = 32, FINDER_PATH_MAX = 256, FINDER_REASON_MAX = 128, FINDER_COOKIES_MAX = 6 };

/* In order of preference. */
enum finder_kind {
    FINDER_ACTIVE_SEAT0, /* the session in front of the machine's own screen */
    FINDER_ACTIVE,       /* an active session elsewhere: another seat, or a remote desktop */
    FINDER_ENVIRONMENT,  /* $DISPLAY */
    FINDER_GREETER,      /* the login screen, when it is in front: a session behind it draws nothing */
    FINDER_SESSION,      /* a session that is not in front */
    FINDER_SOCKET,       /* an X server nobody is known to have logged in at; our own user's first */
};

struct finder_candidate {
    char name[FINDER_NAME_MAX]; /* ":0"; of what has no X display: "session 3" */
    /* Files with its cookie, to be tried in this order; one may be "": as xcb finds it ($XAUTHORITY, home). A file that
     * has another owner by the time it is read is not used. None: to be tried without a cookie. */
    char cookies[FINDER_COOKIES_MAX][FINDER_PATH_MAX];
    unsigned cookie_owners[FINDER_COOKIES_MAX];
    int cookie_count;
    uint64_t fingerprint; /* another one when the server or one of those files is */
    enum finder_kind kind;
    int rank;                       /* lower is better */
    bool usable;                    /* false: not even tried */
    char reason[FINDER_REASON_MAX]; /* why not, or what it is: "active session of anna", "$DISPLAY" */
};

/* Returns how many, best first, usable ones before the others. `ret_cost_ns`: processor time it took. */
size_t finder_survey(struct finder_candidate ret_candidates[FINDER_MAX], int64_t *ret_cost_ns);

/*
 * Whether the desktop changes over from the captured display `present` to `other`: only from one that is no longer in
 * front, or a login screen, to one that is in front; so nothing flaps. NULL: `present` is not among the candidates.
 */
bool finder_is_better(const struct finder_candidate *other, const struct finder_candidate *present);

/* ":0" from a name of a display on this computer (":0", ":0.0", "unix:0"). False: not one. */
bool finder_parse_local(const char *display, int *ret_number);

/*
 * One sentence for people: what was looked at, in short, and what to do.
 * names, reasons: of the candidates, as far as they are known after they were tried
 */
void finder_tell(const char *const *names, const char *const *reasons, int count, char *ret_sentence, size_t capacity);
