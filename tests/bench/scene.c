/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene: paints a repeatable moving picture on an X display, with a time code in the top left corner
 * (host/bench_scene.h), so that who decodes the stream can tell how old a picture is.
 *
 * usage: scene [--display :N] [--fps N] [--seconds N] [--log FILE] still|static|type|scroll|video|composited|windows
 *
 * --log writes a line for each painted picture: number, time code, monotonic ns. The last line on stdout is JSON.
 */
#include "base/clock.h"
#include "base/text.h"
#include "host/bench_scene.h"

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

struct options {
    const char *display;
    int fps, seconds;
    FILE *log;
    enum bench_scene_kind kind;
};

struct scene {
    struct options options;
    struct bench_scene painter;
    xcb_connection_t *connection;
    xcb_window_t window;
    xcb_gcontext_t gc;
    xcb_shm_seg_t segment;
    uint8_t depth;
    uint32_t *pixels;
    int width, height;
    int64_t late;
    int64_t stamped_ns;
};

static void put(struct scene *self, struct rect r)
{
    xcb_shm_put_image(self->connection, self->window, self->gc, (uint16_t)self->width, (uint16_t)self->height,
                      (uint16_t)r.x, (uint16_t)r.y, (uint16_t)r.width, (uint16_t)r.height, (int16_t)r.x, (int16_t)r.y,
                      self->depth, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
}

static void stamp(struct scene *self)
{
    self->stamped_ns = clock_now_ns();
    bench_scene_stamp(&self->painter, self->stamped_ns);
}

/* False: nothing was painted this time. */
static bool step(struct scene *self)
{
    struct region changed;
    bench_scene_step(&self->painter, &changed);
    if (!changed.count)
        return false;
    stamp(self);
    for (int i = 0; i < changed.count; i++)
        put(self, changed.rects[i]);
    return true;
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

static bool screen_fits(const struct scene *self)
{
    if (self->depth == 24 && self->width >= BENCH_SCENE_MIN_WIDTH && self->height >= BENCH_SCENE_MIN_HEIGHT)
        return true;
    fprintf(stderr, "scene: the display has no 24-bit pixels, or is smaller than %dx%d\n", BENCH_SCENE_MIN_WIDTH,
            BENCH_SCENE_MIN_HEIGHT);
    return false;
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
    if (!screen_fits(self))
        return false;
    if (!attach_pixels(self)) {
        fprintf(stderr, "scene: the display has no shared memory\n");
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
        fprintf(self->options.log, "%lld %u %lld\n", (long long)number, self->painter.code,
                (long long)self->stamped_ns);
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
        next += period;
        if (clock_now_ns() > next + period) {
            self->late++;
            next = clock_now_ns();
        }
    }
    bool fine = sync_display(self);
    printf("{\"scene\": \"%s\", \"width\": %d, \"height\": %d, \"fps\": %d, \"painted\": %lld, \"late\": %lld, "
           "\"seconds\": %.3f}\n",
           bench_scene_name(self->options.kind), self->width, self->height, self->options.fps, (long long)painted,
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
    return fine && optind == argc - 1 && bench_scene_find(argv[optind], &ret_options->kind);
}

static bool paint_first(struct scene *self)
{
    const struct bench_scene_config config = {
        self->options.kind, self->pixels, self->width, self->height, self->options.fps,
    };
    if (!bench_scene_init(&self->painter, &config)) {
        fprintf(stderr, "scene: no memory\n");
        return false;
    }
    stamp(self);
    put(self, (struct rect){0, 0, self->width, self->height});
    log_painted(self, 0);
    return true;
}

int main(int argc, char **argv)
{
    struct scene self = {.options = {.fps = 60, .seconds = 10}};
    if (!parse_options(argc, argv, &self.options)) {
        fprintf(stderr, "usage: scene [--display :N] [--fps N] [--seconds N] [--log FILE] "
                        "still|static|type|scroll|video|composited|windows\n");
        return 2;
    }
    bool fine = open_display(&self) && paint_first(&self) && play(&self);
    bench_scene_finish(&self.painter);
    xcb_disconnect(self.connection);
    if (self.options.log && fclose(self.options.log) != 0)
        fine = false;
    return fine ? 0 : 1;
}
