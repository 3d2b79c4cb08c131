/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hang: makes one call into x264, or one send of a stream's packets, hang for as long as a test wants. Linked into a
 * test program it takes the place of the real functions; as a library for LD_PRELOAD it does so in the host.
 *
 * $HANG_ENCODE and $HANG_SEND name files. The first call that meets its file renames it to <file>.held.<number>, and
 * hangs until that is gone; so each time the file is made one call hangs. $HANG_FAIL names one that makes a call into
 * x264 fail, and is gone then.
 */
#pragma once

#include <stdbool.h>

enum hang_place { HANG_ENCODE, HANG_SEND };

/* For test programs. */
void hang_set_up(void);                   /* names the files, in a new folder */
void hang_tear_down(void);                /* lets go of all, removes the folder */
void hang_next(enum hang_place place);    /* makes the file */
void hang_await(enum hang_place place);   /* until a call has hung for half a second */
void hang_release(enum hang_place place); /* lets all that hang there go on */
void hang_fail_encode(void);              /* the next call into x264 fails */
