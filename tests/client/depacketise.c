/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One FEC block is collected at a time: the first packet of a later block or frame gives up the present one. When
 * more packets are missing before the highest one than parity can replace, the frame is given up at once, unless
 * reordering was seen lately.
 */
#include "tests/client/depacketise.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/client/fec.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_BYTES = 32,
    FRAME_HEADER_BYTES = 8,
    MAX_SHARDS = 1024,
    MAX_BLOCKS = 4,
    FLAG_PICTURE = 1,
    FLAG_EOF = 2,
    FLAG_SOF = 4,
    EXTRA_LONG_TERM = 1,
    DROPPED_LIMIT = 120, /* frames dropped in a row until the client asks again */
};
#define REORDER_MEMORY_NS (300 * CLOCK_SECOND_NS)

enum state { WAIT_IDR, WAIT_INVALIDATION, NORMAL };

struct block {
    bool active;
    int index, k, m, percent, data, parity, highest;
    uint16_t base_seq;
    bool present[MAX_SHARDS];
    uint8_t *shards[MAX_SHARDS];
};

struct depacketise {
    struct depacketise_config config;
    struct depacketise_counters counters;
    struct fec *fec;
    size_t shard_size, payload_size;
    uint8_t *memory;   /* MAX_SHARDS shards */
    uint8_t *assembly; /* payload of the frame so far */
    size_t assembled;
    struct block block;
    struct depacketise_frame frame; /* being collected */
    bool frame_finished;            /* complete or given up */
    int next_block, data_packets;
    enum state state;
    bool idr_pending, idr_seen;
    uint32_t last_delivered;
    int dropped_in_row;
    int64_t reordered_ns; /* when reordering was last seen */
};

struct depacketise *depacketise_create(const struct depacketise_config *config)
{
    struct depacketise *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->config = *config;
    self->shard_size = (size_t)config->packet_size + 16;
    self->payload_size = (size_t)config->packet_size - 16;
    self->fec = fec_create();
    self->memory = calloc(MAX_SHARDS, self->shard_size);
    self->assembly = malloc((size_t)MAX_SHARDS * MAX_BLOCKS * self->payload_size);
    self->frame_finished = true;
    self->reordered_ns = -REORDER_MEMORY_NS;
    if (!self->fec || !self->memory || !self->assembly) {
        depacketise_destroy(self);
        return NULL;
    }
    for (int i = 0; i < MAX_SHARDS; i++)
        self->block.shards[i] = self->memory + (size_t)i * self->shard_size;
    return self;
}

void depacketise_destroy(struct depacketise *self)
{
    if (!self)
        return;
    fec_destroy(self->fec);
    free(self->memory);
    free(self->assembly);
    free(self);
}

struct depacketise_counters depacketise_get_counters(const struct depacketise *self)
{
    return self->counters;
}

static void malformed(struct depacketise *self, const char *reason)
{
    self->counters.malformed++;
    snprintf(self->counters.malformed_reason, sizeof(self->counters.malformed_reason), "frame %u: %s",
             self->frame.number, reason);
}

bool depacketise_parse(const struct depacketise *self, const uint8_t *data, size_t size,
                       struct depacketise_header *ret_header)
{
    if (size <= HEADER_BYTES || size > self->shard_size || data[0] != 0x90 || data[1] != 0)
        return false;
    uint32_t info = bytes_get_u32le(data + 28);
    struct depacketise_header header = {
        .seq = bytes_get_u16be(data + 2),
        .timestamp = bytes_get_u32be(data + 4),
        .stream_index = bytes_get_u32le(data + 16) >> 8,
        .frame = bytes_get_u32le(data + 20),
        .flags = data[24],
        .extra_flags = data[25],
        .block = data[27] >> 4 & 3,
        .last_block = data[27] >> 6,
        .k = (int)(info >> 22),
        .index = (int)(info >> 12 & 0x3FF),
        .percent = (int)(info >> 4 & 0xFF),
    };
    header.m = (header.k * header.percent + 99) / 100;
    if (!header.k || header.block > header.last_block || header.index >= header.k + header.m ||
        (header.m && header.k + header.m > FEC_MAX_SHARDS) || bytes_get_u32be(data + 8) || bytes_get_u32be(data + 12))
        return false;
    *ret_header = header;
    return true;
}

static void send_status(struct depacketise *self)
{
    const struct block *block = &self->block;
    int next = 0, missing = 0;
    while (next < block->k + block->m && block->present[next])
        next++;
    for (int i = 0; i < block->highest; i++)
        missing += !block->present[i];
    struct depacketise_status status = {
        .frame = self->frame.number,
        .highest_seq = (uint16_t)(block->base_seq + block->highest),
        .next_seq = (uint16_t)(block->base_seq + next),
        .missing = (uint16_t)missing,
        .data_total = (uint16_t)block->k,
        .parity_total = (uint16_t)block->m,
        .data_received = (uint16_t)block->data,
        .parity_received = (uint16_t)block->parity,
        .percent = (uint8_t)block->percent,
        .block = (uint8_t)block->index,
        .block_count = (uint8_t)self->frame.blocks,
    };
    self->config.events.status(self->config.events.ctx, &status);
}

/* Frames first..last will never be complete. */
static void lose_frames(struct depacketise *self, uint32_t first, uint32_t last)
{
    self->counters.frames_lost += last - first + 1;
    self->frame_finished = true;
    self->block.active = false;
    if (self->config.invalidation && self->idr_seen && self->state != WAIT_IDR) {
        self->state = WAIT_INVALIDATION;
        self->config.events.invalidate(self->config.events.ctx, self->last_delivered + 1, last);
        return;
    }
    self->state = WAIT_IDR;
    self->idr_pending = true;
}

static void lose_block(struct depacketise *self)
{
    self->counters.blocks_lost++;
    send_status(self);
    lose_frames(self, self->frame.number, self->frame.number);
}

/* Length of the start code at `at`, or 0. */
static size_t start_code(const uint8_t *data, size_t size, size_t at)
{
    if (at + 4 < size && !data[at] && !data[at + 1] && !data[at + 2] && data[at + 3] == 1)
        return 4;
    return at + 3 < size && !data[at] && !data[at + 1] && data[at + 2] == 1 ? 3 : 0;
}

enum nal { NAL_OTHER, NAL_DELIMITER, NAL_SEI, NAL_FIRST_SET, NAL_SET, NAL_IDR };

static enum nal nal_kind(enum depacketise_codec codec, uint8_t byte)
{
    if (codec == DEPACKETISE_H264) {
        int type = byte & 31;
        return type == 9   ? NAL_DELIMITER
               : type == 6 ? NAL_SEI
               : type == 7 ? NAL_FIRST_SET
               : type == 8 ? NAL_SET
               : type == 5 ? NAL_IDR
                           : NAL_OTHER;
    }
    int type = byte >> 1 & 63;
    return type == 35                 ? NAL_DELIMITER
           : type == 39 || type == 40 ? NAL_SEI
           : type == 32               ? NAL_FIRST_SET
           : type == 33 || type == 34 ? NAL_SET
           : type >= 16 && type <= 21 ? NAL_IDR
                                      : NAL_OTHER;
}

/*
 * The client's rule: after delimiters and SEI the first packet starts with SPS (VPS), and an IDR slice begins in it.
 * `size` is what the first packet holds.
 */
static bool starts_with_key(enum depacketise_codec codec, const uint8_t *data, size_t size)
{
    bool sets = false;
    for (size_t at = 0; at < size; at++) {
        size_t code = start_code(data, size, at);
        if (!code)
            continue;
        enum nal kind = nal_kind(codec, data[at + code]);
        if (kind == NAL_IDR)
            return sets;
        if (kind == NAL_FIRST_SET)
            sets = true;
        else if (kind == NAL_OTHER || (kind == NAL_SET && !sets))
            return false;
        at += code;
    }
    return false;
}

static bool is_key(const struct depacketise *self, const struct depacketise_frame *frame)
{
    if (self->config.codec == DEPACKETISE_AV1)
        return frame->type == 2;
    size_t first = self->payload_size - FRAME_HEADER_BYTES;
    return starts_with_key(self->config.codec, frame->data, frame->size < first ? frame->size : first);
}

static void drop_frame(struct depacketise *self, struct depacketise_frame *frame)
{
    self->counters.frames_dropped++;
    if (self->state == WAIT_INVALIDATION) {
        self->config.events.invalidate(self->config.events.ctx, self->last_delivered + 1, frame->number);
        return;
    }
    if (self->idr_pending || ++self->dropped_in_row >= DROPPED_LIMIT) {
        self->idr_pending = false;
        self->dropped_in_row = 0;
        self->config.events.request_idr(self->config.events.ctx);
    }
}

static void judge_frame(struct depacketise *self, struct depacketise_frame *frame)
{
    frame->idr = is_key(self, frame);
    self->counters.idr += frame->idr;
    self->counters.idr_unmarked += frame->idr && frame->type != 2;
    self->counters.idr_unrecognised += !frame->idr && frame->type == 2;
    bool clean = frame->idr || frame->type == 2 || frame->type == 4 || frame->type == 5;
    frame->delivered =
        self->state == NORMAL || (self->state == WAIT_IDR && frame->idr) || (self->state == WAIT_INVALIDATION && clean);
    if (!frame->delivered) {
        drop_frame(self, frame);
        return;
    }
    self->state = NORMAL;
    self->idr_pending = false;
    self->idr_seen |= frame->idr;
    self->dropped_in_row = 0;
    self->last_delivered = frame->number;
    self->counters.frames_delivered++;
}

static const char *frame_fault(const struct depacketise *self, size_t *ret_size)
{
    const uint8_t *header = self->assembly;
    size_t last = bytes_get_u16le(header + 4);
    size_t before = (size_t)(self->data_packets - 1) * self->payload_size;
    if (header[0] != 1)
        return "frame header is not of type 1";
    if (header[3] != 1 && header[3] != 2 && header[3] != 4 && header[3] != 5)
        return "unknown frame type";
    if (header[6] || header[7])
        return "reserved bytes of the frame header";
    if (!last || last > self->payload_size || before + last <= FRAME_HEADER_BYTES)
        return "lastPayloadLen";
    for (size_t i = before + last; i < self->assembled; i++)
        if (header[i])
            return "padding is not zero";
    *ret_size = before + last - FRAME_HEADER_BYTES;
    return NULL;
}

static void finish_frame(struct depacketise *self, int64_t now_ns)
{
    struct depacketise_frame *frame = &self->frame;
    const char *fault = frame_fault(self, &frame->size);
    if (fault) {
        malformed(self, fault);
        lose_frames(self, frame->number, frame->number);
        return;
    }
    self->frame_finished = true;
    frame->data = self->assembly + FRAME_HEADER_BYTES;
    frame->type = self->assembly[3];
    frame->latency_100us = bytes_get_u16le(self->assembly + 1);
    frame->last_ns = now_ns;
    self->counters.frames_complete++;
    self->counters.frames_recovered += frame->recovered;
    judge_frame(self, frame);
    self->config.events.frame(self->config.events.ctx, frame);
}

static const char *block_fault(const struct block *block)
{
    uint32_t first = bytes_get_u32le(block->shards[0] + 16) >> 8;
    for (int i = 0; i < block->k; i++) {
        const uint8_t *shard = block->shards[i];
        unsigned flags = FLAG_PICTURE | (i ? 0 : FLAG_SOF) | (i == block->k - 1 ? FLAG_EOF : 0);
        if (shard[24] != flags)
            return "flags";
        if (bytes_get_u32le(shard + 16) >> 8 != ((first + (uint32_t)i) & 0xFFFFFF))
            return "streamPacketIndex has a hole";
    }
    return NULL;
}

static void finish_block(struct depacketise *self, int64_t now_ns)
{
    struct block *block = &self->block;
    if (block->data < block->k) {
        send_status(self);
        if (!fec_recover(self->fec, block->k, block->m, block->shards, block->present, self->shard_size)) {
            malformed(self, "parity cannot be solved");
            lose_frames(self, self->frame.number, self->frame.number);
            return;
        }
        self->frame.recovered = true;
        self->counters.blocks_recovered++;
    }
    self->frame.long_term = block->shards[0][25] & EXTRA_LONG_TERM;
    const char *fault = block_fault(block);
    if (fault) {
        malformed(self, fault);
        lose_frames(self, self->frame.number, self->frame.number);
        return;
    }
    for (int i = 0; i < block->k; i++) {
        memcpy(self->assembly + self->assembled, block->shards[i] + HEADER_BYTES, self->payload_size);
        self->assembled += self->payload_size;
    }
    self->data_packets += block->k;
    block->active = false;
    self->next_block = block->index + 1;
    if (self->next_block == self->frame.blocks)
        finish_frame(self, now_ns);
}

static void begin_frame(struct depacketise *self, const struct depacketise_header *header, int64_t now_ns)
{
    if (self->block.active)
        lose_block(self);
    else if (!self->frame_finished)
        lose_frames(self, self->frame.number, self->frame.number);
    if (header->frame > self->frame.number + 1)
        lose_frames(self, self->frame.number + 1, header->frame - 1);
    self->frame = (struct depacketise_frame){
        .number = header->frame,
        .timestamp = header->timestamp,
        .blocks = header->last_block + 1,
        .first_ns = now_ns,
    };
    if (self->counters.max_blocks < (uint64_t)self->frame.blocks)
        self->counters.max_blocks = (uint64_t)self->frame.blocks;
    self->frame_finished = false;
    self->assembled = 0;
    self->next_block = self->data_packets = 0;
}

static void begin_block(struct depacketise *self, const struct depacketise_header *header)
{
    struct block *block = &self->block;
    if (block->active) { /* the packet is of a later block */
        lose_block(self);
        return;
    }
    if (header->block != self->next_block) {
        lose_frames(self, header->frame, header->frame);
        return;
    }
    block->active = true;
    block->index = header->block;
    block->k = header->k;
    block->m = header->m;
    block->percent = header->percent;
    block->data = block->parity = block->highest = 0;
    block->base_seq = (uint16_t)(header->seq - header->index);
    memset(block->present, 0, sizeof(block->present));
}

static bool belongs(const struct depacketise *self, const struct depacketise_header *header)
{
    const struct block *block = &self->block;
    return header->k == block->k && header->m == block->m && header->timestamp == self->frame.timestamp &&
           header->last_block + 1 == self->frame.blocks && (uint16_t)(header->seq - header->index) == block->base_seq;
}

static void store(struct depacketise *self, const struct depacketise_header *header, const uint8_t *data, size_t size,
                  int64_t now_ns)
{
    struct block *block = &self->block;
    if (block->present[header->index]) {
        self->counters.duplicates++;
        return;
    }
    bool parity = header->index >= block->k;
    if (size != self->shard_size && (parity || header->index != block->k - 1 || header->block != header->last_block)) {
        malformed(self, "short packet");
        return;
    }
    memcpy(block->shards[header->index], data, size);
    memset(block->shards[header->index] + size, 0, self->shard_size - size);
    block->present[header->index] = true;
    if (parity)
        block->parity++, self->counters.parity_packets++;
    else
        block->data++;
    self->frame.packets++;
    self->frame.shard_bytes += size;
    if (header->index < block->highest)
        self->reordered_ns = now_ns;
    else
        block->highest = header->index;
    if (block->data + block->parity >= block->k)
        finish_block(self, now_ns);
    else if (block->highest + 1 - block->data - block->parity > block->m &&
             now_ns - self->reordered_ns > REORDER_MEMORY_NS)
        lose_block(self);
}

void depacketise_packet(struct depacketise *self, const uint8_t *data, size_t size, int64_t now_ns)
{
    struct depacketise_header header;
    if (!depacketise_parse(self, data, size, &header)) {
        self->counters.refused++;
        return;
    }
    self->counters.packets++;
    bool same = header.frame == self->frame.number;
    if (header.frame < self->frame.number || (same && self->frame_finished) ||
        (same && header.block < self->next_block)) {
        self->counters.late++;
        return;
    }
    if (!same)
        begin_frame(self, &header, now_ns);
    if (!self->block.active || self->block.index != header.block)
        begin_block(self, &header);
    if (self->frame_finished)
        return;
    if (!belongs(self, &header)) {
        malformed(self, "packets of one block disagree");
        return;
    }
    store(self, &header, data, size, now_ns);
}
