/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows are converted into a small buffer, two at a time, and compared with the picture before, tile by tile. The
 * target is only written where it differs or is stale: for a picture that hardly changed this saves all the writing,
 * which costs more than the comparing. Of a tile that is known to differ nothing more is compared: so a picture that
 * changes everywhere costs next to nothing extra.
 */
#include "capture/tiles.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_PX = 8 * TILE_WIDTH_PX, /* converted at a time: stays in the first cache */
    CHUNK_PIXEL_BYTES = 2,        /* of the largest format that is converted */
    CACHE_LINE_BYTES = 64,
    BAND_TILES = 4,        /* rows of tiles that a thread takes at a time */
    SHARED_PX = 512 * 1024 /* from here on it is worth waking another thread */
};

struct tiles {
    int columns, rows; /* of the whole picture */
    uint8_t *stale;    /* per tile of the picture: the target is not up to date */
    uint8_t *changed;  /* per tile that the present area touches, its columns side by side */
};

struct tiles *tiles_create(const struct frame_layout *layout)
{
    struct tiles *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("display");
    self->columns = (layout->width + TILE_WIDTH_PX - 1) / TILE_WIDTH_PX;
    self->rows = (layout->height + TILE_HEIGHT_PX - 1) / TILE_HEIGHT_PX;
    self->stale = calloc((size_t)self->columns * (size_t)self->rows, 1);
    self->changed = calloc((size_t)self->columns * (size_t)self->rows, 1);
    if (!self->stale || !self->changed) {
        tiles_destroy(self);
        return log_oom("display");
    }
    return self;
}

void tiles_destroy(struct tiles *self)
{
    if (!self)
        return;
    free(self->stale);
    free(self->changed);
    free(self);
}

/* The tiles that an area touches, in tiles. */
static struct rect touched(struct rect area)
{
    int x0 = area.x / TILE_WIDTH_PX, x1 = (area.x + area.width - 1) / TILE_WIDTH_PX;
    int y0 = area.y / TILE_HEIGHT_PX, y1 = (area.y + area.height - 1) / TILE_HEIGHT_PX;
    return (struct rect){x0, y0, x1 - x0 + 1, y1 - y0 + 1};
}

static void mark_stale(struct tiles *self, const struct region *stale)
{
    memset(self->stale, 0, (size_t)self->columns * (size_t)self->rows);
    for (int i = 0; i < stale->count; i++) {
        struct rect r = touched(stale->rects[i]);
        for (int row = r.y; row < r.y + r.height; row++)
            memset(self->stale + (size_t)row * (size_t)self->columns + r.x, 1, (size_t)r.width);
    }
}

/* Two rows of an area, or of a part of it: new, as in the picture before, and where they go. */
struct strip {
    const uint8_t *fresh[CONVERT_LINES_MAX];
    uint8_t *before[CONVERT_LINES_MAX], *target[CONVERT_LINES_MAX];
    int count; /* of the pointers that are used: see convert_lines() */
    int pixel_bytes;
    uint64_t mask; /* of each eight bytes, what counts */
};

/* Sixteen bytes, for compilers that know no loop worth it. */
typedef uint64_t lanes __attribute__((vector_size(16)));

static inline lanes difference(const uint8_t *a, const uint8_t *b, size_t size_bytes)
{
    lanes from = {0, 0}, to = {0, 0};
    memcpy(&from, a, size_bytes);
    memcpy(&to, b, size_bytes);
    return from ^ to;
}

/* 64 bytes. */
static inline lanes line_difference(const uint8_t *a, const uint8_t *b)
{
    return difference(a, b, 16) | difference(a + 16, b + 16, 16) | difference(a + 32, b + 32, 16) |
           difference(a + 48, b + 48, 16);
}

static inline bool differs(const uint8_t *a, const uint8_t *b, int size_bytes, uint64_t mask)
{
    lanes sum = {0, 0};
    int i = 0;
    for (; i + 64 <= size_bytes; i += 64)
        sum |= line_difference(a + i, b + i);
    for (; i < size_bytes; i += 16)
        sum |= difference(a + i, b + i, size_bytes - i < 16 ? (size_t)(size_bytes - i) : 16);
    return ((sum[0] | sum[1]) & mask) != 0;
}

static inline bool strip_differs(const struct strip *strip, int offset, int size_bytes)
{
    for (int i = 0; i < strip->count; i++) {
        if (differs(strip->fresh[i] + offset, strip->before[i] + offset, size_bytes, strip->mask))
            return true;
    }
    return false;
}

static inline void strip_write(const struct strip *strip, int offset, int size_bytes)
{
    for (int i = 0; i < strip->count; i++)
        memcpy(strip->target[i] + offset, strip->fresh[i] + offset, (size_t)size_bytes);
}

static inline void settle(const struct strip *strip, int offset, int size_bytes, uint8_t *changed, uint8_t stale)
{
    if (!*changed)
        *changed = strip_differs(strip, offset, size_bytes);
    if (*changed || stale)
        strip_write(strip, offset, size_bytes);
}

/* One chunk of two rows, converted. For BGR0 that is the source itself. */
struct chunk {
    _Alignas(CACHE_LINE_BYTES) uint8_t lines[CONVERT_LINES_MAX][CHUNK_PX * CHUNK_PIXEL_BYTES];
};

/* Two rows of pixels, `r`. */
static struct strip strip_of(const struct tiles_job *job, const struct frame *target, const struct chunk *chunk,
                             struct rect r)
{
    static const uint8_t colours[8] = {255, 255, 255, 0, 255, 255, 255, 0};
    struct strip strip = {.pixel_bytes = frame_shape_of(target->layout.format)->pixel_bytes, .mask = UINT64_MAX};
    bool converted = target->layout.format != FRAME_BGR0;
    strip.count = convert_lines(target, r.x, r.y, strip.target);
    convert_lines(job->before, r.x, r.y, strip.before);
    for (int i = 0; i < strip.count; i++)
        strip.fresh[i] = converted ? chunk->lines[i] : image_at(job->source, r.x, r.y + i);
    if (!converted)
        memcpy(&strip.mask, colours, sizeof(strip.mask));
    return strip;
}

static void fill_chunk(const struct tiles_job *job, struct rect r, struct chunk *ret_chunk)
{
    struct convert_rows rows = {
        .rows = {image_at(job->source, r.x, r.y), image_at(job->source, r.x, r.y + 1)},
        .has_left = r.x > 0,
    };
    for (int i = 0; i < CONVERT_LINES_MAX; i++)
        rows.lines[i] = ret_chunk->lines[i];
    convert_rows(job->speed, job->matrix, &rows, r.width);
}

/* What will be compared, or else written, arrives while the pixels are converted. `x`: where the strip begins. */
static void prefetch(const struct strip *strip, int x, int width, const uint8_t *changed)
{
    for (int at = -(x % TILE_WIDTH_PX); at < width; at += TILE_WIDTH_PX, changed++) {
        uint8_t *const *lines = *changed ? strip->target : strip->before;
        int from = (at < 0 ? 0 : at) * strip->pixel_bytes, to = from + TILE_WIDTH_PX * strip->pixel_bytes;
        for (int i = 0; i < strip->count; i++)
            for (int offset = from; offset < to; offset += CACHE_LINE_BYTES)
                __builtin_prefetch(lines[i] + offset);
    }
}

/* `r`: two rows within a chunk. `changed` and `stale`: flags of its first tile. */
static void settle_chunk(const struct tiles_job *job, struct frame *target, struct rect r, uint8_t *changed,
                         const uint8_t *stale)
{
    struct chunk chunk;
    struct strip strip = strip_of(job, target, &chunk, r);
    if (target->layout.format != FRAME_BGR0) {
        prefetch(&strip, r.x, r.width, changed);
        fill_chunk(job, r, &chunk);
    }
    int skipped = r.x % TILE_WIDTH_PX;
    for (int x = 0; x < r.width; changed++, stale++) {
        int width = TILE_WIDTH_PX - skipped;
        if (width > r.width - x)
            width = r.width - x;
        if (width == TILE_WIDTH_PX && strip.pixel_bytes == 1) /* nearly always: copied and compared without a loop */
            settle(&strip, x, TILE_WIDTH_PX, changed, *stale);
        else
            settle(&strip, x * strip.pixel_bytes, width * strip.pixel_bytes, changed, *stale);
        x += width;
        skipped = 0;
    }
}

/* An area of pixels, `area`, on its way into `target`. */
struct area_job {
    struct tiles *tiles;
    const struct tiles_job *job;
    struct frame *target;
    struct rect area, covered; /* covered: the tiles it touches */
};

/* Two rows. */
static void convert_strip(const struct area_job *self, int y)
{
    struct rect area = self->area, covered = self->covered;
    int row = y / TILE_HEIGHT_PX;
    uint8_t *changed = self->tiles->changed + (size_t)(row - covered.y) * (size_t)covered.width;
    const uint8_t *stale = self->tiles->stale + (size_t)row * (size_t)self->tiles->columns;
    for (int x = area.x; x < area.x + area.width;) {
        int end = (x / CHUNK_PX + 1) * CHUNK_PX, column = x / TILE_WIDTH_PX;
        if (end > area.x + area.width)
            end = area.x + area.width;
        settle_chunk(self->job, self->target, (struct rect){x, y, end - x, 2}, changed + column - covered.x,
                     stale + column);
        x = end;
    }
}

/* Whole rows of tiles: flags and bytes that no other band touches. */
static void convert_band(void *arg, int index)
{
    const struct area_job *self = arg;
    int top = (self->covered.y / BAND_TILES + index) * BAND_TILES * TILE_HEIGHT_PX;
    int end = top + BAND_TILES * TILE_HEIGHT_PX, bottom = self->area.y + self->area.height;
    for (int y = top > self->area.y ? top : self->area.y; y < end && y < bottom; y += 2)
        convert_strip(self, y);
}

static void convert_one_area(struct tiles *self, const struct tiles_job *job, struct rect area, struct frame *target)
{
    struct area_job work = {self, job, target, area, touched(area)};
    struct rect covered = work.covered;
    int bands = (covered.y + covered.height - 1) / BAND_TILES - covered.y / BAND_TILES + 1;
    memset(self->changed, 0, (size_t)covered.width * (size_t)covered.height);
    if (job->crew && job->crew->size && area.width * area.height >= SHARED_PX) {
        crew_run(job->crew, bands, convert_band, &work);
        return;
    }
    for (int i = 0; i < bands; i++)
        convert_band(&work, i);
}

/* Flags of an area as rectangles of pixels. */
static void add_changed(const struct tiles *self, struct rect area, int limit, struct region *ret_changed)
{
    struct rect covered = touched(area);
    struct region found = {.count = 0};
    tiles_to_region(self->changed, covered.width, covered.height, limit, &found);
    for (int i = 0; i < found.count; i++) {
        struct rect r = found.rects[i];
        struct rect pixels = {(covered.x + r.x) * TILE_WIDTH_PX, (covered.y + r.y) * TILE_HEIGHT_PX,
                              r.width * TILE_WIDTH_PX, r.height * TILE_HEIGHT_PX};
        region_add(ret_changed, rect_intersect(pixels, area));
    }
}

void tiles_convert(struct tiles *self, const struct tiles_job *job, struct frame *target, struct region *ret_changed)
{
    assert(job->source->width == target->layout.width && job->source->height == target->layout.height);
    mark_stale(self, job->stale);
    for (int i = 0; i < job->areas->count; i++) {
        convert_one_area(self, job, job->areas->rects[i], target);
        add_changed(self, job->areas->rects[i], REGION_MAX_RECTS / job->areas->count, ret_changed);
    }
}

/* The next run of set flags in a row from `*x` on, closing gaps of up to `gap`; false when there is none. */
static bool next_run(const uint8_t *flags, int columns, int gap, int *x, int *ret_width)
{
    while (*x < columns && !flags[*x])
        ++*x;
    int end = *x;
    for (int i = *x; i < columns && i - end <= gap; i++) {
        if (flags[i])
            end = i + 1;
    }
    *ret_width = end - *x;
    return *x < columns;
}

static void add_run(struct rect *rects, int *count, struct rect run)
{
    for (int i = *count - 1; i >= 0; i--) {
        struct rect *r = &rects[i];
        if (r->x == run.x && r->width == run.width && r->y + r->height == run.y) {
            r->height++;
            return;
        }
    }
    rects[(*count)++] = run;
}

/* Returns how many rectangles there are, or -1 when there are more than `limit`. */
static int list_runs(const uint8_t *flags, int columns, int rows, int gap, int limit, struct rect *ret_rects)
{
    int count = 0, width;
    for (int y = 0; y < rows; y++) {
        for (int x = 0; next_run(flags + (size_t)y * (size_t)columns, columns, gap, &x, &width); x += width) {
            if (count == limit + 1)
                return -1;
            add_run(ret_rects, &count, (struct rect){x, y, width, 1});
        }
    }
    return count <= limit ? count : -1;
}

static struct rect bounds_of(const uint8_t *flags, int columns, int rows)
{
    struct rect all = {0};
    int width;
    for (int y = 0; y < rows; y++) {
        int x = 0;
        if (next_run(flags + (size_t)y * (size_t)columns, columns, columns, &x, &width))
            all = rect_unite(all, (struct rect){x, y, width, 1});
    }
    return all;
}

void tiles_to_region(const uint8_t *flags, int columns, int rows, int limit, struct region *ret_region)
{
    static const int gaps[] = {0, 1, 3, 7, 15, 255};
    struct rect rects[REGION_MAX_RECTS + 1];
    int count = -1;
    assert(limit >= 1 && limit <= REGION_MAX_RECTS);
    for (size_t i = 0; count < 0 && i < sizeof(gaps) / sizeof(gaps[0]); i++)
        count = list_runs(flags, columns, rows, gaps[i], limit, rects);
    if (count < 0) {
        rects[0] = bounds_of(flags, columns, rows);
        count = 1;
    }
    for (int i = 0; i < count; i++)
        region_add(ret_region, rects[i]);
}
