/* SPDX-License-Identifier: Apache-2.0 */
/* xvfb_rig: a private X server for a test, a connection to it that paints, and screenshots to compare with. */
#pragma once

#include "capture/image.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <xcb/xcb.h>

struct xvfb_rig {
    pid_t pid;
    int number, width, height;
    char name[16]; /* ":7" */
    xcb_connection_t *connection;
    xcb_window_t root;
    xcb_gcontext_t gc;
};

/* `number` -1: a free one. It dies with the test. */
void xvfb_rig_start(struct xvfb_rig *self, int number, int width, int height);
void xvfb_rig_stop(struct xvfb_rig *self); /* by SIGKILL; the number stays known */
void xvfb_rig_signal(const struct xvfb_rig *self, int number);

void xvfb_rig_fill(struct xvfb_rig *self, struct rect r, uint32_t colour);
void xvfb_rig_sync(struct xvfb_rig *self); /* all painting before it has happened */
/* A red square of 16x16 with its hot spot at (4, 4). */
void xvfb_rig_set_cursor(struct xvfb_rig *self, uint16_t red, uint16_t green, uint16_t blue);
void xvfb_rig_warp(struct xvfb_rig *self, int x, int y);
void xvfb_rig_move(struct xvfb_rig *self, int x, int y); /* as a device does, by XTEST */
/* The root window with the pointer drawn in; its pixels are the caller's to free. */
struct image xvfb_rig_screenshot(struct xvfb_rig *self);
