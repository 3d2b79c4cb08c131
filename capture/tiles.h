/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiles: conversion that finds out what really changed. Compositors report the whole screen as damaged when one glyph
 * is new, toolkits a whole window; what is converted is compared with the picture before while it is in the cache.
 */
#pragma once

#include "base/crew.h"
#include "capture/convert.h"

/* A row of luma in a tile is a cache line; both are multiples of a macroblock. Tiles lie on a grid from 0, 0. */
enum { TILE_WIDTH_PX = 64, TILE_HEIGHT_PX = 16 };

struct tiles; /* room to work in, for frames of one layout; one thread at a time */

struct tiles *tiles_create(const struct frame_layout *layout); /* NULL: logged */
void tiles_destroy(struct tiles *self);                        /* NULL is fine */

/*
 * What is converted, and into what. All borrowed.
 * `target` shows what `before` shows, except in `stale`, each rectangle of which lies within one of `areas`.
 */
struct tiles_job {
    enum convert_speed speed;
    const struct convert_matrix *matrix;
    const struct image *source; /* of the frame's size */
    const struct region *areas; /* even coordinates */
    const struct frame *before; /* same layout */
    const struct region *stale;
    struct crew *crew; /* has a part in large areas; NULL: none */
};

/*
 * Bring `target` up to date: afterwards it shows what convert_area() of all areas into `before` would show (BGR0: the x
 * bytes apart). Adds to `ret_changed` where it differs from `before`: tiles, cut to the areas, that differ somewhere,
 * and what lies between them when there are too many to list.
 */
void tiles_convert(struct tiles *self, const struct tiles_job *job, struct frame *target, struct region *ret_changed);

/*
 * Add the set ones of `columns` x `rows` flags as rectangles, in units of flags: runs of a row, equal runs of
 * consecutive rows united; gaps are closed until there are at most `limit` (1 or more, up to REGION_MAX_RECTS).
 */
void tiles_to_region(const uint8_t *flags, int columns, int rows, int limit, struct region *ret_region);
