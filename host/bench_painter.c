/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_painter.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/x11_connect.h"
#include "host/bench_canvas.h"
#include "host/bench_cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE_MAX = 160 };

struct bench_painter {
    struct thread thread; /* "paint" */
    atomic_bool stopping;

    struct bench_scene scene; /* paint thread once it runs; down to `count` */
    struct bench_canvas canvas;
    int64_t *stamps_ns;
    size_t capacity, count;
};

static void put_stamped(struct bench_painter *self, const struct region *changed)
{
    int64_t now_ns = clock_now_ns();
    bench_scene_stamp(&self->scene, now_ns);
    for (int i = 0; i < changed->count; i++)
        bench_canvas_put(&self->canvas, changed->rects[i]);
    if (self->count < self->capacity)
        self->stamps_ns[self->count++] = now_ns;
    xcb_flush(self->canvas.connection);
}

static void paint_main(void *arg)
{
    struct bench_painter *self = arg;
    int64_t period_ns = CLOCK_SECOND_NS / self->scene.config.fps, next_ns = clock_now_ns() + period_ns;
    while (!atomic_load(&self->stopping)) {
        struct region changed;
        clock_sleep_until_ns(next_ns);
        bench_scene_step(&self->scene, &changed);
        if (changed.count) {
            put_stamped(self, &changed);
            if (!bench_canvas_sync(&self->canvas))
                break;
        }
        next_ns += period_ns;
        if (clock_now_ns() > next_ns + period_ns)
            next_ns = clock_now_ns(); /* too late for one picture: it is left out */
    }
}

/* --- the start --- */

static bool open_canvas(struct bench_painter *self, const struct bench_painter_config *config, char *ret_sentence)
{
    xcb_connection_t *connection = NULL;
    struct x11_connect *connect = x11_connect_begin(config->display, config->xauthority, ret_sentence, SENTENCE_MAX);
    if (connect)
        connection = x11_connect_open(connect, ret_sentence, SENTENCE_MAX);
    x11_connect_destroy(connect);
    const char *fault = connection ? bench_canvas_open(&self->canvas, connection) : NULL;
    if (fault)
        snprintf(ret_sentence, SENTENCE_MAX, "%s", fault);
    return connection && !fault;
}

static bool paint_first(struct bench_painter *self, const struct bench_painter_config *config, char *ret_sentence)
{
    const struct bench_scene_config scene = {config->kind, self->canvas.pixels, self->canvas.width, self->canvas.height,
                                             config->fps};
    const struct region all = {.rects = {{0, 0, self->canvas.width, self->canvas.height}}, .count = 1};
    self->capacity = (size_t)config->seconds_max * (size_t)config->fps + 1;
    self->stamps_ns = calloc(self->capacity, sizeof(*self->stamps_ns));
    if (!self->stamps_ns || !bench_scene_init(&self->scene, &scene)) {
        snprintf(ret_sentence, SENTENCE_MAX, "out of memory");
        return false;
    }
    put_stamped(self, &all);
    snprintf(ret_sentence, SENTENCE_MAX, "the X server has gone");
    return bench_canvas_sync(&self->canvas);
}

struct bench_painter *bench_painter_create(const struct bench_painter_config *config)
{
    char sentence[SENTENCE_MAX] = "no thread can be started";
    struct bench_painter *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("bench");
    if (open_canvas(self, config, sentence) && paint_first(self, config, sentence) &&
        thread_start(&self->thread, "paint", paint_main, self))
        return self;
    fprintf(stderr, "earthshine: bench: cannot paint: %s\n", sentence);
    bench_painter_destroy(self);
    return NULL;
}

void bench_painter_stop(struct bench_painter *self)
{
    atomic_store(&self->stopping, true);
    thread_join(&self->thread);
}

void bench_painter_destroy(struct bench_painter *self)
{
    if (!self)
        return;
    bench_painter_stop(self);
    bench_scene_finish(&self->scene);
    bench_canvas_close(&self->canvas);
    free(self->stamps_ns);
    free(self);
}

int64_t bench_painter_cpu_ns(const struct bench_painter *self)
{
    return bench_thread_cpu_ns(&self->thread);
}

size_t bench_painter_memory_bytes(const struct bench_painter *self)
{
    return (size_t)self->canvas.width * (size_t)self->canvas.height * sizeof(uint32_t);
}

const int64_t *bench_painter_stamps(const struct bench_painter *self, size_t *ret_count)
{
    *ret_count = self->count;
    return self->stamps_ns;
}
