/* SPDX-License-Identifier: Apache-2.0 */
#include "input/pointer_map.h"

#include "capture/scale.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct pointer_map map_of(int width, int height, struct rect area)
{
    struct pointer_map map;
    assert_true(pointer_map_init(&map, width, height, area));
    return map;
}

static void assert_point(const struct pointer_map *map, double x, double y, double expected_x, double expected_y)
{
    double screen_x, screen_y;
    pointer_map_point(map, x, y, &screen_x, &screen_y);
    assert_float_equal(screen_x, expected_x, 1e-9);
    assert_float_equal(screen_y, expected_y, 1e-9);
}

static void each_pixel_is_itself_when_sizes_are_equal(void **state)
{
    (void)state;
    struct pointer_map map = map_of(1920, 1080, (struct rect){0, 0, 1920, 1080});
    for (int x = 0; x < 1920; x++)
        assert_point(&map, x / 1919.0, 0, x, 0);
    for (int y = 0; y < 1080; y++)
        assert_point(&map, 0, y / 1079.0, 0, y);
}

static void corners_are_reached_exactly_at_any_scale(void **state)
{
    (void)state;
    static const struct rect areas[] = {
        {0, 0, 1920, 1080}, {1920, 0, 2560, 1440}, {0, 1080, 1280, 1024}, {7, 9, 1, 1}, {100, 0, 500, 3000}};
    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        struct rect area = areas[i];
        struct pointer_map map = map_of(1280, 720, area);
        assert_point(&map, 0, 0, area.x, area.y);
        assert_point(&map, 1, 1, area.x + area.width - 1, area.y + area.height - 1);
    }
}

static void bars_at_the_sides_are_taken_off(void **state)
{
    (void)state;
    /* 1024x768 in 1280x720: 960x720 in the middle, bars of 160. */
    struct pointer_map map = map_of(1280, 720, (struct rect){0, 0, 1024, 768});
    assert_int_equal(map.content.x, 160);
    assert_int_equal(map.content.width, 960);
    assert_point(&map, 159 / 1279.0, 0, 0, 0); /* on a bar */
    assert_point(&map, 160 / 1279.0, 0, 0, 0);
    assert_point(&map, 1119 / 1279.0, 0, 1023, 0);
    assert_point(&map, 1200 / 1279.0, 0, 1023, 0);
    assert_point(&map, 0.5, 0.5, 511.5, 383.5);
}

static void bars_above_and_below_are_taken_off(void **state)
{
    (void)state;
    struct pointer_map map = map_of(1024, 768, (struct rect){1920, 0, 1920, 1080}); /* 1024x576, bars of 96 */
    assert_point(&map, 0, 0, 1920, 0);
    assert_point(&map, 0, 96 / 767.0, 1920, 0);
    assert_point(&map, 1, 671 / 767.0, 3839, 1079);
    assert_point(&map, 0.5, 0.5, 1920 + 959.5, 539.5);
}

static void bars_are_those_of_the_picture(void **state)
{
    (void)state;
    for (int width = 2; width < 4000; width += 397)
        for (int height = 2; height < 4000; height += 211)
            for (int picture = 64; picture < 3000; picture += 722) {
                struct rect expected = scale_content(width, height, picture, 720);
                struct pointer_map map = map_of(picture, 720, (struct rect){0, 0, width, height});
                assert_memory_equal(&map.content, &expected, sizeof(expected));
            }
}

static void places_outside_are_clamped(void **state)
{
    (void)state;
    struct pointer_map map = map_of(1280, 720, (struct rect){10, 20, 1280, 720});
    assert_point(&map, -3, 7, 10, 739);
}

static void no_map_without_sizes(void **state)
{
    (void)state;
    struct pointer_map map;
    assert_false(pointer_map_init(&map, 0, 720, (struct rect){0, 0, 10, 10}));
    assert_false(pointer_map_init(&map, 1280, 720, (struct rect){0, 0, 10, 0}));
}

static void axes_of_a_contact_are_scaled_along_their_direction(void **state)
{
    (void)state;
    struct pointer_map map = map_of(1280, 720, (struct rect){0, 0, 2560, 1440});
    assert_float_equal(pointer_map_axis(&map, 0.1, 0), 256, 1e-9);
    assert_float_equal(pointer_map_axis(&map, 0.1, 90), 144, 1e-9);
    assert_float_equal(pointer_map_axis(&map, 0.1, 270), 144, 1e-9);
    assert_float_equal(pointer_map_axis(&map, 0.1, 45), sqrt((256.0 * 256 + 144 * 144) / 2), 1e-9);
    assert_float_equal(pointer_map_axis(&map, 0, 45), 0, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pixel_is_itself_when_sizes_are_equal),
        cmocka_unit_test(corners_are_reached_exactly_at_any_scale),
        cmocka_unit_test(bars_at_the_sides_are_taken_off),
        cmocka_unit_test(bars_above_and_below_are_taken_off),
        cmocka_unit_test(bars_are_those_of_the_picture),
        cmocka_unit_test(places_outside_are_clamped),
        cmocka_unit_test(no_map_without_sizes),
        cmocka_unit_test(axes_of_a_contact_are_scaled_along_their_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
