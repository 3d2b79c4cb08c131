/* SPDX-License-Identifier: Apache-2.0 */
/*
 * motion_probe: whether a picture is the one before, moved: then its bits can be foretold from what the last ones took.
 * It looks for blocks at places on a grid in what was there the time before, nearby.
 *
 * A scene that is cut, or a page that is turned where something moved before, is told apart from what goes on moving.
 */
#pragma once

#include "encode/mb_map.h"

#include <stdbool.h>

enum {
    MOTION_PROBE_SITES = 60,
    MOTION_PROBE_REACH = 24, /* px a block may have moved along an axis */
    MOTION_PROBE_SIDE = MB_MAP_PX + 2 * MOTION_PROBE_REACH,
};

struct motion_probe {
    struct motion_site {
        int macroblock;
        int x, y;   /* px, of its patch */
        bool known; /* the patch is of a picture */
        uint8_t patch[MOTION_PROBE_SIDE * MOTION_PROBE_SIDE];
    } sites[MOTION_PROBE_SITES];
    int count;
    int pause;    /* pictures since it looked */
    double usual; /* share of moving sites that were found in the last pictures; negative: not known */
};

void motion_probe_init(struct motion_probe *self, const struct mb_map *map);
/* After mb_map_mark(), for every picture. True: what moves is not what moved before. */
bool motion_probe_is_cut(struct motion_probe *self, const struct mb_map *map, const struct frame *frame);
