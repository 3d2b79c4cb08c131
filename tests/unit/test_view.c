/* SPDX-License-Identifier: Apache-2.0 */
/* A view shows what a whole plain conversion shows, and its damage is what differs, whatever it was told. */
#include "capture/view.h"

#include "base/clock.h"
#include "tests/unit/pixels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 640, HEIGHT = 362 };

/* A screen, a view of it, and a reader that keeps the last two frames, as the encode thread does. */
struct rig {
    struct image screen;
    struct view *view;
    struct frame *last, *taken;
    struct region damage; /* of `taken` */
    struct frame_pool *pool;
    struct frame *wanted;
    uint32_t seed;
    int64_t now_ns;
};

static struct image make_screen(int width, int height, uint32_t *seed)
{
    struct image image = {malloc((size_t)width * (size_t)height * 4), width * 4, width, height};
    for (int i = 0; i < width * height * 4; i++)
        image.pixels[i] = (uint8_t)next_random(seed);
    return image;
}

static void rig_start(struct rig *self, int width, int height, enum frame_format format)
{
    struct view_config config = {.layout = {width, height, format, FRAME_BT709, false}, .fps_x100 = 6000};
    *self = (struct rig){.seed = 3, .view = view_create(NULL, &config), .now_ns = CLOCK_SECOND_NS};
    self->screen = make_screen(WIDTH, HEIGHT, &self->seed);
    self->pool = frame_pool_create(&config.layout, 1);
    self->wanted = frame_pool_take(self->pool);
}

static void rig_stop(struct rig *self)
{
    frame_unref(self->last);
    frame_unref(self->taken);
    frame_unref(self->wanted);
    frame_pool_unref(self->pool);
    view_unref(self->view);
    free(self->screen.pixels);
}

static void show_at(struct rig *self, const struct region *damage, bool is_status, int64_t now_ns)
{
    struct view_picture picture = {.image = &self->screen, .is_status = is_status};
    view_add_damage(self->view, damage);
    view_show(self->view, &picture, self->now_ns = now_ns);
}

static void show(struct rig *self, const struct region *damage, bool is_status)
{
    show_at(self, damage, is_status, self->now_ns + CLOCK_SECOND_NS);
}

static struct region whole_screen(const struct rig *self)
{
    return (struct region){.rects = {image_bounds(&self->screen)}, .count = 1};
}

static bool take(struct rig *self)
{
    struct frame *frame;
    if (view_take(self->view, 0, &frame, &self->damage) != VIEW_OK)
        return false;
    frame_unref(self->last);
    self->last = self->taken;
    self->taken = frame;
    return true;
}

/* What the view must show: everything, scaled and converted in plain C. */
static void compute_wanted(struct rig *self)
{
    const struct frame_layout *layout = &self->wanted->layout;
    struct convert_matrix matrix = convert_matrix_for(layout);
    struct image out = self->screen;
    if (layout->width != out.width || layout->height != out.height) {
        struct scaler *scaler = scaler_create(out.width, out.height, layout->width, layout->height);
        out = (struct image){NULL, layout->width * 4, layout->width, layout->height};
        out.pixels = calloc((size_t)layout->width * (size_t)layout->height, 4);
        scaler_run(scaler, NULL, CONVERT_PLAIN, &self->screen, image_bounds(&out), &out);
        scaler_destroy(scaler);
    }
    convert_area(CONVERT_PLAIN, &matrix, &out, image_bounds(&out), self->wanted);
    if (out.pixels != self->screen.pixels)
        free(out.pixels);
}

/* The frame just taken is the screen; what differs from the one taken before is in the damage. */
static void assert_shown(struct rig *self)
{
    const struct frame_layout *layout = &self->wanted->layout;
    compute_wanted(self);
    for (int y = 0; y < layout->height; y++) {
        bool right = same_row(self->taken, self->wanted, y),
             still = !self->last || same_row(self->taken, self->last, y);
        for (int x = 0; x < layout->width && !(right && still); x++) {
            assert_true(right || same_pixel(self->taken, self->wanted, x, y));
            if (!still && !same_pixel(self->taken, self->last, x, y))
                assert_true(covered(&self->damage, x, y));
        }
    }
}

static void paint(struct rig *self, struct rect r)
{
    for (int y = r.y; y < r.y + r.height; y++) {
        for (int x = r.x; x < r.x + r.width; x++)
            image_at(&self->screen, x, y)[below(&self->seed, 3)] ^= 0x41;
    }
}

static struct rect random_rect(struct rig *self, int most)
{
    struct rect r = {below(&self->seed, WIDTH), below(&self->seed, HEIGHT), 1, 1};
    r.width += below(&self->seed, most);
    r.height += below(&self->seed, most);
    return rect_intersect(r, image_bounds(&self->screen));
}

/* A change, told exactly, with too much around it, or as the whole screen; now and then nothing at all. */
static void random_change(struct rig *self, struct region *ret_damage)
{
    region_clear(ret_damage);
    for (int i = below(&self->seed, 4); i > 0; i--) {
        struct rect r = random_rect(self, i == 1 ? 3 : 120);
        paint(self, r);
        region_add(ret_damage, r);
    }
    int told = below(&self->seed, 3);
    if (told == 1)
        region_add(ret_damage, random_rect(self, 300));
    if (told == 2)
        *ret_damage = whole_screen(self);
}

static void run_steps(int width, int height, enum frame_format format)
{
    struct rig rig;
    int taken = 0;
    rig_start(&rig, width, height, format);
    for (int i = 0; i < 500; i++) {
        struct region damage;
        random_change(&rig, &damage);
        show(&rig, &damage, false);
        if (below(&rig.seed, 3) && take(&rig)) {
            taken++;
            if (i % 4 == 0 || i > 480)
                assert_shown(&rig);
        }
    }
    struct view_counters counters = view_get_counters(rig.view);
    assert_int_equal(counters.pictures + counters.unchanged, 500);
    assert_true(counters.unchanged > 10 && counters.dropped > 10 && taken > 100);
    take(&rig); /* what may be left in the mailbox */
    assert_shown(&rig);
    rig_stop(&rig);
}

static void after_random_steps_a_view_shows_the_screen(void **state)
{
    (void)state;
    for (int format = 0; format < FRAME_FORMATS; format++) {
        run_steps(WIDTH, HEIGHT, (enum frame_format)format);
        run_steps(500, 400, (enum frame_format)format); /* smaller, with bars */
    }
}

static void one_pixel_under_full_damage_is_a_small_damage(void **state)
{
    (void)state;
    for (int format = 0; format < FRAME_FORMATS; format++) {
        struct rig rig;
        rig_start(&rig, WIDTH, HEIGHT, (enum frame_format)format);
        struct region all = whole_screen(&rig);
        show(&rig, &all, false);
        assert_true(take(&rig));
        assert_int_equal(region_area(&rig.damage), WIDTH * HEIGHT); /* the first one */
        for (int i = 0; i < 100; i++) {
            int x = below(&rig.seed, WIDTH), y = below(&rig.seed, HEIGHT);
            image_at(&rig.screen, x, y)[1] ^= 0x80;
            show(&rig, &all, false);
            assert_true(take(&rig));
            assert_true(covered(&rig.damage, x, y));
            assert_true(region_area(&rig.damage) <= 2 * 64 * 16);
            if (i % 10 == 0)
                assert_shown(&rig);
        }
        rig_stop(&rig);
    }
}

static void no_picture_comes_when_nothing_looks_different(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, WIDTH, HEIGHT, FRAME_NV12);
    struct region all = whole_screen(&rig);
    show(&rig, &all, false);
    assert_true(take(&rig));
    for (int i = 0; i < 10; i++) {
        show(&rig, &all, false);
        assert_false(take(&rig));
        assert_false(view_is_waiting(rig.view));
    }
    assert_int_equal(view_get_counters(rig.view).unchanged, 10);
    assert_int_equal(view_get_counters(rig.view).pictures, 1);
    paint(&rig, (struct rect){100, 100, 1, 1});
    show(&rig, &all, false);
    assert_true(take(&rig));
    assert_int_equal(rig.taken->number, 2);
    assert_shown(&rig);
    rig_stop(&rig);
}

/* Draws each `painted_ns`, beginning at `phase_ns`; how late the last picture was, and how many there were. */
static int64_t play(int64_t painted_ns, int64_t phase_ns, int paintings, uint64_t *ret_pictures)
{
    struct rig rig;
    rig_start(&rig, WIDTH, HEIGHT, FRAME_NV12);
    struct region all = whole_screen(&rig), dot = {.count = 0};
    int64_t shown_ns = 0, late_ns = 0;
    region_add(&dot, (struct rect){50, 50, 2, 2});
    show(&rig, &all, false);
    assert_true(take(&rig));
    int64_t start_ns = rig.now_ns;
    for (int i = 0; i < paintings; i++) {
        int64_t last_ns = start_ns + phase_ns + i * painted_ns;
        if (last_ns < shown_ns) /* this and the one that waits become one picture */
            continue;
        paint(&rig, dot.rects[0]);
        shown_ns = last_ns > rig.view->due_ns ? last_ns : rig.view->due_ns;
        late_ns = shown_ns - last_ns;
        show_at(&rig, &dot, false, shown_ns);
        assert_true(take(&rig));
    }
    *ret_pictures = view_get_counters(rig.view).pictures;
    rig_stop(&rig);
    return late_ns;
}

static void what_is_drawn_at_the_rate_never_waits(void **state)
{
    (void)state;
    for (int64_t phase_ns = 0; phase_ns < CLOCK_SECOND_NS / 60; phase_ns += CLOCK_MS_NS) {
        uint64_t pictures;
        assert_int_equal(play(CLOCK_SECOND_NS / 60, phase_ns, 100, &pictures), 0);
        assert_int_equal(pictures, 101);
        assert_int_equal(play(CLOCK_SECOND_NS / 60 - 50000, phase_ns, 100, &pictures), 0); /* their clock is fast */
    }
}

static void what_is_drawn_faster_is_held_to_the_rate(void **state)
{
    (void)state;
    uint64_t pictures;
    play(5 * CLOCK_MS_NS, 0, 400, &pictures); /* two seconds of 200 a second */
    assert_in_range(pictures, 119, 124);
}

static void a_picture_that_must_be_shown_comes_even_without_a_difference(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, WIDTH, HEIGHT, FRAME_NV12);
    struct region all = whole_screen(&rig);
    show(&rig, &all, true);
    assert_true(take(&rig) && rig.taken->is_status);
    show(&rig, &all, false); /* the desktop, and it looks the same */
    assert_true(take(&rig) && !rig.taken->is_status);
    assert_int_equal(rig.damage.count, 0);
    rig.view->all_pending = true; /* display.c: resized, or another source */
    show(&rig, &all, false);
    assert_true(take(&rig));
    assert_int_equal(rig.taken->number, 3);
    assert_shown(&rig);
    show(&rig, &all, false);
    assert_false(take(&rig));
    rig_stop(&rig);
}

static void another_size_of_the_screen_is_shown(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, WIDTH, HEIGHT, FRAME_NV12);
    struct region none = {.count = 0};
    show(&rig, &none, false);
    assert_true(take(&rig));
    free(rig.screen.pixels);
    rig.screen = make_screen(800, 362, &rig.seed);
    show(&rig, &none, false);
    assert_true(take(&rig));
    assert_shown(&rig);
    rig_stop(&rig);
}

/* With every frame out nothing is lost: it comes with the next one. */
static void without_a_free_frame_all_stays_pending(void **state)
{
    (void)state;
    struct rig rig;
    struct frame *held[VIEW_FRAMES];
    rig_start(&rig, WIDTH, HEIGHT, FRAME_NV12);
    struct region all = whole_screen(&rig);
    for (int i = 0; i < VIEW_FRAMES; i++) {
        paint(&rig, (struct rect){10 * i, 10, 5, 5});
        show(&rig, &all, false);
        assert_true(take(&rig));
        frame_ref(held[i] = rig.taken);
    }
    paint(&rig, (struct rect){300, 300, 5, 5});
    show(&rig, &all, false);
    assert_false(take(&rig));
    assert_true(view_is_waiting(rig.view));
    frame_unref(held[0]);
    show(&rig, &(struct region){.count = 0}, false);
    assert_true(take(&rig));
    assert_true(covered(&rig.damage, 302, 302));
    assert_shown(&rig);
    for (int i = 1; i < VIEW_FRAMES; i++)
        frame_unref(held[i]);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_random_steps_a_view_shows_the_screen),
        cmocka_unit_test(one_pixel_under_full_damage_is_a_small_damage),
        cmocka_unit_test(no_picture_comes_when_nothing_looks_different),
        cmocka_unit_test(what_is_drawn_at_the_rate_never_waits),
        cmocka_unit_test(what_is_drawn_faster_is_held_to_the_rate),
        cmocka_unit_test(a_picture_that_must_be_shown_comes_even_without_a_difference),
        cmocka_unit_test(another_size_of_the_screen_is_shown),
        cmocka_unit_test(without_a_free_frame_all_stays_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
