/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_painter.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/x11_connect.h"
#include "host/bench_cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

enum { SENTENCE_MAX = 160 };

struct bench_painter {
    struct thread thread; /* "paint" */
    atomic_bool stopping;

    struct bench_scene scene; /* paint thread once it runs; down to `count` */
    xcb_connection_t *connection;
    xcb_window_t window;
    xcb_gcontext_t gc;
    xcb_shm_seg_t segment;
    uint32_t *pixels;
    int width, height;
    int64_t *stamps_ns;
    size_t capacity, count;
};

static void put(struct bench_painter *self, struct rect r)
{
    xcb_shm_put_image(self->connection, self->window, self->gc, (uint16_t)self->width, (uint16_t)self->height,
                      (uint16_t)r.x, (uint16_t)r.y, (uint16_t)r.width, (uint16_t)r.height, (int16_t)r.x, (int16_t)r.y,
                      24, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
}

static void put_stamped(struct bench_painter *self, const struct region *changed)
{
    int64_t now_ns = clock_now_ns();
    bench_scene_stamp(&self->scene, now_ns);
    for (int i = 0; i < changed->count; i++)
        put(self, changed->rects[i]);
    if (self->count < self->capacity)
        self->stamps_ns[self->count++] = now_ns;
    xcb_flush(self->connection);
}

/* Waits until the server has done all it was told: it reads the pixels only then. False: it has gone. */
static bool sync_display(struct bench_painter *self)
{
    xcb_get_input_focus_reply_t *reply =
        xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL);
    free(reply);
    return reply != NULL;
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
            if (!sync_display(self))
                break;
        }
        next_ns += period_ns;
        if (clock_now_ns() > next_ns + period_ns)
            next_ns = clock_now_ns(); /* too late for one picture: it is left out */
    }
}

/* --- the start --- */

static bool connect_display(struct bench_painter *self, const struct bench_painter_config *config, char *ret_sentence)
{
    struct x11_connect *connect = x11_connect_begin(config->display, config->xauthority, ret_sentence, SENTENCE_MAX);
    if (connect)
        self->connection = x11_connect_open(connect, ret_sentence, SENTENCE_MAX);
    x11_connect_destroy(connect);
    return self->connection != NULL;
}

static bool attach_pixels(struct bench_painter *self)
{
    int id = shmget(IPC_PRIVATE, bench_painter_memory_bytes(self), IPC_CREAT | 0600);
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

static bool open_window(struct bench_painter *self, char *ret_sentence)
{
    const xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    self->width = screen->width_in_pixels;
    self->height = screen->height_in_pixels;
    if (screen->root_depth != 24 || !attach_pixels(self)) {
        snprintf(ret_sentence, SENTENCE_MAX, "the X server has no 24-bit pixels or no shared memory");
        return false;
    }
    const uint32_t values[] = {screen->black_pixel, 1};
    self->window = xcb_generate_id(self->connection);
    xcb_create_window(self->connection, XCB_COPY_FROM_PARENT, self->window, screen->root, 0, 0, (uint16_t)self->width,
                      (uint16_t)self->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, screen->root_visual,
                      XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_map_window(self->connection, self->window);
    self->gc = xcb_generate_id(self->connection);
    xcb_create_gc(self->connection, self->gc, self->window, 0, NULL);
    return true;
}

static bool paint_first(struct bench_painter *self, const struct bench_painter_config *config, char *ret_sentence)
{
    const struct bench_scene_config scene = {config->kind, self->pixels, self->width, self->height, config->fps};
    const struct region all = {.rects = {{0, 0, self->width, self->height}}, .count = 1};
    self->capacity = (size_t)config->seconds_max * (size_t)config->fps + 1;
    self->stamps_ns = calloc(self->capacity, sizeof(*self->stamps_ns));
    if (!self->stamps_ns || !bench_scene_init(&self->scene, &scene)) {
        snprintf(ret_sentence, SENTENCE_MAX, "out of memory");
        return false;
    }
    put_stamped(self, &all);
    snprintf(ret_sentence, SENTENCE_MAX, "the X server has gone");
    return sync_display(self);
}

struct bench_painter *bench_painter_create(const struct bench_painter_config *config)
{
    char sentence[SENTENCE_MAX] = "no thread can be started";
    struct bench_painter *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("bench");
    if (connect_display(self, config, sentence) && open_window(self, sentence) && paint_first(self, config, sentence) &&
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
    if (self->pixels)
        shmdt(self->pixels);
    if (self->connection)
        xcb_disconnect(self->connection);
    free(self->stamps_ns);
    free(self);
}

int64_t bench_painter_cpu_ns(const struct bench_painter *self)
{
    return bench_thread_cpu_ns(&self->thread);
}

size_t bench_painter_memory_bytes(const struct bench_painter *self)
{
    return (size_t)self->width * (size_t)self->height * sizeof(uint32_t);
}

const int64_t *bench_painter_stamps(const struct bench_painter *self, size_t *ret_count)
{
    *ret_count = self->count;
    return self->stamps_ns;
}
