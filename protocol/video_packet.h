/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_packet: an access unit as the datagrams of one video frame: FEC blocks, headers, parity, encryption. Pure.
 * Source: docs/protocol.md, "Video packets"; bytes checked by tests/unit/test_video_packet.c.
 *
 * Two steps. load() copies the access unit into the data packets of all blocks: then its bytes are free. build()
 * finishes one block, so that a block can leave while the next one is computed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VIDEO_BLOCKS_MAX = 4,
    VIDEO_BLOCK_DATA_MAX = 1023, /* 10-bit fields; only without parity */
    VIDEO_FRAME_DATA_MAX = VIDEO_BLOCKS_MAX * VIDEO_BLOCK_DATA_MAX,
    VIDEO_PACKET_SIZE_MIN = 48, /* packetSize: 16 bytes of video header and the payload */
    VIDEO_PACKET_SIZE_MAX = 8192,
    VIDEO_SEAL_BYTES = 32,  /* prefix of an encrypted packet */
    VIDEO_SHARD_EXTRA = 16, /* a packet is this much longer than packetSize */
};

struct video_block {
    int data, parity; /* packets */
    int percent;      /* as transmitted; the client computes `parity` from it */
    int first;        /* packets of the frame before this block */
};
struct video_layout {
    int blocks; /* 1..VIDEO_BLOCKS_MAX */
    int percent;
    struct video_block block[VIDEO_BLOCKS_MAX];
};

/* Parity packets for a block of `k`, and the percentage that leads the client to the same number. percent 0: none. */
int video_parity_count(int k, int percent, int min_parity, int *ret_percent);

/* Blocks of a frame of `total` data packets at exactly this percentage, or without parity in 4 blocks where that does
 * not fit. False, nothing written: more than VIDEO_FRAME_DATA_MAX. */
bool video_layout_split(int total, int percent, int min_parity, struct video_layout *ret_layout);
/* The same, but the percentage is lowered as far as needed, down to 1, before parity is given up. */
bool video_layout_fit(int total, int percent, int min_parity, struct video_layout *ret_layout);

struct video_packetiser;

struct video_packetiser_config {
    int packet_size; /* as negotiated: VIDEO_PACKET_SIZE_MIN..MAX, a multiple of 16 */
    int fec_percent; /* 0..255 */
    int min_parity;
    const uint8_t *key;    /* 16 bytes, copied: seal every packet; NULL: plain */
    uint32_t first_frame;  /* number of the first frame; 0: 1. Another one to continue a stream */
    uint64_t first_packet; /* counter of the first packet: sequence number, stream index and IV */
};

/* NULL: logged. Memory for the largest frame is reserved here; it becomes resident as far as frames have needed it. */
struct video_packetiser *video_packetiser_create(const struct video_packetiser_config *config);
void video_packetiser_destroy(struct video_packetiser *self); /* NULL is fine; wipes the key */

struct video_frame_info {
    int type;                 /* 1 P, 2 IDR, 4 intra refresh, 5 P after invalidation */
    uint16_t latency_100us;   /* capture to send; 0: a repeat, or unknown */
    uint32_t timestamp_90khz; /* the same in all packets of the frame */
    bool long_term_reference; /* the client acknowledges its arrival */
};

/* Starts a frame: takes the next frame number and copies the bytes. The number of blocks; 0: the access unit is empty
 * or does not fit, and no number was used. */
int video_packetiser_load(struct video_packetiser *self, const uint8_t *data, size_t size,
                          const struct video_frame_info *info);

/* Datagrams of equal size, back to back: data, then parity. Valid until the next load. */
struct video_datagrams {
    const uint8_t *base;
    size_t size; /* of one */
    int count, parity;
};
/* Each block 0..blocks-1 exactly once, in order. False: the cipher failed, nothing may be sent. */
bool video_packetiser_build(struct video_packetiser *self, int block, struct video_datagrams *ret_datagrams);

uint32_t video_packetiser_frame(const struct video_packetiser *self);       /* number last loaded; first - 1 before */
uint64_t video_packetiser_next_packet(const struct video_packetiser *self); /* counter after the loaded frame */
