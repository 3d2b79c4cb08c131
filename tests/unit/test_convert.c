/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion against a floating-point reference, fast code against plain C. tests/bench/bench_convert tells times. */
#include "capture/convert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t next_random(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

static struct image make_image(int width, int height, uint32_t seed)
{
    struct image image = {.stride = width * 4, .width = width, .height = height};
    image.pixels = malloc((size_t)width * (size_t)height * 4);
    for (int i = 0; i < width * height; i++) {
        uint32_t r = next_random(&seed);
        uint32_t extreme = (r >> 8 & 1 ? 0xff : 0) | (r >> 9 & 1 ? 0xff00 : 0) | (r >> 10 & 1 ? 0xff0000 : 0);
        uint32_t value = (r >> 12 & 3) ? next_random(&seed) >> 8 | r << 24 : extreme | r << 24;
        memcpy(image.pixels + 4 * i, &value, 4);
    }
    return image;
}

static struct frame *make_frame(struct frame_pool **ret_pool, int width, int height, int space, bool full_range)
{
    struct frame_layout layout = {width, height, FRAME_NV12, (enum frame_colour_space)space, full_range};
    *ret_pool = frame_pool_create(&layout, 1);
    return frame_pool_take(*ret_pool);
}

struct reference {
    double kr, kb, luma, chroma;
    int offset;
};

static struct reference reference_for(int space, bool full)
{
    static const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
    return (struct reference){kr[space], kb[space], full ? 1 : 219.0 / 255, full ? 1 : 224.0 / 255, full ? 0 : 16};
}

/* B, G, R to Y, Cb, Cr, not rounded. */
static void reference_ycc(const struct reference *ref, const double bgr[3], double ret_ycc[3])
{
    double y = ref->kr * bgr[2] + (1 - ref->kr - ref->kb) * bgr[1] + ref->kb * bgr[0];
    ret_ycc[0] = y * ref->luma + ref->offset;
    ret_ycc[1] = (bgr[0] - y) / (2 * (1 - ref->kb)) * ref->chroma + 128;
    ret_ycc[2] = (bgr[2] - y) / (2 * (1 - ref->kr)) * ref->chroma + 128;
}

static void left_sited_mean(const struct image *image, int x, int y, double ret_bgr[3])
{
    for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int row = 0; row < 2; row++) {
            int left = x > 0 ? x - 1 : 0;
            sum += image_at(image, left, y + row)[c] + 2.0 * image_at(image, x, y + row)[c] +
                   image_at(image, x + 1, y + row)[c];
        }
        ret_bgr[c] = sum / 8;
    }
}

static void assert_close(double wanted, int got)
{
    wanted = wanted < 0 ? 0 : wanted > 255 ? 255 : wanted;
    assert_true(fabs(wanted - got) <= 1.0);
}

static void plain_code_is_within_one_of_the_reference(void **state)
{
    (void)state;
    struct image image = make_image(70, 38, 1);
    for (int mode = 0; mode < 6; mode++) {
        struct frame_pool *pool;
        struct frame *frame = make_frame(&pool, 70, 38, mode / 2, mode & 1);
        struct reference ref = reference_for(mode / 2, mode & 1);
        struct convert_matrix matrix = convert_matrix_for((enum frame_colour_space)(mode / 2), mode & 1);
        convert_area(CONVERT_PLAIN, &matrix, &image, (struct rect){0, 0, 70, 38}, frame);
        for (int i = 0; i < 70 * 38; i++) {
            int x = i % 70, y = i / 70;
            const uint8_t *p = image_at(&image, x, y);
            double bgr[3] = {p[0], p[1], p[2]}, ycc[3];
            reference_ycc(&ref, bgr, ycc);
            assert_close(ycc[0], frame->planes[0][y * frame->strides[0] + x]);
            if (x % 2 || y % 2)
                continue;
            left_sited_mean(&image, x, y, bgr);
            reference_ycc(&ref, bgr, ycc);
            assert_close(ycc[1], frame->planes[1][y / 2 * frame->strides[1] + x]);
            assert_close(ycc[2], frame->planes[1][y / 2 * frame->strides[1] + x + 1]);
        }
        frame_unref(frame);
        frame_pool_unref(pool);
    }
    free(image.pixels);
}

static void assert_same_planes(const struct frame *a, const struct frame *b)
{
    for (int y = 0; y < a->layout.height; y++)
        assert_memory_equal(a->planes[0] + y * a->strides[0], b->planes[0] + y * b->strides[0], a->layout.width);
    for (int y = 0; y < a->layout.height / 2; y++)
        assert_memory_equal(a->planes[1] + y * a->strides[1], b->planes[1] + y * b->strides[1], a->layout.width);
}

/* Every mode of `width` x 6 pixels from some places on. */
static void assert_as_plain(enum convert_speed speed, int width)
{
    struct image image = make_image(width, 6, (uint32_t)width);
    for (int mode = 0; mode < 6; mode++) {
        struct frame_pool *pool_a, *pool_b;
        struct frame *a = make_frame(&pool_a, width, 6, mode / 2, mode & 1);
        struct frame *b = make_frame(&pool_b, width, 6, mode / 2, mode & 1);
        struct convert_matrix matrix = convert_matrix_for((enum frame_colour_space)(mode / 2), mode & 1);
        for (int x = 0; x < width; x += 10) {
            struct rect area = {x, 0, width - x, 6};
            convert_area(CONVERT_PLAIN, &matrix, &image, area, a);
            convert_area(speed, &matrix, &image, area, b);
            assert_same_planes(a, b);
        }
        frame_unref(a);
        frame_unref(b);
        frame_pool_unref(pool_a);
        frame_pool_unref(pool_b);
    }
    free(image.pixels);
}

static void fast_code_gives_the_same_bytes_for_every_width_and_place(void **state)
{
    (void)state;
    if (convert_best() == CONVERT_PLAIN)
        skip();
    for (int speed = CONVERT_PLAIN + 1; speed <= (int)convert_best(); speed++) {
        for (int width = 2; width <= 84; width += 2)
            assert_as_plain((enum convert_speed)speed, width);
    }
}

static struct image one_colour(const int bgr[3])
{
    struct image image = make_image(32, 2, 1);
    for (int i = 0; i < 32 * 2 * 4; i++)
        image.pixels[i] = (uint8_t)(i % 4 < 3 ? bgr[i % 4] : 0x5a);
    return image;
}

/* Where sums reach their ends: all colours of 0, 1, 127, 128, 254, 255. */
static void fast_code_gives_the_same_bytes_for_extreme_colours(void **state)
{
    static const int levels[] = {0, 1, 127, 128, 254, 255};
    (void)state;
    for (int i = 0; i < 6 * 6 * 6 * 6; i++) {
        int mode = i / 216, colour[] = {levels[i % 6], levels[i / 6 % 6], levels[i / 36 % 6]};
        struct image image = one_colour(colour);
        struct frame_pool *pool_a, *pool_b;
        struct frame *a = make_frame(&pool_a, 32, 2, mode / 2, mode & 1);
        struct frame *b = make_frame(&pool_b, 32, 2, mode / 2, mode & 1);
        struct convert_matrix matrix = convert_matrix_for((enum frame_colour_space)(mode / 2), mode & 1);
        convert_area(CONVERT_PLAIN, &matrix, &image, image_bounds(&image), a);
        for (int speed = CONVERT_PLAIN + 1; speed <= (int)convert_best(); speed++) {
            convert_area((enum convert_speed)speed, &matrix, &image, image_bounds(&image), b);
            assert_same_planes(a, b);
        }
        frame_unref(a);
        frame_unref(b);
        frame_pool_unref(pool_a);
        frame_pool_unref(pool_b);
        free(image.pixels);
    }
}

static void parts_within_reach_of_a_change_give_the_whole(void **state)
{
    (void)state;
    uint32_t seed = 9;
    struct image image = make_image(96, 64, 3);
    struct frame_pool *pool_a, *pool_b;
    struct frame *whole = make_frame(&pool_a, 96, 64, 1, false), *parts = make_frame(&pool_b, 96, 64, 1, false);
    struct convert_matrix matrix = convert_matrix_for(FRAME_BT709, false);
    convert_area(convert_best(), &matrix, &image, (struct rect){0, 0, 96, 64}, parts);
    for (int i = 0; i < 300; i++) {
        struct rect r = {(int)(next_random(&seed) >> 8) % 96, (int)(next_random(&seed) >> 8) % 64, 1, 1};
        r.width += (int)(next_random(&seed) >> 8) % (96 - r.x);
        r.height += (int)(next_random(&seed) >> 8) % (64 - r.y);
        for (int y = r.y; y < r.y + r.height; y++)
            memset(image_at(&image, r.x, y), (int)(next_random(&seed) >> 24), (size_t)r.width * 4);
        struct rect area = convert_reach(r, 96, 64);
        assert_int_equal((area.x | area.y | area.width | area.height) & 1, 0);
        convert_area(convert_best(), &matrix, &image, area, parts);
        convert_area(CONVERT_PLAIN, &matrix, &image, (struct rect){0, 0, 96, 64}, whole);
        assert_same_planes(whole, parts);
    }
    frame_unref(whole);
    frame_unref(parts);
    frame_pool_unref(pool_a);
    frame_pool_unref(pool_b);
    free(image.pixels);
}

static void greys_have_no_tint_and_white_is_exact(void **state)
{
    (void)state;
    for (int mode = 0; mode < 6; mode++) {
        struct frame_pool *pool;
        struct frame *frame = make_frame(&pool, 512, 2, mode / 2, mode & 1);
        struct convert_matrix matrix = convert_matrix_for((enum frame_colour_space)(mode / 2), mode & 1);
        struct image image = make_image(512, 2, 1);
        for (int x = 0; x < 512; x++)
            memset(image_at(&image, x, 0), x / 2, 4), memset(image_at(&image, x, 1), x / 2, 4);
        convert_area(CONVERT_PLAIN, &matrix, &image, image_bounds(&image), frame);
        for (int x = 0; x < 512; x++)
            assert_int_equal(frame->planes[1][x], 128);
        assert_int_equal(frame->planes[0][0], mode & 1 ? 0 : 16);
        assert_int_equal(frame->planes[0][511], mode & 1 ? 255 : 235);
        free(image.pixels);
        frame_unref(frame);
        frame_pool_unref(pool);
    }
}

static void colours_come_back_within_two(void **state)
{
    (void)state;
    static const uint32_t colours[] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0x000000, 0x808080, 0x336699, 0xfedcba};
    for (int mode = 0; mode < 6; mode++) {
        struct reference ref = reference_for(mode / 2, mode & 1);
        struct convert_matrix matrix = convert_matrix_for((enum frame_colour_space)(mode / 2), mode & 1);
        for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
            uint32_t pixels[4] = {colours[i], colours[i], colours[i], colours[i]};
            struct image image = {(uint8_t *)pixels, 8, 2, 2};
            struct frame_pool *pool;
            struct frame *frame = make_frame(&pool, 2, 2, mode / 2, mode & 1);
            convert_area(CONVERT_PLAIN, &matrix, &image, (struct rect){0, 0, 2, 2}, frame);
            double y = (frame->planes[0][0] - ref.offset) / ref.luma;
            double b = y + 2 * (1 - ref.kb) * (frame->planes[1][0] - 128) / ref.chroma;
            double r = y + 2 * (1 - ref.kr) * (frame->planes[1][1] - 128) / ref.chroma;
            double g = (y - ref.kr * r - ref.kb * b) / (1 - ref.kr - ref.kb);
            assert_true(fabs(r - (colours[i] >> 16)) < 2.5);
            assert_true(fabs(g - (colours[i] >> 8 & 255)) < 2.5);
            assert_true(fabs(b - (colours[i] & 255)) < 2.5);
            frame_unref(frame);
            frame_pool_unref(pool);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_code_is_within_one_of_the_reference),
        cmocka_unit_test(fast_code_gives_the_same_bytes_for_every_width_and_place),
        cmocka_unit_test(fast_code_gives_the_same_bytes_for_extreme_colours),
        cmocka_unit_test(parts_within_reach_of_a_change_give_the_whole),
        cmocka_unit_test(greys_have_no_tint_and_white_is_exact),
        cmocka_unit_test(colours_come_back_within_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
