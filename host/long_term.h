/* SPDX-License-Identifier: Apache-2.0 */
/*
 * long_term: which pictures an encoder keeps however many come after, and which of them the client is known to have.
 * A loss that is longer than the encoder's other pictures is answered by going back to one of these instead of by an
 * IDR. Two places: one holds a picture that the client has confirmed (0x0350) while the other waits for its
 * confirmation. Pure: time comes in as an argument. Source: docs/protocol.md, "Loss and recovery".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LONG_TERM_PLACES = 2, LONG_TERM_NONE = -1 };

struct long_term { /* zeroed: no IDR yet */
    bool begun;
    struct {
        uint32_t frame; /* 0: the place is empty */
        bool confirmed;
    } places[LONG_TERM_PLACES];
    int64_t kept_ns; /* when a picture was last put in a place; monotonic, 0: never */
};

/* An IDR was sent: the places are empty. */
void long_term_restart(struct long_term *self);
/* Where the next picture, which is no IDR, is to be kept; LONG_TERM_NONE: it is one like others. */
int long_term_choose(const struct long_term *self, int64_t now_ns);
/* It was given to the sender and becomes this frame. */
void long_term_keep(struct long_term *self, int place, uint32_t frame, int64_t now_ns);
void long_term_confirm(struct long_term *self, uint32_t frame); /* of which the client says that it has it */
/* The client misses frames from `first` on: later ones are kept no more. The place of the newest one that it has;
 * LONG_TERM_NONE: there is none. */
int long_term_lose(struct long_term *self, uint32_t first);
