/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desktop_xserver: the X server of the private display: which one, its command line and configuration, its number.
 * desktop.c decides when. Main thread.
 */
#pragma once

#include "host/desktop_files.h"
#include "host/program.h"

#include <stdbool.h>

enum xserver_kind { XSERVER_XORG, XSERVER_XVFB };

enum { XSERVER_NUMBER_MIN = 91, XSERVER_NUMBER_MAX = 199 };

struct xserver_config {
    enum xserver_kind kind;
    int number, width, height;
    const struct desktop_files *files;
    const char *user; /* whom Xvfb runs as; "": as we do. Xorg runs as we do: root */
    struct loop *loop;
    void (*ended)(void *ctx, const struct program_end *end);
    void *ctx;
};

const char *xserver_name(enum xserver_kind kind);
/* Xorg with the dummy driver for root, else Xvfb. */
enum xserver_kind xserver_choose(void);

/* Locks the first number that nobody has, from `first` on, then from the start; one that we have already is ours still.
 * 0: none is free. */
int xserver_take_number(int first);
/* Unlocks it; what a killed server left of it is removed. What others have stays. */
void xserver_give_number(int number);

/* NULL: `ret_reason` says why, for people. `*ret_ready_fd` (non-blocking, the caller's to close) has the number and a
 * newline once the server answers, and its end when it ends before. */
struct program *xserver_start(const struct xserver_config *config, int *ret_ready_fd,
                              char ret_reason[CHILD_REASON_MAX]);

/* What a start that failed printed: did another server have the number? */
bool xserver_number_was_taken(const char *output);
