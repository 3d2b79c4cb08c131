/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_source: a painted scene as the frames an encoder gets, with their exact damage, in simulated time. For
 * `earthshine bench encode` and tests/quality. One thread.
 */
#pragma once

#include "capture/convert.h"
#include "host/bench_scene.h"

struct bench_source {
    struct bench_scene scene;
    uint32_t *pixels;
    struct frame_pool *pool;
    struct frame *frame; /* the picture; its damage is what changed since the one before, empty for a repeat */
    struct convert_matrix matrix;
    int width, height, fps;
};

/* The first picture is the scene's start, all of it damage. False: no memory; finish is fine then too. */
bool bench_source_init(struct bench_source *self, enum bench_scene_kind kind, const struct frame_layout *layout,
                       int fps, int64_t now_ns);
void bench_source_finish(struct bench_source *self);

void bench_source_step(struct bench_source *self, int64_t now_ns);
void bench_source_repeat(struct bench_source *self, int64_t now_ns); /* the same picture again */
/* Another scene from its start, all of it damage. False: no memory. */
bool bench_source_switch(struct bench_source *self, enum bench_scene_kind kind, int64_t now_ns);
