/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region: a set of pixels as a short list of rectangles: what changed ("damage").
 * It may cover more than was added, never less: when the list is full, rectangles are united. Rectangles may overlap.
 * Nothing allocates. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rect {
    int x, y, width, height;
};

/* Enough for 40 glyphs here and there without uniting any; 16 covered 25 times their area. Copying one takes 30 ns. */
enum { REGION_MAX_RECTS = 64 };

struct region {
    struct rect rects[REGION_MAX_RECTS];
    int count; /* 0: empty */
};

static inline bool rect_is_empty(struct rect r)
{
    return r.width <= 0 || r.height <= 0;
}
struct rect rect_intersect(struct rect a, struct rect b); /* width and height 0 when apart */
struct rect rect_unite(struct rect a, struct rect b);     /* bounding box; an empty one does not count */

void region_clear(struct region *self);
void region_add(struct region *self, struct rect r); /* empty ones are ignored */
void region_add_region(struct region *self, const struct region *other);
void region_clip(struct region *self, struct rect bounds);
int64_t region_area(const struct region *self); /* pixels, overlaps counted twice */
