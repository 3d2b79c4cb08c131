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
    int64_t offset = (int64_t)y * a->strides[0];
    if (a->layout.format == FRAME_BGR0)
        return memcmp(a->planes[0] + offset + 4 * x, b->planes[0] + offset + 4 * x, 3) == 0;
    int64_t chroma = (int64_t)(y / 2) * a->strides[1] + x;
    return a->planes[0][offset + x] == b->planes[0][offset + x] && a->planes[1][chroma] == b->planes[1][chroma];
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
