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

/* Every format that is converted, in every colour space and range. */
static const enum frame_format formats[] = {FRAME_NV12, FRAME_P010, FRAME_YUV444, FRAME_YUV444_10};
enum { MODES = 4 * 3 * 2 };

struct rig {
    struct frame_layout layout;
    struct convert_matrix matrix;
    struct frame_pool *pool;
    struct frame *a, *b;
};

static struct rig rig_start(int width, int height, int mode)
{
    struct rig rig = {.layout = {width, height, formats[mode / 6], (enum frame_colour_space)(mode / 2 % 3), mode & 1}};
    rig.matrix = convert_matrix_for(&rig.layout);
    rig.pool = frame_pool_create(&rig.layout, 2);
    rig.a = frame_pool_take(rig.pool);
    rig.b = frame_pool_take(rig.pool);
    return rig;
}

static void rig_stop(struct rig *self)
{
    frame_unref(self->a);
    frame_unref(self->b);
    frame_pool_unref(self->pool);
}

/* Y, Cb or Cr of a pixel; at half size of x and y that are even. */
static int sample_of(const struct frame *frame, int component, int x, int y)
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    uint16_t word;
    const uint8_t *p = frame_at(frame, component < shape->planes ? component : 1, x, y);
    if (component == 2 && shape->half_rows)
        p += shape->pixel_bytes;
    if (shape->pixel_bytes == 1)
        return *p;
    memcpy(&word, p, sizeof(word));
    assert_int_equal(word & 63, 0);
    return word >> 6;
}

struct reference {
    double kr, kb, luma, chroma, offset, middle;
};

/* BT.601, 709 and 2020, quantised as in BT.2100, for B, G, R of 0 to 255. */
static struct reference reference_for(const struct frame_layout *layout)
{
    static const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
    bool ten = layout->format == FRAME_P010 || layout->format == FRAME_YUV444_10;
    double unit = ten ? 4 : 1, all = ten ? 1023 : 255;
    return (struct reference){kr[layout->colour_space],
                              kb[layout->colour_space],
                              (layout->full_range ? all : 219 * unit) / 255,
                              (layout->full_range ? all : 224 * unit) / 255,
                              layout->full_range ? 0 : 16 * unit,
                              128 * unit};
}

/* B, G, R to Y, Cb, Cr, not rounded. */
static void reference_ycc(const struct reference *ref, const double bgr[3], double ret_ycc[3])
{
    double y = ref->kr * bgr[2] + (1 - ref->kr - ref->kb) * bgr[1] + ref->kb * bgr[0];
    ret_ycc[0] = y * ref->luma + ref->offset;
    ret_ycc[1] = (bgr[0] - y) / (2 * (1 - ref->kb)) * ref->chroma + ref->middle;
    ret_ycc[2] = (bgr[2] - y) / (2 * (1 - ref->kr)) * ref->chroma + ref->middle;
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

/* Half a step of rounding, and what weights of 15 and 13 bits lose: three of them, 255 * 2 units at most. */
static void assert_close(const struct frame *frame, double wanted, int got)
{
    int bits = frame_shape_of(frame->layout.format)->bits, most = (1 << bits) - 1;
    wanted = wanted < 0 ? 0 : wanted > most ? most : wanted;
    assert_true(fabs(wanted - got) <= 0.5 + 255.0 * 2 / (1 << (23 - bits)));
}

static void assert_pixel(const struct image *image, const struct rig *rig, int x, int y)
{
    struct reference ref = reference_for(&rig->layout);
    const uint8_t *p = image_at(image, x, y);
    bool half = rig->layout.format == FRAME_NV12 || rig->layout.format == FRAME_P010;
    double bgr[3] = {p[0], p[1], p[2]}, ycc[3];
    reference_ycc(&ref, bgr, ycc);
    assert_close(rig->a, ycc[0], sample_of(rig->a, 0, x, y));
    if (half && (x % 2 || y % 2))
        return;
    if (half) {
        left_sited_mean(image, x, y, bgr);
        reference_ycc(&ref, bgr, ycc);
    }
    assert_close(rig->a, ycc[1], sample_of(rig->a, 1, x, y));
    assert_close(rig->a, ycc[2], sample_of(rig->a, 2, x, y));
}

static void plain_code_is_the_reference_rounded(void **state)
{
    (void)state;
    struct image image = make_image(70, 38, 1);
    for (int mode = 0; mode < MODES; mode++) {
        struct rig rig = rig_start(70, 38, mode);
        convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
        for (int i = 0; i < 70 * 38; i++)
            assert_pixel(&image, &rig, i % 70, i / 70);
        rig_stop(&rig);
    }
    free(image.pixels);
}

static void assert_same_planes(const struct frame *a, const struct frame *b)
{
    const struct frame_shape *shape = frame_shape_of(a->layout.format);
    for (int plane = 0; plane < shape->planes; plane++) {
        for (int y = 0; y < a->layout.height; y++)
            assert_memory_equal(frame_at(a, plane, 0, y), frame_at(b, plane, 0, y),
                                (size_t)(a->layout.width * shape->pixel_bytes));
    }
}

/* Every mode of `width` x 6 pixels from some places on. */
static void assert_as_plain(enum convert_speed speed, int width)
{
    struct image image = make_image(width, 6, (uint32_t)width);
    for (int mode = 0; mode < MODES; mode++) {
        struct rig rig = rig_start(width, 6, mode);
        for (int x = 0; x < width; x += 10) {
            struct rect area = {x, 0, width - x, 6};
            convert_area(CONVERT_PLAIN, &rig.matrix, &image, area, rig.a);
            convert_area(speed, &rig.matrix, &image, area, rig.b);
            assert_same_planes(rig.a, rig.b);
        }
        rig_stop(&rig);
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
    for (int i = 0; i < 216 * MODES; i++) {
        int colour[] = {levels[i % 6], levels[i / 6 % 6], levels[i / 36 % 6]};
        struct image image = one_colour(colour);
        struct rig rig = rig_start(32, 2, i / 216);
        convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
        for (int speed = CONVERT_PLAIN + 1; speed <= (int)convert_best(); speed++) {
            convert_area((enum convert_speed)speed, &rig.matrix, &image, image_bounds(&image), rig.b);
            assert_same_planes(rig.a, rig.b);
        }
        rig_stop(&rig);
        free(image.pixels);
    }
}

static void parts_within_reach_of_a_change_give_the_whole(void **state)
{
    (void)state;
    uint32_t seed = 9;
    for (int mode = 0; mode < MODES; mode += 3) {
        struct image image = make_image(96, 64, 3);
        struct rig rig = rig_start(96, 64, mode);
        convert_area(convert_best(), &rig.matrix, &image, image_bounds(&image), rig.b);
        for (int i = 0; i < 100; i++) {
            struct rect r = {(int)(next_random(&seed) >> 8) % 96, (int)(next_random(&seed) >> 8) % 64, 1, 1};
            r.width += (int)(next_random(&seed) >> 8) % (96 - r.x);
            r.height += (int)(next_random(&seed) >> 8) % (64 - r.y);
            for (int y = r.y; y < r.y + r.height; y++)
                memset(image_at(&image, r.x, y), (int)(next_random(&seed) >> 24), (size_t)r.width * 4);
            struct rect area = convert_reach(r, 96, 64);
            assert_int_equal((area.x | area.y | area.width | area.height) & 1, 0);
            convert_area(convert_best(), &rig.matrix, &image, area, rig.b);
            convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
            assert_same_planes(rig.a, rig.b);
        }
        rig_stop(&rig);
        free(image.pixels);
    }
}

static void copies_are_of_the_area_and_of_nothing_else(void **state)
{
    (void)state;
    struct rect area = {22, 6, 30, 12};
    struct image image = make_image(96, 64, 3), other = make_image(96, 64, 4);
    for (int mode = 0; mode < MODES; mode += 6) {
        struct rig rig = rig_start(96, 64, mode);
        struct frame_pool *pool = frame_pool_create(&rig.layout, 1);
        struct frame *wanted = frame_pool_take(pool);
        bool half = frame_shape_of(rig.layout.format)->half_rows;
        convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
        convert_area(CONVERT_PLAIN, &rig.matrix, &other, image_bounds(&image), rig.b);
        convert_area(CONVERT_PLAIN, &rig.matrix, &other, image_bounds(&image), wanted);
        convert_copy(rig.a, area, rig.b);
        for (int i = 0; i < 96 * 64; i++) {
            int x = i % 96, y = i / 96, step = half ? 2 : 1;
            bool inside = x >= 22 && x < 52 && y >= 6 && y < 18;
            for (int component = 0; component < 3; component++)
                if (!component || (x % step == 0 && y % step == 0))
                    assert_int_equal(sample_of(rig.b, component, x, y),
                                     sample_of(inside ? rig.a : wanted, component, x, y));
        }
        frame_unref(wanted);
        frame_pool_unref(pool);
        rig_stop(&rig);
    }
    free(image.pixels);
    free(other.pixels);
}

static void greys_have_no_tint_and_white_is_exact(void **state)
{
    (void)state;
    struct image image = make_image(512, 2, 1);
    for (int x = 0; x < 512; x++)
        memset(image_at(&image, x, 0), x / 2, 4), memset(image_at(&image, x, 1), x / 2, 4);
    for (int mode = 0; mode < MODES; mode++) {
        struct rig rig = rig_start(512, 2, mode);
        int more = frame_shape_of(rig.layout.format)->bits - 8, most = (256 << more) - 1;
        convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
        for (int x = 0; x < 512; x += 2) {
            assert_int_equal(sample_of(rig.a, 1, x, 0), 128 << more);
            assert_int_equal(sample_of(rig.a, 2, x, 0), 128 << more);
        }
        assert_int_equal(sample_of(rig.a, 0, 0, 0), mode & 1 ? 0 : 16 << more);
        assert_int_equal(sample_of(rig.a, 0, 511, 0), mode & 1 ? most : 235 << more);
        rig_stop(&rig);
    }
    free(image.pixels);
}

/* Of eight bits within two, of ten within one. */
static void colours_come_back(void **state)
{
    (void)state;
    static const uint32_t colours[] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0x000000, 0x808080, 0x336699, 0xfedcba};
    for (int i = 0; i < 8 * MODES; i++) {
        uint32_t colour = colours[i % 8], pixels[4] = {colour, colour, colour, colour};
        struct image image = {(uint8_t *)pixels, 8, 2, 2};
        struct rig rig = rig_start(2, 2, i / 8);
        struct reference ref = reference_for(&rig.layout);
        double most = frame_shape_of(rig.layout.format)->bits == 8 ? 2.5 : 1;
        convert_area(CONVERT_PLAIN, &rig.matrix, &image, image_bounds(&image), rig.a);
        double y = (sample_of(rig.a, 0, 0, 0) - ref.offset) / ref.luma;
        double b = y + 2 * (1 - ref.kb) * (sample_of(rig.a, 1, 0, 0) - ref.middle) / ref.chroma;
        double r = y + 2 * (1 - ref.kr) * (sample_of(rig.a, 2, 0, 0) - ref.middle) / ref.chroma;
        double g = (y - ref.kr * r - ref.kb * b) / (1 - ref.kr - ref.kb);
        assert_true(fabs(r - (colour >> 16)) < most);
        assert_true(fabs(g - (colour >> 8 & 255)) < most);
        assert_true(fabs(b - (colour & 255)) < most);
        rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_code_is_the_reference_rounded),
        cmocka_unit_test(fast_code_gives_the_same_bytes_for_every_width_and_place),
        cmocka_unit_test(fast_code_gives_the_same_bytes_for_extreme_colours),
        cmocka_unit_test(parts_within_reach_of_a_change_give_the_whole),
        cmocka_unit_test(copies_are_of_the_area_and_of_nothing_else),
        cmocka_unit_test(greys_have_no_tint_and_white_is_exact),
        cmocka_unit_test(colours_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
