/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/rbsp.h"

#include <string.h>

bool rbsp_open(struct rbsp *ret, const uint8_t *nal, size_t size)
{
    int zeros = 0;
    size_t count = 0;
    ret->count = ret->at = 0;
    ret->bad = size > ret->room;
    if (ret->bad)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool guard = zeros >= 2 && nal[i] == 3;
        zeros = guard || nal[i] ? 0 : zeros + 1;
        if (!guard)
            ret->data[count++] = nal[i];
    }
    ret->count = count * 8;
    return true;
}

uint32_t rbsp_read_bits(struct rbsp *self, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++, self->at++) {
        self->bad |= self->at >= self->count;
        if (self->bad)
            return 0;
        value = value << 1 | (self->data[self->at / 8] >> (7 - self->at % 8) & 1U);
    }
    return value;
}

uint32_t rbsp_read_ue(struct rbsp *self)
{
    int zeros = 0;
    while (!rbsp_read_bits(self, 1) && !self->bad)
        zeros++;
    self->bad |= zeros > 31;
    return self->bad ? 0 : (1U << zeros) - 1 + rbsp_read_bits(self, zeros);
}

int32_t rbsp_read_se(struct rbsp *self)
{
    uint32_t value = rbsp_read_ue(self);
    return value & 1 ? (int32_t)(value / 2 + 1) : -(int32_t)(value / 2);
}

void rbsp_skip_ue(struct rbsp *self, int count)
{
    while (count--)
        rbsp_read_ue(self);
}

void rbsp_copy_head(const struct rbsp *from, size_t end, struct rbsp *ret)
{
    ret->count = end;
    ret->at = 0;
    ret->bad = (end + 7) / 8 > ret->room;
    if (ret->bad)
        return;
    memcpy(ret->data, from->data, (end + 7) / 8);
    if (end % 8)
        ret->data[end / 8] &= (uint8_t)(0xFF00 >> end % 8);
}

void rbsp_write_bits(struct rbsp *self, uint32_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, self->count++) {
        self->bad |= self->count >= self->room * 8;
        if (self->bad)
            return;
        if (self->count % 8 == 0)
            self->data[self->count / 8] = 0;
        if (value >> i & 1)
            self->data[self->count / 8] |= (uint8_t)(0x80 >> self->count % 8);
    }
}

void rbsp_write_ue(struct rbsp *self, uint32_t value)
{
    int length = 1;
    while (value + 1 >= 2U << (length - 1) && length < 32)
        length++;
    rbsp_write_bits(self, 0, length - 1);
    rbsp_write_bits(self, value + 1, length);
}

void rbsp_write_bytes(struct rbsp *self, const uint8_t *bytes, size_t count)
{
    self->bad |= self->count % 8 || count > self->room - self->count / 8;
    if (self->bad)
        return;
    memcpy(self->data + self->count / 8, bytes, count);
    self->count += count * 8;
}

size_t rbsp_escape(const struct rbsp *self, uint8_t *ret, size_t room)
{
    size_t size = 0;
    int zeros = 0;
    for (size_t i = 0; i < (self->count + 7) / 8; i++) {
        bool guard = zeros == 2 && self->data[i] <= 3;
        if (self->bad || size + guard + 1 > room)
            return 0;
        if (guard)
            ret[size++] = 3;
        zeros = guard ? 0 : zeros;
        zeros = self->data[i] ? 0 : zeros + 1;
        ret[size++] = self->data[i];
    }
    return size;
}

size_t rbsp_close(struct rbsp *self, uint8_t *ret, size_t room)
{
    rbsp_write_bits(self, 1, 1);
    return rbsp_escape(self, ret, room);
}
