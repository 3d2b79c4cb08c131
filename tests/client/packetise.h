/* SPDX-License-Identifier: Apache-2.0 */
/* packetise: a plain packetiser for the self test, written from docs/protocol.md like the rest of the client. */
#pragma once

#include "tests/client/fec.h"

struct packetise_config {
    int packet_size, fec_percent, min_parity;
    uint32_t frame, timestamp, first_seq;
    uint8_t type, extra_flags;
    uint16_t latency_100us;
};

/* All shards of a frame, back to back, `packet_size + 16` bytes each; freed by the caller. NULL: does not fit. */
uint8_t *packetise_frame(const struct fec *fec, const struct packetise_config *config, const uint8_t *data, size_t size,
                         size_t *ret_count);
