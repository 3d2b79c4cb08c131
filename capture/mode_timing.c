/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/mode_timing.h"

#include <stdio.h>

/* CVT 1.2, reduced blanking, version 1 */
#define H_BLANK        160
#define H_FRONT        48
#define H_SYNC         32
#define V_FRONT        3
#define V_BACK_MIN     6
#define V_BLANK_MIN_US 460
#define CLOCK_STEP_HZ  INT64_C(1000)

int mode_line_fps_x100(const struct mode_line *self)
{
    int64_t total = (int64_t)self->htotal * self->vtotal;
    if (total <= 0)
        return 0;
    int64_t clock_x100 = (int64_t)self->clock_hz * 100;
    if (self->flags & MODE_LINE_INTERLACE)
        clock_x100 *= 2;
    if (self->flags & MODE_LINE_DOUBLE_SCAN)
        total *= 2;
    return (int)((clock_x100 + total / 2) / total);
}

int mode_line_hsync_hz(const struct mode_line *self)
{
    return self->htotal > 0 ? (int)(self->clock_hz / (uint32_t)self->htotal) : 0;
}

/* The length of the vertical sync tells a CVT monitor the shape of the picture. */
static int sync_lines(int width, int height)
{
    static const struct {
        int across, down, lines;
    } shapes[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        int exact = height * shapes[i].across / shapes[i].down;
        if (exact / 8 * 8 == width / 8 * 8)
            return shapes[i].lines;
    }
    return 10;
}

static void name_it(struct mode_line *line, int fps_x100)
{
    if (fps_x100 % 100)
        snprintf(line->name, sizeof(line->name), "%dx%d@%d.%02d-earthshine", line->width, line->height, fps_x100 / 100,
                 fps_x100 % 100);
    else
        snprintf(line->name, sizeof(line->name), "%dx%d@%d-earthshine", line->width, line->height, fps_x100 / 100);
}

bool mode_timing_reduced(int width, int height, int fps_x100, struct mode_line *ret_line)
{
    if (width < 64 || height < 64 || width > 16384 || height > 16384 || fps_x100 < 1000 || fps_x100 > 50000)
        return false;
    struct mode_line line = {
        .width = width, .height = height, .flags = MODE_LINE_HSYNC_POSITIVE | MODE_LINE_VSYNC_NEGATIVE};
    int sync = sync_lines(width, height);
    /* The time left for one line, in ps, when the vertical blank takes its minimum. */
    int64_t frame_ps = INT64_C(100000000000000) / fps_x100;
    int64_t line_ps = (frame_ps - V_BLANK_MIN_US * INT64_C(1000000)) / height;
    int blank = (int)(V_BLANK_MIN_US * INT64_C(1000000) / line_ps) + 1;
    if (blank < V_FRONT + sync + V_BACK_MIN)
        blank = V_FRONT + sync + V_BACK_MIN;
    line.hsync_start = width + H_FRONT;
    line.hsync_end = line.hsync_start + H_SYNC;
    line.htotal = width + H_BLANK;
    line.vsync_start = height + V_FRONT;
    line.vsync_end = line.vsync_start + sync;
    line.vtotal = height + blank;
    int64_t clock_hz = ((int64_t)line.htotal * line.vtotal * fps_x100 + 99) / 100;
    clock_hz = (clock_hz + CLOCK_STEP_HZ - 1) / CLOCK_STEP_HZ * CLOCK_STEP_HZ;
    if (clock_hz > UINT32_MAX)
        return false;
    line.clock_hz = (uint32_t)clock_hz;
    name_it(&line, fps_x100);
    *ret_line = line;
    return true;
}
