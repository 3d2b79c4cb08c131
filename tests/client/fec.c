/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gauss-Jordan elimination over the missing data shards: for d lost shards take d parity shards, subtract what the
 * shards at hand contribute, and solve the d x d system that is left. Slow and plain on purpose.
 */
#include "tests/client/fec.h"

#include <stdlib.h>
#include <string.h>

struct fec {
    uint8_t exp[512], log[256];
};

struct fec *fec_create(void)
{
    struct fec *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    unsigned x = 1;
    for (unsigned i = 0; i < 255; i++) {
        self->exp[i] = self->exp[i + 255] = (uint8_t)x;
        self->log[x] = (uint8_t)i;
        x <<= 1;
        if (x & 0x100)
            x ^= 0x11D;
    }
    return self;
}

void fec_destroy(struct fec *self)
{
    free(self);
}

uint8_t fec_multiply(const struct fec *self, uint8_t a, uint8_t b)
{
    return a && b ? self->exp[self->log[a] + self->log[b]] : 0;
}

static uint8_t fec_inverse(const struct fec *self, uint8_t a)
{
    return self->exp[255 - self->log[a]];
}

uint8_t fec_coefficient(const struct fec *self, int m, int j, int i)
{
    return fec_inverse(self, (uint8_t)((m + i) ^ j));
}

/* row ^= factor * other */
static void row_add(const struct fec *self, uint8_t *row, const uint8_t *other, uint8_t factor, size_t size)
{
    if (!factor)
        return;
    uint8_t products[256];
    for (unsigned v = 0; v < 256; v++)
        products[v] = fec_multiply(self, factor, (uint8_t)v);
    for (size_t b = 0; b < size; b++)
        row[b] ^= products[other[b]];
}

static void row_scale(const struct fec *self, uint8_t *row, uint8_t factor, size_t size)
{
    for (size_t b = 0; b < size; b++)
        row[b] = fec_multiply(self, factor, row[b]);
}

struct system {
    int count;
    uint8_t *matrix; /* count x count */
    uint8_t **right; /* count rows */
};

static void swap_rows(struct system *system, int a, int b)
{
    for (int c = 0; c < system->count; c++) {
        uint8_t *x = &system->matrix[a * system->count + c], *y = &system->matrix[b * system->count + c];
        uint8_t t = *x;
        *x = *y;
        *y = t;
    }
    uint8_t *t = system->right[a];
    system->right[a] = system->right[b];
    system->right[b] = t;
}

static bool solve(const struct fec *self, struct system *system, size_t size)
{
    int n = system->count;
    for (int c = 0; c < n; c++) {
        int pivot = c;
        while (pivot < n && !system->matrix[pivot * n + c])
            pivot++;
        if (pivot == n)
            return false;
        if (pivot != c)
            swap_rows(system, pivot, c);
        uint8_t scale = fec_inverse(self, system->matrix[c * n + c]);
        row_scale(self, &system->matrix[c * n], scale, (size_t)n);
        row_scale(self, system->right[c], scale, size);
        for (int r = 0; r < n; r++) {
            uint8_t factor = system->matrix[r * n + c];
            if (r == c || !factor)
                continue;
            row_add(self, &system->matrix[r * n], &system->matrix[c * n], factor, (size_t)n);
            row_add(self, system->right[r], system->right[c], factor, size);
        }
    }
    return true;
}

bool fec_recover(const struct fec *self, int k, int m, uint8_t *const *shards, bool *present, size_t size)
{
    int missing[FEC_MAX_SHARDS], count = 0;
    if (k < 1 || m < 0 || k + m > FEC_MAX_SHARDS)
        return false;
    for (int i = 0; i < k; i++)
        if (!present[i])
            missing[count++] = i;
    if (!count)
        return true;
    uint8_t *memory = calloc((size_t)count, size + (size_t)count);
    uint8_t *right[FEC_MAX_SHARDS];
    struct system system = {.count = 0, .matrix = memory, .right = right};
    if (!memory)
        return false;
    for (int j = 0; j < m && system.count < count; j++) {
        if (!present[k + j])
            continue;
        int r = system.count++;
        right[r] = memory + (size_t)count * (size_t)count + (size_t)r * size;
        memcpy(right[r], shards[k + j], size);
        for (int i = 0; i < k; i++)
            if (present[i])
                row_add(self, right[r], shards[i], fec_coefficient(self, m, j, i), size);
        for (int c = 0; c < count; c++)
            memory[r * count + c] = fec_coefficient(self, m, j, missing[c]);
    }
    bool solved = system.count == count && solve(self, &system, size);
    for (int c = 0; solved && c < count; c++) {
        memcpy(shards[missing[c]], right[c], size);
        present[missing[c]] = true;
    }
    free(memory);
    return solved;
}
