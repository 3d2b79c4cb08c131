/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x11_connect: opening an X display, in two steps because a stopped server answers nothing: `begin` connects the socket
 * without waiting, `open` does the rest. It gives the server some seconds to greet, but if that stops later it may wait
 * for ever, until `cancel` is called from another thread. What fails says why in `ret_sentence`, for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x11_connect;
struct xcb_connection_t;

/* `xauthority`: file with the cookie, "": the usual place. NULL: refused. */
struct x11_connect *x11_connect_begin(const char *display, const char *xauthority, char *ret_sentence,
                                      size_t sentence_size);
/* Before open: that file is only read if it is this user's then; -1: whoever's it is. Its folder may be another
 * user's, who could lead us to a third one's cookies. */
void x11_connect_require_owner(struct x11_connect *self, int64_t uid);
struct xcb_connection_t *x11_connect_open(struct x11_connect *self, char *ret_sentence, size_t sentence_size);
/* After open: it failed because the server lets nobody in with this cookie, or without one. */
bool x11_connect_is_barred(const struct x11_connect *self);
void x11_connect_cancel(struct x11_connect *self);
void x11_connect_destroy(struct x11_connect *self); /* after open has returned; NULL is fine */

/* What it was begun with: the display as ":0", and the file as given. */
const char *x11_connect_display(const struct x11_connect *self);
const char *x11_connect_xauthority(const struct x11_connect *self);
int64_t x11_connect_owner(const struct x11_connect *self);
