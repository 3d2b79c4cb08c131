/* SPDX-License-Identifier: Apache-2.0 */
/* bench_painter: a thread that plays a scene on an X display, and remembers when it painted what. */
#pragma once

#include "host/bench_scene.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_painter;

struct bench_painter_config {
    const char *display, *xauthority; /* borrowed for the call */
    enum bench_scene_kind kind;
    int fps;
    int seconds_max; /* how long its memory of paintings lasts */
};

/* The first picture is on the display when it returns. NULL: said on stderr. */
struct bench_painter *bench_painter_create(const struct bench_painter_config *config);
void bench_painter_stop(struct bench_painter *self);    /* ends the thread; twice is fine */
void bench_painter_destroy(struct bench_painter *self); /* stops; NULL is fine */

int64_t bench_painter_cpu_ns(const struct bench_painter *self);      /* while it runs: what its thread has used */
size_t bench_painter_memory_bytes(const struct bench_painter *self); /* its part of our shared memory */
/* After stop: the time code of each picture, the first one included, in order; monotonic ns. It is sent to the X server
 * right after: who asks the server for its screen later than that sees this picture. The painter's. */
const int64_t *bench_painter_stamps(const struct bench_painter *self, size_t *ret_count);
