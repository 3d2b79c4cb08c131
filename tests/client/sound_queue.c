/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/sound_queue.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/client/fec.h"

#include <stdlib.h>
#include <string.h>

enum { DATA = 4, PARITY = 2, ALL = 6, HEADER = 12, PARITY_HEADER = 24, TYPE_DATA = 97, TYPE_PARITY = 127 };
#define START_NS (500 * CLOCK_MS_NS)
#define GAP_NS   (100 * CLOCK_MS_NS)

struct sound_queue {
    struct sound_queue_config config;
    struct sound_queue_counters counters;
    struct fec *fec;
    int start_left; /* data packets still to be thrown away */
    int64_t last_arrival_ns;

    bool synchronised, any_number, any_block;
    uint16_t base; /* of the block at hand, or of the first one to play */
    bool present[ALL];
    size_t size; /* of its shards; 0: none came yet */
    int played;  /* data packets of the block given away */
    uint8_t shards[ALL][SOUND_PAYLOAD_MAX];

    uint16_t first_number; /* and its timestamp: all others follow from it */
    uint32_t first_timestamp;
};

struct sound_queue *sound_queue_create(const struct sound_queue_config *config)
{
    struct sound_queue *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("sound_queue");
    self->config = *config;
    self->start_left = config->keep_start ? 0 : (int)(START_NS / CLOCK_MS_NS) / config->packet_ms;
    self->fec = fec_create();
    if (self->fec)
        return self;
    sound_queue_destroy(self);
    return NULL;
}

void sound_queue_destroy(struct sound_queue *self)
{
    if (!self)
        return;
    fec_destroy(self->fec);
    free(self);
}

struct sound_queue_counters sound_queue_get_counters(const struct sound_queue *self)
{
    return self->counters;
}

/* --- repair: one or two unknowns --- */

static const uint8_t matrix[PARITY][DATA] = {{0x77, 0x40, 0x38, 0x0e}, {0xc7, 0xa7, 0x0d, 0x6c}};

static uint8_t inverse(const struct fec *fec, uint8_t value)
{
    unsigned candidate = 1;
    while (fec_multiply(fec, value, (uint8_t)candidate) != 1)
        candidate++;
    return (uint8_t)candidate;
}

/* Parity j without the data shards that are there: what the missing ones add to it. */
static uint8_t rest_of(const struct sound_queue *self, int j, size_t at)
{
    uint8_t sum = self->shards[DATA + j][at];
    for (int i = 0; i < DATA; i++) {
        if (self->present[i])
            sum ^= fec_multiply(self->fec, matrix[j][i], self->shards[i][at]);
    }
    return sum;
}

static void repair_one(struct sound_queue *self, int missing)
{
    int j = self->present[DATA] ? 0 : 1;
    uint8_t factor = inverse(self->fec, matrix[j][missing]);
    for (size_t at = 0; at < self->size; at++)
        self->shards[missing][at] = fec_multiply(self->fec, factor, rest_of(self, j, at));
}

static void repair_two(struct sound_queue *self, int a, int b)
{
    const struct fec *fec = self->fec;
    uint8_t determinant = fec_multiply(fec, matrix[0][a], matrix[1][b]) ^ fec_multiply(fec, matrix[0][b], matrix[1][a]);
    uint8_t factor = inverse(fec, determinant);
    for (size_t at = 0; at < self->size; at++) {
        uint8_t r0 = rest_of(self, 0, at), r1 = rest_of(self, 1, at);
        uint8_t for_a = fec_multiply(fec, matrix[1][b], r0) ^ fec_multiply(fec, matrix[0][b], r1);
        uint8_t for_b = fec_multiply(fec, matrix[1][a], r0) ^ fec_multiply(fec, matrix[0][a], r1);
        self->shards[a][at] = fec_multiply(fec, factor, for_a);
        self->shards[b][at] = fec_multiply(fec, factor, for_b);
    }
}

static int count_present(const struct sound_queue *self)
{
    int count = 0;
    for (int i = 0; i < ALL; i++)
        count += self->present[i];
    return count;
}

static void repair(struct sound_queue *self)
{
    int missing[DATA], count = 0;
    for (int i = 0; i < DATA; i++) {
        if (!self->present[i])
            missing[count++] = i;
    }
    if (!count || count_present(self) < DATA)
        return;
    if (count == 1)
        repair_one(self, missing[0]);
    else
        repair_two(self, missing[0], missing[1]);
    for (int m = 0; m < count; m++)
        self->present[missing[m]] = true;
    self->counters.recovered += (uint64_t)count;
}

/* --- blocks --- */

static void give(struct sound_queue *self, uint16_t sequence, const uint8_t *data, size_t size)
{
    if (data)
        self->counters.played++;
    else
        self->counters.lost++;
    self->config.payload(self->config.ctx, sequence, data, size);
}

static void play(struct sound_queue *self, bool give_up)
{
    for (; self->played < DATA; self->played++) {
        bool there = self->present[self->played];
        if (!there && !give_up)
            break;
        give(self, (uint16_t)(self->base + self->played), there ? self->shards[self->played] : NULL, self->size);
    }
}

/* Makes `base` the block at hand. False: it is over already, or before the first one to play. */
static bool turn_to(struct sound_queue *self, uint16_t base)
{
    if (!self->synchronised) {
        self->synchronised = true;
        self->base = self->config.keep_start ? base : (uint16_t)(base + DATA);
    }
    int16_t ahead = (int16_t)(base - self->base);
    if (ahead < 0)
        return false;
    if (ahead > 0) {
        if (self->any_block)
            play(self, true);
        int skipped = ahead / DATA - (self->any_block ? 1 : 0);
        self->counters.lost += (uint64_t)(skipped > 0 ? skipped * DATA : 0);
        self->base = base;
        self->played = 0;
        self->size = 0;
        memset(self->present, 0, sizeof(self->present));
    }
    self->any_block = true;
    return true;
}

static void turn_fec_off(struct sound_queue *self)
{
    self->counters.malformed++;
    self->counters.fec_off = true;
}

static void take_shard(struct sound_queue *self, uint16_t base, int index, const uint8_t *payload, size_t size)
{
    bool was_any = self->any_block;
    if (!turn_to(self, base)) {
        if (was_any)
            self->counters.late++;
        else
            self->counters.at_start++;
        return;
    }
    if (self->size && size != self->size) {
        turn_fec_off(self);
        return;
    }
    if (self->present[index]) {
        self->counters.duplicates++;
        return;
    }
    self->size = size;
    self->present[index] = true;
    memcpy(self->shards[index], payload, size);
    play(self, false);
    if (self->played < DATA) {
        repair(self);
        play(self, false);
    }
}

/* --- packets --- */

static void check_time(struct sound_queue *self, uint16_t sequence, uint32_t timestamp)
{
    if (!self->any_number) {
        self->any_number = true;
        self->first_number = sequence;
        self->first_timestamp = timestamp - sequence * (uint32_t)self->config.packet_ms;
    }
    /* the number wraps every 65536 packets, the time does not */
    uint32_t expected = self->first_timestamp + sequence * (uint32_t)self->config.packet_ms;
    if ((timestamp - expected) % (65536u * (uint32_t)self->config.packet_ms))
        self->counters.bad_timestamps++;
}

/* True: thrown away. */
static bool at_start(struct sound_queue *self, int64_t arrival_ns)
{
    if (self->last_arrival_ns && arrival_ns - self->last_arrival_ns >= GAP_NS)
        self->start_left = 0;
    self->last_arrival_ns = arrival_ns;
    if (!self->start_left)
        return false;
    self->start_left--;
    self->counters.at_start++;
    return true;
}

static void take_data(struct sound_queue *self, const uint8_t *data, size_t size, int64_t arrival_ns)
{
    uint16_t sequence = bytes_get_u16be(data + 2);
    self->counters.data++;
    self->counters.payload_size = size - HEADER;
    check_time(self, sequence, bytes_get_u32be(data + 4));
    if (at_start(self, arrival_ns))
        return;
    if (self->counters.fec_off)
        give(self, sequence, data + HEADER, size - HEADER);
    else
        take_shard(self, sequence & 0xfffc, sequence % DATA, data + HEADER, size - HEADER);
}

static void take_parity(struct sound_queue *self, const uint8_t *data, size_t size)
{
    self->counters.parity++;
    if (size <= PARITY_HEADER || data[12] >= PARITY) {
        self->counters.malformed++;
        return;
    }
    uint16_t base = bytes_get_u16be(data + 14);
    if (self->counters.fec_off || self->start_left)
        return;
    if (base % DATA || data[13] != TYPE_DATA)
        turn_fec_off(self);
    else
        take_shard(self, base, DATA + data[12], data + PARITY_HEADER, size - PARITY_HEADER);
}

void sound_queue_packet(struct sound_queue *self, const uint8_t *data, size_t size, int64_t arrival_ns)
{
    self->counters.bytes += size;
    if (size <= HEADER || size > SOUND_PAYLOAD_MAX || data[0] != 0x80)
        self->counters.malformed++;
    else if (data[1] == TYPE_DATA)
        take_data(self, data, size, arrival_ns);
    else if (data[1] == TYPE_PARITY)
        take_parity(self, data, size);
    else
        self->counters.other++;
}
