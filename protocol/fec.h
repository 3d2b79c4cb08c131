/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fec: Reed-Solomon parity over GF(2^8), polynomial 0x11D: P[j][i] = inverse((m + i) XOR j). Pure.
 * ISA-L does the work; the bytes are checked against plain C by tests/unit/test_fec.c.
 * An instance is used by one thread at a time. Source: docs/protocol.md, "Video packets".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FEC_SHARDS_MAX = 255 /* data and parity of a block together */ };

struct fec;

/* Keeps the coefficient tables of the 8 pairs (k, m) used last. Their memory, 4.2 MB at most, is reserved here and
 * becomes resident only as far as the pairs in use need it. NULL: out of memory, logged. */
struct fec *fec_create(void);
void fec_destroy(struct fec *self); /* NULL is fine */

/* Coefficients, `m` rows of `k` bytes. 1 <= k, 1 <= m, k + m <= FEC_SHARDS_MAX. */
void fec_matrix(int k, int m, uint8_t *ret_rows);

/*
 * Parity of `k` data shards of `size` bytes into `m` shards. Allocates nothing.
 * data, parity   arrays of pointers, each to `size` bytes; any alignment, not overlapping
 */
void fec_encode(struct fec *self, int k, int m, size_t size, uint8_t *const *data, uint8_t *const *parity);
