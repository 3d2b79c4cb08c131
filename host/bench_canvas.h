/* SPDX-License-Identifier: Apache-2.0 */
/* bench_canvas: a window over the whole of an X screen, whose pixels we paint in shared memory. One thread. */
#pragma once

#include "base/region.h"

#include <stdbool.h>
#include <stdint.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

struct bench_canvas {
    xcb_connection_t *connection; /* taken by bench_canvas_open() */
    xcb_window_t window;
    xcb_gcontext_t gc;
    xcb_shm_seg_t segment;
    uint32_t *pixels; /* width x height, B G R x */
    int width, height;
};

/* NULL, or why not; bench_canvas_close() it in any case. */
const char *bench_canvas_open(struct bench_canvas *self, xcb_connection_t *connection);
void bench_canvas_close(struct bench_canvas *self);
/* Shows these pixels; flush the connection. The server reads them later: see sync. */
void bench_canvas_put(struct bench_canvas *self, struct rect r);
/* Waits until the server has done all it was told. False: it has gone. */
bool bench_canvas_sync(struct bench_canvas *self);
