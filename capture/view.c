/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/view.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { DUE_SLACK = 256 };

struct view *view_create(struct display *display, const struct view_config *config)
{
    const struct frame_layout *layout = &config->layout;
    if (config->fps_x100 < 1 || layout->width < 64 || layout->height < 64) {
        log_error("display: no view of %dx%d at %d/100 fps", layout->width, layout->height, config->fps_x100);
        return NULL;
    }
    struct view *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("display");
    self->pool = frame_pool_create(layout, VIEW_FRAMES);
    self->tiles = tiles_create(layout);
    if (!self->pool || !self->tiles) {
        tiles_destroy(self->tiles);
        frame_pool_unref(self->pool);
        free(self);
        return NULL;
    }
    atomic_init(&self->references, 1);
    self->display = display;
    self->config = *config;
    self->matrix = convert_matrix_for(layout);
    self->speed = convert_best();
    view_set_rate(self, config->fps_x100);
    self->all_pending = true;
    for (int i = 0; i < VIEW_FRAMES; i++)
        region_add(&self->stale[i], (struct rect){0, 0, layout->width, layout->height});
    stats_init(&self->fetch);
    stats_init(&self->convert);
    mutex_init(&self->lock);
    cond_init(&self->changed);
    return self;
}

void view_set_rate(struct view *self, int fps_x100)
{
    int at_most = fps_x100 < self->config.fps_x100 ? fps_x100 : self->config.fps_x100;
    atomic_store_explicit(&self->interval_ns, CLOCK_SECOND_NS * 100 / at_most, memory_order_relaxed);
}

static void forget_scaling(struct view *self)
{
    scaler_destroy(self->scaler);
    free(self->scaled.pixels);
    self->scaler = NULL;
    self->scaled = (struct image){0};
}

void view_unref(struct view *self)
{
    if (atomic_fetch_sub(&self->references, 1) > 1)
        return;
    forget_scaling(self);
    frame_unref(self->mailbox);
    frame_unref(self->newest);
    frame_pool_unref(self->pool);
    tiles_destroy(self->tiles);
    stats_finish(&self->fetch);
    stats_finish(&self->convert);
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
    free(self);
}

void view_add_damage(struct view *self, const struct region *damage)
{
    region_add_region(&self->pending, damage);
}

bool view_is_waiting(const struct view *self)
{
    return self->all_pending || self->pending.count > 0;
}

/* Tables and a black output for a source of another size. */
static bool fit(struct view *self, int width, int height)
{
    const struct frame_layout *layout = &self->config.layout;
    if (width == self->source_width && height == self->source_height)
        return true;
    forget_scaling(self);
    self->all_pending = true;
    self->source_width = self->source_height = 0;
    if (width != layout->width || height != layout->height) {
        self->scaled = (struct image){.stride = layout->width * 4, .width = layout->width, .height = layout->height};
        self->scaled.pixels = calloc((size_t)layout->width * (size_t)layout->height, 4);
        self->scaler = scaler_create(width, height, layout->width, layout->height);
        if (!self->scaled.pixels || !self->scaler) {
            log_error("display: no memory to scale %dx%d", width, height);
            forget_scaling(self);
            return false;
        }
    }
    self->source_width = width;
    self->source_height = height;
    return true;
}

/* Scales what is pending, and says which output samples are to be converted. */
static void scale_pending(struct view *self, const struct image *image, struct crew *crew, struct region *ret_output)
{
    const struct frame_layout *layout = &self->config.layout;
    if (self->all_pending) {
        region_clear(&self->pending);
        region_add(&self->pending, image_bounds(image));
        region_add(ret_output, (struct rect){0, 0, layout->width, layout->height});
    }
    for (int i = 0; i < self->pending.count; i++) {
        struct rect changed = self->pending.rects[i];
        if (self->scaler) {
            changed = scaler_reach(self->scaler, changed);
            scaler_run(self->scaler, crew, self->speed, image, changed, &self->scaled);
        }
        region_add(ret_output, convert_reach(changed, layout->width, layout->height));
    }
    region_clear(&self->pending);
    self->all_pending = false;
}

static bool contains(struct rect outer, struct rect inner)
{
    struct rect common = rect_intersect(outer, inner);
    return common.width == inner.width && common.height == inner.height;
}

static bool is_covered(const struct region *region, struct rect r)
{
    for (int i = 0; i < region->count; i++) {
        if (contains(region->rects[i], r))
            return true;
    }
    return false;
}

/* Copies what is stale in `frame` and will not be converted; `ret_rest`: what will. */
static void refresh(struct view *self, struct frame *frame, const struct region *output, struct region *ret_rest)
{
    const struct region *stale = &self->stale[frame->index];
    ret_rest->count = 0;
    for (int i = 0; i < stale->count; i++) {
        if (is_covered(output, stale->rects[i]))
            ret_rest->rects[ret_rest->count++] = stale->rects[i];
        else
            convert_copy(self->newest, stale->rects[i], frame);
    }
}

/* Brings `frame` up to date, given what may have changed; says what has. */
static void write_frame(struct view *self, struct frame *frame, const struct image *image, const struct region *output,
                        struct crew *crew, struct region *ret_changed)
{
    struct region rest;
    struct tiles_job job = {self->speed, &self->matrix, image, output, self->newest, &rest, crew};
    region_clear(ret_changed);
    if (self->newest) {
        refresh(self, frame, output, &rest);
        tiles_convert(self->tiles, &job, frame, ret_changed);
    } else {
        for (int i = 0; i < output->count; i++)
            convert_area(self->speed, &self->matrix, image, output->rects[i], frame);
        *ret_changed = *output;
    }
    for (int i = 0; i < VIEW_FRAMES; i++)
        region_add_region(&self->stale[i], ret_changed);
    region_clear(&self->stale[frame->index]);
}

static void post(struct view *self, struct frame *frame)
{
    frame_ref(frame); /* one for `newest`, one for the mailbox */
    frame_unref(self->newest);
    self->newest = frame;
    mutex_lock(&self->lock);
    struct frame *replaced = self->mailbox;
    self->mailbox = frame;
    region_add_region(&self->damage, &frame->damage);
    self->counters.pictures++;
    self->counters.dropped += replaced != NULL;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
    frame_unref(replaced);
}

static void count_unchanged(struct view *self)
{
    mutex_lock(&self->lock);
    self->counters.unchanged++;
    mutex_unlock(&self->lock);
}

static bool must_post(const struct view *self, const struct view_picture *picture)
{
    return self->all_pending || picture->is_status != self->newest->is_status;
}

/*
 * At most the rate in the long run, and two pictures at once after a pause. What is drawn at the rate thus meets an
 * open door, whenever it is drawn: with a fixed distance it would wait each time by how much it came too early the
 * first time. The door is a little faster than the rate, so that it stays open for clocks that do not agree.
 */
static void set_due(struct view *self, int64_t now_ns)
{
    int64_t interval_ns = atomic_load_explicit(&self->interval_ns, memory_order_relaxed);
    int64_t next_ns = self->due_ns + interval_ns - interval_ns / DUE_SLACK;
    self->due_ns = next_ns > now_ns ? next_ns : now_ns;
}

static void stamp(struct view *self, const struct view_picture *picture, int64_t start_ns, struct frame *frame)
{
    frame->captured_ns = picture->captured_ns;
    frame->fetched_ns = picture->fetched_ns;
    frame->converted_ns = clock_now_ns();
    frame->is_status = picture->is_status;
    stats_add_ns(&self->fetch, picture->fetched_ns - picture->captured_ns);
    stats_add_ns(&self->convert, frame->converted_ns - start_ns);
}

void view_show(struct view *self, const struct view_picture *picture, int64_t now_ns)
{
    set_due(self, now_ns);
    if (!fit(self, picture->image->width, picture->image->height))
        return;
    struct frame *frame = frame_pool_take(self->pool);
    if (!frame)
        return;
    int64_t start_ns = clock_now_ns();
    bool shown_anyway = must_post(self, picture);
    struct region output = {.count = 0};
    scale_pending(self, picture->image, picture->crew, &output);
    write_frame(self, frame, self->scaler ? &self->scaled : picture->image, &output, picture->crew, &frame->damage);
    stamp(self, picture, start_ns, frame);
    if (frame->damage.count == 0 && !shown_anyway) {
        frame_unref(frame);
        count_unchanged(self);
        return;
    }
    frame->number = ++self->number;
    post(self, frame);
}

enum view_result view_take(struct view *self, int64_t until_ns, struct frame **ret_frame, struct region *ret_damage)
{
    enum view_result result = VIEW_OK;
    mutex_lock(&self->lock);
    while (!self->mailbox && !self->woken && result == VIEW_OK) {
        if (!cond_wait_until(&self->changed, &self->lock, until_ns))
            result = VIEW_TIMEOUT;
    }
    if (self->woken) {
        self->woken = false;
        result = VIEW_WOKEN;
    } else if (self->mailbox) {
        *ret_frame = self->mailbox;
        *ret_damage = self->damage;
        self->mailbox = NULL;
        region_clear(&self->damage);
        result = VIEW_OK;
    }
    mutex_unlock(&self->lock);
    return result;
}

void view_wake(struct view *self)
{
    mutex_lock(&self->lock);
    self->woken = true;
    cond_signal(&self->changed);
    mutex_unlock(&self->lock);
}

struct view_counters view_get_counters(struct view *self)
{
    mutex_lock(&self->lock);
    struct view_counters counters = self->counters;
    mutex_unlock(&self->lock);
    return counters;
}

void view_take_stats(struct view *self, struct stats_summary *ret_fetch, struct stats_summary *ret_convert)
{
    *ret_fetch = stats_take(&self->fetch);
    *ret_convert = stats_take(&self->convert);
}
