/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/motion_probe.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    NEAR = 6,      /* px: every offset up to it is tried, further away only those along the axes */
    PAUSE = 8,     /* pictures */
    SITES_MIN = 6, /* that move: fewer tell nothing */
};
#define USUAL_WEIGHT 0.25
#define USUAL_MIN    0.2 /* below, a cut could not be told, and the probe only looks now and then */
#define CUT_SHARE    0.5 /* of the usual share that is found */

void motion_probe_init(struct motion_probe *self, const struct mb_map *map)
{
    self->count = 0;
    self->usual = -1;
    if (map->width < MOTION_PROBE_SIDE || map->height < MOTION_PROBE_SIDE)
        return;
    int across = (int)sqrt((double)MOTION_PROBE_SITES * map->width / map->height);
    across = across < 1 ? 1 : across > MOTION_PROBE_SITES ? MOTION_PROBE_SITES : across;
    int down = MOTION_PROBE_SITES / across;
    for (int i = 0; i < across * down; i++) {
        /* whole macroblocks whose surroundings are inside the picture */
        int x = (2 * (i % across) + 1) * map->width / (2 * across),
            y = (2 * (i / across) + 1) * map->height / (2 * down);
        int column = x / MB_MAP_PX, row = y / MB_MAP_PX;
        struct motion_site *site = &self->sites[self->count];
        *site = (struct motion_site){.macroblock = row * map->columns + column,
                                     .x = column * MB_MAP_PX - MOTION_PROBE_REACH,
                                     .y = row * MB_MAP_PX - MOTION_PROBE_REACH};
        if (site->x >= 0 && site->y >= 0 && site->x + MOTION_PROBE_SIDE <= map->width &&
            site->y + MOTION_PROBE_SIDE <= map->height)
            self->count++;
    }
}

/* Of every other row. */
static unsigned difference(const uint8_t *a, ptrdiff_t stride_a, const uint8_t *b, ptrdiff_t stride_b)
{
    unsigned sum = 0;
    for (int y = 0; y < MB_MAP_PX; y += 2)
        for (int x = 0; x < MB_MAP_PX; x++)
            sum += (unsigned)abs(a[y * stride_a + x] - b[y * stride_b + x]);
    return sum;
}

/* How much it differs from itself a pixel on: what is not found differs about as much. */
static unsigned texture(const uint8_t *p, ptrdiff_t stride)
{
    return (difference(p, stride, p + 1, stride) + difference(p, stride, p + stride, stride)) / 2;
}

static bool fits(const struct motion_site *site, const uint8_t *block, ptrdiff_t stride, int dx, int dy, unsigned limit)
{
    const uint8_t *patch = site->patch + (MOTION_PROBE_REACH + dy) * MOTION_PROBE_SIDE + MOTION_PROBE_REACH + dx;
    return difference(block, stride, patch, MOTION_PROBE_SIDE) < limit;
}

static bool is_found(const struct motion_site *site, const uint8_t *block, ptrdiff_t stride)
{
    unsigned limit = texture(block, stride) / 2 + MB_MAP_PX * MB_MAP_PX / 2; /* flat ones are found */
    for (int i = 0; i <= MOTION_PROBE_REACH; i++) {
        if (fits(site, block, stride, 0, i, limit) || fits(site, block, stride, 0, -i, limit) ||
            fits(site, block, stride, i, 0, limit) || fits(site, block, stride, -i, 0, limit))
            return true;
    }
    for (int dy = -NEAR; dy <= NEAR; dy++)
        for (int dx = -NEAR; dx <= NEAR; dx++)
            if (fits(site, block, stride, dx, dy, limit))
                return true;
    return false;
}

static void keep(struct motion_site *site, const struct frame *frame)
{
    for (int y = 0; y < MOTION_PROBE_SIDE; y++)
        memcpy(site->patch + y * MOTION_PROBE_SIDE,
               frame->planes[0] + (ptrdiff_t)(site->y + y) * frame->strides[0] + site->x, MOTION_PROBE_SIDE);
    site->known = true;
}

/* Whether it looks at this picture. For the next look it has to know the picture before that. */
static bool is_its_turn(struct motion_probe *self, const struct frame *frame)
{
    if (++self->pause >= PAUSE)
        return true;
    for (int i = 0; self->pause == PAUSE - 1 && i < self->count; i++)
        keep(&self->sites[i], frame);
    return false;
}

bool motion_probe_is_cut(struct motion_probe *self, const struct mb_map *map, const struct frame *frame)
{
    int moving = 0, found = 0;
    bool pays = self->usual < 0 || self->usual >= USUAL_MIN;
    if (!pays && !is_its_turn(self, frame))
        return false;
    self->pause = 0;
    ptrdiff_t stride = frame->strides[0];
    for (int i = 0; i < self->count; i++) {
        struct motion_site *site = &self->sites[i];
        if (map->constant[site->macroblock] != MB_MAP_CHANGED)
            continue;
        if (site->known && map->before[site->macroblock] == MB_MAP_CHANGED) {
            moving++;
            found += is_found(site,
                              frame->planes[0] + (site->y + MOTION_PROBE_REACH) * stride + site->x + MOTION_PROBE_REACH,
                              stride);
        }
        keep(site, frame);
    }
    if (moving < SITES_MIN)
        return false;
    double share = (double)found / moving;
    bool cut = self->usual > 0 && share < CUT_SHARE * self->usual && pays;
    self->usual = self->usual < 0 || cut ? share : self->usual + USUAL_WEIGHT * (share - self->usual);
    return cut;
}
