/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/mode_layout.h"

#include "capture/bad_modes.h"
#include "capture/keeper_debt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct mode_line full_hd = {"1920x1080", 1, 1920, 1080, 148500000, 2008, 2052, 2200, 1084, 1089, 1125, 0};
static const struct mode_line large = {
    "with blanks 2560x1440", 2, 2560, 1440, 241500000, 2608, 2640, 2720, 1443, 1448, 1481, 0};

static void add(struct mode_layout *layout, uint32_t crtc, int x, int y, const struct mode_line *line)
{
    struct mode_place *place = &layout->places[layout->count++];
    *place =
        (struct mode_place){.crtc = crtc, .x = x, .y = y, .rotation = 1, .output_count = 1, .outputs = {crtc + 100}};
    mode_place_set_line(place, line);
}

/* Two full HD side by side, a third below the first. */
static struct mode_layout three_screens(void)
{
    struct mode_layout layout = {.width = 3840, .height = 2160, .width_mm = 1016, .height_mm = 571};
    add(&layout, 10, 0, 0, &full_hd);
    add(&layout, 11, 1920, 0, &full_hd);
    add(&layout, 12, 0, 1080, &full_hd);
    return layout;
}

static void assert_at(const struct mode_layout *layout, uint32_t crtc, int x, int y)
{
    const struct mode_place *place = mode_layout_find(layout, crtc);
    assert_non_null(place);
    assert_int_equal(place->x, x);
    assert_int_equal(place->y, y);
}

static void a_larger_mode_moves_its_neighbours(void **state)
{
    struct mode_layout before = three_screens(), after;
    (void)state;
    mode_layout_switch(&before, 10, &large, &after);
    assert_at(&after, 10, 0, 0);
    assert_at(&after, 11, 2560, 0);
    assert_at(&after, 12, 0, 1440);
    assert_int_equal(after.width, 4480);
    assert_int_equal(after.height, 2520);
    assert_int_equal(after.width_mm, 1016 * 4480 / 3840);
}

static void a_neighbour_that_is_not_covered_stays(void **state)
{
    struct mode_layout before = three_screens(), after;
    (void)state;
    mode_layout_switch(&before, 11, &large, &after);
    assert_at(&after, 10, 0, 0);
    assert_at(&after, 11, 1920, 0);
    assert_at(&after, 12, 0, 1080);
    before.places[0] = before.places[1]; /* a smaller one */
    mode_layout_switch(&after, 11, &full_hd, &before);
    assert_at(&before, 12, 0, 1080);
}

static void all_goes_back_as_it_was(void **state)
{
    struct mode_layout before = three_screens(), after, merged;
    (void)state;
    before.width = 4000; /* larger than needed: as somebody wanted it */
    mode_layout_switch(&before, 10, &large, &after);
    mode_layout_merge(&after, &before, &after, &merged);
    assert_true(mode_layout_equal(&merged, &before));
    assert_int_equal(merged.width, 4000);
    assert_int_equal(merged.width_mm, 1016);
}

static void what_somebody_else_has_changed_stays(void **state)
{
    struct mode_layout before = three_screens(), after, now, merged;
    (void)state;
    mode_layout_switch(&before, 10, &large, &after);
    now = after;
    struct mode_line other = {"1024x768", 3, 1024, 768, 65000000, 0, 0, 1344, 0, 0, 806, 0};
    mode_place_set_line(&now.places[0], &other);
    mode_layout_merge(&now, &before, &after, &merged);
    assert_true(mode_place_has_line(&merged.places[0], &other));
    assert_at(&merged, 11, 1920, 0);

    now = after;
    now.places[1].x = 3000; /* moved, its mode not touched */
    mode_layout_merge(&now, &before, &after, &merged);
    assert_true(mode_place_has_line(&merged.places[0], &full_hd));
    assert_at(&merged, 11, 3000, 0);
    assert_at(&merged, 12, 0, 1080);

    now = after;
    now.count = 1; /* the others were switched off */
    mode_layout_merge(&now, &before, &after, &merged);
    assert_int_equal(merged.count, 1);
    assert_int_equal(merged.width, 1920);
    assert_int_equal(merged.height, 1080);
}

static void nothing_owed_changes_nothing(void **state)
{
    struct mode_layout before = three_screens(), after, merged;
    (void)state;
    mode_layout_switch(&before, 10, &large, &after);
    mode_layout_merge(&before, &before, &after, &merged); /* never switched */
    assert_true(mode_layout_equal(&merged, &before));
}

static void a_turned_place_has_its_sides_swapped(void **state)
{
    struct mode_layout before = {.width = 1080, .height = 1920}, after;
    (void)state;
    add(&before, 10, 0, 0, &full_hd);
    before.places[0].rotation = 2;
    assert_int_equal(mode_place_width(&before.places[0]), 1080);
    mode_layout_switch(&before, 10, &large, &after);
    assert_int_equal(after.width, 1440);
    assert_int_equal(after.height, 2560);
    assert_true(mode_rotation_is_upright(1 | 16));
    assert_false(mode_rotation_is_upright(8 | 16));
}

static void a_layout_survives_as_text(void **state)
{
    struct mode_layout before = three_screens(), after, b, a;
    char text[1536], again[1536];
    (void)state;
    before.places[0].outputs[1] = 0xfffffffe;
    before.places[0].output_count = 2;
    mode_layout_switch(&before, 10, &large, &after);
    assert_true(mode_layout_write(&before, &after, text, sizeof(text)));
    assert_true(mode_layout_read(text, &b, &a));
    assert_true(mode_layout_equal(&b, &before));
    assert_true(mode_layout_equal(&a, &after));
    assert_true(mode_layout_write(&b, &a, again, sizeof(again)));
    assert_string_equal(text, again);
    assert_false(mode_layout_write(&before, &after, again, strlen(text)));
}

static void a_cut_or_damaged_text_is_refused_or_harmless(void **state)
{
    struct mode_layout before = three_screens(), after, b, a;
    char text[1536];
    (void)state;
    mode_layout_switch(&before, 10, &large, &after);
    assert_true(mode_layout_write(&before, &after, text, sizeof(text)));
    size_t length = strlen(text);
    for (size_t cut = 0; cut < length; cut++) {
        char *copy = strndup(text, cut);
        assert_non_null(copy);
        mode_layout_read(copy, &b, &a);
        free(copy);
    }
    for (size_t bit = 0; bit < length * 8; bit++) {
        char *copy = strdup(text);
        assert_non_null(copy);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        mode_layout_read(copy, &b, &a);
        free(copy);
    }
    assert_false(mode_layout_read("", &b, &a));
    assert_false(mode_layout_read("before 1 1 1 1\nafter 0 0 0 0\n", &b, &a));
}

static void a_debt_survives_as_a_note(void **state)
{
    struct keeper_debt debt = {.display = ":0",
                               .owner = 1000,
                               .identity = "boot-id 12 345",
                               .owed = "before 1\nafter 2\n"},
                       again;
    char note[DISPLAY_NOTE_MAX];
    (void)state;
    assert_true(keeper_debt_write(&debt, note, sizeof(note)));
    assert_true(keeper_debt_read(note, &again));
    assert_string_equal(again.display, ":0");
    assert_string_equal(again.xauthority, "");
    assert_int_equal(again.owner, 1000);
    assert_string_equal(again.identity, "boot-id 12 345");
    assert_string_equal(again.owed, debt.owed);
    assert_true(keeper_debt_is_of_boot(&again, "boot-id"));
    assert_false(keeper_debt_is_of_boot(&again, "boot"));
    assert_false(keeper_debt_read("", &again));
    for (size_t cut = 0; cut < strlen(note) - strlen(debt.owed); cut++) {
        char *copy = strndup(note, cut);
        assert_non_null(copy);
        assert_false(keeper_debt_read(copy, &again));
        free(copy);
    }
    snprintf(debt.display, sizeof(debt.display), ":0\nserver x");
    assert_false(keeper_debt_write(&debt, note, sizeof(note)));
}

static void a_mode_without_pictures_is_bad_for_its_server_only(void **state)
{
    struct bad_modes bad = {0};
    struct display_wish wish = {.width = 2560, .height = 1440, .fps_x100 = 6000}, other = wish;
    (void)state;
    other.fps_x100 = 12000;
    assert_false(bad_modes_have(&bad, &wish, "a"));
    bad_modes_add(&bad, &wish, "a");
    assert_true(bad_modes_have(&bad, &wish, "a"));
    assert_false(bad_modes_have(&bad, &other, "a"));
    assert_false(bad_modes_have(&bad, &wish, "b"));
    for (int i = 1; i < 40; i++) { /* the oldest give way */
        wish.width = 2560 + i;
        bad_modes_add(&bad, &wish, "a");
        assert_true(bad_modes_have(&bad, &wish, "a"));
    }
    wish.width = 2560;
    assert_false(bad_modes_have(&bad, &wish, "a"));
}

static void a_mode_that_ends_servers_is_bad_for_all_the_second_time(void **state)
{
    struct bad_modes bad = {0};
    struct display_wish wish = {.width = 2560, .height = 1440, .fps_x100 = 6000};
    (void)state;
    bad_modes_add_crash(&bad, &wish);
    assert_false(bad_modes_have(&bad, &wish, "b"));
    bad_modes_add_crash(&bad, &wish);
    assert_true(bad_modes_have(&bad, &wish, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_larger_mode_moves_its_neighbours),
        cmocka_unit_test(a_neighbour_that_is_not_covered_stays),
        cmocka_unit_test(all_goes_back_as_it_was),
        cmocka_unit_test(what_somebody_else_has_changed_stays),
        cmocka_unit_test(nothing_owed_changes_nothing),
        cmocka_unit_test(a_turned_place_has_its_sides_swapped),
        cmocka_unit_test(a_layout_survives_as_text),
        cmocka_unit_test(a_cut_or_damaged_text_is_refused_or_harmless),
        cmocka_unit_test(a_debt_survives_as_a_note),
        cmocka_unit_test(a_mode_without_pictures_is_bad_for_its_server_only),
        cmocka_unit_test(a_mode_that_ends_servers_is_bad_for_all_the_second_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
