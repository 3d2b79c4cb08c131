/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_convert: milliseconds of processor time of the conversion alone, 2560x1440, medians of interleaved runs.
 * usage: bench_convert [RUNS [FORMAT]]
 * `all changed` and `unchanged`: with the comparison (capture/tiles.h), every byte other than before or none. The
 * frames take turns as in a view, so that what is written was not in the cache a moment ago.
 */
#include "base/clock.h"
#include "capture/tiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 2560, HEIGHT = 1440, FRAMES = 3, RUNS_MAX = 1000, RECTS = 4 };

static const struct rect rects[RECTS] = {
    {0, 0, WIDTH, HEIGHT}, {500, 200, 1000, 800}, {512, 512, 512, 128}, {1000, 500, 14, 20}};
static const char *const ways[] = {"convert", "unchanged", "all changed", "copy"};
enum { CONVERT, UNCHANGED, CHANGED, COPY, WAYS };
static const char *const formats[FRAME_FORMATS] = {
    [FRAME_NV12] = "nv12",     [FRAME_BGR0] = "bgr0",           [FRAME_P010] = "p010",
    [FRAME_YUV444] = "yuv444", [FRAME_YUV444_10] = "yuv444-10",
};

struct bench {
    struct image images[2];
    struct frame *frames[FRAMES];
    struct tiles *tiles;
    struct convert_matrix matrix;
    int turn;
    uint64_t sum; /* keeps the compiler from leaving out the reading */
};

static int64_t durations[CONVERT_SPEEDS][RECTS][WAYS][RUNS_MAX];

static struct image make_image(uint32_t seed)
{
    struct image image = {malloc((size_t)WIDTH * HEIGHT * 4), WIDTH * 4, WIDTH, HEIGHT};
    for (int i = 0; image.pixels && i < WIDTH * HEIGHT * 4; i++)
        image.pixels[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    return image;
}

static void work(struct bench *self, enum convert_speed speed, struct rect area, int way)
{
    struct frame *before = self->frames[self->turn], *target = self->frames[self->turn = (self->turn + 1) % FRAMES];
    struct region areas = {.rects = {area}, .count = 1}, stale = {.count = 0}, changed = {.count = 0};
    struct tiles_job job = {speed, &self->matrix, &self->images[0], &areas, before, way == CHANGED ? &areas : &stale,
                            NULL};
    if (way == CONVERT)
        convert_area(speed, &self->matrix, &self->images[0], area, target);
    else if (way == COPY)
        convert_copy(before, area, target);
    else
        tiles_convert(self->tiles, &job, target, &changed);
}

/* The X server has just painted it: not in the first cache, but not far. */
static uint64_t touch(const struct image *image)
{
    uint64_t sum = 0;
    for (int i = 0; i < WIDTH * HEIGHT * 4; i += 64)
        sum += image->pixels[i];
    return sum;
}

static void measure(struct bench *self, int speed, int rect, int way, int run)
{
    int repeats = rect >= 2 ? 100 : 1;
    for (int i = 0; i < 2 * FRAMES; i++) { /* both images, so that the caches hold the same each time */
        const struct image *image = &self->images[(way == CHANGED) ^ (i < FRAMES)];
        convert_area(convert_best(), &self->matrix, image, rects[0], self->frames[i % FRAMES]);
    }
    self->sum += touch(&self->images[0]);
    int64_t start_ns = clock_process_cpu_ns();
    for (int i = 0; i < repeats; i++)
        work(self, (enum convert_speed)speed, rects[rect], way);
    durations[speed][rect][way][run] = (clock_process_cpu_ns() - start_ns) / repeats;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(int speed, int rect, int runs)
{
    printf("%-8s %4dx%-4d", convert_speed_name((enum convert_speed)speed), rects[rect].width, rects[rect].height);
    for (int way = 0; way < WAYS; way++) {
        int64_t *list = durations[speed][rect][way];
        qsort(list, (size_t)runs, sizeof(*list), compare);
        printf("  %s %.4f", ways[way], (double)list[runs / 2] / 1e6);
    }
    printf(" ms\n");
}

static void measure_all(struct bench *self, int runs)
{
    int speeds = (int)convert_best() + 1;
    for (int i = 0; i < runs * speeds * RECTS * WAYS; i++)
        measure(self, i % speeds, i / speeds % RECTS, i / speeds / RECTS % WAYS, i / speeds / RECTS / WAYS);
    for (int speed = 0; speed < speeds; speed++) {
        for (int rect = 0; rect < RECTS; rect++)
            print(speed, rect, runs);
    }
}

static bool run(const struct image images[2], enum frame_format format, int runs)
{
    struct frame_layout layout = {WIDTH, HEIGHT, format, FRAME_BT709, false};
    struct frame_pool *pool = frame_pool_create(&layout, FRAMES);
    struct bench bench = {.images = {images[0], images[1]}, .tiles = tiles_create(&layout)};
    bool made = pool && bench.tiles;
    for (int i = 0; made && i < FRAMES; i++)
        bench.frames[i] = frame_pool_take(pool);
    bench.matrix = convert_matrix_for(&layout);
    if (made) {
        printf("%s\n", formats[format]);
        measure_all(&bench, runs);
    }
    for (int i = 0; i < FRAMES; i++)
        frame_unref(bench.frames[i]);
    frame_pool_unref(pool);
    tiles_destroy(bench.tiles);
    return made;
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 21;
    const struct image images[] = {make_image(1), make_image(2)};
    bool done = runs >= 1 && runs <= RUNS_MAX && images[0].pixels && images[1].pixels;
    for (int format = 0; done && format < FRAME_FORMATS; format++)
        if (argc < 3 || strcmp(argv[2], formats[format]) == 0)
            done = run(images, (enum frame_format)format, runs);
    free(images[0].pixels);
    free(images[1].pixels);
    return done ? 0 : 1;
}
