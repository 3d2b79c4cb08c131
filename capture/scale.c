/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/scale.h"

#include "base/log.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WEIGHT_ONE = 16384,
    MAX_SIDE = 16384,
    MAX_TAPS = 1024,
    PARTS = 4,             /* of an area that is shared out */
    SHARED_PX = 128 * 1024 /* from here on it is worth waking another thread */
};

/* To work in, for one part. */
struct scale_room {
    int16_t *sums;        /* one row: (source_width + taps) * 4 */
    const uint8_t **rows; /* taps of one output row */
};

struct scaler {
    int source_width, source_height;
    struct rect content;
    struct scale_axis x, y;
    struct scale_room rooms[PARTS];
};

struct rect scale_content(int source_width, int source_height, int target_width, int target_height)
{
    int width = target_width, height = target_height;
    if ((int64_t)source_width * target_height > (int64_t)target_width * source_height)
        height = (int)lround((double)target_width * source_height / source_width);
    else
        width = (int)lround((double)target_height * source_width / source_height);
    width = width < 2 ? 2 : (width + 1) & ~1;
    height = height < 2 ? 2 : (height + 1) & ~1;
    width = width > target_width ? target_width : width;
    height = height > target_height ? target_height : height;
    return (struct rect){(target_width - width) / 2 & ~1, (target_height - height) / 2 & ~1, width, height};
}

/* How much source pixel `at` counts in output pixel `position`: overlap of areas, or the distance from its centre. */
static double weight_at(int at, int position, double ratio, bool area)
{
    if (area) {
        double from = fmax(position * ratio, at), to = fmin((position + 1) * ratio, at + 1);
        return fmax(to - from, 0);
    }
    return fmax(1 - fabs(at + 0.5 - (position + 0.5) * ratio), 0);
}

/* Weights of one output position, outside ones counted for the edge pixel; they sum to WEIGHT_ONE exactly. */
static void fill_position(struct scale_axis *axis, int position, int source_size, double ratio, bool area)
{
    double begin = area ? position * ratio : (position + 0.5) * ratio - 0.5;
    int from = (int)floor(begin + 1e-9);
    int last_first = source_size - axis->taps;
    int first = from < 0 ? 0 : from > last_first ? (last_first < 0 ? 0 : last_first) : from;
    int16_t *weights = axis->weights + (size_t)position * (size_t)axis->taps;
    double exact[MAX_TAPS] = {0};
    double sum = 0;
    for (int at = from; at < from + axis->taps; at++) {
        int inside = at < 0 ? 0 : at >= source_size ? source_size - 1 : at;
        double weight = weight_at(at, position, ratio, area);
        exact[inside - first] += weight;
        sum += weight;
    }
    int total = 0, largest = 0;
    for (int tap = 0; tap < axis->taps; tap++) {
        weights[tap] = (int16_t)lround(exact[tap] / sum * WEIGHT_ONE);
        total += weights[tap];
        if (weights[tap] > weights[largest])
            largest = tap;
    }
    weights[largest] = (int16_t)(weights[largest] + WEIGHT_ONE - total);
    axis->first[position] = first;
}

static bool axis_init(struct scale_axis *axis, int source_size, int size)
{
    double ratio = (double)source_size / size;
    bool area = ratio > 1.5;
    axis->size = size;
    axis->taps = area ? ((int)ceil(ratio) + 2) & ~1 : 2;
    if (axis->taps > MAX_TAPS) {
        log_error("scale: %d to %d is too much", source_size, size);
        return false;
    }
    axis->first = calloc((size_t)size, sizeof(*axis->first));
    axis->weights = calloc((size_t)size * (size_t)axis->taps, sizeof(*axis->weights));
    if (!axis->first || !axis->weights) {
        log_oom("scale");
        return false;
    }
    for (int i = 0; i < size; i++)
        fill_position(axis, i, source_size, ratio, area);
    return true;
}

static bool room_init(struct scale_room *room, int sums, int rows)
{
    room->sums = calloc((size_t)sums, sizeof(*room->sums));
    room->rows = calloc((size_t)rows, sizeof(*room->rows));
    if (room->sums && room->rows)
        return true;
    log_oom("scale");
    return false;
}

struct scaler *scaler_create(int source_width, int source_height, int target_width, int target_height)
{
    assert(source_width > 0 && source_height > 0 && target_width > 1 && target_height > 1);
    assert(source_width <= MAX_SIDE && source_height <= MAX_SIDE);
    struct scaler *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("scale");
    self->source_width = source_width;
    self->source_height = source_height;
    self->content = scale_content(source_width, source_height, target_width, target_height);
    if (!axis_init(&self->x, source_width, self->content.width) ||
        !axis_init(&self->y, source_height, self->content.height))
        goto fail;
    for (int i = 0; i < PARTS; i++) {
        if (!room_init(&self->rooms[i], (source_width + self->x.taps) * 4, self->y.taps))
            goto fail;
    }
    return self;

fail:
    scaler_destroy(self);
    return NULL;
}

void scaler_destroy(struct scaler *self)
{
    if (!self)
        return;
    free(self->x.first);
    free(self->x.weights);
    free(self->y.first);
    free(self->y.weights);
    for (int i = 0; i < PARTS; i++) {
        free(self->rooms[i].sums);
        free(self->rooms[i].rows);
    }
    free(self);
}

/* Positions whose taps touch [from, to): `first` never falls, so the ends are found by halving. */
static void axis_reach(const struct scale_axis *axis, int from, int to, int *ret_from, int *ret_to)
{
    int low = 0, high = axis->size;
    while (low < high) { /* the first position with a tap at or after `from` */
        int middle = (low + high) / 2;
        if (axis->first[middle] + axis->taps > from)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_from = low;
    high = axis->size;
    while (low < high) { /* the first one that begins at or after `to` */
        int middle = (low + high) / 2;
        if (axis->first[middle] >= to)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_to = low;
}

struct rect scaler_reach(const struct scaler *self, struct rect changed)
{
    changed = rect_intersect(changed, (struct rect){0, 0, self->source_width, self->source_height});
    if (rect_is_empty(changed))
        return changed;
    int x0, x1, y0, y1;
    axis_reach(&self->x, changed.x, changed.x + changed.width, &x0, &x1);
    axis_reach(&self->y, changed.y, changed.y + changed.height, &y0, &y1);
    return (struct rect){self->content.x + x0, self->content.y + y0, x1 - x0, y1 - y0};
}

static void sum_rows(const uint8_t *const *rows, const int16_t *weights, int taps, int from, int to, int16_t *ret_sums)
{
    for (int i = from; i < to; i++) {
        int sum = 1 << 7;
        for (int tap = 0; tap < taps; tap++)
            sum += weights[tap] * rows[tap][i];
        ret_sums[i] = (int16_t)(sum >> 8);
    }
}

static void sum_columns(const struct scale_axis *axis, const int16_t *sums, int sums_x, int x0, int x1,
                        uint8_t *ret_pixels)
{
    for (int x = x0; x < x1; x++) {
        const int16_t *weights = axis->weights + (size_t)x * (size_t)axis->taps;
        const int16_t *from = sums + (ptrdiff_t)(axis->first[x] - sums_x) * 4;
        for (int c = 0; c < 4; c++) {
            int sum = 1 << 19;
            for (int tap = 0; tap < axis->taps; tap++)
                sum += weights[tap] * from[4 * tap + c];
            ret_pixels[4 * (x - x0) + c] = (uint8_t)(sum >> 20);
        }
    }
}

/* Source columns that the output columns x0..x1-1 read; a tap of weight 0 may lie beyond the edge. */
static void columns_needed(const struct scaler *self, int x0, int x1, int *ret_from, int *ret_to)
{
    int to = self->x.first[x1 - 1] + self->x.taps;
    *ret_from = self->x.first[x0];
    *ret_to = to > self->source_width ? self->source_width : to;
}

/* An area within the content, which is not empty. */
struct scale_job {
    struct scaler *scaler;
    enum convert_speed speed;
    const struct image *source, *target;
    struct rect area;
    int parts;
};

static void scale_row(const struct scale_job *job, struct scale_room *room, int y)
{
    const struct scaler *self = job->scaler;
    int x0 = job->area.x - self->content.x, x1 = x0 + job->area.width, from, to;
    columns_needed(self, x0, x1, &from, &to);
    int count = (to - from) * 4, position = y - self->content.y;
    const int16_t *weights = self->y.weights + (size_t)position * (size_t)self->y.taps;
    for (int tap = 0; tap < self->y.taps; tap++) {
        int row = self->y.first[position] + tap;
        room->rows[tap] = image_at(job->source, from, row < self->source_height ? row : self->source_height - 1);
    }
    int done = 0;
#ifdef __x86_64__
    if (job->speed >= CONVERT_AVX2)
        done = scale_sum_rows_avx2(room->rows, weights, self->y.taps, count, room->sums);
    else if (job->speed == CONVERT_SSE2)
        done = scale_sum_rows_sse2(room->rows, weights, self->y.taps, count, room->sums);
#endif
    sum_rows(room->rows, weights, self->y.taps, done, count, room->sums);
    uint8_t *out = image_at(job->target, job->area.x, y);
#ifdef __x86_64__
    if (job->speed > CONVERT_PLAIN) {
        scale_sum_columns_sse2(&self->x, room->sums, from, x0, x1, out);
        return;
    }
#endif
    sum_columns(&self->x, room->sums, from, x0, x1, out);
}

static void scale_part(void *arg, int index)
{
    const struct scale_job *job = arg;
    int from = job->area.y + job->area.height * index / job->parts;
    int to = job->area.y + job->area.height * (index + 1) / job->parts;
    for (int y = from; y < to; y++)
        scale_row(job, &job->scaler->rooms[index], y);
}

void scaler_run(struct scaler *self, struct crew *crew, enum convert_speed speed, const struct image *source,
                struct rect area, const struct image *target)
{
    assert(source->width == self->source_width && source->height == self->source_height);
    area = rect_intersect(area, self->content);
    if (rect_is_empty(area))
        return;
    bool shared = crew && crew->size && area.width * area.height >= SHARED_PX;
    struct scale_job job = {self, speed, source, target, area, shared ? PARTS : 1};
    if (shared)
        crew_run(crew, PARTS, scale_part, &job);
    else
        scale_part(&job, 0);
}
