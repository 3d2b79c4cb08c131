/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempts: limits on guessing passwords and the setup code. Time comes in as an argument.
 * An attempt is charged before it is checked, so that many at once do not slip through, and taken back when it was
 * right. Five wrong ones within a minute shut an address out for a minute, each further one for twice as long, up to
 * 16 minutes. All addresses together have 30 within a minute; this machine itself is exempt from that sum, so that
 * strangers cannot lock its owner out.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stdint.h>

enum { ATTEMPTS_ADDRESSES = 64, ATTEMPTS_PER_MINUTE = 5, ATTEMPTS_ALL_PER_MINUTE = 30 };

struct attempts_entry {
    struct address address; /* family 0: free */
    int64_t window_ns;      /* begin of the minute that is counted */
    int64_t closed_until_ns;
    unsigned count;   /* in this minute */
    unsigned lockups; /* one after the other */
};

/* Zero-initialise. */
struct attempts {
    struct attempts_entry entries[ATTEMPTS_ADDRESSES];
    int64_t window_ns;
    unsigned count;
};

/* Charges one attempt. False: refused, try again after `*ret_wait_s` seconds (only then written). */
bool attempts_take(struct attempts *self, const struct address *peer, int64_t now_ns, unsigned *ret_wait_s);
/* It was right (forgets the address) ... */
void attempts_forgive(struct attempts *self, const struct address *peer);
/* ... or could not be judged: as if it had not been made. */
void attempts_refund(struct attempts *self, const struct address *peer);
