/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rbsp: reads and writes the bits of a NAL unit (parameter sets, slice headers): H.264, 7.2 and 9.1; HEVC has the same.
 * Pure. A read behind the end, or a write without room, gives 0 and makes it `bad`, which stays: look once, last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rbsp {
    uint8_t *data; /* without emulation prevention; borrowed */
    size_t room;   /* bytes */
    size_t count;  /* bits in it */
    size_t at;     /* bit to be read next */
    bool bad;
};

/* `ret` has its data and room. A NAL unit with its header, without start code. False: no room. */
bool rbsp_open(struct rbsp *ret, const uint8_t *nal, size_t size);
uint32_t rbsp_read_bits(struct rbsp *self, int count); /* at most 32 */
uint32_t rbsp_read_ue(struct rbsp *self);
int32_t rbsp_read_se(struct rbsp *self);
void rbsp_skip_ue(struct rbsp *self, int count);

/* `ret` has its data and room. All before bit `end` of `from`. */
void rbsp_copy_head(const struct rbsp *from, size_t end, struct rbsp *ret);
void rbsp_write_bits(struct rbsp *self, uint32_t value, int count);
void rbsp_write_ue(struct rbsp *self, uint32_t value);
/* At a byte's beginning. */
void rbsp_write_bytes(struct rbsp *self, const uint8_t *bytes, size_t count);
/* With emulation prevention, and behind a stop bit zeros to the end of the byte. Its size; 0: bad, or no room. */
size_t rbsp_escape(const struct rbsp *self, uint8_t *ret, size_t room);
/* Ends the unit with its stop bit, then as rbsp_escape. */
size_t rbsp_close(struct rbsp *self, uint8_t *ret, size_t room);
