/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pixels.h"

#include <string.h>

uint32_t next_random(uint32_t *seed)
{
    return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

int below(uint32_t *seed, int limit)
{
    return (int)(next_random(seed) % (uint32_t)limit);
}

bool same_pixel(const struct frame *a, const struct frame *b, int x, int y)
{
    const struct frame_shape *shape = frame_shape_of(a->layout.format);
    size_t bytes = a->layout.format == FRAME_BGR0 ? 3 : (size_t)shape->pixel_bytes;
    for (int plane = 0; plane < shape->planes; plane++)
        if (memcmp(frame_at(a, plane, x, y), frame_at(b, plane, x, y), bytes) != 0)
            return false;
    return true;
}

bool same_row(const struct frame *a, const struct frame *b, int y)
{
    const struct frame_shape *shape = frame_shape_of(a->layout.format);
    for (int plane = 0; plane < shape->planes; plane++)
        if (memcmp(frame_at(a, plane, 0, y), frame_at(b, plane, 0, y), (size_t)(a->layout.width * shape->pixel_bytes)))
            return false;
    return true;
}

bool covered(const struct region *region, int x, int y)
{
    for (int i = 0; i < region->count; i++) {
        const struct rect *r = &region->rects[i];
        if (x >= r->x && x < r->x + r->width && y >= r->y && y < r->y + r->height)
            return true;
    }
    return false;
}
