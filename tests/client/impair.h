/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impair: a bad link between the socket and the depacketiser. Drops, reorders and repeats shards from a seed, so that
 * a run can be repeated. Reordering stays inside an FEC block: across blocks no client tolerates it.
 */
#pragma once

#include "tests/client/depacketise.h"

enum { IMPAIR_PARITY = -1, IMPAIR_PARITY_AND_ONE = -2 }; /* for drop_per_block: m, m+1 */

struct impair_config {
    uint64_t seed;
    double loss_percent, duplicate_percent;
    int burst;          /* packets lost in a row at each loss, 0 and 1: single ones */
    int drop_per_block; /* that many of each block, or IMPAIR_* */
    int every;          /* drop_per_block only in frames divisible by this; 0 and 1: in all */
    int row;            /* with `every`: and in the row - 1 frames before */
    int reorder;        /* packets held back at most */
    size_t shard_size;
};

struct impair;

struct impair *impair_create(const struct impair_config *config, struct depacketise *to);
void impair_destroy(struct impair *self);
void impair_packet(struct impair *self, const uint8_t *data, size_t size, int64_t now_ns);
/* Let go what is held back: call when nothing has come for a while. */
void impair_flush(struct impair *self, int64_t now_ns);
uint64_t impair_dropped(const struct impair *self);
