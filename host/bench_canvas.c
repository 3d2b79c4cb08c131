/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_canvas.h"

#include "host/bench_scene.h"

#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

enum { DEPTH = 24 };

bool bench_canvas_sync(struct bench_canvas *self)
{
    xcb_get_input_focus_reply_t *reply =
        xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL);
    free(reply);
    return reply != NULL;
}

void bench_canvas_put(struct bench_canvas *self, struct rect r)
{
    xcb_shm_put_image(self->connection, self->window, self->gc, (uint16_t)self->width, (uint16_t)self->height,
                      (uint16_t)r.x, (uint16_t)r.y, (uint16_t)r.width, (uint16_t)r.height, (int16_t)r.x, (int16_t)r.y,
                      DEPTH, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
}

static bool attach_pixels(struct bench_canvas *self)
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
        fine = bench_canvas_sync(self);
    }
    shmctl(id, IPC_RMID, NULL);
    return fine;
}

const char *bench_canvas_open(struct bench_canvas *self, xcb_connection_t *connection)
{
    *self = (struct bench_canvas){.connection = connection};
    if (xcb_connection_has_error(connection))
        return "the display cannot be opened";
    const xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(connection)).data;
    self->width = screen->width_in_pixels;
    self->height = screen->height_in_pixels;
    if (screen->root_depth != DEPTH)
        return "the display has no 24-bit pixels";
    if (self->width < BENCH_SCENE_MIN_WIDTH || self->height < BENCH_SCENE_MIN_HEIGHT)
        return "the display is too small";
    if (!attach_pixels(self))
        return xcb_connection_has_error(connection) ? "its X server has ended" : "the display has no shared memory";
    const uint32_t values[] = {screen->black_pixel, 1};
    self->window = xcb_generate_id(connection);
    xcb_create_window(connection, XCB_COPY_FROM_PARENT, self->window, screen->root, 0, 0, (uint16_t)self->width,
                      (uint16_t)self->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, screen->root_visual,
                      XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_map_window(connection, self->window);
    self->gc = xcb_generate_id(connection);
    xcb_create_gc(connection, self->gc, self->window, 0, NULL);
    return NULL;
}

void bench_canvas_close(struct bench_canvas *self)
{
    if (self->pixels)
        shmdt(self->pixels);
    if (self->connection)
        xcb_disconnect(self->connection);
    *self = (struct bench_canvas){0};
}
