/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes: checked reading and writing of byte rows.
 * A reader or writer that ran out of room is `failed`: reads then give 0, writes do nothing; test it once at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_get_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint16_t bytes_get_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t bytes_get_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint32_t bytes_get_u32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}
static inline void bytes_put_u16le(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8);
}
static inline void bytes_put_u16be(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}
static inline void bytes_put_u32le(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)(v >> 16), p[3] = (uint8_t)(v >> 24);
}
static inline void bytes_put_u32be(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}
static inline void bytes_put_u64le(uint8_t *p, uint64_t v)
{
    bytes_put_u32le(p, (uint32_t)v);
    bytes_put_u32le(p + 4, (uint32_t)(v >> 32));
}

struct byte_reader {
    const uint8_t *data;
    size_t size, at;
    bool failed;
};
static inline void byte_reader_init(struct byte_reader *self, const void *data, size_t size)
{
    *self = (struct byte_reader){.data = (const uint8_t *)data, .size = size};
}
/* The next `count` bytes, or NULL. */
static inline const uint8_t *byte_reader_take(struct byte_reader *self, size_t count)
{
    if (self->failed || count > self->size - self->at) {
        self->failed = true;
        return NULL;
    }
    self->at += count;
    return self->data + self->at - count;
}
static inline uint8_t byte_reader_u8(struct byte_reader *self)
{
    const uint8_t *p = byte_reader_take(self, 1);
    return p ? *p : 0;
}
static inline uint16_t byte_reader_u16le(struct byte_reader *self)
{
    const uint8_t *p = byte_reader_take(self, 2);
    return p ? bytes_get_u16le(p) : 0;
}
static inline uint16_t byte_reader_u16be(struct byte_reader *self)
{
    const uint8_t *p = byte_reader_take(self, 2);
    return p ? bytes_get_u16be(p) : 0;
}
static inline uint32_t byte_reader_u32le(struct byte_reader *self)
{
    const uint8_t *p = byte_reader_take(self, 4);
    return p ? bytes_get_u32le(p) : 0;
}
static inline uint32_t byte_reader_u32be(struct byte_reader *self)
{
    const uint8_t *p = byte_reader_take(self, 4);
    return p ? bytes_get_u32be(p) : 0;
}

/* Text and bytes appended to a caller's buffer. Text functions keep a terminating NUL, not counted in `used`. */
struct byte_writer {
    uint8_t *data;
    size_t capacity, used;
    bool failed;
};
static inline void byte_writer_init(struct byte_writer *self, void *data, size_t capacity)
{
    *self = (struct byte_writer){.data = (uint8_t *)data, .capacity = capacity};
}
void byte_writer_append(struct byte_writer *self, const void *data, size_t count);
__attribute__((format(printf, 2, 3))) void byte_writer_printf(struct byte_writer *self, const char *format, ...);
