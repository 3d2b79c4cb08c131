/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/planar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 22, HEIGHT = 14, STRIDE = 128 };

static const enum frame_format formats[] = {FRAME_NV12, FRAME_P010, FRAME_YUV444, FRAME_YUV444_10};

struct rig {
    uint8_t samples[FRAME_PLANES_MAX][STRIDE * HEIGHT];
    struct frame frame;
    struct planar planar;
};

static void rig_init(struct rig *self, enum frame_format format)
{
    *self = (struct rig){.frame = {.layout = {.width = WIDTH, .height = HEIGHT, .format = format}}};
    for (int plane = 0; plane < frame_shape_of(format)->planes; plane++) {
        self->frame.planes[plane] = self->samples[plane];
        self->frame.strides[plane] = STRIDE;
    }
    assert_true(planar_init(&self->planar, &self->frame.layout));
}

static bool is_words(const struct rig *self)
{
    return frame_shape_of(self->frame.layout.format)->bits > 8;
}

/* Of one sample; of a pair `part` is 0 for U and 1 for V. */
static int painted(const struct rig *self, int component, int x, int y, int seed)
{
    return (component * 71 + x * 13 + y * 29 + seed * 101) & (is_words(self) ? 1023 : 255);
}

static void put(uint8_t *at, int index, int value, bool words)
{
    if (words)
        ((uint16_t *)(void *)at)[index] = (uint16_t)(value << 6);
    else
        at[index] = (uint8_t)value;
}

static void paint(struct rig *self, int seed)
{
    bool half = frame_shape_of(self->frame.layout.format)->half_rows, words = is_words(self);
    for (int component = 0; component < 3; component++) {
        bool paired = half && component > 0;
        for (int y = 0; y < (paired ? HEIGHT / 2 : HEIGHT); y++)
            for (int x = 0; x < (paired ? WIDTH / 2 : WIDTH); x++)
                put(self->samples[paired ? 1 : component] + y * STRIDE, paired ? 2 * x + component - 1 : x,
                    painted(self, component, x, y, seed), words);
    }
}

static int found(const struct rig *self, int component, int x, int y)
{
    const struct planar *planar = &self->planar;
    const uint8_t *plane = planar->planes[component] ? planar->planes[component] : self->frame.planes[component];
    int stride = planar->planes[component] ? planar->strides[component] : self->frame.strides[component];
    const uint8_t *row = plane + (ptrdiff_t)y * stride;
    return is_words(self) ? ((const uint16_t *)(const void *)row)[x] : row[x];
}

static void each_component_has_a_plane_of_its_values(void **state)
{
    (void)state;
    const struct region nothing = {.count = 0};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct rig rig;
        rig_init(&rig, formats[i]);
        bool half = frame_shape_of(formats[i])->half_rows;
        paint(&rig, 5);
        planar_update(&rig.planar, &rig.frame, &nothing); /* the first one is taken whole */
        for (int component = 0; component < 3; component++)
            for (int y = 0; y < (half && component ? HEIGHT / 2 : HEIGHT); y++)
                for (int x = 0; x < (half && component ? WIDTH / 2 : WIDTH); x++)
                    assert_int_equal(found(&rig, component, x, y), painted(&rig, component, x, y, 5));
        planar_finish(&rig.planar);
    }
}

static void what_is_right_already_is_not_copied(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, FRAME_NV12);
    assert_null(rig.planar.planes[0]);
    planar_finish(&rig.planar);
    rig_init(&rig, FRAME_YUV444);
    assert_null(rig.planar.memory);
    planar_finish(&rig.planar);
}

/* Each rectangle reaches every sample that a pixel of it belongs to, no other, and the picture's edge is kept. */
static void later_ones_only_where_they_changed(void **state)
{
    (void)state;
    static const struct rect rects[] = {
        {3, 3, 1, 1}, {0, 0, WIDTH, 1}, {5, 7, 4, 2}, {WIDTH - 1, HEIGHT - 1, 9, 9}, {WIDTH + 3, 0, 5, 5}};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) * (sizeof(rects) / sizeof(rects[0])); i++) {
        struct rig rig;
        struct rect r = rects[i / 4];
        const struct region damage = {.rects = {r}, .count = 1};
        rig_init(&rig, formats[i % 4]);
        bool half = frame_shape_of(formats[i % 4])->half_rows;
        paint(&rig, 5);
        planar_update(&rig.planar, &rig.frame, &damage);
        paint(&rig, 6);
        planar_update(&rig.planar, &rig.frame, &damage);
        for (int component = 0; component < 3; component++) {
            int step = half && component ? 2 : 1;
            for (int y = 0; rig.planar.planes[component] && y < HEIGHT / step; y++)
                for (int x = 0; x < WIDTH / step; x++) {
                    bool touched = step * x + step > r.x && step * x < r.x + r.width && step * y + step > r.y &&
                                   step * y < r.y + r.height;
                    assert_int_equal(found(&rig, component, x, y), painted(&rig, component, x, y, touched ? 6 : 5));
                }
        }
        planar_finish(&rig.planar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_component_has_a_plane_of_its_values),
        cmocka_unit_test(what_is_right_already_is_not_copied),
        cmocka_unit_test(later_ones_only_where_they_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
