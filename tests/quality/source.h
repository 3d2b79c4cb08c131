/* SPDX-License-Identifier: Apache-2.0 */
/* source: a painted scene as the frames an encoder gets, with their exact damage, in simulated time. One thread. */
#pragma once

#include "capture/convert.h"
#include "host/bench_scene.h"

struct source {
    struct bench_scene scene;
    uint32_t *pixels;
    struct frame_pool *pool;
    struct frame *frame; /* the picture; its damage is what changed since the one before, empty for a repeat */
    struct convert_matrix matrix;
    int width, height, fps;
};

/* The first picture is the scene's start, all of it damage. False: no memory; finish is fine then too. */
bool source_init(struct source *self, enum bench_scene_kind kind, int width, int height, int fps, int64_t now_ns);
void source_finish(struct source *self);

void source_step(struct source *self, int64_t now_ns);
void source_repeat(struct source *self, int64_t now_ns); /* the same picture again */
/* Another scene from its start, all of it damage. False: no memory. */
bool source_switch(struct source *self, enum bench_scene_kind kind, int64_t now_ns);
/* Where the text is that matters in a scene, within the picture; even coordinates. */
struct rect source_text(const struct source *self);
