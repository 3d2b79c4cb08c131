/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/impair.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_MAX = 64, BLOCK_MAX = 1024 };

struct held {
    size_t size;
    uint8_t *data;
};

struct impair {
    struct impair_config config;
    struct depacketise *to;
    uint64_t random, dropped;
    int burst_left;
    uint32_t frame; /* of the block that `drop` describes */
    int block;
    bool drop[BLOCK_MAX];
    struct held held[HELD_MAX];
    int held_count;
    uint8_t *memory;
};

struct impair *impair_create(const struct impair_config *config, struct depacketise *to)
{
    struct impair *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->config = *config;
    self->to = to;
    self->random = config->seed * 2 + 1;
    self->block = -1;
    if (self->config.reorder > HELD_MAX)
        self->config.reorder = HELD_MAX;
    self->memory = calloc(HELD_MAX, config->shard_size);
    if (!self->memory) {
        free(self);
        return NULL;
    }
    for (int i = 0; i < HELD_MAX; i++)
        self->held[i].data = self->memory + (size_t)i * config->shard_size;
    return self;
}

void impair_destroy(struct impair *self)
{
    if (!self)
        return;
    free(self->memory);
    free(self);
}

uint64_t impair_dropped(const struct impair *self)
{
    return self->dropped;
}

static uint32_t below(struct impair *self, uint32_t limit)
{
    self->random ^= self->random << 13; /* xorshift64 */
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (uint32_t)((self->random >> 32) % limit);
}

static bool chance(struct impair *self, double percent)
{
    return percent > 0 && below(self, 1000000) < percent * 10000;
}

static void plan_block(struct impair *self, const struct depacketise_header *header)
{
    int total = header->k + header->m, left = self->config.drop_per_block;
    self->frame = header->frame;
    self->block = header->block;
    memset(self->drop, 0, sizeof(self->drop));
    if (left < 0)
        left = header->m + (left == IMPAIR_PARITY_AND_ONE);
    uint32_t row = self->config.row > 1 ? (uint32_t)self->config.row : 1;
    if (self->config.every > 1 && (header->frame + row - 1) % (uint32_t)self->config.every >= row)
        left = 0;
    if (left > total)
        left = total;
    while (left) {
        uint32_t i = below(self, (uint32_t)total);
        if (self->drop[i])
            continue;
        self->drop[i] = true;
        left--;
    }
}

static bool lost(struct impair *self, const struct depacketise_header *header)
{
    if (self->drop[header->index])
        return true;
    if (self->burst_left) {
        self->burst_left--;
        return true;
    }
    if (!chance(self, self->config.loss_percent))
        return false;
    self->burst_left = self->config.burst > 1 ? self->config.burst - 1 : 0;
    return true;
}

static void release(struct impair *self, int64_t now_ns)
{
    int i = (int)below(self, (uint32_t)self->held_count);
    struct held held = self->held[i];
    depacketise_packet(self->to, held.data, held.size, now_ns);
    self->held[i] = self->held[--self->held_count];
    self->held[self->held_count] = held;
}

void impair_flush(struct impair *self, int64_t now_ns)
{
    while (self->held_count)
        release(self, now_ns);
}

static void pass(struct impair *self, const uint8_t *data, size_t size, int64_t now_ns)
{
    if (!self->config.reorder) {
        depacketise_packet(self->to, data, size, now_ns);
        return;
    }
    if (self->held_count == self->config.reorder)
        release(self, now_ns);
    struct held *held = &self->held[self->held_count++];
    memcpy(held->data, data, size);
    held->size = size;
}

void impair_packet(struct impair *self, const uint8_t *data, size_t size, int64_t now_ns)
{
    struct depacketise_header header;
    if (!depacketise_parse(self->to, data, size, &header)) {
        depacketise_packet(self->to, data, size, now_ns); /* counts it */
        return;
    }
    if (header.frame != self->frame || header.block != self->block) {
        impair_flush(self, now_ns);
        plan_block(self, &header);
    }
    if (lost(self, &header)) {
        self->dropped++;
        return;
    }
    pass(self, data, size, now_ns);
    if (chance(self, self->config.duplicate_percent))
        pass(self, data, size, now_ns);
}
