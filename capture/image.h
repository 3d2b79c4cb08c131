/* SPDX-License-Identifier: Apache-2.0 */
/* image: a borrowed picture of bytes B G R x in memory; x is ignored when read. */
#pragma once

#include "base/region.h"

#include <stdint.h>

struct image {
    uint8_t *pixels;
    int stride; /* bytes */
    int width, height;
};

static inline uint8_t *image_at(const struct image *self, int x, int y)
{
    return self->pixels + (int64_t)y * self->stride + (int64_t)x * 4;
}
static inline struct rect image_bounds(const struct image *self)
{
    return (struct rect){0, 0, self->width, self->height};
}
