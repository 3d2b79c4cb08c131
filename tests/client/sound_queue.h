/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sound_queue: sound datagrams into Opus packets in order, by the rules of the stock client (docs/protocol.md, "Sound
 * packets"): the first half second is thrown away, a block of four data and two parity packets is repaired when any
 * four of them came, and one that breaks the rules turns repair off until the end. No socket, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOUND_PAYLOAD_MAX = 1400 };

struct sound_queue_config {
    int packet_ms;
    bool keep_start; /* play from the first block on; for tests of the queue */
    void *ctx;
    /* The next payload in order; NULL: it is lost for good, to be concealed. */
    void (*payload)(void *ctx, uint16_t sequence, const uint8_t *data, size_t size);
};

struct sound_queue_counters {
    uint64_t data, parity, bytes, other;
    uint64_t at_start;                /* thrown away because the session had just begun */
    uint64_t played, recovered, lost; /* lost: with whole blocks, which are skipped silently */
    uint64_t late, duplicates, malformed;
    uint64_t bad_timestamps; /* data packets whose time does not follow from their number */
    bool fec_off;
    size_t payload_size; /* of the last data packet */
};

struct sound_queue;

struct sound_queue *sound_queue_create(const struct sound_queue_config *config); /* NULL: out of memory */
void sound_queue_destroy(struct sound_queue *self);
void sound_queue_packet(struct sound_queue *self, const uint8_t *data, size_t size, int64_t arrival_ns);
struct sound_queue_counters sound_queue_get_counters(const struct sound_queue *self);
