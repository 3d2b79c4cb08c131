/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x11_windows: whether programs have windows open on a local X display, asked over a connection of its own. The
 * question blocks, so a worker asks it; another thread can end it when the server does not answer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum x11_windows_answer {
    X11_WINDOWS_NONE, /* nothing but the desktop's own: panels, background */
    X11_WINDOWS_OPEN,
    X11_WINDOWS_UNKNOWN, /* no server, no access, or cancelled */
};

struct x11_windows;

/* Connects to display ":number" with an MIT-MAGIC-COOKIE-1; does not wait. NULL: there is no such server, or no memory.
 */
struct x11_windows *x11_windows_create(int number, const uint8_t *cookie, size_t cookie_size);
/* Once, on any thread; may block until cancelled. */
enum x11_windows_answer x11_windows_ask(struct x11_windows *self);
void x11_windows_cancel(struct x11_windows *self);  /* any thread, while it exists; a running ask() returns */
void x11_windows_destroy(struct x11_windows *self); /* NULL is fine; not during ask() */
