/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/planar.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, WORD_SHIFT = 6 /* ten bits at the top of sixteen */ };

bool planar_init(struct planar *ret, const struct frame_layout *layout)
{
    const struct frame_shape *shape = frame_shape_of(layout->format);
    bool words = shape->bits > 8;
    size_t offsets[FRAME_PLANES_MAX], size = 0;
    assert(layout->format != FRAME_BGR0);
    *ret = (struct planar){.filled = false};
    for (int plane = 0; plane < FRAME_PLANES_MAX; plane++) {
        int width = plane && shape->half_rows ? layout->width / 2 : layout->width;
        int stride = (width * (words ? 2 : 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        offsets[plane] = size;
        if (!words && !(plane && shape->half_rows))
            continue; /* is as it should be */
        ret->strides[plane] = stride;
        size += (size_t)stride * (size_t)frame_rows(layout, plane);
    }
    if (!size)
        return true;
    ret->memory = aligned_alloc(ALIGNMENT, size);
    for (int plane = 0; ret->memory && plane < FRAME_PLANES_MAX; plane++)
        ret->planes[plane] = ret->strides[plane] ? ret->memory + offsets[plane] : NULL;
    return ret->memory;
}

void planar_finish(struct planar *self)
{
    free(self->memory);
}

static void split_bytes(const uint8_t *restrict from, uint8_t *restrict u, uint8_t *restrict v, int count)
{
    for (int i = 0; i < count; i++) {
        u[i] = from[2 * i];
        v[i] = from[2 * i + 1];
    }
}

static void split_words(const uint16_t *restrict from, uint16_t *restrict u, uint16_t *restrict v, int count)
{
    for (int i = 0; i < count; i++) {
        u[i] = from[2 * i] >> WORD_SHIFT;
        v[i] = from[2 * i + 1] >> WORD_SHIFT;
    }
}

static void shift_words(const uint16_t *restrict from, uint16_t *restrict to, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = from[i] >> WORD_SHIFT;
}

static void *row_of(const struct planar *self, int plane, int x, int y, int bytes)
{
    return self->planes[plane] + (ptrdiff_t)y * self->strides[plane] + (ptrdiff_t)x * bytes;
}

/* Interleaved chroma; the rectangle in pairs of samples. */
static void split(struct planar *self, const struct frame *frame, struct rect r, bool words)
{
    int bytes = words ? 2 : 1;
    for (int y = r.y; y < r.y + r.height; y++) {
        const void *from = frame->planes[1] + (ptrdiff_t)y * frame->strides[1] + (ptrdiff_t)r.x * 2 * bytes;
        void *u = row_of(self, 1, r.x, y, bytes), *v = row_of(self, 2, r.x, y, bytes);
        if (words)
            split_words(from, u, v, r.width);
        else
            split_bytes(from, u, v, r.width);
    }
}

static void shift(struct planar *self, const struct frame *frame, int plane, struct rect r)
{
    for (int y = r.y; y < r.y + r.height; y++) {
        const void *from = frame->planes[plane] + (ptrdiff_t)y * frame->strides[plane] + (ptrdiff_t)r.x * 2;
        shift_words(from, row_of(self, plane, r.x, y, 2), r.width);
    }
}

static void convert(struct planar *self, const struct frame *frame, struct rect r)
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    bool words = shape->bits > 8;
    for (int plane = 0; words && plane < (shape->half_rows ? 1 : FRAME_PLANES_MAX); plane++)
        shift(self, frame, plane, r);
    if (!shape->half_rows)
        return;
    int x = r.x / 2, y = r.y / 2;
    split(self, frame,
          (struct rect){.x = x, .y = y, .width = (r.x + r.width + 1) / 2 - x, .height = (r.y + r.height + 1) / 2 - y},
          words);
}

void planar_update(struct planar *self, const struct frame *frame, const struct region *damage)
{
    const struct rect whole = {.width = frame->layout.width, .height = frame->layout.height};
    const struct rect *rects = self->filled ? damage->rects : &whole;
    int count = self->filled ? damage->count : 1;
    for (int i = 0; self->memory && i < count; i++) {
        struct rect r = rect_intersect(rects[i], whole);
        if (!rect_is_empty(r))
            convert(self, frame, r);
    }
    self->filled = true;
}
