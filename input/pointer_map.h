/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pointer_map: from places on a client's picture to pixels of the screen. The picture holds the captured area, aspect
 * kept, with black bars as capture/scale.h makes them; the area lies somewhere in the screen. Pure.
 *
 * First and last pixel of the picture become first and last pixel of the area exactly; what is on a bar becomes the
 * area's edge. Source: docs/protocol.md, "Input", geometry.
 */
#pragma once

#include "base/region.h"

#include <stdbool.h>

struct pointer_map {
    int width, height;   /* of the client's picture */
    struct rect content; /* where the captured area lies in it */
    struct rect area;    /* captured, px of the screen */
};

/* False: a size is not positive, nothing written. */
bool pointer_map_init(struct pointer_map *self, int picture_width, int picture_height, struct rect area);

/* `x`, `y`: 0 first pixel, 1 last pixel of the picture; beyond it is clamped. */
void pointer_map_point(const struct pointer_map *self, double x, double y, double *ret_x, double *ret_y);

/* The length on the screen, px, of an axis of a contact. `share`: of the picture; `degrees`: its direction. */
double pointer_map_axis(const struct pointer_map *self, double share, double degrees);
