/* SPDX-License-Identifier: Apache-2.0 */
/* mode_timing: what a display mode is, and the timings of modes that a server does not know yet. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODE_NAME_SIZE = 40 };

/* One mode, in the words of RandR and of every X modeline. */
struct mode_line {
    char name[MODE_NAME_SIZE];
    uint32_t id; /* the server's; 0: not known there */
    int width, height;
    uint32_t clock_hz;
    int hsync_start, hsync_end, htotal;
    int vsync_start, vsync_end, vtotal;
    uint32_t flags; /* MODE_LINE_... */
};
/* As RandR numbers them. */
enum {
    MODE_LINE_HSYNC_POSITIVE = 1,
    MODE_LINE_VSYNC_NEGATIVE = 8,
    MODE_LINE_INTERLACE = 16,
    MODE_LINE_DOUBLE_SCAN = 32,
};

/* Pictures per second, times 100, rounded; 0 for a mode without totals. */
int mode_line_fps_x100(const struct mode_line *self);
/* Lines per second. */
int mode_line_hsync_hz(const struct mode_line *self);

/*
 * Timings by VESA CVT 1.2 with reduced blanking (version 1), with two liberties: the width is kept exactly, CVT's would
 * be rounded down to a multiple of 8; and the pixel clock has steps of 1 kHz, as in CVT's version 2, rounded up, so
 * that the rate is not a hair lower than the pictures that are to be streamed. False: no such mode can be.
 * width, height: 64..16384; fps_x100: 1000..50000
 */
bool mode_timing_reduced(int width, int height, int fps_x100, struct mode_line *ret_line);
