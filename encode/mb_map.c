/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/mb_map.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_STEP = 8, /* rows looked at: one in this many, and the one below it */
    BUSY = 32,    /* activity: half a level for each of the 62 differences looked at */
};

bool mb_map_init(struct mb_map *self, int width, int height)
{
    *self = (struct mb_map){.width = width, .height = height};
    self->columns = (width + MB_MAP_PX - 1) / MB_MAP_PX;
    self->rows = (height + MB_MAP_PX - 1) / MB_MAP_PX;
    self->count = self->columns * self->rows;
    size_t count = (size_t)self->count;
    self->constant = calloc(count, 1);
    self->before = calloc(count, 1);
    self->qp = malloc(count);
    self->activity = calloc(count, sizeof(*self->activity));
    self->touched = calloc(count, sizeof(*self->touched));
    if (!self->constant || !self->before || !self->qp || !self->activity || !self->touched) {
        mb_map_finish(self);
        return false;
    }
    memset(self->qp, MB_MAP_UNSEEN, count);
    return true;
}

void mb_map_finish(struct mb_map *self)
{
    free(self->constant);
    free(self->before);
    free(self->qp);
    free(self->activity);
    free(self->touched);
    *self = (struct mb_map){0};
}

static unsigned difference(const uint8_t *a, const uint8_t *b, int count)
{
    unsigned sum = 0;
    for (int i = 0; i < count; i++)
        sum += (unsigned)abs(a[i] - b[i]);
    return sum;
}

/* A whole macroblock: constant sizes let the compiler use its instructions for this. */
static unsigned whole_activity(const uint8_t *p, ptrdiff_t stride)
{
    unsigned sum = 0;
    for (int y = 1; y < MB_MAP_PX; y += ROW_STEP) {
        const uint8_t *row = p + y * stride;
        sum += difference(row, row + 1, MB_MAP_PX - 1) + difference(row, row + stride, MB_MAP_PX);
    }
    return sum;
}

/* At the right and lower edge. */
static unsigned partial_activity(const uint8_t *p, ptrdiff_t stride, int width, int height)
{
    unsigned sum = 0;
    for (int y = 1; y + 1 < height; y += ROW_STEP) {
        const uint8_t *row = p + y * stride;
        sum += difference(row, row + 1, width - 1) + difference(row, row + stride, width);
    }
    return sum;
}

static uint16_t activity_at(const struct mb_map *self, const struct frame *frame, int column, int row)
{
    ptrdiff_t stride = frame->strides[0];
    const uint8_t *p = frame->planes[0] + row * MB_MAP_PX * stride + column * MB_MAP_PX;
    int width = self->width - column * MB_MAP_PX, height = self->height - row * MB_MAP_PX;
    if (width >= MB_MAP_PX && height >= MB_MAP_PX)
        return (uint16_t)whole_activity(p, stride);
    return (uint16_t)partial_activity(p, stride, width < MB_MAP_PX ? width : MB_MAP_PX,
                                      height < MB_MAP_PX ? height : MB_MAP_PX);
}

static void mark(struct mb_map *self, const struct frame *frame, int column, int row, struct mb_map_change *change)
{
    int at = row * self->columns + column;
    if (self->constant[at] == MB_MAP_CHANGED)
        return;
    self->constant[at] = MB_MAP_CHANGED;
    self->by_qp[self->qp[at]] -= self->activity[at];
    bool moves = self->before[at] == MB_MAP_CHANGED;
    if (!moves)
        self->activity[at] = activity_at(self, frame, column, row);
    change->count++;
    change->moving += moves;
    change->activity += self->activity[at];
    change->sudden += moves ? 0 : self->activity[at];
}

void mb_map_forget(struct mb_map *self, int count)
{
    uint32_t from = self->number - (uint32_t)count + 1;
    if (!self->lost_from || from < self->lost_from)
        self->lost_from = from;
}

static void mark_lost(struct mb_map *self, const struct frame *frame, struct mb_map_change *change)
{
    for (int at = 0; self->lost_from && at < self->count; at++)
        if (self->touched[at] >= self->lost_from)
            mark(self, frame, at % self->columns, at / self->columns, change);
    self->lost_from = 0;
}

struct mb_map_change mb_map_mark(struct mb_map *self, const struct frame *frame, const struct region *damage, bool idr)
{
    struct mb_map_change change = {0};
    struct rect all = {0, 0, self->width, self->height};
    uint8_t *before = self->before;
    self->before = self->constant;
    self->constant = before;
    memset(self->constant, MB_MAP_CONSTANT, (size_t)self->count);
    self->number++;
    for (int i = 0; i < (idr ? 1 : damage->count); i++) {
        struct rect r = idr ? all : rect_intersect(damage->rects[i], all);
        if (rect_is_empty(r))
            continue;
        for (int row = r.y / MB_MAP_PX; row <= (r.y + r.height - 1) / MB_MAP_PX; row++)
            for (int column = r.x / MB_MAP_PX; column <= (r.x + r.width - 1) / MB_MAP_PX; column++)
                mark(self, frame, column, row, &change);
    }
    mark_lost(self, frame, &change);
    return change;
}

struct mb_map_change mb_map_look(struct mb_map *self, const struct frame *frame)
{
    struct mb_map_change change = {0};
    for (int at = 0; at < self->count; at++) {
        if (self->constant[at] != MB_MAP_CHANGED)
            continue;
        if (self->before[at] == MB_MAP_CHANGED)
            self->activity[at] = activity_at(self, frame, at % self->columns, at / self->columns);
        change.count++;
        change.activity += self->activity[at];
        change.busy += self->activity[at] >= BUSY;
    }
    change.sudden = change.activity;
    return change;
}

void mb_map_coded(struct mb_map *self, int qp)
{
    for (int i = 0; i < self->count; i++) {
        bool changed = self->constant[i] == MB_MAP_CHANGED;
        if (!changed && self->qp[i] <= qp)
            continue;
        if (!changed)
            self->by_qp[self->qp[i]] -= self->activity[i];
        self->by_qp[qp] += self->activity[i];
        self->qp[i] = (uint8_t)qp;
        self->touched[i] = self->number;
    }
}

void mb_map_coded_raw(struct mb_map *self)
{
    for (int i = 0; i < self->count; i++)
        if (self->constant[i] == MB_MAP_CHANGED) {
            self->by_qp[0] += self->activity[i];
            self->qp[i] = 0;
            self->touched[i] = self->number;
        }
}
