/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/fec.h"

#include "base/log.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <stdlib.h>

enum {
    SLOTS = 8,
    COEFFICIENTS_MAX = 127 * 128,        /* the largest k * m with k + m <= 255 */
    TABLE_BYTES = 32 * COEFFICIENTS_MAX, /* of one pair; how ISA-L fills them differs by version and processor */
    ALIGNMENT = 64,
};

struct slot {
    int k, m;      /* 0: empty */
    uint64_t used; /* turn of the last use */
};

struct fec {
    struct slot slots[SLOTS];
    uint64_t turn;
    uint8_t rows[COEFFICIENTS_MAX];
    uint8_t *tables; /* SLOTS * TABLE_BYTES, never touched beyond what the pairs need */
};

struct fec *fec_create(void)
{
    struct fec *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("fec");
    self->tables = aligned_alloc(ALIGNMENT, (size_t)SLOTS * TABLE_BYTES);
    if (!self->tables) {
        fec_destroy(self);
        return log_oom("fec");
    }
    return self;
}

void fec_destroy(struct fec *self)
{
    if (!self)
        return;
    free(self->tables);
    free(self);
}

void fec_matrix(int k, int m, uint8_t *ret_rows)
{
    assert(k >= 1 && m >= 1 && k + m <= FEC_SHARDS_MAX);
    for (int j = 0; j < m; j++) {
        for (int i = 0; i < k; i++)
            *ret_rows++ = gf_inv((unsigned char)((m + i) ^ j));
    }
}

static uint8_t *tables_for(struct fec *self, int k, int m)
{
    struct slot *oldest = &self->slots[0];
    for (struct slot *slot = self->slots; slot < self->slots + SLOTS; slot++) {
        if (slot->k == k && slot->m == m) {
            slot->used = ++self->turn;
            return self->tables + (size_t)(slot - self->slots) * TABLE_BYTES;
        }
        if (slot->used < oldest->used)
            oldest = slot;
    }
    uint8_t *tables = self->tables + (size_t)(oldest - self->slots) * TABLE_BYTES;
    fec_matrix(k, m, self->rows);
    ec_init_tables(k, m, self->rows, tables);
    *oldest = (struct slot){.k = k, .m = m, .used = ++self->turn};
    return tables;
}

void fec_encode(struct fec *self, int k, int m, size_t size, uint8_t *const *data, uint8_t *const *parity)
{
    assert(k >= 1 && m >= 1 && k + m <= FEC_SHARDS_MAX && size <= INT32_MAX);
    /* ISA-L does not declare its arrays const, but writes only to the parity bytes. */
    ec_encode_data((int)size, k, m, tables_for(self, k, m), (unsigned char **)data, (unsigned char **)parity);
}
