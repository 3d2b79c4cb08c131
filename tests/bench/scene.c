/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene: paints a repeatable moving picture on an X display, with a time code in the top left corner, so that who
 * decodes the stream can tell how old a picture is.
 *
 * usage: scene [--display :N] [--fps N] [--seconds N] [--log FILE] static|type|scroll|video|composited
 *   static      nothing moves but the time code, once a second
 *   type        a desktop; one glyph changes a frame
 *   scroll      a desktop; a 1000x800 window of text lines scrolls by 3 px a frame
 *   video       every pixel changes in every frame
 *   composited  one glyph changes a frame, but the whole screen is put (and reported as damage), as a compositor does
 *
 * Time code: 24 cells of 16x16 px in one row at (0,0), black 0, white 1, most significant first. Cells 0-3 are 1010,
 * 4-19 the low 16 bits of the monotonic clock in units of 0.25 ms (wraps every 16.4 s), 20-23 the XOR of the four
 * nibbles of these.
 *
 * --log writes a line for each painted picture: number, time code, monotonic ns. The last line on stdout is JSON.
 */
#include "base/clock.h"
#include "base/text.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

enum { CODE_CELLS = 24, CELL_PX = 16, GLYPH_WIDTH = 9, GLYPH_HEIGHT = 16, SCROLL_PX = 3 };

enum kind { KIND_STATIC, KIND_TYPE, KIND_SCROLL, KIND_VIDEO, KIND_COMPOSITED, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"static", "type", "scroll", "video", "composited"};

struct options {
    const char *display;
    int fps, seconds;
    FILE *log;
    enum kind kind;
};

struct scene {
    struct options options;
    xcb_connection_t *connection;
    xcb_window_t window;
    xcb_gcontext_t gc;
    xcb_shm_seg_t segment;
    uint8_t depth;
    uint32_t *pixels;
    int width, height;
    uint32_t seed;
    int64_t frames, late;
    int64_t stamped_ns;
    uint16_t code; /* the last one painted */
};

static void fill(struct scene *self, int x, int y, int width, int height, uint32_t colour)
{
    for (int j = y; j < y + height && j < self->height; j++)
        for (int i = x; i < x + width && i < self->width; i++)
            self->pixels[(size_t)j * (size_t)self->width + (size_t)i] = colour;
}

static uint32_t next_random(struct scene *self)
{
    return self->seed = self->seed * 1664525U + 1013904223U;
}

static void paint_code(struct scene *self)
{
    self->stamped_ns = clock_now_ns();
    self->code = (uint16_t)(self->stamped_ns / 250000);
    unsigned t = self->code, check = ((t >> 12) ^ (t >> 8) ^ (t >> 4) ^ t) & 15;
    uint32_t bits = 0xAU << 20 | t << 4 | check;
    for (int i = 0; i < CODE_CELLS; i++)
        fill(self, i * CELL_PX, 0, CELL_PX, CELL_PX, bits >> (CODE_CELLS - 1 - i) & 1 ? 0xffffff : 0);
}

/* Dots about as dense as text. */
static void paint_glyph(struct scene *self, int x, int y, uint32_t ink, uint32_t paper)
{
    uint32_t dots = next_random(self);
    for (int j = 0; j < GLYPH_HEIGHT - 2; j++)
        for (int i = 0; i < GLYPH_WIDTH - 1; i++) {
            dots = dots * 1103515245U + 12345U;
            bool inked = i > 0 && i < 7 && j > 2 && j < 12 && (dots >> 16 & 3) == 0;
            fill(self, x + i, y + j, 1, 1, inked ? ink : paper);
        }
}

static void paint_desktop(struct scene *self)
{
    for (int j = 0; j < self->height; j++)
        for (int i = 0; i < self->width; i++)
            fill(self, i, j, 1, 1,
                 (uint32_t)(30 + i * 40 / self->width) << 16 | (uint32_t)(60 + j * 50 / self->height) << 8 | 110);
    fill(self, 0, self->height - 40, self->width, 40, 0x202428);
    fill(self, 60, 60, 1100, 900, 0xf8f8f8);
    for (int row = 0; row < 55; row++)
        for (int column = 0; column < 120; column++)
            paint_glyph(self, 70 + column * GLYPH_WIDTH, 80 + row * GLYPH_HEIGHT, 0x202020, 0xf8f8f8);
}

static void put(struct scene *self, int x, int y, int width, int height)
{
    int right = x + width < self->width ? x + width : self->width;
    int bottom = y + height < self->height ? y + height : self->height;
    if (right <= x || bottom <= y)
        return;
    xcb_shm_put_image(self->connection, self->window, self->gc, (uint16_t)self->width, (uint16_t)self->height,
                      (uint16_t)x, (uint16_t)y, (uint16_t)(right - x), (uint16_t)(bottom - y), (int16_t)x, (int16_t)y,
                      self->depth, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
}

static void put_code(struct scene *self)
{
    paint_code(self);
    put(self, 0, 0, CODE_CELLS * CELL_PX, CELL_PX);
}

static void step_type(struct scene *self, bool whole_screen)
{
    int x = 70 + (int)(self->frames % 110) * GLYPH_WIDTH, y = 80 + (int)(self->frames / 110 % 50) * GLYPH_HEIGHT;
    paint_glyph(self, x, y, 0x202020, 0xf8f8f8);
    if (whole_screen) {
        paint_code(self);
        put(self, 0, 0, self->width, self->height);
        return;
    }
    put_code(self);
    put(self, x, y, GLYPH_WIDTH, GLYPH_HEIGHT);
}

static void step_scroll(struct scene *self)
{
    int x = self->width > 1300 ? 1200 : 60, y = 100;
    int width = self->width - x - 60 < 1000 ? self->width - x - 60 : 1000;
    int height = self->height - 160 < 800 ? self->height - 160 : 800;
    size_t stride = (size_t)self->width;
    for (int j = y; j < y + height - SCROLL_PX; j++)
        memcpy(self->pixels + (size_t)j * stride + x, self->pixels + (size_t)(j + SCROLL_PX) * stride + x,
               (size_t)width * sizeof(uint32_t));
    fill(self, x, y + height - SCROLL_PX, width, SCROLL_PX, 0x101418);
    if (self->frames % 6 == 0)
        for (int column = 0; column < width / GLYPH_WIDTH; column++)
            paint_glyph(self, x + column * GLYPH_WIDTH, y + height - GLYPH_HEIGHT - 1, 0x90e090, 0x101418);
    put_code(self);
    put(self, x, y, width, height);
}

static void step_video(struct scene *self)
{
    int n = (int)(self->frames & 0xffff);
    for (int j = CELL_PX; j < self->height; j++) {
        uint32_t *row = self->pixels + (size_t)j * (size_t)self->width;
        int a = j * 3 + n * 5;
        for (int i = 0; i < self->width; i++) {
            int b = i * 2 + n * 7, v = (a ^ b) & 255, u = (a + b) >> 2 & 255;
            row[i] = (uint32_t)v << 16 | (uint32_t)u << 8 | (uint32_t)((v + u) >> 1);
        }
    }
    paint_code(self);
    put(self, 0, 0, self->width, self->height);
}

/* False: nothing was painted this time. */
static bool step(struct scene *self)
{
    switch (self->options.kind) {
    case KIND_STATIC:
        if (self->frames % self->options.fps != 0)
            return false;
        put_code(self);
        return true;
    case KIND_TYPE:
        step_type(self, false);
        return true;
    case KIND_COMPOSITED:
        step_type(self, true);
        return true;
    case KIND_SCROLL:
        step_scroll(self);
        return true;
    default:
        step_video(self);
        return true;
    }
}

/* Waits for the server, so that what was sent has been painted. False: it has gone. */
static bool sync_display(struct scene *self)
{
    xcb_get_input_focus_reply_t *reply =
        xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL);
    free(reply);
    return reply != NULL;
}

static bool attach_pixels(struct scene *self)
{
    int id = shmget(IPC_PRIVATE, (size_t)self->width * (size_t)self->height * sizeof(uint32_t), IPC_CREAT | 0600);
    if (id < 0)
        return false;
    void *memory = shmat(id, NULL, 0);
    bool fine = memory != (void *)-1;
    if (fine) {
        self->pixels = memory;
        self->segment = xcb_generate_id(self->connection);
        xcb_shm_attach(self->connection, self->segment, (uint32_t)id, 0);
        fine = sync_display(self);
    }
    shmctl(id, IPC_RMID, NULL);
    return fine;
}

static bool open_display(struct scene *self)
{
    self->connection = xcb_connect(self->options.display, NULL);
    if (xcb_connection_has_error(self->connection)) {
        fprintf(stderr, "scene: cannot open the display\n");
        return false;
    }
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    self->width = screen->width_in_pixels;
    self->height = screen->height_in_pixels;
    self->depth = screen->root_depth;
    if (self->depth != 24 || !attach_pixels(self)) {
        fprintf(stderr, "scene: the display has no 24-bit pixels or no shared memory\n");
        return false;
    }
    uint32_t values[] = {screen->black_pixel, 1};
    self->window = xcb_generate_id(self->connection);
    xcb_create_window(self->connection, XCB_COPY_FROM_PARENT, self->window, screen->root, 0, 0, (uint16_t)self->width,
                      (uint16_t)self->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, screen->root_visual,
                      XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_map_window(self->connection, self->window);
    self->gc = xcb_generate_id(self->connection);
    xcb_create_gc(self->connection, self->gc, self->window, 0, NULL);
    return true;
}

static void log_painted(struct scene *self, int64_t number)
{
    if (self->options.log)
        fprintf(self->options.log, "%lld %u %lld\n", (long long)number, self->code, (long long)self->stamped_ns);
}

static bool play(struct scene *self)
{
    int64_t period = CLOCK_SECOND_NS / self->options.fps, start = clock_now_ns(), next = start + period, painted = 0;
    int64_t end = start + self->options.seconds * CLOCK_SECOND_NS;
    while (next <= end && !xcb_connection_has_error(self->connection)) {
        clock_sleep_until_ns(next);
        if (step(self))
            log_painted(self, ++painted);
        xcb_flush(self->connection);
        self->frames++;
        next += period;
        if (clock_now_ns() > next + period) {
            self->late++;
            next = clock_now_ns();
        }
    }
    bool fine = sync_display(self);
    printf("{\"scene\": \"%s\", \"width\": %d, \"height\": %d, \"fps\": %d, \"painted\": %lld, \"late\": %lld, "
           "\"seconds\": %.3f}\n",
           kind_names[self->options.kind], self->width, self->height, self->options.fps, (long long)painted,
           (long long)self->late, (double)(clock_now_ns() - start) / 1e9);
    return fine;
}

static bool parse_number(const char *text, int64_t max, int *ret_number)
{
    int64_t value;
    if (!text_parse_i64(text, strlen(text), 1, max, &value))
        return false;
    *ret_number = (int)value;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option table[] = {{"display", required_argument, NULL, 'd'},
                                          {"fps", required_argument, NULL, 'f'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"log", required_argument, NULL, 'l'},
                                          {0}};
    bool fine = true;
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (option == 'd')
            ret_options->display = optarg;
        else if (option == 'f')
            fine = fine && parse_number(optarg, 1000, &ret_options->fps);
        else if (option == 's')
            fine = fine && parse_number(optarg, 86400, &ret_options->seconds);
        else if (option == 'l')
            fine = (ret_options->log = fopen(optarg, "w")) != NULL && fine;
        else
            fine = false;
    }
    if (!fine || optind != argc - 1)
        return false;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (!strcmp(argv[optind], kind_names[kind])) {
            ret_options->kind = (enum kind)kind;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct scene self = {.options = {.fps = 60, .seconds = 10}, .seed = 12345};
    if (!parse_options(argc, argv, &self.options)) {
        fprintf(stderr, "usage: scene [--display :N] [--fps N] [--seconds N] [--log FILE] "
                        "static|type|scroll|video|composited\n");
        return 2;
    }
    bool fine = open_display(&self);
    if (fine) {
        paint_desktop(&self);
        paint_code(&self);
        put(&self, 0, 0, self.width, self.height);
        log_painted(&self, 0);
        fine = play(&self);
    }
    xcb_disconnect(self.connection);
    if (self.options.log && fclose(self.options.log) != 0)
        fine = false;
    return fine ? 0 : 1;
}
