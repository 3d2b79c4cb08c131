/* SPDX-License-Identifier: Apache-2.0 */
/* What tiles_convert() writes is what a plain conversion writes, and what it says has changed is what differs. */
#include "capture/tiles.h"

#include "tests/unit/pixels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As a whole large enough to be shared out among threads. */
enum { WIDTH = 1206, HEIGHT = 446, COLUMNS = (WIDTH + 63) / 64, ROWS = (HEIGHT + 15) / 16 };

static struct rect even_rect(uint32_t *seed, int most_width, int most_height)
{
    struct rect r = {2 * below(seed, WIDTH / 2), 2 * below(seed, HEIGHT / 2), 2, 2};
    r.width += 2 * below(seed, most_width / 2);
    r.height += 2 * below(seed, most_height / 2);
    return rect_intersect(r, (struct rect){0, 0, WIDTH, HEIGHT});
}

/* A picture before, its source, and what it is to become. */
struct rig {
    struct frame_pool *pool;
    struct frame *before, *target, *wanted;
    struct tiles *tiles;
    struct crew crew;
    struct convert_matrix matrix;
    struct image source;
    uint32_t seed;
};

static const struct rect all = {0, 0, WIDTH, HEIGHT};

static void rig_start(struct rig *self, enum frame_format format, uint32_t seed)
{
    struct frame_layout layout = {WIDTH, HEIGHT, format, FRAME_BT709, false};
    *self = (struct rig){.seed = seed, .source = {malloc((size_t)WIDTH * HEIGHT * 4), WIDTH * 4, WIDTH, HEIGHT}};
    self->pool = frame_pool_create(&layout, 3);
    self->before = frame_pool_take(self->pool);
    self->target = frame_pool_take(self->pool);
    self->wanted = frame_pool_take(self->pool);
    self->tiles = tiles_create(&layout);
    crew_init(&self->crew, "convert", 2);
    self->matrix = convert_matrix_for(&layout);
    for (int i = 0; i < WIDTH * HEIGHT * 4; i++)
        self->source.pixels[i] = (uint8_t)next_random(&self->seed);
    convert_area(CONVERT_PLAIN, &self->matrix, &self->source, all, self->before);
    convert_copy(self->before, all, self->target);
}

static void rig_stop(struct rig *self)
{
    frame_unref(self->before);
    frame_unref(self->target);
    frame_unref(self->wanted);
    frame_pool_unref(self->pool);
    tiles_destroy(self->tiles);
    crew_finish(&self->crew);
    free(self->source.pixels);
}

/* Changes a few pixels or many; what may look different is added to `areas`. */
static void paint(struct rig *self, struct region *areas)
{
    int count = below(&self->seed, 5);
    for (int i = 0; i < count; i++) {
        struct rect r = even_rect(&self->seed, i % 2 ? 4 : 300, i % 2 ? 4 : 100);
        if (i % 2)
            r.width = r.height = 1; /* at an odd place as well */
        r.x += i & 1;
        for (int y = r.y; y < r.y + r.height; y++) {
            for (int x = r.x; x < r.x + r.width; x++)
                image_at(&self->source, x, y)[below(&self->seed, 4)] ^= 0x81;
        }
        struct rect reach = convert_reach(r, WIDTH, HEIGHT);
        region_add(areas, reach);
    }
}

/* More than has changed is said to. */
static void exaggerate(struct rig *self, struct region *areas)
{
    if (below(&self->seed, 3) == 0)
        region_add(areas, all);
    else
        region_add(areas, even_rect(&self->seed, 500, 100));
}

/* Spoils part of the target within one of the areas. */
static void spoil(struct rig *self, const struct region *areas, struct region *ret_stale)
{
    const struct rect *area = &areas->rects[below(&self->seed, areas->count)];
    struct rect r = rect_intersect(even_rect(&self->seed, 400, 80), *area);
    if (rect_is_empty(r))
        return;
    region_add(ret_stale, r);
    const struct frame_shape *shape = frame_shape_of(self->target->layout.format);
    for (int plane = 0; plane < shape->planes; plane++)
        for (int y = r.y; y < r.y + r.height; y++)
            memset(frame_at(self->target, plane, r.x, y), 0x77, (size_t)(r.width * shape->pixel_bytes));
}

/* Tiles of the whole picture that differ somewhere. */
static void differing_tiles(const struct rig *self, bool ret_differs[ROWS][COLUMNS])
{
    memset(ret_differs, 0, sizeof(bool) * ROWS * COLUMNS);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = same_row(self->before, self->wanted, y) ? WIDTH : 0; x < WIDTH; x++)
            ret_differs[y / 16][x / 64] |= !same_pixel(self->before, self->wanted, x, y);
    }
}

static void assert_right(const struct rig *self, const struct region *areas, const struct region *changed)
{
    bool differs[ROWS][COLUMNS];
    differing_tiles(self, differs);
    for (int y = 0; y < HEIGHT; y++) {
        bool right = same_row(self->target, self->wanted, y), still = same_row(self->before, self->wanted, y);
        for (int x = 0; x < WIDTH; x++) {
            bool said = covered(changed, x, y);
            assert_true(right || same_pixel(self->target, self->wanted, x, y));
            assert_true(said || still || same_pixel(self->before, self->wanted, x, y));
            assert_true(!said || (differs[y / 16][x / 64] && covered(areas, x, y)));
        }
    }
}

static void step(struct rig *self, enum convert_speed speed)
{
    struct region areas = {.count = 0}, stale = {.count = 0}, changed = {.count = 0};
    paint(self, &areas);
    exaggerate(self, &areas);
    spoil(self, &areas, &stale);
    convert_area(CONVERT_PLAIN, &self->matrix, &self->source, all, self->wanted);
    struct crew *crew = below(&self->seed, 4) ? &self->crew : NULL;
    struct tiles_job job = {speed, &self->matrix, &self->source, &areas, self->before, &stale, crew};
    tiles_convert(self->tiles, &job, self->target, &changed);
    assert_right(self, &areas, &changed);
    convert_copy(self->wanted, all, self->before);
    convert_copy(self->wanted, all, self->target);
}

static void what_is_written_and_said_is_what_differs(void **state)
{
    (void)state;
    for (int format = 0; format < FRAME_FORMATS; format++) {
        for (int speed = 0; speed <= (int)convert_best(); speed++) {
            struct rig rig;
            rig_start(&rig, (enum frame_format)format, (uint32_t)(format * 10 + speed + 1));
            for (int i = 0; i < 20; i++)
                step(&rig, (enum convert_speed)speed);
            rig_stop(&rig);
        }
    }
}

static void one_pixel_of_a_whole_picture_is_one_tile(void **state)
{
    (void)state;
    struct rig rig;
    struct region areas = {.rects = {all}, .count = 1}, none = {.count = 0};
    rig_start(&rig, FRAME_NV12, 5);
    struct tiles_job job = {convert_best(), &rig.matrix, &rig.source, &areas, rig.before, &none, &rig.crew};
    for (int i = 0; i < 300; i++) {
        int x = below(&rig.seed, WIDTH), y = below(&rig.seed, HEIGHT);
        struct region changed = {.count = 0};
        image_at(&rig.source, x, y)[1] ^= 0x80;
        tiles_convert(rig.tiles, &job, rig.target, &changed);
        assert_true(covered(&changed, x, y));
        assert_int_equal(changed.count, 1);
        assert_true(changed.rects[0].height <= 16 && changed.rects[0].width <= 64 + 64 * (x % 64 == 63));
        image_at(&rig.source, x, y)[1] ^= 0x80;
        region_clear(&changed);
        job.stale = &areas; /* as the target is not like the picture before now */
        tiles_convert(rig.tiles, &job, rig.target, &changed);
        assert_int_equal(changed.count, 0);
        job.stale = &none;
    }
    rig_stop(&rig);
}

static void check_region(const uint8_t *flags, int columns, int rows, int limit, bool exact)
{
    struct region region = {.count = 0};
    tiles_to_region(flags, columns, rows, limit, &region);
    assert_true(region.count <= limit);
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
            if (flags[y * columns + x] || exact)
                assert_int_equal(covered(&region, x, y), flags[y * columns + x]);
        }
    }
}

static void flags_become_few_rectangles_and_none_is_lost(void **state)
{
    (void)state;
    enum { ACROSS = 40, DOWN = 90 };
    uint8_t flags[ACROSS * DOWN];
    uint32_t seed = 11;
    for (int round = 0; round < 400; round++) {
        int count = below(&seed, round % 2 ? 40 : ACROSS * DOWN), limit = 1 + below(&seed, REGION_MAX_RECTS);
        memset(flags, 0, sizeof(flags));
        for (int i = 0; i < count; i++)
            flags[below(&seed, ACROSS * DOWN)] = 1;
        check_region(flags, ACROSS, DOWN, limit, count <= limit);
    }
    memset(flags, 1, sizeof(flags));
    check_region(flags, ACROSS, DOWN, 1, true);
}

static void runs_unite_across_and_down(void **state)
{
    (void)state;
    static const uint8_t flags[] = {
        0, 1, 1, 0, 1, /* */
        0, 1, 1, 0, 1, /* */
        1, 0, 0, 0, 0, /* */
    };
    struct region region = {.count = 0};
    tiles_to_region(flags, 5, 3, 3, &region);
    assert_int_equal(region.count, 3);
    assert_memory_equal(&region.rects[0], (&(struct rect){1, 0, 2, 2}), sizeof(struct rect));
    assert_memory_equal(&region.rects[1], (&(struct rect){4, 0, 1, 2}), sizeof(struct rect));
    assert_memory_equal(&region.rects[2], (&(struct rect){0, 2, 1, 1}), sizeof(struct rect));
    region_clear(&region);
    tiles_to_region(flags, 5, 3, 2, &region); /* the gap of one is closed */
    assert_int_equal(region.count, 2);
    assert_memory_equal(&region.rects[0], (&(struct rect){1, 0, 4, 2}), sizeof(struct rect));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_and_said_is_what_differs),
        cmocka_unit_test(one_pixel_of_a_whole_picture_is_one_tile),
        cmocka_unit_test(flags_become_few_rectangles_and_none_is_lost),
        cmocka_unit_test(runs_unite_across_and_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
