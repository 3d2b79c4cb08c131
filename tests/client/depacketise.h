/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depacketise: video shards in, complete frames and requests to the host out, as a stock client does it
 * (docs/protocol.md, "Video packets" and "Loss and recovery"). Stricter than clients are: what they would let pass
 * although it is wrong is counted as malformed. Pure: no socket, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum depacketise_codec { DEPACKETISE_H264, DEPACKETISE_HEVC, DEPACKETISE_AV1 };

struct depacketise_header { /* of one shard */
    uint16_t seq;
    uint32_t timestamp, stream_index, frame;
    uint8_t flags, extra_flags;
    int block, last_block, k, m, index, percent;
};

struct depacketise_frame {
    uint32_t number, timestamp;
    uint8_t type; /* 1 P, 2 IDR, 4 intra refresh, 5 after invalidation */
    bool idr;     /* found in the bitstream by the client's rule */
    bool recovered, delivered;
    bool long_term; /* the host keeps it and wants to know that it has come */
    uint16_t latency_100us;
    const uint8_t *data; /* valid during the call */
    size_t size;
    int packets, blocks;
    uint64_t shard_bytes;
    int64_t first_ns, last_ns; /* arrival of the first packet and of the last one needed */
};

/* Payload of control message 0x5502. */
struct depacketise_status {
    uint32_t frame;
    uint16_t highest_seq, next_seq, missing, data_total, parity_total, data_received, parity_received;
    uint8_t percent, block, block_count;
};

struct depacketise_events {
    void *ctx;
    void (*frame)(void *ctx, const struct depacketise_frame *frame); /* every complete one, also undelivered ones */
    void (*request_idr)(void *ctx);
    void (*invalidate)(void *ctx, uint32_t first, uint32_t last);
    void (*status)(void *ctx, const struct depacketise_status *status);
};

struct depacketise_counters {
    uint64_t packets, parity_packets, late, duplicates, malformed, refused;
    uint64_t frames_complete, frames_delivered, frames_recovered, frames_lost, frames_dropped;
    uint64_t idr, idr_unmarked, idr_unrecognised, blocks_recovered, blocks_lost, max_blocks;
    char malformed_reason[96]; /* of the last malformed one */
};

struct depacketise_config {
    int packet_size; /* as negotiated; a shard has 16 bytes more */
    enum depacketise_codec codec;
    bool invalidation; /* offered by the host and used by the client */
    struct depacketise_events events;
};

struct depacketise;

struct depacketise *depacketise_create(const struct depacketise_config *config); /* NULL: out of memory */
void depacketise_destroy(struct depacketise *self);
/* False: not a shard of this stream. */
bool depacketise_parse(const struct depacketise *self, const uint8_t *data, size_t size,
                       struct depacketise_header *ret_header);
void depacketise_packet(struct depacketise *self, const uint8_t *data, size_t size, int64_t now_ns);
struct depacketise_counters depacketise_get_counters(const struct depacketise *self);
