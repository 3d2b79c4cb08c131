/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/planar_chroma.h"

#include <stddef.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

bool planar_chroma_init(struct planar_chroma *ret, int width, int height)
{
    int stride = (width / 2 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t plane = (size_t)stride * (size_t)(height / 2);
    uint8_t *memory = aligned_alloc(ALIGNMENT, plane * 2);
    *ret = (struct planar_chroma){.planes = {memory, memory ? memory + plane : NULL}, .stride = stride};
    return memory;
}

void planar_chroma_finish(struct planar_chroma *self)
{
    free(self->planes[0]);
}

/* One rectangle, in pairs of samples. */
static void split(struct planar_chroma *self, const struct frame *frame, int x, int y, int width, int height)
{
    for (int row = y; row < y + height; row++) {
        const uint8_t *restrict from = frame->planes[1] + (ptrdiff_t)row * frame->strides[1] + 2 * x;
        uint8_t *restrict u = self->planes[0] + (ptrdiff_t)row * self->stride + x;
        uint8_t *restrict v = self->planes[1] + (ptrdiff_t)row * self->stride + x;
        for (int i = 0; i < width; i++) {
            u[i] = from[2 * i];
            v[i] = from[2 * i + 1];
        }
    }
}

void planar_chroma_update(struct planar_chroma *self, const struct frame *frame, const struct region *damage)
{
    const struct rect whole = {.width = frame->layout.width, .height = frame->layout.height};
    const struct rect *rects = self->filled ? damage->rects : &whole;
    int count = self->filled ? damage->count : 1;
    for (int i = 0; i < count; i++) {
        struct rect r = rect_intersect(rects[i], whole);
        int x = r.x / 2, y = r.y / 2;
        split(self, frame, x, y, (r.x + r.width + 1) / 2 - x, (r.y + r.height + 1) / 2 - y);
    }
    self->filled = true;
}
