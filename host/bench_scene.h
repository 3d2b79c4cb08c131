/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_scene: paints repeatable moving pictures into memory, with a time code in the top left corner, so that who
 * decodes the stream can tell how old a picture is. For `earthshine bench` and tests/bench/scene.
 * Pure: no display, no clock, no thread. The same steps paint the same pixels, the time code apart.
 *
 * Time code: 24 cells of 16x16 px in one row at (0,0), black 0, white 1, most significant first. Cells 0-3 are 1010,
 * 4-19 the low 16 bits of the monotonic clock in units of 0.25 ms (wraps every 16.4 s), 20-23 the XOR of the four
 * nibbles of these.
 */
#pragma once

#include "base/region.h"

#include <stdbool.h>
#include <stdint.h>

enum bench_scene_kind {
    BENCH_SCENE_STILL,      /* a desktop, without time code; nothing is painted after the start */
    BENCH_SCENE_STATIC,     /* a desktop; nothing moves but the time code, once a second */
    BENCH_SCENE_TYPE,       /* a desktop; one glyph changes a frame */
    BENCH_SCENE_SCROLL,     /* a desktop; a 1000x800 window of text lines scrolls by 3 px a frame */
    BENCH_SCENE_VIDEO,      /* every pixel changes in every frame */
    BENCH_SCENE_COMPOSITED, /* as type, but the whole screen is reported as changed, as a compositor does */
    BENCH_SCENE_WINDOWS,    /* every half second a large window opens or closes, every 2 s the whole screen changes */
    BENCH_SCENE_COUNT
};

enum { BENCH_SCENE_MIN_WIDTH = 384, BENCH_SCENE_MIN_HEIGHT = 256 };

struct bench_scene_config {
    enum bench_scene_kind kind;
    uint32_t *pixels; /* B G R x in memory, `width` x `height`, rows back to back; outlives the scene */
    int width, height;
    int fps; /* steps per second that the caller will make */
};

struct bench_scene {
    struct bench_scene_config config;
    uint32_t seed;
    int64_t steps;
    uint16_t code; /* the time code painted last */

    struct rect window; /* open one of `windows`; empty: none */
    uint32_t *below;    /* what it covers; only `windows` has this buffer */
    int shown;          /* contents shown so far, of windows and of the screen */
};

const char *bench_scene_name(enum bench_scene_kind kind);
bool bench_scene_find(const char *name, enum bench_scene_kind *ret_kind);

/* Paints the first picture, without its time code: stamp it. False: no memory; finish is fine then too. The screen is
 * at least BENCH_SCENE_MIN_WIDTH x _HEIGHT. */
bool bench_scene_init(struct bench_scene *self, const struct bench_scene_config *config);
void bench_scene_finish(struct bench_scene *self);

/* Paints the next picture. `*ret_changed`: what to put on the screen, the time code included, whose pixels are old
 * until bench_scene_stamp(); empty: nothing was painted this time. */
void bench_scene_step(struct bench_scene *self, struct region *ret_changed);
/* Paints the time code of `now_ns` (monotonic); nothing for `still`. */
void bench_scene_stamp(struct bench_scene *self, int64_t now_ns);
