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
#include <limits.h>
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

struct shape {                    /* of an access unit in parts */
    int parts;                    /* that have ended */
    size_t ends[VIDEO_PARTS_MAX]; /* bytes up to the end of each */
};

struct video_packetiser {
    struct video_packetiser_config config;
    struct fec *fec;
    struct gcm *gcm; /* NULL: plain */
    uint8_t *memory;
    size_t prefix; /* bytes before each shard */
    size_t shard;
    size_t stride; /* prefix + shard: a datagram */

    uint32_t frame;             /* used last */
    uint64_t first;             /* packet counter of the first packet loaded */
    uint64_t next;              /* and after the last of all blocks */
    struct video_layout layout; /* blocks: as announced, 0: nothing is cut */
    int cut;                    /* blocks that can be built */
    size_t open_bytes;          /* in the data packets behind them, frame header included */
    struct video_frame_info info;
    struct shape now, before; /* of the frame that is loaded, and of the last one that was complete */
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

/* Of the frame, where the next block begins. */
static int open_first(const struct video_packetiser *self)
{
    if (!self->cut)
        return 0;
    const struct video_block *last = &self->layout.block[self->cut - 1];
    return last->first + last->data + last->parity;
}

static size_t payload_bytes(const struct video_packetiser *self)
{
    return self->shard - HEADER_BYTES;
}

/* To the open block's payload; NULL: zeros. */
static void append(struct video_packetiser *self, const uint8_t *data, size_t size)
{
    size_t payload = payload_bytes(self), first = (size_t)open_first(self);
    for (size_t done = 0, length; done < size; done += length, self->open_bytes += length) {
        size_t packet = self->open_bytes / payload, at = self->open_bytes % payload;
        uint8_t *to = shard_at(self, (int)(first + packet)) + HEADER_BYTES + at;
        length = size - done < payload - at ? size - done : payload - at;
        if (data)
            memcpy(to, data + done, length);
        else
            memset(to, 0, length);
    }
}

/* `last_bytes`: payload in the frame's last data packet. */
static void announce(struct video_packetiser *self, int blocks, size_t last_bytes, const struct video_frame_info *info)
{
    uint8_t *header = shard_at(self, 0) + HEADER_BYTES;
    header[0] = FRAME_HEADER_SHORT;
    bytes_put_u16le(header + 1, info->latency_100us);
    header[3] = (uint8_t)info->type;
    bytes_put_u16le(header + 4, (uint16_t)last_bytes);
    self->layout.blocks = blocks;
    self->info = *info;
    self->frame++;
}

/* Stream index: 24 bits of the packet counter above a zero byte. */
static void put_covered_columns(const struct video_packetiser *self, const struct video_block *block, int index)
{
    uint8_t *shard = shard_at(self, block->first + index);
    memset(shard, 0, HEADER_BYTES);
    uint64_t counter = self->first + (uint64_t)block->first + (uint64_t)index;
    bytes_put_u32le(shard + 16, (uint32_t)(counter << 8));
    shard[24] = (uint8_t)(FLAG_PICTURE | (index == 0 ? FLAG_START : 0) | (index == block->data - 1 ? FLAG_END : 0));
    shard[25] = self->info.long_term_reference ? EXTRA_LONG_TERM : 0;
    shard[26] = MULTI_FEC;
}

/* Makes a block of the first `k` packets of the open one, all full. The others make room for its parity. */
static void cut(struct video_packetiser *self, int k, int percent)
{
    struct video_block *block = &self->layout.block[self->cut];
    size_t payload = payload_bytes(self), used = (size_t)k * payload;
    int first = open_first(self), packets = (int)((self->open_bytes + payload - 1) / payload);
    *block = (struct video_block){.data = k, .first = first};
    block->parity = video_parity_count(k, percent, self->config.min_parity, &block->percent);
    if (packets > k)
        memmove(shard_at(self, first + k + block->parity), shard_at(self, first + k),
                (size_t)(packets - k) * self->stride - self->prefix);
    self->open_bytes -= used;
    self->next += (uint64_t)(k + block->parity);
    self->cut++;
    for (int i = 0; i < k; i++)
        put_covered_columns(self, block, i);
}

/* What a block of this many data packets can have. */
static int percent_for(const struct video_packetiser *self, int k)
{
    int percent = self->config.fec_percent;
    while (percent > 1 && k > block_data_max(percent))
        percent--;
    return k > block_data_max(percent) ? 0 : percent;
}

/* Bytes behind this part: in proportion to those before, but not more than there were in the last frame, if that began
 * alike. */
static size_t foretell_rest(const struct video_packetiser *self, int part, int parts)
{
    const struct shape *before = &self->before;
    size_t here = self->now.ends[part], rest = here * (size_t)(parts - part - 1) / (size_t)(part + 1);
    bool alike = before->parts == parts && here / 2 <= before->ends[part];
    size_t last = alike ? before->ends[parts - 1] - before->ends[part] : rest;
    return last < rest ? last : rest;
}

/* How many blocks this frame is worth; 0: it is too early to say, or the rest is small. */
static int foretell_blocks(const struct video_packetiser *self, int packets, int part, int parts)
{
    size_t rest = foretell_rest(self, part, parts) / (VIDEO_PART_DATA_MIN * payload_bytes(self));
    int left = parts - part - 1 < VIDEO_BLOCKS_MAX ? parts - part - 1 : VIDEO_BLOCKS_MAX - 1;
    int more = rest < (size_t)left ? (int)rest : left;
    return packets >= VIDEO_PART_DATA_MIN && more ? more + 1 : 0;
}

/* Parity is counted in whole packets. Up to four packets wait for the next block where that wastes least of it. */
static int choose_cut(const struct video_packetiser *self, int packets)
{
    int best = packets, least = INT_MAX, percent = percent_for(self, packets);
    for (int k = packets; k > packets - 5 && k >= VIDEO_PART_DATA_MIN; k--) {
        int used, waste = video_parity_count(k, percent, self->config.min_parity, &used) * 100 - k * percent;
        if (waste < least) {
            least = waste;
            best = k;
        }
    }
    return best;
}

/* Behind a part that is not the last: the last block is for what is still to come. A block is not larger than its full
 * share of parity lets it be; a frame that begins larger is laid out when all of it is there. */
static void cut_part(struct video_packetiser *self, int part, int parts, const struct video_frame_info *info)
{
    int packets = (int)(self->open_bytes / payload_bytes(self)), full = block_data_max(self->config.fec_percent);
    if (!self->cut && packets > full)
        return;
    int blocks = self->cut ? self->layout.blocks : foretell_blocks(self, packets, part, parts);
    if (packets < VIDEO_PART_DATA_MIN || self->cut + 1 >= blocks)
        return;
    if (!self->cut)
        announce(self, blocks, payload_bytes(self), info);
    int k = choose_cut(self, packets > full ? full : packets);
    cut(self, k, percent_for(self, k));
}

/* `packets`, or so many that each block has one, evenly in the blocks that are left. */
static void lay_out_rest(const struct video_packetiser *self, int packets, struct video_layout *ret_layout)
{
    int blocks = self->layout.blocks - self->cut;
    packets = packets < blocks ? blocks : packets;
    *ret_layout = (struct video_layout){.blocks = blocks};
    for (int b = 0; b < blocks; b++) {
        int k = (packets + blocks - b - 1) / (blocks - b);
        ret_layout->block[b].data = k;
        ret_layout->block[b].percent = percent_for(self, k);
        packets -= k;
    }
}

/* The last bytes of a frame, zeros behind them. */
static void cut_rest(struct video_packetiser *self, const uint8_t *data, size_t size,
                     const struct video_frame_info *info)
{
    struct video_layout plan;
    size_t payload = payload_bytes(self), bytes = self->open_bytes + size;
    int packets = (int)((bytes + payload - 1) / payload);
    if (self->cut) {
        lay_out_rest(self, packets, &plan);
    } else {
        bool good = video_layout_fit(packets, self->config.fec_percent, self->config.min_parity, &plan);
        assert(good), (void)good;
        announce(self, plan.blocks, bytes - (size_t)(packets - 1) * payload, info);
    }
    for (int b = 0; b < plan.blocks; b++) {
        size_t room = (size_t)plan.block[b].data * payload;
        room = room > self->open_bytes ? room - self->open_bytes : 0;
        size_t length = size < room ? size : room;
        append(self, data, length);
        append(self, NULL, room - length);
        data += length;
        size -= length;
        cut(self, plan.block[b].data, plan.block[b].percent);
    }
    assert(size == 0 && self->open_bytes == 0);
}

static bool fits(const struct video_packetiser *self, size_t size)
{
    int blocks = self->layout.blocks ? self->layout.blocks - self->cut : VIDEO_BLOCKS_MAX;
    size_t room = (size_t)(blocks * VIDEO_BLOCK_DATA_MAX) * payload_bytes(self);
    return (size || self->now.parts) && size <= room && self->open_bytes <= room - size;
}

void video_packetiser_begin(struct video_packetiser *self)
{
    self->layout.blocks = self->cut = 0;
    self->first = self->next;
    self->open_bytes = 0;
    self->now.parts = 0;
    append(self, NULL, FRAME_HEADER_BYTES); /* what stands in it is known at the first cut */
}

/* `part` ends where the bytes loaded end; parts that came together with it are taken to end there, too. */
static void note_end(struct shape *shape, size_t size, int part)
{
    size_t end = shape->parts ? shape->ends[shape->parts - 1] + size : size;
    while (shape->parts <= part)
        shape->ends[shape->parts++] = end;
}

int video_packetiser_load(struct video_packetiser *self, const uint8_t *data, size_t size, int part, int parts,
                          const struct video_frame_info *info)
{
    assert(part >= self->now.parts && part < parts && parts <= VIDEO_PARTS_MAX);
    if (!fits(self, size))
        return -1;
    note_end(&self->now, size, part);
    if (part == parts - 1) {
        self->before = self->now;
        cut_rest(self, data, size, info);
    } else {
        append(self, data, size);
        cut_part(self, part, parts, info);
    }
    return self->cut;
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
    bytes_put_u32be(shard + 4, self->info.timestamp_90khz);
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
    assert(block_index >= 0 && block_index < self->cut);
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
