/* SPDX-License-Identifier: Apache-2.0 */
/* "test_scale time" prints how long 1440p to 1080p takes. */
#include "base/clock.h"
#include "capture/convert.h"
#include "capture/scale.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int sizes[][4] = {{64, 48, 200, 150}, {200, 150, 64, 48}, {90, 60, 80, 40},    {333, 77, 100, 100},
                               {7, 5, 64, 64},     {640, 32, 20, 20},  {500, 300, 640, 360} /* is shared out */};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static uint32_t next_random(uint32_t *seed)
{
    return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static struct image make_image(int width, int height, uint32_t seed)
{
    struct image image = {.stride = width * 4, .width = width, .height = height};
    image.pixels = calloc((size_t)width * (size_t)height, 4);
    for (int i = 0; seed && i < width * height * 4; i++)
        image.pixels[i] = (uint8_t)next_random(&seed);
    return image;
}

static void the_picture_is_centred_with_its_aspect(void **state)
{
    (void)state;
    struct rect r = scale_content(1920, 1080, 1280, 1024);
    assert_int_equal(r.width, 1280);
    assert_int_equal(r.height, 720);
    assert_int_equal(r.x, 0);
    assert_int_equal(r.y, 152);
    r = scale_content(1024, 768, 1920, 1080);
    assert_int_equal(r.width, 1440);
    assert_int_equal(r.height, 1080);
    assert_int_equal(r.x, 240);
    uint32_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        int target_width = 64 + 2 * (int)(next_random(&seed) % 1000),
            target_height = 64 + 2 * (int)(next_random(&seed) % 1000);
        r = scale_content(1 + (int)(next_random(&seed) % 3000), 1 + (int)(next_random(&seed) % 3000), target_width,
                          target_height);
        assert_int_equal((r.x | r.y | r.width | r.height) & 1, 0);
        assert_true(r.x >= 0 && r.y >= 0 && r.width >= 2 && r.height >= 2);
        assert_true(r.x + r.width <= target_width && r.y + r.height <= target_height);
    }
}

static void one_colour_stays_that_colour_and_bars_stay_untouched(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        struct image source = make_image(s[0], s[1], 0), target = make_image(s[2], s[3], 0);
        memset(source.pixels, 0xc7, (size_t)s[0] * (size_t)s[1] * 4);
        struct scaler *scaler = scaler_create(s[0], s[1], s[2], s[3]);
        scaler_run(scaler, NULL, convert_best(), &source, image_bounds(&target), &target);
        struct rect content = scale_content(s[0], s[1], s[2], s[3]);
        for (int p = 0; p < s[2] * s[3]; p++) {
            struct rect here = rect_intersect(content, (struct rect){p % s[2], p / s[2], 1, 1});
            assert_int_equal(target.pixels[4 * p + 1], rect_is_empty(here) ? 0 : 0xc7);
        }
        scaler_destroy(scaler);
        free(source.pixels);
        free(target.pixels);
    }
}

static void shrinking_by_three_is_the_mean_of_nine_pixels(void **state)
{
    (void)state;
    struct image source = make_image(96, 66, 5), target = make_image(32, 22, 0);
    struct scaler *scaler = scaler_create(96, 66, 32, 22);
    scaler_run(scaler, NULL, convert_best(), &source, image_bounds(&target), &target);
    for (int i = 0; i < 32 * 22 * 4; i++) {
        int c = i % 4, x = i / 4 % 32, y = i / 4 / 32;
        double sum = 0;
        for (int k = 0; k < 9; k++)
            sum += image_at(&source, 3 * x + k % 3, 3 * y + k / 3)[c];
        assert_true(fabs(sum / 9 - target.pixels[i]) <= 1);
    }
    scaler_destroy(scaler);
    free(source.pixels);
    free(target.pixels);
}

static void fast_code_gives_the_same_bytes(void **state)
{
    (void)state;
    if (convert_best() == CONVERT_PLAIN)
        skip();
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        struct image source = make_image(s[0], s[1], 77), a = make_image(s[2], s[3], 0), b = make_image(s[2], s[3], 0);
        struct scaler *scaler = scaler_create(s[0], s[1], s[2], s[3]);
        scaler_run(scaler, NULL, CONVERT_PLAIN, &source, image_bounds(&a), &a);
        for (int speed = CONVERT_PLAIN + 1; speed <= (int)convert_best(); speed++) {
            memset(b.pixels, 0, (size_t)s[2] * (size_t)s[3] * 4);
            scaler_run(scaler, NULL, (enum convert_speed)speed, &source, image_bounds(&b), &b);
            assert_memory_equal(a.pixels, b.pixels, (size_t)s[2] * (size_t)s[3] * 4);
        }
        scaler_destroy(scaler);
        free(source.pixels);
        free(a.pixels);
        free(b.pixels);
    }
}

static void parts_within_reach_of_a_change_give_the_whole(void **state)
{
    (void)state;
    struct crew crew;
    crew_init(&crew, "convert", 2);
    enum convert_speed best = convert_best();
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        uint32_t seed = 4;
        struct image source = make_image(s[0], s[1], 77), whole = make_image(s[2], s[3], 0),
                     parts = make_image(s[2], s[3], 0);
        struct scaler *scaler = scaler_create(s[0], s[1], s[2], s[3]);
        scaler_run(scaler, NULL, best, &source, image_bounds(&parts), &parts);
        for (int k = 0; k < 100; k++) {
            struct rect r = {(int)next_random(&seed) % s[0], (int)next_random(&seed) % s[1], 1, 1};
            r.width += (int)next_random(&seed) % (s[0] - r.x);
            r.height += (int)next_random(&seed) % (s[1] - r.y);
            for (int y = r.y; y < r.y + r.height; y++)
                memset(image_at(&source, r.x, y), (int)next_random(&seed) & 255, (size_t)r.width * 4);
            scaler_run(scaler, NULL, best, &source, scaler_reach(scaler, r), &parts);
            scaler_run(scaler, &crew, best, &source, image_bounds(&whole), &whole);
            assert_memory_equal(whole.pixels, parts.pixels, (size_t)s[2] * (size_t)s[3] * 4);
        }
        scaler_destroy(scaler);
        free(source.pixels);
        free(whole.pixels);
        free(parts.pixels);
    }
    crew_finish(&crew);
}

static int print_times(void)
{
    static const int targets[][2] = {{1920, 1080}, {1280, 720}};
    struct image source = make_image(2560, 1440, 1);
    for (int i = 0; i < 2; i++) {
        struct image target = make_image(targets[i][0], targets[i][1], 0);
        struct scaler *scaler = scaler_create(2560, 1440, target.width, target.height);
        for (int speed = 0; speed <= (int)convert_best(); speed++) {
            int64_t best = INT64_MAX;
            for (int k = 0; k < 10; k++) {
                int64_t start = clock_now_ns();
                scaler_run(scaler, NULL, (enum convert_speed)speed, &source, image_bounds(&target), &target);
                int64_t took = clock_now_ns() - start;
                best = took < best ? took : best;
            }
            printf("1440p to %dp, %s: %.2f ms\n", target.height, convert_speed_name((enum convert_speed)speed),
                   (double)best / 1e6);
        }
        scaler_destroy(scaler);
        free(target.pixels);
    }
    free(source.pixels);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "time") == 0)
        return print_times();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_centred_with_its_aspect),
        cmocka_unit_test(one_colour_stays_that_colour_and_bars_stay_untouched),
        cmocka_unit_test(shrinking_by_three_is_the_mean_of_nine_pixels),
        cmocka_unit_test(fast_code_gives_the_same_bytes),
        cmocka_unit_test(parts_within_reach_of_a_change_give_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
