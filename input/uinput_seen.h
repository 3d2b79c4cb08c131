/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uinput_seen: whether the captured desktop sees our kernel devices. An X server that takes no devices (Xvfb, one with
 * a configuration that forbids hot-plug) or whose console is not in front does not list them as enabled: what is
 * written into them then ends up elsewhere, maybe in another user's session. So the server is asked, and listened to,
 * by XInput 2 on a thread of its own, if it is root's or our own user's. Where there is a screen but no X server, devices are the only way and are taken
 * to be seen.
 *
 * One file of two: uinput_seen_x11.c, or uinput_seen_none.c in a program without X11.
 */
#pragma once

#include <stdbool.h>

struct injector_screen; /* input/injector.h */
struct uinput_seen;

/* `names`: all of them must be there; kept until destroy. NULL: logged. */
struct uinput_seen *uinput_seen_create(const char *const *names, int count);
void uinput_seen_destroy(struct uinput_seen *self); /* NULL is fine */
/* Does not wait. False until the server of another screen has answered. */
void uinput_seen_set_screen(struct uinput_seen *self, const struct injector_screen *screen);
bool uinput_seen(const struct uinput_seen *self); /* any thread */
