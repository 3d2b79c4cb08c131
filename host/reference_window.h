/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference_window: which of the pictures that an encoder still refers to has the client, as far as is known. Says what
 * a client's message of lost frames asks for: nothing, as the answer is on its way; that the encoder forgets its newest
 * pictures, or all but one that it keeps for long (host/long_term.h); or an IDR. Pure. Source: docs/protocol.md, "Loss
 * and recovery".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct reference_window { /* zeroed: nothing was sent yet */
    uint32_t newest_frame;
    uint32_t known;                        /* bit i: the picture i before the newest may be referred to */
    bool returned;                         /* the next picture refers to one that is known though none here is */
    uint32_t answered_from, answered_last; /* frames of which the client has been helped already; last 0: none */
};

/* A picture was given to the sender and becomes this frame, if the sender can send it. */
void reference_window_add(struct reference_window *self, uint32_t frame, bool idr);

enum reference_answer { REFERENCE_ANSWERED, REFERENCE_FORGET, REFERENCE_NONE_LEFT, REFERENCE_IDR };

/*
 * The client lost first..last.
 * kept  pictures that the encoder keeps for reference, the newest included; less than 2: it cannot forget single ones
 * REFERENCE_FORGET: the newest *ret_count pictures refer to what is lost, or are lost, and one before them is left.
 * REFERENCE_NONE_LEFT: the same, but none is left, or it cannot forget; an IDR, unless an older picture is kept.
 * REFERENCE_IDR: there were no such frames; nothing can be said of what the client has.
 */
enum reference_answer reference_window_lose(struct reference_window *self, uint32_t first, uint32_t last, int kept,
                                            int *ret_count);

/* The client lost what was sent from `first` on, and the next picture refers to an older one that it has. */
void reference_window_return(struct reference_window *self, uint32_t first);
