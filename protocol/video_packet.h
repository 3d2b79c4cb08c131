/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_packet: an access unit as the datagrams of one video frame: FEC blocks, headers, parity, encryption. Pure.
 * Source: docs/protocol.md, "Video packets"; bytes checked by tests/unit/test_video_packet.c.
 *
 * Two steps. load() copies an access unit, or the next part of one, into data packets: then its bytes are free. build()
 * finishes one block, so that a block can leave while the next one is computed, or its bytes are not there yet.
 *
 * In parts: blocks are cut wherever parts end, and the bytes of a packet that is not full go to the next block. How
 * many blocks there will be stands in each packet, so it is foretold from the first parts that are worth a block; until
 * then nothing is cut, and a small access unit goes as a whole. The last packet is then full, with zeros behind the
 * data, as its length stands in the first: Annex B allows them, AV1 does not.
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
    VIDEO_PARTS_MAX = 16,     /* that an access unit may come in */
    VIDEO_PART_DATA_MIN = 8, /* what comes in parts has no blocks with fewer data packets but at its end */
    VIDEO_SEAL_BYTES = 32,    /* prefix of an encrypted packet */
    VIDEO_SHARD_EXTRA = 16,   /* a packet is this much longer than packetSize */
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
    uint16_t latency_100us;   /* capture to send; 0: a repeat, or unknown. What is said before the first cut counts */
    uint32_t timestamp_90khz; /* the same in all packets of the frame */
    bool long_term_reference; /* the client acknowledges its arrival */
};

void video_packetiser_begin(struct video_packetiser *self); /* a frame, whatever is missing of the one before */
/*
 * The bytes up to the end of part `part` of `parts`, each time with the same info; not of AV1 when there are several.
 * The first cut takes the next frame number. Returns the number of blocks that can be built, all after the last part.
 * -1: there are no bytes or they do not fit; nothing more is to be loaded, and no number was used if nothing was cut.
 */
int video_packetiser_load(struct video_packetiser *self, const uint8_t *data, size_t size, int part, int parts,
                          const struct video_frame_info *info);

/* Datagrams of equal size, back to back: data, then parity. Valid until the next load. */
struct video_datagrams {
    const uint8_t *base;
    size_t size; /* of one */
    int count, parity;
};
/* Each block that can be built exactly once, in order. False: the cipher failed, nothing may be sent. */
bool video_packetiser_build(struct video_packetiser *self, int block, struct video_datagrams *ret_datagrams);

uint32_t video_packetiser_frame(const struct video_packetiser *self);       /* number last used; first - 1 before */
uint64_t video_packetiser_next_packet(const struct video_packetiser *self); /* counter after all blocks cut */
