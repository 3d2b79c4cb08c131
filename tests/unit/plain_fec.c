/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_fec.h"

#include <stdlib.h>
#include <string.h>

uint8_t plain_gf_multiply(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (int bit = 0; bit < 8; bit++) {
        if (b >> bit & 1)
            product ^= (unsigned)a << bit;
    }
    for (int bit = 14; bit >= 8; bit--) {
        if (product >> bit & 1)
            product ^= 0x11du << (bit - 8);
    }
    return (uint8_t)product;
}

uint8_t plain_gf_inverse(uint8_t a) /* a^254 */
{
    uint8_t square = plain_gf_multiply(a, a), inverse = square;
    for (int i = 0; i < 6; i++) {
        square = plain_gf_multiply(square, square);
        inverse = plain_gf_multiply(inverse, square);
    }
    return inverse;
}

/* to ^= factor * from */
static void add_multiple(uint8_t *to, uint8_t factor, const uint8_t *from, size_t size)
{
    uint8_t products[256] = {0};
    for (int value = 1; value < 256; value++) { /* multiplication distributes over the bits */
        int lowest = value & -value;
        products[value] = value == lowest ? plain_gf_multiply(factor, (uint8_t)value)
                                          : (uint8_t)(products[lowest] ^ products[value ^ lowest]);
    }
    for (size_t b = 0; b < size; b++)
        to[b] ^= products[from[b]];
}

void plain_fec_parity(int k, int m, size_t size, uint8_t *const *data, uint8_t *const *parity)
{
    for (int j = 0; j < m; j++) {
        memset(parity[j], 0, size);
        for (int i = 0; i < k; i++)
            add_multiple(parity[j], plain_gf_inverse((uint8_t)((m + i) ^ j)), data[i], size);
    }
}

static void scale(uint8_t *row, uint8_t factor, size_t size)
{
    for (size_t b = 0; b < size; b++)
        row[b] = plain_gf_multiply(factor, row[b]);
}

/* Gauss-Jordan on n rows of n coefficients, the same steps on the shards. */
static void solve(int n, uint8_t *rows, size_t size, uint8_t **shards)
{
    for (int column = 0; column < n; column++) {
        uint8_t *pivot = rows + column * n; /* minors of a Cauchy matrix are never 0: no exchange of rows */
        uint8_t inverse = plain_gf_inverse(pivot[column]);
        scale(pivot, inverse, (size_t)n);
        scale(shards[column], inverse, size);
        for (int row = 0; row < n; row++) {
            uint8_t factor = rows[row * n + column];
            if (row == column || !factor)
                continue;
            add_multiple(rows + row * n, factor, pivot, (size_t)n);
            add_multiple(shards[row], factor, shards[column], size);
        }
    }
}

bool plain_fec_recover(int k, int m, size_t size, uint8_t *const *shards, const bool *present)
{
    int lost[255], lost_count = 0, used[255], used_count = 0;
    for (int i = 0; i < k; i++) {
        if (!present[i])
            lost[lost_count++] = i;
    }
    for (int j = 0; j < m && used_count < lost_count; j++) {
        if (present[k + j])
            used[used_count++] = j;
    }
    if (used_count < lost_count)
        return false;
    uint8_t *rows = calloc((size_t)lost_count * (size_t)lost_count + 1, 1);
    uint8_t *unknown[255];
    for (int r = 0; r < lost_count; r++) {
        unknown[r] = shards[lost[r]];
        memcpy(unknown[r], shards[k + used[r]], size);
        for (int i = 0; i < k; i++) {
            if (present[i])
                add_multiple(unknown[r], plain_gf_inverse((uint8_t)((m + i) ^ used[r])), shards[i], size);
        }
        for (int c = 0; c < lost_count; c++)
            rows[r * lost_count + c] = plain_gf_inverse((uint8_t)((m + lost[c]) ^ used[r]));
    }
    solve(lost_count, rows, size, unknown);
    free(rows);
    return true;
}
