/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/planar_chroma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 22, HEIGHT = 14, STRIDE = 32 };

static uint8_t interleaved[STRIDE * HEIGHT / 2];

static struct frame make_frame(void)
{
    return (struct frame){
        .layout = {.width = WIDTH, .height = HEIGHT}, .planes = {NULL, interleaved}, .strides = {0, STRIDE}};
}

static void repaint(uint8_t seed)
{
    for (size_t i = 0; i < sizeof(interleaved); i++)
        interleaved[i] = (uint8_t)(i * 37 + seed);
}

/* Whether both samples of the pair are those painted with `seed`. */
static bool is_painted(const struct planar_chroma *self, int x, int y, uint8_t seed)
{
    size_t from = (size_t)(y * STRIDE + 2 * x), to = (size_t)(y * self->stride + x);
    return self->planes[0][to] == (uint8_t)(from * 37 + seed) &&
           self->planes[1][to] == (uint8_t)((from + 1) * 37 + seed);
}

static void the_first_picture_is_split_whole(void **state)
{
    (void)state;
    struct planar_chroma chroma;
    struct frame frame = make_frame();
    const struct region nothing = {.count = 0};
    assert_true(planar_chroma_init(&chroma, WIDTH, HEIGHT));
    repaint(5);
    planar_chroma_update(&chroma, &frame, &nothing);
    for (int y = 0; y < HEIGHT / 2; y++)
        for (int x = 0; x < WIDTH / 2; x++)
            assert_true(is_painted(&chroma, x, y, 5));
    planar_chroma_finish(&chroma);
}

/* Each rectangle reaches every pair that a pixel of it belongs to, and the picture's edge is kept. */
static void later_ones_only_where_they_changed(void **state)
{
    (void)state;
    static const struct rect rects[] = {{3, 3, 1, 1}, {0, 0, WIDTH, 1}, {5, 7, 4, 2}, {WIDTH - 1, HEIGHT - 1, 9, 9}};
    for (size_t i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
        struct planar_chroma chroma;
        struct frame frame = make_frame();
        const struct region damage = {.rects = {rects[i]}, .count = 1};
        struct rect r = rects[i];
        assert_true(planar_chroma_init(&chroma, WIDTH, HEIGHT));
        repaint(5);
        planar_chroma_update(&chroma, &frame, &damage);
        repaint(6);
        planar_chroma_update(&chroma, &frame, &damage);
        for (int y = 0; y < HEIGHT / 2; y++)
            for (int x = 0; x < WIDTH / 2; x++) {
                bool touched = 2 * x + 2 > r.x && 2 * x < r.x + r.width && 2 * y + 2 > r.y && 2 * y < r.y + r.height;
                assert_true(is_painted(&chroma, x, y, touched ? 6 : 5));
            }
        planar_chroma_finish(&chroma);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_picture_is_split_whole),
        cmocka_unit_test(later_ones_only_where_they_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
