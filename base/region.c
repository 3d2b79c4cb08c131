/* SPDX-License-Identifier: Apache-2.0 */
#include "base/region.h"

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static int64_t area(struct rect r)
{
    return rect_is_empty(r) ? 0 : (int64_t)r.width * r.height;
}

struct rect rect_intersect(struct rect a, struct rect b)
{
    int x0 = max_int(a.x, b.x), y0 = max_int(a.y, b.y);
    int x1 = min_int(a.x + a.width, b.x + b.width), y1 = min_int(a.y + a.height, b.y + b.height);
    if (x1 <= x0 || y1 <= y0)
        return (struct rect){0};
    return (struct rect){x0, y0, x1 - x0, y1 - y0};
}

struct rect rect_unite(struct rect a, struct rect b)
{
    if (rect_is_empty(a))
        return b;
    if (rect_is_empty(b))
        return a;
    int x0 = min_int(a.x, b.x), y0 = min_int(a.y, b.y);
    int x1 = max_int(a.x + a.width, b.x + b.width), y1 = max_int(a.y + a.height, b.y + b.height);
    return (struct rect){x0, y0, x1 - x0, y1 - y0};
}

void region_clear(struct region *self)
{
    self->count = 0;
}

static void remove_at(struct region *self, int index)
{
    self->rects[index] = self->rects[--self->count];
}

/* Pixels that uniting a and b would add beyond the two. */
static int64_t waste(struct rect a, struct rect b)
{
    return area(rect_unite(a, b)) - area(a) - area(b) + area(rect_intersect(a, b));
}

void region_add(struct region *self, struct rect r)
{
    if (rect_is_empty(r))
        return;
    /* Unite with everything that costs nothing (contained, or sharing a whole edge); the union may reach further ones.
     */
    for (int i = 0; i < self->count;) {
        if (waste(self->rects[i], r) == 0) {
            r = rect_unite(self->rects[i], r);
            remove_at(self, i);
            i = 0;
        } else {
            i++;
        }
    }
    if (self->count == REGION_MAX_RECTS) {
        int best = 0;
        for (int i = 1; i < self->count; i++) {
            if (waste(self->rects[i], r) < waste(self->rects[best], r))
                best = i;
        }
        r = rect_unite(self->rects[best], r);
        remove_at(self, best);
        region_add(self, r); /* there is room now: recurses once */
        return;
    }
    self->rects[self->count++] = r;
}

void region_add_region(struct region *self, const struct region *other)
{
    for (int i = 0; i < other->count; i++)
        region_add(self, other->rects[i]);
}

void region_clip(struct region *self, struct rect bounds)
{
    for (int i = 0; i < self->count;) {
        self->rects[i] = rect_intersect(self->rects[i], bounds);
        if (rect_is_empty(self->rects[i]))
            remove_at(self, i);
        else
            i++;
    }
}

int64_t region_area(const struct region *self)
{
    int64_t sum = 0;
    for (int i = 0; i < self->count; i++)
        sum += area(self->rects[i]);
    return sum;
}
