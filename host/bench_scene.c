/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The painter shares the machine with the host that is measured, so it writes whole rows, and each pixel once: rows
 * that repeat are copied. The pixels are those of the first version of tests/bench/scene.c: figures stay comparable.
 */
#include "host/bench_scene.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_CELLS = 24, CELL_PX = 16, CODE_UNIT_NS = 250000, GLYPH_WIDTH = 9, GLYPH_HEIGHT = 16, SCROLL_PX = 3 };
enum { WINDOW_WIDTH = 1200, WINDOW_HEIGHT = 900, TITLE_HEIGHT = 28 }; /* of `windows`, on a large screen */
enum { VIDEO_PERIOD = 512 }; /* its rows repeat: both colours depend on 2 * column modulo 256 and 1024 */

static const uint32_t desktop_ink = 0x202020, desktop_paper = 0xf8f8f8;
static const uint32_t terminal_ink = 0x90e090, terminal_paper = 0x101418;

static const char *const names[BENCH_SCENE_COUNT] = {"still", "static",     "type",   "scroll",
                                                     "video", "composited", "windows"};

const char *bench_scene_name(enum bench_scene_kind kind)
{
    return names[kind];
}

bool bench_scene_find(const char *name, enum bench_scene_kind *ret_kind)
{
    for (int kind = 0; kind < BENCH_SCENE_COUNT; kind++)
        if (!strcmp(name, names[kind])) {
            *ret_kind = (enum bench_scene_kind)kind;
            return true;
        }
    return false;
}

/* --- pieces --- */

static uint32_t *row_at(const struct bench_scene *self, int x, int y)
{
    return self->config.pixels + (size_t)y * (size_t)self->config.width + (size_t)x;
}

static struct rect screen(const struct bench_scene *self)
{
    return (struct rect){0, 0, self->config.width, self->config.height};
}

static void fill_row(uint32_t *row, int count, uint32_t colour)
{
    for (int i = 0; i < count; i++)
        row[i] = colour;
}

/* Copies the first row of `r` to its other rows. */
static void repeat_row(struct bench_scene *self, struct rect r)
{
    const uint32_t *first = row_at(self, r.x, r.y);
    for (int j = 1; j < r.height; j++)
        memcpy(row_at(self, r.x, r.y + j), first, (size_t)r.width * sizeof(*first));
}

static void fill(struct bench_scene *self, struct rect r, uint32_t colour)
{
    r = rect_intersect(r, screen(self));
    if (rect_is_empty(r))
        return;
    fill_row(row_at(self, r.x, r.y), r.width, colour);
    repeat_row(self, r);
}

static uint32_t next_random(struct bench_scene *self)
{
    return self->seed = self->seed * 1664525U + 1013904223U;
}

/* Dots about as dense as text. */
static void paint_glyph(struct bench_scene *self, int x, int y, uint32_t ink, uint32_t paper)
{
    uint32_t dots = next_random(self);
    for (int j = 0; j < GLYPH_HEIGHT - 2; j++) {
        uint32_t cells[GLYPH_WIDTH - 1];
        for (int i = 0; i < GLYPH_WIDTH - 1; i++) {
            dots = dots * 1103515245U + 12345U;
            bool inked = i > 0 && i < 7 && j > 2 && j < 12 && (dots >> 16 & 3) == 0;
            cells[i] = inked ? ink : paper;
        }
        struct rect line = rect_intersect((struct rect){x, y + j, GLYPH_WIDTH - 1, 1}, screen(self));
        if (!rect_is_empty(line))
            memcpy(row_at(self, line.x, line.y), cells, (size_t)line.width * sizeof(cells[0]));
    }
}

static void paint_text(struct bench_scene *self, struct rect r, uint32_t ink, uint32_t paper)
{
    for (int y = r.y; y + GLYPH_HEIGHT <= r.y + r.height; y += GLYPH_HEIGHT)
        for (int x = r.x; x + GLYPH_WIDTH <= r.x + r.width; x += GLYPH_WIDTH)
            paint_glyph(self, x, y, ink, paper);
}

static void paint_wallpaper(struct bench_scene *self)
{
    int width = self->config.width, height = self->config.height;
    for (int j = 0; j < height; j++) {
        uint32_t *row = row_at(self, 0, j), green = (uint32_t)(60 + j * 50 / height) << 8 | 110;
        if (j == 0)
            for (int i = 0; i < width; i++)
                row[i] = (uint32_t)(30 + i * 40 / width) << 16 | green;
        else
            for (int i = 0; i < width; i++)
                row[i] = (row[i - width] & 0xff0000) | green;
    }
}

static void paint_desktop(struct bench_scene *self)
{
    paint_wallpaper(self);
    fill(self, (struct rect){0, self->config.height - 40, self->config.width, 40}, 0x202428);
    fill(self, (struct rect){60, 60, 1100, 900}, desktop_paper);
    paint_text(self, (struct rect){70, 80, 120 * GLYPH_WIDTH, 55 * GLYPH_HEIGHT}, desktop_ink, desktop_paper);
}

/* --- the first five scenes --- */

static void step_type(struct bench_scene *self, struct region *ret_changed)
{
    int x = 70 + (int)(self->steps % 110) * GLYPH_WIDTH, y = 80 + (int)(self->steps / 110 % 50) * GLYPH_HEIGHT;
    paint_glyph(self, x, y, desktop_ink, desktop_paper);
    region_add(ret_changed, (struct rect){x, y, GLYPH_WIDTH, GLYPH_HEIGHT});
}

static void step_scroll(struct bench_scene *self, struct region *ret_changed)
{
    int x = self->config.width > 1300 ? 1200 : 60, y = 100;
    int width = self->config.width - x - 60 < 1000 ? self->config.width - x - 60 : 1000;
    int height = self->config.height - 160 < 800 ? self->config.height - 160 : 800;
    for (int j = y; j < y + height - SCROLL_PX; j++)
        memcpy(row_at(self, x, j), row_at(self, x, j + SCROLL_PX), (size_t)width * sizeof(uint32_t));
    fill(self, (struct rect){x, y + height - SCROLL_PX, width, SCROLL_PX}, terminal_paper);
    if (self->steps % 6 == 0)
        paint_text(self, (struct rect){x, y + height - GLYPH_HEIGHT - 1, width, GLYPH_HEIGHT}, terminal_ink,
                   terminal_paper);
    region_add(ret_changed, (struct rect){x, y, width, height});
}

static void paint_video_row(uint32_t *row, int width, int a, int b)
{
    int period = width < VIDEO_PERIOD ? width : VIDEO_PERIOD;
    for (int i = 0; i < period; i++, b += 2) {
        int v = (a ^ b) & 255, u = (a + b) >> 2 & 255;
        row[i] = (uint32_t)v << 16 | (uint32_t)u << 8 | (uint32_t)((v + u) >> 1);
    }
    for (int done = period; done < width; done += period)
        memcpy(row + done, row, (size_t)(width - done < period ? width - done : period) * sizeof(*row));
}

static void step_video(struct bench_scene *self)
{
    int n = (int)(self->steps & 0xffff);
    for (int j = CELL_PX; j < self->config.height; j++)
        paint_video_row(row_at(self, 0, j), self->config.width, j * 3 + n * 5, n * 7);
}

/* --- windows: sudden large changes --- */

static void paint_gradient(struct bench_scene *self, struct rect r)
{
    for (int j = 0; j < r.height; j++) {
        uint32_t *row = row_at(self, r.x, r.y + j), rest = (uint32_t)(220 - j * 160 / r.height) << 8 | 90;
        for (int i = 0; i < r.width; i++)
            row[i] = (uint32_t)(40 + i * 180 / r.width) << 16 | rest;
    }
}

/* Shades as coarse as a photograph's, with grain: nothing can be predicted. */
static void paint_noise(struct bench_scene *self, struct rect r)
{
    for (int j = 0; j < r.height; j++) {
        uint32_t *row = row_at(self, r.x, r.y + j);
        for (int i = 0; i < r.width; i++) {
            uint32_t shade = (uint32_t)((i ^ j) & 0xc0), grain = next_random(self) >> 8 & 0x3f3f3f;
            row[i] = (shade << 16 | shade << 8 | shade) + grain;
        }
    }
}

static void paint_content(struct bench_scene *self, struct rect r, int which)
{
    if (which % 3 == 1) {
        paint_gradient(self, r);
    } else if (which % 3 == 2) {
        paint_noise(self, r);
    } else {
        fill(self, r, terminal_paper);
        paint_text(self, r, terminal_ink, terminal_paper);
    }
}

/* Between the window's place on the screen and the buffer of what it covers. */
static void copy_below(struct bench_scene *self, bool save)
{
    struct rect r = self->window;
    for (int j = 0; j < r.height; j++) {
        uint32_t *row = row_at(self, r.x, r.y + j), *kept = self->below + (size_t)j * (size_t)r.width;
        memcpy(save ? kept : row, save ? row : kept, (size_t)r.width * sizeof(*row));
    }
}

/* Somewhere below the time code. */
static struct rect place_window(struct bench_scene *self)
{
    int room_x = self->config.width, room_y = self->config.height - CELL_PX;
    struct rect r = {.width = WINDOW_WIDTH < room_x * 3 / 4 ? WINDOW_WIDTH : room_x * 3 / 4,
                     .height = WINDOW_HEIGHT < room_y * 3 / 4 ? WINDOW_HEIGHT : room_y * 3 / 4};
    r.x = (int)(next_random(self) >> 8) % (room_x - r.width);
    r.y = CELL_PX + (int)(next_random(self) >> 8) % (room_y - r.height);
    return r;
}

static void open_window(struct bench_scene *self)
{
    struct rect r = place_window(self);
    self->window = r;
    copy_below(self, true);
    fill(self, (struct rect){r.x, r.y, r.width, TITLE_HEIGHT}, 0x3060a0);
    paint_content(self, (struct rect){r.x, r.y + TITLE_HEIGHT, r.width, r.height - TITLE_HEIGHT}, self->shown++);
}

static void step_windows(struct bench_scene *self, struct region *ret_changed)
{
    int64_t half_second = self->config.fps > 1 ? self->config.fps / 2 : 1;
    if (self->steps == 0 || self->steps % half_second != 0)
        return;
    if (self->steps / half_second % 4 == 0) {
        self->window = (struct rect){0};
        paint_content(self, screen(self), self->shown++);
        region_add(ret_changed, screen(self));
    } else if (rect_is_empty(self->window)) {
        open_window(self);
        region_add(ret_changed, self->window);
    } else {
        copy_below(self, false);
        region_add(ret_changed, self->window);
        self->window = (struct rect){0};
    }
}

/* --- the whole --- */

static struct rect code_place(void)
{
    return (struct rect){0, 0, CODE_CELLS * CELL_PX, CELL_PX};
}

/* What changes in this step without the time code. False: nothing is painted. */
static bool step(struct bench_scene *self, struct region *ret_changed)
{
    switch (self->config.kind) {
    case BENCH_SCENE_STATIC:
        return self->steps % self->config.fps == 0;
    case BENCH_SCENE_TYPE:
        step_type(self, ret_changed);
        return true;
    case BENCH_SCENE_SCROLL:
        step_scroll(self, ret_changed);
        return true;
    case BENCH_SCENE_VIDEO:
        step_video(self);
        region_add(ret_changed, screen(self));
        return true;
    case BENCH_SCENE_COMPOSITED:
        step_type(self, ret_changed);
        region_add(ret_changed, screen(self));
        return true;
    case BENCH_SCENE_WINDOWS:
        step_windows(self, ret_changed);
        return true;
    default:
        return false;
    }
}

void bench_scene_step(struct bench_scene *self, struct region *ret_changed)
{
    struct region changed = {0};
    region_clear(ret_changed);
    if (step(self, &changed)) {
        region_add(ret_changed, code_place());
        region_add_region(ret_changed, &changed);
        region_clip(ret_changed, screen(self));
    }
    self->steps++;
}

void bench_scene_stamp(struct bench_scene *self, int64_t now_ns)
{
    if (self->config.kind == BENCH_SCENE_STILL)
        return;
    self->code = (uint16_t)(now_ns / CODE_UNIT_NS);
    unsigned t = self->code, check = ((t >> 12) ^ (t >> 8) ^ (t >> 4) ^ t) & 15;
    uint32_t bits = 0xAU << 20 | t << 4 | check;
    for (int i = 0; i < CODE_CELLS; i++)
        fill_row(row_at(self, i * CELL_PX, 0), CELL_PX, bits >> (CODE_CELLS - 1 - i) & 1 ? 0xffffff : 0);
    repeat_row(self, code_place());
}

bool bench_scene_init(struct bench_scene *self, const struct bench_scene_config *config)
{
    assert(config->width >= BENCH_SCENE_MIN_WIDTH && config->height >= BENCH_SCENE_MIN_HEIGHT && config->fps > 0);
    *self = (struct bench_scene){.config = *config, .seed = 12345};
    if (config->kind == BENCH_SCENE_WINDOWS) {
        self->below = calloc((size_t)WINDOW_WIDTH * WINDOW_HEIGHT, sizeof(*self->below));
        if (!self->below)
            return false;
    }
    paint_desktop(self);
    return true;
}

void bench_scene_finish(struct bench_scene *self)
{
    free(self->below);
    self->below = NULL;
}
