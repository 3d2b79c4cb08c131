/* SPDX-License-Identifier: Apache-2.0 */
/* host/bench_scene.c: what is said to change is what changes, and the pixels stay those of earlier figures. */
#include "host/bench_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 1400, HEIGHT = 600, STEPS = 121, FPS = 30 };

static struct bench_scene_config make_config(enum bench_scene_kind kind)
{
    struct bench_scene_config config = {kind, malloc((size_t)WIDTH * HEIGHT * sizeof(uint32_t)), WIDTH, HEIGHT, FPS};
    assert_non_null(config.pixels);
    return config;
}

/* FNV-1a over the pixels. */
static uint64_t hash(const uint32_t *pixels)
{
    uint64_t value = 1469598103934665603U;
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++)
        value = (value ^ pixels[i]) * 1099511628211U;
    return value;
}

/* Makes what lies inside `region` the same in `old` as in `now`. */
static void take_over(uint32_t *old, const uint32_t *now, const struct region *region)
{
    for (int i = 0; i < region->count; i++) {
        struct rect r = region->rects[i];
        assert_true(r.x >= 0 && r.y >= 0 && r.x + r.width <= WIDTH && r.y + r.height <= HEIGHT);
        for (int j = r.y; j < r.y + r.height; j++) {
            size_t at = (size_t)j * WIDTH + (size_t)r.x;
            memcpy(old + at, now + at, (size_t)r.width * sizeof(*old));
        }
    }
}

static void every_changed_pixel_is_reported(void **state)
{
    (void)state;
    uint32_t *seen = malloc((size_t)WIDTH * HEIGHT * sizeof(*seen));
    assert_non_null(seen);
    for (int kind = 0; kind < BENCH_SCENE_COUNT; kind++) {
        struct bench_scene_config config = make_config((enum bench_scene_kind)kind);
        struct bench_scene scene;
        assert_true(bench_scene_init(&scene, &config));
        bench_scene_stamp(&scene, 0);
        memcpy(seen, config.pixels, (size_t)WIDTH * HEIGHT * sizeof(*seen));
        for (int i = 0; i < STEPS; i++) {
            struct region changed;
            bench_scene_step(&scene, &changed);
            if (changed.count)
                bench_scene_stamp(&scene, i * INT64_C(33333333));
            take_over(seen, config.pixels, &changed);
            assert_memory_equal(seen, config.pixels, (size_t)WIDTH * HEIGHT * sizeof(*seen));
        }
        bench_scene_finish(&scene);
        free(config.pixels);
    }
    free(seen);
}

/* Recorded from the first version of tests/bench/scene.c, all but `still` and `windows`. */
static void pixels_are_those_of_earlier_figures(void **state)
{
    (void)state;
    static const struct {
        enum bench_scene_kind kind;
        uint64_t hash;
    } recorded[] = {
        {BENCH_SCENE_STATIC, UINT64_C(0x11a20f1ec5a4e083)},     {BENCH_SCENE_TYPE, UINT64_C(0x4300468fc24fc8bb)},
        {BENCH_SCENE_SCROLL, UINT64_C(0xfc0edf9d588eeec3)},     {BENCH_SCENE_VIDEO, UINT64_C(0x7403b982771b296f)},
        {BENCH_SCENE_COMPOSITED, UINT64_C(0x4300468fc24fc8bb)},
    };
    for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
        struct bench_scene_config config = make_config(recorded[i].kind);
        struct bench_scene scene;
        assert_true(bench_scene_init(&scene, &config));
        for (int step = 0; step < STEPS; step++) {
            struct region changed;
            bench_scene_step(&scene, &changed);
        }
        bench_scene_stamp(&scene, INT64_C(77777777777));
        assert_int_equal(hash(config.pixels), recorded[i].hash);
        bench_scene_finish(&scene);
        free(config.pixels);
    }
}

/* Steps at which `windows` changes more than the time code, and how much of the screen. */
static void windows_open_and_close_twice_a_second(void **state)
{
    (void)state;
    struct bench_scene_config config = make_config(BENCH_SCENE_WINDOWS);
    struct bench_scene scene;
    struct region changed;
    assert_true(bench_scene_init(&scene, &config));
    bench_scene_stamp(&scene, 0);
    bench_scene_step(&scene, &changed);
    uint64_t desktop = hash(config.pixels);
    for (int i = 1; i < STEPS; i++) {
        bench_scene_step(&scene, &changed);
        int64_t area = region_area(&changed);
        if (i % (2 * FPS) == 0)
            assert_int_equal(area, (int64_t)WIDTH * HEIGHT);
        else if (i % (FPS / 2) == 0)
            assert_true(area > WIDTH * HEIGHT / 2 && area < WIDTH * HEIGHT);
        else
            assert_int_equal(area, 24 * 16 * 16);
        if (i < FPS)
            assert_int_equal(hash(config.pixels) == desktop, i < FPS / 2);
        else if (i < FPS * 3 / 2)
            assert_int_equal(hash(config.pixels), desktop);
    }
    bench_scene_finish(&scene);
    free(config.pixels);
}

static void still_paints_nothing_after_the_start(void **state)
{
    (void)state;
    struct bench_scene_config config = make_config(BENCH_SCENE_STILL);
    struct bench_scene scene;
    struct region changed;
    assert_true(bench_scene_init(&scene, &config));
    uint64_t before = hash(config.pixels);
    for (int i = 0; i < STEPS; i++) {
        bench_scene_step(&scene, &changed);
        bench_scene_stamp(&scene, i);
        assert_int_equal(changed.count, 0);
    }
    assert_int_equal(hash(config.pixels), before);
    bench_scene_finish(&scene);
    free(config.pixels);
}

static void names_are_found(void **state)
{
    (void)state;
    enum bench_scene_kind kind;
    for (int i = 0; i < BENCH_SCENE_COUNT; i++) {
        assert_true(bench_scene_find(bench_scene_name((enum bench_scene_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(bench_scene_find("", &kind));
    assert_false(bench_scene_find("Type", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_pixel_is_reported),
        cmocka_unit_test(pixels_are_those_of_earlier_figures),
        cmocka_unit_test(windows_open_and_close_twice_a_second),
        cmocka_unit_test(still_paints_nothing_after_the_start),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
