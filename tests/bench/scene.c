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
#include "host/bench_canvas.h"
#include "host/bench_scene.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *display;
    int fps, seconds;
    FILE *log;
    enum bench_scene_kind kind;
};

struct scene {
    struct options options;
    struct bench_scene painter;
    struct bench_canvas canvas;
    int64_t late;
    int64_t stamped_ns;
};

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
        bench_canvas_put(&self->canvas, changed.rects[i]);
    return true;
}

static bool open_display(struct scene *self)
{
    const char *fault = bench_canvas_open(&self->canvas, xcb_connect(self->options.display, NULL));
    if (fault)
        fprintf(stderr, "scene: %s\n", fault);
    return !fault;
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
    while (next <= end && !xcb_connection_has_error(self->canvas.connection)) {
        clock_sleep_until_ns(next);
        if (step(self))
            log_painted(self, ++painted);
        xcb_flush(self->canvas.connection);
        next += period;
        if (clock_now_ns() > next + period) {
            self->late++;
            next = clock_now_ns();
        }
    }
    bool fine = bench_canvas_sync(&self->canvas);
    printf("{\"scene\": \"%s\", \"width\": %d, \"height\": %d, \"fps\": %d, \"painted\": %lld, \"late\": %lld, "
           "\"seconds\": %.3f}\n",
           bench_scene_name(self->options.kind), self->canvas.width, self->canvas.height, self->options.fps,
           (long long)painted, (long long)self->late, (double)(clock_now_ns() - start) / 1e9);
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
        self->options.kind, self->canvas.pixels, self->canvas.width, self->canvas.height, self->options.fps,
    };
    if (!bench_scene_init(&self->painter, &config)) {
        fprintf(stderr, "scene: no memory\n");
        return false;
    }
    stamp(self);
    bench_canvas_put(&self->canvas, (struct rect){0, 0, self->canvas.width, self->canvas.height});
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
    bench_canvas_close(&self.canvas);
    if (self.options.log && fclose(self.options.log) != 0)
        fine = false;
    return fine ? 0 : 1;
}
