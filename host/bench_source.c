/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_source.h"

#include <stdlib.h>

static struct rect bounds(const struct bench_source *self)
{
    return (struct rect){0, 0, self->width, self->height};
}

static void show(struct bench_source *self, const struct region *changed, int64_t now_ns)
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

bool bench_source_switch(struct bench_source *self, enum bench_scene_kind kind, int64_t now_ns)
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

bool bench_source_init(struct bench_source *self, enum bench_scene_kind kind, const struct frame_layout *layout,
                       int fps, int64_t now_ns)
{
    *self = (struct bench_source){.width = layout->width, .height = layout->height, .fps = fps};
    self->matrix = convert_matrix_for(layout);
    self->pixels = malloc((size_t)layout->width * (size_t)layout->height * sizeof(*self->pixels));
    self->pool = frame_pool_create(layout, 1);
    if (!self->pixels || !self->pool)
        return false;
    self->frame = frame_pool_take(self->pool);
    return bench_source_switch(self, kind, now_ns);
}

void bench_source_finish(struct bench_source *self)
{
    bench_scene_finish(&self->scene);
    frame_unref(self->frame);
    frame_pool_unref(self->pool);
    free(self->pixels);
}

void bench_source_step(struct bench_source *self, int64_t now_ns)
{
    struct region changed;
    bench_scene_step(&self->scene, &changed);
    bench_scene_stamp(&self->scene, now_ns);
    show(self, &changed, now_ns);
}

void bench_source_repeat(struct bench_source *self, int64_t now_ns)
{
    region_clear(&self->frame->damage);
    self->frame->captured_ns = now_ns;
}
