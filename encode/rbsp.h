/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rbsp: reads and writes the bits of a small NAL unit (parameter sets, slice headers): H.264, 7.2 and 9.1; HEVC has the
 * same. Pure. A read behind the end, or a write without room, gives 0 and makes it `bad`, which stays: look once, last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RBSP_MAX = 320 /* bytes */ };

struct rbsp {
    uint8_t data[RBSP_MAX]; /* without emulation prevention; zero behind `count` */
    size_t count;           /* bits in it */
    size_t at;              /* bit to be read next */
    bool bad;
};

/* A NAL unit with its header, without start code. False: too large. */
bool rbsp_open(struct rbsp *ret, const uint8_t *nal, size_t size);
uint32_t rbsp_read_bits(struct rbsp *self, int count); /* at most 32 */
uint32_t rbsp_read_ue(struct rbsp *self);
int32_t rbsp_read_se(struct rbsp *self);
void rbsp_skip_ue(struct rbsp *self, int count);

/* All before bit `end` of `from`. */
void rbsp_copy_head(const struct rbsp *from, size_t end, struct rbsp *ret);
void rbsp_write_bits(struct rbsp *self, uint32_t value, int count);
void rbsp_write_ue(struct rbsp *self, uint32_t value);
/* Ends the unit with its stop bit and writes it with emulation prevention. Its size; 0: bad, or no room. */
size_t rbsp_close(struct rbsp *self, uint8_t *ret, size_t room);
