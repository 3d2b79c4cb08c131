/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264, 9.3.4.2 and 9.3.4.5; the tables are 9-44 and 9-45. */
#include "encode/cabac.h"

static const uint8_t range_lps[64][4] = {
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205}, {116, 142, 169, 195},
    {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166}, {95, 116, 137, 158},  {90, 110, 130, 150},
    {85, 104, 123, 142},  {81, 99, 117, 135},   {77, 94, 111, 128},   {73, 89, 105, 122},   {69, 85, 100, 116},
    {66, 80, 95, 110},    {62, 76, 90, 104},    {59, 72, 86, 99},     {56, 69, 81, 94},     {53, 65, 77, 89},
    {51, 62, 73, 85},     {48, 59, 69, 80},     {46, 56, 66, 76},     {43, 53, 63, 72},     {41, 50, 59, 69},
    {39, 48, 56, 65},     {37, 45, 54, 62},     {35, 43, 51, 59},     {33, 41, 48, 56},     {32, 39, 46, 53},
    {30, 37, 43, 50},     {29, 35, 41, 48},     {27, 33, 39, 45},     {26, 31, 37, 43},     {24, 30, 35, 41},
    {23, 28, 33, 39},     {22, 27, 32, 37},     {21, 26, 30, 35},     {20, 24, 29, 33},     {19, 23, 27, 31},
    {18, 22, 26, 30},     {17, 21, 25, 28},     {16, 20, 23, 27},     {15, 19, 22, 25},     {14, 18, 21, 24},
    {14, 17, 20, 23},     {13, 16, 19, 22},     {12, 15, 18, 21},     {12, 14, 17, 20},     {11, 14, 16, 19},
    {11, 13, 15, 18},     {10, 12, 15, 17},     {10, 12, 14, 16},     {9, 11, 13, 15},      {9, 11, 12, 14},
    {8, 10, 12, 14},      {8, 9, 11, 13},       {7, 9, 11, 12},       {7, 9, 10, 12},       {7, 8, 10, 11},
    {6, 8, 9, 11},        {6, 7, 9, 10},        {6, 7, 8, 9},         {2, 2, 2, 2}};

static const uint8_t next_lps[64] = {0,  0,  1,  2,  2,  4,  4,  5,  6,  7,  8,  9,  9,  11, 11, 12,
                                     13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
                                     24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33,
                                     33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63};

enum { STATE_MOST = 62, RANGE_START = 510, QUARTER = 256, HALF = 512 };

cabac_context cabac_context_init(int m, int n, int slice_qp)
{
    int state = (m * slice_qp >> 4) + n;
    state = state < 1 ? 1 : state > 126 ? 126 : state;
    return (cabac_context)(state <= 63 ? (63 - state) * 2 : (state - 64) * 2 + 1);
}

void cabac_start(struct cabac *self, struct rbsp *out)
{
    *self = (struct cabac){.out = out, .range = RANGE_START, .first = true};
}

static void put(struct cabac *self, uint32_t bit)
{
    if (!self->first)
        rbsp_write_bits(self->out, bit, 1);
    self->first = false;
    for (; self->outstanding; self->outstanding--)
        rbsp_write_bits(self->out, !bit, 1);
}

static void renormalise(struct cabac *self)
{
    for (; self->range < QUARTER; self->range <<= 1, self->low <<= 1) {
        if (self->low < QUARTER) {
            put(self, 0);
        } else if (self->low >= HALF) {
            self->low -= HALF;
            put(self, 1);
        } else {
            self->low -= QUARTER;
            self->outstanding++;
        }
    }
}

void cabac_encode(struct cabac *self, cabac_context *context, int bin)
{
    int state = *context >> 1, mps = *context & 1;
    uint32_t lps = range_lps[state][self->range >> 6 & 3];
    self->range -= lps;
    if (bin == mps) {
        *context = (cabac_context)((state < STATE_MOST ? state + 1 : state) << 1 | mps);
    } else {
        self->low += self->range;
        self->range = lps;
        *context = (cabac_context)(next_lps[state] << 1 | (state ? mps : !mps));
    }
    renormalise(self);
}

void cabac_terminate(struct cabac *self, int bin)
{
    self->range -= 2;
    if (!bin) {
        renormalise(self);
        return;
    }
    self->low += self->range;
    self->range = 2;
    renormalise(self);
    put(self, self->low >> 9 & 1);
    rbsp_write_bits(self->out, (self->low >> 7 & 3) | 1, 2);
}
