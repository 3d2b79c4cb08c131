/* SPDX-License-Identifier: Apache-2.0 */
/* fec: plain Reed-Solomon erasure decoder of the video stream (docs/protocol.md, "FEC"), independent of the host's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FEC_MAX_SHARDS = 255 };

struct fec; /* tables of GF(2^8), polynomial 0x11D */

struct fec *fec_create(void); /* NULL: out of memory */
void fec_destroy(struct fec *self);

/*
 * Fill in the missing data shards of a block.
 * shards    k data shards, then m parity shards, each `size` bytes with room to write; all allocated
 * present   which of the k+m arrived; data shards become present
 * False: fewer than k present, or k+m beyond FEC_MAX_SHARDS; nothing is written then.
 */
bool fec_recover(const struct fec *self, int k, int m, uint8_t *const *shards, bool *present, size_t size);

/* Coefficient of data shard i in parity shard j; the encoder of the self test uses it too. */
uint8_t fec_coefficient(const struct fec *self, int m, int j, int i);
uint8_t fec_multiply(const struct fec *self, uint8_t a, uint8_t b);
