/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/frame.h"

#include "base/container_of.h"
#include "base/log.h"
#include "base/thread.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ALIGNMENT = 64, MAX_FRAMES = 16 };

struct pool_frame {
    struct frame frame;
    atomic_int references;
    bool out; /* guarded by the pool's lock */
};

struct frame_pool {
    struct mutex lock; /* guards `references` and each frame's `out` */
    int references;    /* the owner's, and one per frame that is out */
    int count;
    uint8_t *memory;
    struct pool_frame frames[MAX_FRAMES];
};

static struct pool_frame *pool_frame_of(struct frame *frame)
{
    return container_of(frame, struct pool_frame, frame);
}

static size_t stride_of(const struct frame_layout *layout)
{
    size_t bytes = (size_t)layout->width * (size_t)frame_shape_of(layout->format)->pixel_bytes;
    return (bytes + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
}

/* Its planes, one after the other in `memory`. */
static void lay_out(const struct frame_layout *layout, uint8_t *memory, struct frame *ret_frame)
{
    size_t stride = stride_of(layout);
    ret_frame->layout = *layout;
    for (int plane = 0; plane < frame_shape_of(layout->format)->planes; plane++) {
        ret_frame->planes[plane] = memory;
        ret_frame->strides[plane] = (int)stride;
        memory += stride * (size_t)frame_rows(layout, plane);
    }
}

static size_t size_of(const struct frame_layout *layout)
{
    size_t rows = 0;
    for (int plane = 0; plane < frame_shape_of(layout->format)->planes; plane++)
        rows += (size_t)frame_rows(layout, plane);
    return stride_of(layout) * rows;
}

static bool layout_is_valid(const struct frame_layout *layout)
{
    return layout->width > 0 && layout->height > 0 && layout->width <= 16384 && layout->height <= 16384 &&
           layout->width % 2 == 0 && layout->height % 2 == 0;
}

struct frame_pool *frame_pool_create(const struct frame_layout *layout, int count)
{
    assert(count > 0 && count <= MAX_FRAMES);
    if (!layout_is_valid(layout)) {
        log_error("frame: cannot make pictures of %dx%d", layout->width, layout->height);
        return NULL;
    }
    struct frame_pool *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("frame");
    size_t size = size_of(layout);
    self->memory = aligned_alloc(ROW_ALIGNMENT, size * (size_t)count);
    if (!self->memory) {
        free(self);
        return log_oom("frame");
    }
    memset(self->memory, 0, size * (size_t)count);
    mutex_init(&self->lock);
    self->references = 1;
    self->count = count;
    for (int i = 0; i < count; i++) {
        struct frame *frame = &self->frames[i].frame;
        lay_out(layout, self->memory + size * (size_t)i, frame);
        frame->index = i;
        frame->opaque = self;
    }
    return self;
}

static void drop_reference_locked(struct frame_pool *self)
{
    bool last = --self->references == 0;
    mutex_unlock(&self->lock);
    if (!last)
        return;
    mutex_finish(&self->lock);
    free(self->memory);
    free(self);
}

void frame_pool_unref(struct frame_pool *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    drop_reference_locked(self);
}

struct frame *frame_pool_take(struct frame_pool *self)
{
    struct frame *taken = NULL;
    mutex_lock(&self->lock);
    for (int i = 0; i < self->count && !taken; i++) {
        struct pool_frame *candidate = &self->frames[i];
        if (candidate->out)
            continue;
        candidate->out = true;
        atomic_store(&candidate->references, 1);
        self->references++;
        taken = &candidate->frame;
    }
    mutex_unlock(&self->lock);
    return taken;
}

void frame_ref(struct frame *self)
{
    int before = atomic_fetch_add(&pool_frame_of(self)->references, 1);
    assert(before > 0);
    (void)before;
}

void frame_unref(struct frame *self)
{
    if (!self)
        return;
    int before = atomic_fetch_sub(&pool_frame_of(self)->references, 1);
    assert(before > 0);
    if (before > 1)
        return;
    struct frame_pool *pool = self->opaque;
    mutex_lock(&pool->lock);
    pool_frame_of(self)->out = false;
    drop_reference_locked(pool);
}
