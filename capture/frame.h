/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame: a picture on its way from a display to an encoder, and pools of them.
 * Reference counted: one producer, many readers; a frame holds its pool, so the pool's owner may go away first.
 * The producer writes only while it alone holds the frame.
 */
#pragma once

#include "base/region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_format {
    FRAME_NV12,      /* plane 0: luma; plane 1: interleaved Cb Cr at half size */
    FRAME_BGR0,      /* plane 0: bytes B G R x */
    FRAME_P010,      /* as NV12, of native 16-bit words with the ten bits at the top */
    FRAME_YUV444,    /* planes of luma, Cb and Cr, all of full size */
    FRAME_YUV444_10, /* as YUV444, of words as in P010 */
    FRAME_FORMATS,
};

struct frame_shape {
    int planes;
    int pixel_bytes; /* of a row, in each plane: of interleaved chroma, a pair for two pixels */
    int bits;        /* of a sample */
    bool half_rows;  /* planes after the first have one row for two */
};

static inline const struct frame_shape *frame_shape_of(enum frame_format format)
{
    static const struct frame_shape shapes[FRAME_FORMATS] = {
        [FRAME_NV12] = {.planes = 2, .pixel_bytes = 1, .bits = 8, .half_rows = true},
        [FRAME_BGR0] = {.planes = 1, .pixel_bytes = 4, .bits = 8},
        [FRAME_P010] = {.planes = 2, .pixel_bytes = 2, .bits = 10, .half_rows = true},
        [FRAME_YUV444] = {.planes = 3, .pixel_bytes = 1, .bits = 8},
        [FRAME_YUV444_10] = {.planes = 3, .pixel_bytes = 2, .bits = 10},
    };
    return &shapes[format];
}

/* Numbers of encoderCscMode >> 1 on the wire. */
enum frame_colour_space { FRAME_BT601 = 0, FRAME_BT709 = 1, FRAME_BT2020 = 2 };

struct frame_layout {
    int width, height; /* px, even */
    enum frame_format format;
    enum frame_colour_space colour_space;
    bool full_range;
};

enum { FRAME_PLANES_MAX = 3 };
/* Of a plane. */
static inline int frame_rows(const struct frame_layout *layout, int plane)
{
    return plane && frame_shape_of(layout->format)->half_rows ? layout->height / 2 : layout->height;
}

struct frame_pool;

struct frame {
    struct frame_layout layout;
    uint8_t *planes[FRAME_PLANES_MAX]; /* rows 64-byte aligned; NULL and 0 beyond those of the format */
    int strides[FRAME_PLANES_MAX];     /* bytes */

    uint64_t number;                  /* of the picture, counting from 1, +1 per picture its view made */
    int64_t captured_ns;              /* when the display was read; monotonic */
    int64_t fetched_ns, converted_ns; /* end of these stages */
    bool is_status;                   /* a status picture, not the desktop */
    struct region damage;             /* what changed since the frame with the previous number */

    int index;    /* within the pool: the producer's bookkeeping of stale regions */
    void *opaque; /* frame.c only */
};

/* What belongs to pixel x, y; where chroma is of half size x and y are even for its pair. */
static inline uint8_t *frame_at(const struct frame *self, int plane, int x, int y)
{
    const struct frame_shape *shape = frame_shape_of(self->layout.format);
    int row = plane && shape->half_rows ? y / 2 : y;
    return self->planes[plane] + (ptrdiff_t)row * self->strides[plane] + (ptrdiff_t)x * shape->pixel_bytes;
}

/* `count` frames, all memory allocated now. NULL: logged. */
struct frame_pool *frame_pool_create(const struct frame_layout *layout, int count);
void frame_pool_unref(struct frame_pool *self);         /* NULL is fine; memory goes when its last frame is back */
struct frame *frame_pool_take(struct frame_pool *self); /* reference 1; NULL when all are out */
void frame_ref(struct frame *self);
void frame_unref(struct frame *self); /* NULL is fine */
