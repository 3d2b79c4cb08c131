/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/quality/source.h"

#include <stdlib.h>

static struct rect bounds(const struct source *self)
{
    return (struct rect){0, 0, self->width, self->height};
}

static void show(struct source *self, const struct region *changed, int64_t now_ns)
{
    struct image image = {(uint8_t *)self->pixels, self->width * 4, self->width, self->height};
    region_clear(&self->frame->damage);
    for (int i = 0; i < changed->count; i++) {
        struct rect reach = convert_reach(changed->rects[i], self->width, self->height);
        convert_area(convert_best(), &self->matrix, &image, reach, self->frame);
        region_add(&self->frame->damage, reach);
    }
    self->frame->captured_ns = now_ns;
    self->frame->number++;
}

bool source_switch(struct source *self, enum bench_scene_kind kind, int64_t now_ns)
{
    struct region all = {.rects = {bounds(self)}, .count = 1};
    bench_scene_finish(&self->scene);
    if (!bench_scene_init(
            &self->scene,
            &(struct bench_scene_config){
                .kind = kind, .pixels = self->pixels, .width = self->width, .height = self->height, .fps = self->fps}))
        return false;
    bench_scene_stamp(&self->scene, now_ns);
    show(self, &all, now_ns);
    return true;
}

bool source_init(struct source *self, enum bench_scene_kind kind, int width, int height, int fps, int64_t now_ns)
{
    struct frame_layout layout = {.width = width, .height = height, .format = FRAME_NV12, .colour_space = FRAME_BT709};
    *self = (struct source){.width = width, .height = height, .fps = fps};
    self->matrix = convert_matrix_for(layout.colour_space, layout.full_range);
    self->pixels = malloc((size_t)width * (size_t)height * sizeof(*self->pixels));
    self->pool = frame_pool_create(&layout, 1);
    if (!self->pixels || !self->pool)
        return false;
    self->frame = frame_pool_take(self->pool);
    return source_switch(self, kind, now_ns);
}

void source_finish(struct source *self)
{
    bench_scene_finish(&self->scene);
    frame_unref(self->frame);
    frame_pool_unref(self->pool);
    free(self->pixels);
}

void source_step(struct source *self, int64_t now_ns)
{
    struct region changed;
    bench_scene_step(&self->scene, &changed);
    bench_scene_stamp(&self->scene, now_ns);
    show(self, &changed, now_ns);
}

void source_repeat(struct source *self, int64_t now_ns)
{
    region_clear(&self->frame->damage);
    self->frame->captured_ns = now_ns;
}

/* As host/bench_scene.c paints it. */
struct rect source_text(const struct source *self)
{
    struct rect text = {70, 80, 1080, 880};
    if (self->scene.config.kind == BENCH_SCENE_SCROLL)
        text = (struct rect){self->width > 1300 ? 1200 : 60, 100, 1000, 800};
    return rect_intersect(text, (struct rect){0, 0, self->width - 60, self->height - 60});
}
