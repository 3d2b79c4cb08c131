/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/mode_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 1080p at 59.94, 60, 50 and 120 Hz, 1080i, 720p */
static const struct mode_line offered[] = {
    {"1920x1080", 1, 1920, 1080, 148352000, 2008, 2052, 2200, 1084, 1089, 1125, 0},
    {"1920x1080", 2, 1920, 1080, 148500000, 2008, 2052, 2200, 1084, 1089, 1125, 0},
    {"1920x1080", 3, 1920, 1080, 148500000, 2448, 2492, 2640, 1084, 1089, 1125, 0},
    {"1920x1080", 4, 1920, 1080, 297000000, 2008, 2052, 2200, 1084, 1089, 1125, 0},
    {"1920x1080i", 5, 1920, 1080, 74250000, 2008, 2052, 2200, 1084, 1094, 1125, MODE_LINE_INTERLACE},
    {"1280x720", 6, 1280, 720, 74250000, 1390, 1430, 1650, 725, 730, 750, 0},
};

static struct mode_facts make_facts(void)
{
    return (struct mode_facts){
        .output = "DP-1", .modes = offered, .mode_count = sizeof(offered) / sizeof(offered[0]), .current = &offered[5]};
}

static struct mode_choice choose(const struct mode_facts *facts, int width, int height, int fps_x100)
{
    struct mode_choice choice;
    mode_guard_choose(facts, width, height, fps_x100, &choice);
    return choice;
}

static void what_is_shown_is_kept_when_it_will_do(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    struct mode_choice choice = choose(&facts, 1280, 720, 6000);
    assert_int_equal(choice.verdict, MODE_KEEP);
    facts.current = &offered[3];
    assert_int_equal(choose(&facts, 1920, 1080, 6000).verdict, MODE_KEEP); /* 120 Hz do for 60 */
}

static void the_nearest_rate_that_is_not_lower_is_used(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    struct mode_choice choice = choose(&facts, 1920, 1080, 6000);
    assert_int_equal(choice.verdict, MODE_USE);
    assert_int_equal(choice.line.id, 1); /* 59.94 is 60 */
    assert_string_equal(choice.sentence, "");
    assert_int_equal(choose(&facts, 1920, 1080, 5000).line.id, 3);
    assert_int_equal(choose(&facts, 1920, 1080, 9000).line.id, 4);
    assert_int_equal(choose(&facts, 1920, 1080, 3000).line.id, 3); /* no new mode for a slower rate */
}

static void a_virtual_output_that_tells_no_rate_has_any(void **state)
{
    static const struct mode_line bare = {.name = "1280x720", .id = 9, .width = 1280, .height = 720};
    struct mode_facts facts = {.output = "screen", .modes = &bare, .mode_count = 1, .current = &bare};
    (void)state;
    assert_int_equal(choose(&facts, 1280, 720, 12000).verdict, MODE_KEEP);
    facts.current = NULL;
    assert_int_equal(choose(&facts, 1280, 720, 12000).verdict, MODE_USE);
}

static void a_size_that_is_not_offered_is_made(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    struct mode_choice choice = choose(&facts, 3440, 1440, 6000);
    assert_int_equal(choice.verdict, MODE_MAKE);
    assert_string_equal(choice.line.name, "3440x1440@60-earthshine");
    choice = choose(&facts, 1920, 1080, 14400); /* faster than all offered */
    assert_int_equal(choice.verdict, MODE_MAKE);
    assert_int_equal(mode_line_fps_x100(&choice.line), 14400);
}

static void a_pixel_clock_beyond_the_limit_lowers_the_rate(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    facts.limits = (struct mode_limits){.max_clock_mhz = 300};
    struct mode_choice choice = choose(&facts, 3840, 2160, 6000);
    assert_int_equal(choice.verdict, MODE_MAKE);
    assert_int_equal(mode_line_fps_x100(&choice.line), 3000);
    assert_string_equal(choice.sentence, "The output DP-1 shows 3840x2160 at 30 Hz, not at the 60 that were wished.");
}

static void a_pixel_clock_far_beyond_the_limit_is_refused_with_both_numbers(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    facts.limits = (struct mode_limits){.max_clock_mhz = 170};
    struct mode_choice choice = choose(&facts, 3840, 2160, 6000);
    assert_int_equal(choice.verdict, MODE_REFUSE);
    assert_string_equal(choice.sentence, "The output DP-1 can do at most 170 MHz; 3840x2160@60 needs 533 MHz. The "
                                         "picture is scaled instead.");
}

static void rates_outside_what_the_monitor_says_are_not_made(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    facts.limits = (struct mode_limits){
        .max_clock_mhz = 600, .min_fps = 48, .max_fps = 75, .min_hsync_khz = 30, .max_hsync_khz = 140};
    struct mode_choice choice = choose(&facts, 2560, 1440, 12000);
    assert_int_equal(choice.verdict, MODE_MAKE);
    assert_int_equal(mode_line_fps_x100(&choice.line), 7500);
    choice = choose(&facts, 2560, 1440, 3000); /* too slow for it: the slowest it does */
    assert_int_equal(mode_line_fps_x100(&choice.line), 5000);
    assert_string_equal(choice.sentence, "");
    facts.limits.max_hsync_khz = 60;
    choice = choose(&facts, 2560, 1440, 6000);
    assert_int_equal(choice.verdict, MODE_REFUSE);
    assert_non_null(strstr(choice.sentence, "30 to 60 kHz"));
}

static void a_server_that_takes_no_new_modes_uses_what_it_has(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    facts.takes_no_new = "No.";
    struct mode_choice choice = choose(&facts, 1920, 1080, 14400);
    assert_int_equal(choice.verdict, MODE_USE);
    assert_int_equal(choice.line.id, 4);
    assert_non_null(strstr(choice.sentence, "at 120 Hz, not at the 144"));
    choice = choose(&facts, 3440, 1440, 6000);
    assert_int_equal(choice.verdict, MODE_REFUSE);
    assert_string_equal(choice.sentence, "No.");
}

static void nonsense_is_refused(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    assert_int_equal(choose(&facts, 40000, 30, 6000).verdict, MODE_REFUSE);
    assert_int_equal(choose(&facts, -5, 1080, 6000).verdict, MODE_REFUSE);
    assert_int_equal(choose(&facts, 2000, 1000, 99999).verdict, MODE_MAKE); /* at a rate that can be */
}

static void a_screen_too_small_is_told(void **state)
{
    struct mode_screen_limits limits = {64, 64, 3840, 2160};
    char sentence[160] = "";
    (void)state;
    assert_true(mode_guard_fits_screen(&limits, 3840, 2160, sentence, sizeof(sentence)));
    assert_false(mode_guard_fits_screen(&limits, 5120, 1440, sentence, sizeof(sentence)));
    assert_string_equal(sentence,
                        "The X server's screen can be 64x64 to 3840x2160; 5120x1440 is needed. The picture is "
                        "scaled instead.");
}

/* An EDID with one range-limits descriptor in its second place. */
static void make_edid(uint8_t *edid)
{
    static const uint8_t header[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    /* 0xfd: range limits; flags; 48..75 Hz; 30..83 kHz; 170 MHz */
    static const uint8_t range[18] = {0, 0, 0, 0xfd, 0, 48, 75, 30, 83, 17, 0, 10, 32, 32, 32, 32, 32, 32};
    memset(edid, 0, 128);
    memcpy(edid, header, sizeof(header));
    edid[54] = 2; /* a timing */
    memcpy(edid + 72, range, sizeof(range));
}

static void close_edid(uint8_t *edid)
{
    uint8_t sum = 0;
    for (int i = 0; i < 127; i++)
        sum = (uint8_t)(sum + edid[i]);
    edid[127] = (uint8_t)-sum;
}

static void the_monitor_tells_its_limits_by_its_edid(void **state)
{
    uint8_t edid[128];
    struct mode_limits limits;
    (void)state;
    make_edid(edid);
    close_edid(edid);
    assert_true(mode_limits_from_edid(edid, sizeof(edid), &limits));
    assert_int_equal(limits.max_clock_mhz, 170);
    assert_int_equal(limits.min_fps, 48);
    assert_int_equal(limits.max_fps, 75);
    assert_int_equal(limits.min_hsync_khz, 30);
    assert_int_equal(limits.max_hsync_khz, 83);
    edid[76] = 0x02 | 0x08; /* the upper ends are 255 higher */
    close_edid(edid);
    assert_true(mode_limits_from_edid(edid, sizeof(edid), &limits));
    assert_int_equal(limits.max_fps, 330);
    assert_int_equal(limits.max_hsync_khz, 338);
}

static void a_damaged_edid_tells_nothing(void **state)
{
    uint8_t edid[128];
    struct mode_limits limits = {.max_clock_mhz = 7};
    (void)state;
    make_edid(edid);
    close_edid(edid);
    for (size_t size = 0; size < sizeof(edid); size++) {
        uint8_t *cut = malloc(size ? size : 1);
        assert_non_null(cut);
        memcpy(cut, edid, size);
        assert_false(mode_limits_from_edid(cut, size, &limits));
        free(cut);
    }
    for (int bit = 0; bit < 1024; bit++) {
        edid[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(mode_limits_from_edid(edid, sizeof(edid), &limits));
        edid[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(limits.max_clock_mhz, 7);
}

static void a_monitor_without_limits_is_asked_no_more_than_its_own_modes(void **state)
{
    struct mode_facts facts = make_facts();
    (void)state;
    mode_limits_from_modes(offered, facts.mode_count, &facts.limits);
    assert_int_equal(facts.limits.max_clock_mhz, 297);
    assert_int_equal(facts.limits.max_fps, 120);
    assert_int_equal(facts.limits.max_hsync_khz, 135);
    struct mode_choice choice = choose(&facts, 2560, 1440, 6000);
    assert_int_equal(choice.verdict, MODE_MAKE);
    choice = choose(&facts, 3840, 2160, 6000);
    assert_int_equal(mode_line_fps_x100(&choice.line), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_is_kept_when_it_will_do),
        cmocka_unit_test(the_nearest_rate_that_is_not_lower_is_used),
        cmocka_unit_test(a_virtual_output_that_tells_no_rate_has_any),
        cmocka_unit_test(a_size_that_is_not_offered_is_made),
        cmocka_unit_test(a_pixel_clock_beyond_the_limit_lowers_the_rate),
        cmocka_unit_test(a_pixel_clock_far_beyond_the_limit_is_refused_with_both_numbers),
        cmocka_unit_test(rates_outside_what_the_monitor_says_are_not_made),
        cmocka_unit_test(a_server_that_takes_no_new_modes_uses_what_it_has),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_screen_too_small_is_told),
        cmocka_unit_test(the_monitor_tells_its_limits_by_its_edid),
        cmocka_unit_test(a_damaged_edid_tells_nothing),
        cmocka_unit_test(a_monitor_without_limits_is_asked_no_more_than_its_own_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
