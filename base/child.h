/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: a program started by us, in a session and process group of its own. It ends (SIGTERM) when the thread that
 * started it ends: start children on the main thread. After a crash of the host that reaches the program itself, not
 * what it has started; X clients end with their server, the rest is the service manager's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct child_spec {
    const char *const *argv;        /* NULL-terminated; argv[0] is looked up in $PATH */
    const char *const *environment; /* "NAME=value", added to ours or to that of `user`, or "NAME" to take one away;
                                       NULL-terminated; NULL: none */
    const char *directory;          /* NULL: the home of `user`, else ours */
    const char *user;               /* name; run as this user, with its groups and a clean environment: root only.
                                       NULL, or our own name: as we are */
    int output;                     /* descriptor for stdout and stderr; -1: /dev/null. Stdin is /dev/null */
    int pass;                       /* descriptor that the child has as number 3; -1: none */
};

struct child {
    int pid;     /* and process group; 0: none */
    int exit_fd; /* readable once the child has ended (poll, epoll) */
};

enum { CHILD_REASON_MAX = 160 };

/* False: `ret_reason` says why, for people ("the program Xorg is not installed", "there is no user x"). */
bool child_start(struct child *self, const struct child_spec *spec, char ret_reason[CHILD_REASON_MAX]);

struct child_end {
    bool by_signal;
    int code; /* exit code, or the signal's number */
};
/* True once it has ended: it is reaped, what is left of its group is killed, `exit_fd` is closed. Does not wait. */
bool child_reap(struct child *self, struct child_end *ret_end);

enum child_signal { CHILD_TERMINATE, CHILD_KILL };
void child_signal(struct child *self, enum child_signal signal); /* the whole group; nothing without a child */

/* "exit code 3", "signal 11 (Segmentation fault)". */
void child_end_text(const struct child_end *end, char *ret_text, size_t capacity);

bool child_user_exists(const char *user);
bool child_user_ids(const char *user, unsigned *ret_uid, unsigned *ret_gid); /* false: there is no such user */
