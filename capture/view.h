/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: the inside of struct view, between display.c and view.c. The capture thread makes frames in it, one reader
 * takes them from its mailbox.
 *
 * Each frame of the pool has a region that went stale since it was written; a new picture first copies those rectangles
 * from the newest frame, then converts what is said to have changed, and finds out what really has (capture/tiles.h).
 * Only that is the damage of the picture; when it is nothing, there is no picture.
 */
#pragma once

#include "capture/convert.h"
#include "capture/display.h"
#include "capture/scale.h"
#include "capture/tiles.h"

#include <stdatomic.h>

/* The reader holds two for a moment (the last one and the one just taken), the mailbox one, and one is being written.
 */
enum { VIEW_FRAMES = 4 };

struct view {
    struct display *display;
    struct view *next;     /* guarded by the display's lock */
    atomic_int references; /* who opened it, and the capture thread while it makes a picture */
    struct view_config config;
    struct convert_matrix matrix;
    enum convert_speed speed;

    /* capture thread */
    struct frame_pool *pool;
    struct tiles *tiles;
    struct frame *newest; /* a reference; NULL at first */
    struct region stale[VIEW_FRAMES];
    struct region pending; /* changed since the newest frame, in the source's pixels */
    bool all_pending;
    int source_width, source_height;
    struct scaler *scaler; /* NULL: the sizes are equal */
    struct image scaled;   /* the whole output, bars included, when scaling */
    int64_t due_ns;        /* earliest time of the next picture */
    uint64_t number;
    struct stats fetch, convert; /* of unchanged pictures too */

    atomic_int_fast64_t interval_ns; /* any thread sets it */

    struct mutex lock; /* guards the rest */
    struct cond changed;
    struct frame *mailbox;
    struct region damage; /* since the last picture taken */
    bool woken;
    struct view_counters counters;
};

/* With one reference. NULL: logged. */
struct view *view_create(struct display *display, const struct view_config *config);
void view_unref(struct view *self);

struct view_picture {
    const struct image *image; /* cursor drawn */
    int64_t captured_ns, fetched_ns;
    bool is_status;
    struct crew *crew; /* helps to convert */
};
void view_add_damage(struct view *self, const struct region *damage);
bool view_is_waiting(const struct view *self); /* something is pending */
/*
 * Brings a frame up to date and puts it into the mailbox; without a free frame all stays pending. When nothing differs
 * from the newest picture it only counts that, unless all was pending or the status picture comes or goes.
 */
void view_show(struct view *self, const struct view_picture *picture, int64_t now_ns);
