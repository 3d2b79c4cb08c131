/* SPDX-License-Identifier: Apache-2.0 */
/* xorg_rig: a private Xorg with the dummy driver, whose modes can be switched; as root only. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <xcb/xcb.h>

struct xorg_rig {
    pid_t pid;
    char name[16];   /* ":7" */
    char folder[64]; /* of its configuration and log */
    xcb_connection_t *connection;
    xcb_window_t root;
};

bool xorg_rig_is_possible(void);
/* Its screen is 1920x1080 at first and can be up to `max_width` x `max_height`. It dies with the test. */
void xorg_rig_start(struct xorg_rig *self, int max_width, int max_height);
void xorg_rig_stop(struct xorg_rig *self);
/* The standard output of `xrandr words...` on it; the caller's to free. */
char *xorg_rig_xrandr(const struct xorg_rig *self, const char *words);
void xorg_rig_move_by(struct xorg_rig *self, int x, int y); /* as a device does, by XTEST */
void xorg_rig_pointer(struct xorg_rig *self, int *ret_x, int *ret_y);
