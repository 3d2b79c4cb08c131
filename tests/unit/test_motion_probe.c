/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/motion_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WIDTH = 640, HEIGHT = 368 };

struct rig {
    struct mb_map map;
    struct motion_probe probe;
    struct frame frame;
    struct region damage;
    uint8_t luma[WIDTH * HEIGHT];
};

/* Blotches of a few pixels, the same for the same seed, moved by (x, y). */
static void paint(struct rig *self, unsigned seed, int dx, int dy)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            unsigned at = (unsigned)((x + dx) / 3 * 7919 + (y + dy) / 3 * 104729) ^ seed * 2654435761U;
            at ^= at >> 13, at *= 0x5bd1e995, at ^= at >> 15;
            self->luma[y * WIDTH + x] = (uint8_t)at;
        }
}

static void rig_init(struct rig *self)
{
    assert_true(mb_map_init(&self->map, WIDTH, HEIGHT));
    motion_probe_init(&self->probe, &self->map);
    assert_true(self->probe.count > MOTION_PROBE_SITES / 2);
    self->frame.planes[0] = self->luma;
    self->frame.strides[0] = WIDTH;
    region_clear(&self->damage);
    region_add(&self->damage, (struct rect){0, 0, WIDTH, HEIGHT});
}

static bool is_cut(struct rig *self)
{
    mb_map_mark(&self->map, &self->frame, &self->damage, false);
    bool cut = motion_probe_is_cut(&self->probe, &self->map, &self->frame);
    mb_map_coded(&self->map, 30);
    return cut;
}

static void what_moves_is_told_from_what_is_new(void **state)
{
    (void)state;
    static const int steps[][2] = {{0, 3}, {0, -20}, {-5, 4}, {24, 0}, {6, 6}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct rig rig = {0};
        rig_init(&rig);
        for (int n = 1; n < 12; n++) {
            paint(&rig, 1, 1000 + steps[i][0] * n, 1000 + steps[i][1] * n);
            assert_false(is_cut(&rig));
        }
        assert_true(rig.probe.usual > 0.8);
        paint(&rig, 2, 1000, 1000);
        assert_true(is_cut(&rig));
        paint(&rig, 2, 1000 + steps[i][0], 1000 + steps[i][1]);
        assert_false(is_cut(&rig)); /* once */
        mb_map_finish(&rig.map);
    }
}

static void noise_is_no_series_of_cuts(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_init(&rig);
    for (unsigned n = 1; n < 20; n++) {
        paint(&rig, n, 0, 0);
        assert_false(is_cut(&rig));
    }
    mb_map_finish(&rig.map);
}

static void what_moves_after_noise_is_seen_to_move(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_init(&rig);
    for (unsigned n = 1; n < 20; n++) {
        paint(&rig, n, 0, 0);
        is_cut(&rig);
    }
    for (int n = 1; n < 20; n++) {
        paint(&rig, 1, 1000, 1000 + 8 * n);
        assert_false(is_cut(&rig));
    }
    paint(&rig, 2, 1000, 1000);
    assert_true(is_cut(&rig));
    mb_map_finish(&rig.map);
}

static void little_that_changes_tells_nothing(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_init(&rig);
    rig.damage.rects[0] = (struct rect){0, 0, 128, 128};
    for (unsigned n = 1; n < 20; n++) {
        paint(&rig, n / 10, 0, 0);
        assert_false(is_cut(&rig));
    }
    assert_true(rig.probe.usual < 0);
    mb_map_finish(&rig.map);
}

static void a_small_picture_has_no_room_for_it(void **state)
{
    (void)state;
    struct mb_map map;
    struct motion_probe probe;
    assert_true(mb_map_init(&map, MOTION_PROBE_SIDE - 2, 200));
    motion_probe_init(&probe, &map);
    assert_int_equal(probe.count, 0);
    mb_map_finish(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_moves_is_told_from_what_is_new),    cmocka_unit_test(noise_is_no_series_of_cuts),
        cmocka_unit_test(what_moves_after_noise_is_seen_to_move), cmocka_unit_test(little_that_changes_tells_nothing),
        cmocka_unit_test(a_small_picture_has_no_room_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
