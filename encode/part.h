/* SPDX-License-Identifier: Apache-2.0 */
/* part: an encoded picture, or a piece of one, on its way from an encoder to the sender. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of the frame header on the wire. */
enum part_type {
    PART_PREDICTED = 1,
    PART_IDR = 2,
    PART_INTRA_REFRESH = 4,
    PART_AFTER_INVALIDATION = 5,
};

/* An access unit, or the next slices of one. The bytes are the encoder's, valid until its next encode or destroy call.
 */
struct au_part {
    const uint8_t *data; /* what the codec calls a stream; a later part lies behind the one before, in memory as well */
    size_t size;
    enum part_type type;
    int part, parts; /* it ends with this slice of so many, at most 16; 0 of 1 for a whole access unit */
    bool last;
    bool refining;        /* a repeat would look better */
    bool long_term;       /* the encoder keeps it: the client confirms that it has it */
    int64_t captured_ns;  /* of the picture; 0 for a repeat: the wire then carries latency 0 */
    int64_t timestamp_ns; /* for the RTP clock: when captured, or the intended moment of a repeat; monotonic */
};
