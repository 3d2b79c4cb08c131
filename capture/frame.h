/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame: a picture on its way from a display to an encoder, and pools of them.
 * Reference counted: one producer, many readers; a frame holds its pool, so the pool's owner may go away first.
 * The producer writes only while it alone holds the frame.
 */
#pragma once

#include "base/region.h"

#include <stdbool.h>
#include <stdint.h>

enum frame_format {
    FRAME_NV12, /* plane 0: luma; plane 1: interleaved Cb Cr at half size */
    FRAME_BGR0, /* plane 0: bytes B G R x */
};

/* Numbers of encoderCscMode >> 1 on the wire. */
enum frame_colour_space { FRAME_BT601 = 0, FRAME_BT709 = 1, FRAME_BT2020 = 2 };

struct frame_layout {
    int width, height; /* px, even */
    enum frame_format format;
    enum frame_colour_space colour_space;
    bool full_range;
};

struct frame_pool;

struct frame {
    struct frame_layout layout;
    uint8_t *planes[2]; /* rows 64-byte aligned */
    int strides[2];     /* bytes */

    uint64_t number;                  /* of the picture, counting from 1, +1 per picture its view made */
    int64_t captured_ns;              /* when the display was read; monotonic */
    int64_t fetched_ns, converted_ns; /* end of these stages */
    bool is_status;                   /* a status picture, not the desktop */
    struct region damage;             /* what changed since the frame with the previous number */

    int index;    /* within the pool: the producer's bookkeeping of stale regions */
    void *opaque; /* frame.c only */
};

/* `count` frames, all memory allocated now. NULL: logged. */
struct frame_pool *frame_pool_create(const struct frame_layout *layout, int count);
void frame_pool_unref(struct frame_pool *self);         /* NULL is fine; memory goes when its last frame is back */
struct frame *frame_pool_take(struct frame_pool *self); /* reference 1; NULL when all are out */
void frame_ref(struct frame *self);
void frame_unref(struct frame *self); /* NULL is fine */
