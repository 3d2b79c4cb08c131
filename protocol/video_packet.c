/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet ("shard") is 16 bytes of RTP header, 16 bytes of video header and the payload; sealed, 32 more bytes go in
 * front. Packets of a frame lie back to back at their final distance and are sealed in place, so that one system call
 * can carry a whole block.
 *
 * Parity is computed while only the columns that a client needs are filled (stream index, flags, payload) and all
 * other header bytes are zero; then every packet, parity too, gets its real header.
 */
#include "protocol/video_packet.h"

#include "base/bytes.h"
#include "base/log.h"
#include "protocol/crypto.h"
#include "protocol/fec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 32,      /* both headers */
    FRAME_HEADER_BYTES = 8, /* before the access unit */
    FRAME_HEADER_SHORT = 1, /* its type byte */
    RTP_FLAGS = 0x90,       /* version 2 with extension */
    FLAG_PICTURE = 1,       /* and so on: byte 24 */
    FLAG_END = 2,
    FLAG_START = 4,
    EXTRA_LONG_TERM = 1, /* byte 25 */
    MULTI_FEC = 0x10,    /* byte 26 */
    IV_BYTES = 12,
};

struct video_packetiser {
    struct video_packetiser_config config;
    struct fec *fec;
    struct gcm *gcm; /* NULL: plain */
    uint8_t *memory;
    size_t prefix; /* bytes before each shard */
    size_t shard;
    size_t stride; /* prefix + shard: a datagram */

    uint32_t frame; /* loaded last */
    uint64_t first; /* packet counter of its first packet */
    uint64_t next;  /* and after its last */
    struct video_layout layout;
    uint32_t timestamp_90khz;
};

int video_parity_count(int k, int percent, int min_parity, int *ret_percent)
{
    int m = (k * percent + 99) / 100;
    int used = percent;
    if (percent > 0 && m < min_parity) {
        used = 100 * min_parity / k;
        if (used < 255 && (k * used + 99) / 100 < min_parity)
            used++; /* the next one that gives at least as many */
        if (used > 255)
            used = 255;
        m = (k * used + 99) / 100;
        if (k + m > FEC_SHARDS_MAX) { /* the minimum does not fit: the share that was asked for does */
            used = percent;
            m = (k * percent + 99) / 100;
        }
    }
    *ret_percent = used;
    return m;
}

static int block_data_max(int percent)
{
    return 25500 / (100 + percent);
}

bool video_layout_split(int total, int percent, int min_parity, struct video_layout *ret_layout)
{
    assert(total > 0 && percent >= 0 && percent <= 255);
    if (total > VIDEO_FRAME_DATA_MAX)
        return false;
    int blocks = (total + block_data_max(percent) - 1) / block_data_max(percent);
    if (blocks > VIDEO_BLOCKS_MAX) {
        blocks = VIDEO_BLOCKS_MAX;
        percent = 0;
    }
    int share = (total + blocks - 1) / blocks;
    *ret_layout = (struct video_layout){.blocks = blocks, .percent = percent};
    for (int b = 0, first = 0; b < blocks; b++) {
        struct video_block *block = &ret_layout->block[b];
        block->data = b < blocks - 1 ? share : total - b * share;
        block->parity = video_parity_count(block->data, percent, min_parity, &block->percent);
        block->first = first;
        first += block->data + block->parity;
    }
    return true;
}

bool video_layout_fit(int total, int percent, int min_parity, struct video_layout *ret_layout)
{
    int lower = percent;
    while (lower > 1 && total > VIDEO_BLOCKS_MAX * block_data_max(lower))
        lower--;
    return video_layout_split(total, lower, min_parity, ret_layout);
}

static bool config_is_valid(const struct video_packetiser_config *config)
{
    return config->packet_size >= VIDEO_PACKET_SIZE_MIN && config->packet_size <= VIDEO_PACKET_SIZE_MAX &&
           config->packet_size % 16 == 0 && config->fec_percent >= 0 && config->fec_percent <= 255 &&
           config->min_parity >= 0 && config->min_parity <= FEC_SHARDS_MAX;
}

struct video_packetiser *video_packetiser_create(const struct video_packetiser_config *config)
{
    if (!config_is_valid(config)) {
        log_error("video: packet size %d, FEC %d %%, minimum %d: not possible", config->packet_size,
                  config->fec_percent, config->min_parity);
        return NULL;
    }
    struct video_packetiser *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("video");
    self->config = *config;
    self->config.key = NULL; /* the caller's */
    self->shard = (size_t)config->packet_size + VIDEO_SHARD_EXTRA;
    self->prefix = config->key ? VIDEO_SEAL_BYTES : 0;
    self->stride = self->prefix + self->shard;
    self->frame = config->first_frame ? config->first_frame - 1 : 0;
    self->first = self->next = config->first_packet;
    self->fec = fec_create();
    self->gcm = config->key ? gcm_create(config->key) : NULL;
    self->memory = malloc(VIDEO_FRAME_DATA_MAX * self->stride);
    if (!self->fec || !self->memory || (config->key && !self->gcm)) {
        video_packetiser_destroy(self);
        return log_oom("video");
    }
    return self;
}

void video_packetiser_destroy(struct video_packetiser *self)
{
    if (!self)
        return;
    gcm_destroy(self->gcm);
    fec_destroy(self->fec);
    free(self->memory);
    free(self);
}

static uint8_t *shard_at(const struct video_packetiser *self, int packet)
{
    return self->memory + (size_t)packet * self->stride + self->prefix;
}

struct source { /* what is left of frame header and access unit */
    uint8_t header[FRAME_HEADER_BYTES];
    size_t header_left;
    const uint8_t *data;
    size_t left;
};

static void fill_payload(struct source *source, uint8_t *to, size_t room)
{
    memcpy(to, source->header + FRAME_HEADER_BYTES - source->header_left, source->header_left);
    to += source->header_left;
    room -= source->header_left;
    source->header_left = 0;
    size_t size = source->left < room ? source->left : room;
    memcpy(to, source->data, size);
    memset(to + size, 0, room - size);
    source->data += size;
    source->left -= size;
}

static void put_frame_header(uint8_t *to, size_t size, size_t payload, const struct video_frame_info *info)
{
    size_t last = (FRAME_HEADER_BYTES + size) % payload;
    memset(to, 0, FRAME_HEADER_BYTES);
    to[0] = FRAME_HEADER_SHORT;
    bytes_put_u16le(to + 1, info->latency_100us);
    to[3] = (uint8_t)info->type;
    bytes_put_u16le(to + 4, (uint16_t)(last ? last : payload));
}

/* Stream index: 24 bits of the packet counter above a zero byte. */
static void put_covered_columns(const struct video_packetiser *self, uint8_t *shard, const struct video_block *block,
                                int index, bool long_term)
{
    memset(shard, 0, HEADER_BYTES);
    uint64_t counter = self->first + (uint64_t)block->first + (uint64_t)index;
    bytes_put_u32le(shard + 16, (uint32_t)(counter << 8));
    shard[24] = (uint8_t)(FLAG_PICTURE | (index == 0 ? FLAG_START : 0) | (index == block->data - 1 ? FLAG_END : 0));
    shard[25] = long_term ? EXTRA_LONG_TERM : 0;
    shard[26] = MULTI_FEC;
}

int video_packetiser_load(struct video_packetiser *self, const uint8_t *data, size_t size,
                          const struct video_frame_info *info)
{
    size_t payload = self->shard - HEADER_BYTES;
    if (!size || size > VIDEO_FRAME_DATA_MAX * payload - FRAME_HEADER_BYTES)
        return 0;
    int total = (int)((FRAME_HEADER_BYTES + size + payload - 1) / payload);
    struct video_layout layout;
    if (!video_layout_fit(total, self->config.fec_percent, self->config.min_parity, &layout))
        return 0;
    const struct video_block *last = &layout.block[layout.blocks - 1];
    self->layout = layout;
    self->first = self->next;
    self->next += (uint64_t)(last->first + last->data + last->parity);
    self->frame++;
    self->timestamp_90khz = info->timestamp_90khz;

    struct source source = {.header_left = FRAME_HEADER_BYTES, .data = data, .left = size};
    put_frame_header(source.header, size, payload, info);
    for (int b = 0; b < layout.blocks; b++) {
        const struct video_block *block = &layout.block[b];
        for (int i = 0; i < block->data; i++) {
            uint8_t *shard = shard_at(self, block->first + i);
            put_covered_columns(self, shard, block, i, info->long_term_reference);
            fill_payload(&source, shard + HEADER_BYTES, payload);
        }
    }
    assert(source.left == 0);
    return layout.blocks;
}

static void add_parity(struct video_packetiser *self, const struct video_block *block)
{
    uint8_t *shards[FEC_SHARDS_MAX];
    if (!block->parity)
        return;
    for (int i = 0; i < block->data + block->parity; i++)
        shards[i] = shard_at(self, block->first + i);
    fec_encode(self->fec, block->data, block->parity, self->shard, shards, shards + block->data);
}

static void put_header(const struct video_packetiser *self, uint8_t *shard, const struct video_block *block, int index)
{
    uint64_t counter = self->first + (uint64_t)block->first + (uint64_t)index;
    int number = (int)(block - self->layout.block);
    memset(shard, 0, 16);
    shard[0] = RTP_FLAGS;
    bytes_put_u16be(shard + 2, (uint16_t)counter);
    bytes_put_u32be(shard + 4, self->timestamp_90khz);
    bytes_put_u32le(shard + 20, self->frame);
    shard[27] = (uint8_t)(number << 4 | (self->layout.blocks - 1) << 6);
    bytes_put_u32le(shard + 28, (uint32_t)block->data << 22 | (uint32_t)index << 12 | (uint32_t)block->percent << 4);
}

/* Prefix: IV (packet counter, 'V'), frame number in clear, tag. The counter never repeats under one key. */
static bool seal(struct video_packetiser *self, uint8_t *shard, uint64_t counter)
{
    uint8_t *prefix = shard - VIDEO_SEAL_BYTES;
    bytes_put_u64le(prefix, counter);
    bytes_put_u32le(prefix + 8, (uint32_t)'V' << 24);
    bytes_put_u32le(prefix + IV_BYTES, self->frame);
    return gcm_seal(self->gcm, prefix, IV_BYTES, shard, self->shard, shard, prefix + 16);
}

bool video_packetiser_build(struct video_packetiser *self, int block_index, struct video_datagrams *ret_datagrams)
{
    assert(block_index >= 0 && block_index < self->layout.blocks);
    const struct video_block *block = &self->layout.block[block_index];
    int count = block->data + block->parity;
    add_parity(self, block);
    for (int i = 0; i < count; i++) {
        uint8_t *shard = shard_at(self, block->first + i);
        put_header(self, shard, block, i);
        if (self->gcm && !seal(self, shard, self->first + (uint64_t)block->first + (uint64_t)i))
            return false;
    }
    *ret_datagrams = (struct video_datagrams){
        .base = shard_at(self, block->first) - self->prefix,
        .size = self->stride,
        .count = count,
        .parity = block->parity,
    };
    return true;
}

uint32_t video_packetiser_frame(const struct video_packetiser *self)
{
    return self->frame;
}

uint64_t video_packetiser_next_packet(const struct video_packetiser *self)
{
    return self->next;
}
