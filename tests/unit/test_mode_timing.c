/* SPDX-License-Identifier: Apache-2.0 */
/* Timings against those that VESA's own spreadsheet (CVT 1.2, reduced blanking) gives, but for the finer pixel clock.
 */
#include "capture/mode_timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void usual_sizes_have_the_timings_of_the_standard(void **state)
{
    static const struct {
        int width, height, htotal, vsync_start, vsync_end, vtotal, clock_khz; /* the clock in CVT's steps of 250 kHz */
    } known[] = {
        {1920, 1080, 2080, 1083, 1088, 1111, 138500}, {2560, 1440, 2720, 1443, 1448, 1481, 241500},
        {3840, 2160, 4000, 2163, 2168, 2222, 533250}, {1280, 800, 1440, 803, 809, 823, 71000},
        {1600, 1200, 1760, 1203, 1207, 1235, 130250}, {1280, 1024, 1440, 1027, 1034, 1054, 91000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct mode_line line;
        assert_true(mode_timing_reduced(known[i].width, known[i].height, 6000, &line));
        assert_int_equal(line.width, known[i].width);
        assert_int_equal(line.hsync_start, known[i].width + 48);
        assert_int_equal(line.hsync_end, known[i].width + 80);
        assert_int_equal(line.htotal, known[i].htotal);
        assert_int_equal(line.vsync_start, known[i].vsync_start);
        assert_int_equal(line.vsync_end, known[i].vsync_end);
        assert_int_equal(line.vtotal, known[i].vtotal);
        assert_int_equal(line.clock_hz / 250000 * 250, known[i].clock_khz);
        assert_int_equal(line.flags, MODE_LINE_HSYNC_POSITIVE | MODE_LINE_VSYNC_NEGATIVE);
    }
}

static void the_rate_is_never_lower_than_wished(void **state)
{
    static const int sizes[][2] = {{1920, 1080}, {1366, 768}, {1281, 721}, {3440, 1440}, {1440, 2560}, {641, 481}};
    static const int rates[] = {2400, 2997, 3000, 5994, 6000, 9000, 12000, 14400, 24000};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(rates) / sizeof(rates[0]); k++) {
            struct mode_line line;
            assert_true(mode_timing_reduced(sizes[i][0], sizes[i][1], rates[k], &line));
            int64_t wanted = (int64_t)line.htotal * line.vtotal * rates[k];
            assert_true((int64_t)line.clock_hz * 100 >= wanted);
            assert_true((int64_t)line.clock_hz * 100 < wanted + 100 * 1000);
            assert_int_equal(mode_line_fps_x100(&line), rates[k]);
            assert_int_equal(line.width, sizes[i][0]);
            assert_int_equal(line.height, sizes[i][1]);
            /* 460 us of vertical blank at least */
            int64_t blank_us = INT64_C(1000000) * (line.vtotal - line.height) * line.htotal / line.clock_hz;
            assert_true(blank_us >= 459);
        }
    }
}

static void a_new_mode_carries_size_rate_and_our_mark_in_its_name(void **state)
{
    struct mode_line line;
    (void)state;
    assert_true(mode_timing_reduced(2560, 1440, 6000, &line));
    assert_string_equal(line.name, "2560x1440@60-earthshine");
    assert_true(mode_timing_reduced(2560, 1440, 5994, &line));
    assert_string_equal(line.name, "2560x1440@59.94-earthshine");
}

static void what_cannot_be_a_mode_is_none(void **state)
{
    struct mode_line line;
    (void)state;
    assert_false(mode_timing_reduced(0, 1080, 6000, &line));
    assert_false(mode_timing_reduced(1920, -1, 6000, &line));
    assert_false(mode_timing_reduced(40000, 1080, 6000, &line));
    assert_false(mode_timing_reduced(1920, 1080, 0, &line));
    assert_false(mode_timing_reduced(1920, 1080, 100000, &line));
    assert_false(mode_timing_reduced(16384, 16384, 50000, &line)); /* a clock that the protocol cannot tell */
}

static void the_rate_of_interlaced_and_doubled_modes_is_that_of_their_pictures(void **state)
{
    struct mode_line line = {.clock_hz = 74250000, .htotal = 2200, .vtotal = 1125, .flags = MODE_LINE_INTERLACE};
    (void)state;
    assert_int_equal(mode_line_fps_x100(&line), 6000);
    line = (struct mode_line){.clock_hz = 25200000, .htotal = 800, .vtotal = 262, .flags = MODE_LINE_DOUBLE_SCAN};
    assert_int_equal(mode_line_fps_x100(&line), 6011);
    assert_int_equal(mode_line_fps_x100(&(struct mode_line){.clock_hz = 1}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_sizes_have_the_timings_of_the_standard),
        cmocka_unit_test(the_rate_is_never_lower_than_wished),
        cmocka_unit_test(a_new_mode_carries_size_rate_and_our_mark_in_its_name),
        cmocka_unit_test(what_cannot_be_a_mode_is_none),
        cmocka_unit_test(the_rate_of_interlaced_and_doubled_modes_is_that_of_their_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
