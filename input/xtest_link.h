/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtest_link: the connection of an XTest injector. xcb waits for ever when it writes to a server that has stopped and
 * its socket is full; so a question goes along with what is written, and only so much is written until it is answered.
 * A false from any function: the connection is of no more use. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xcb/xcb.h>

struct xtest_link {
    xcb_connection_t *connection; /* NULL: none */
    xcb_window_t root;
    uint8_t keyboard_event;       /* the number of XKEYBOARD's event */
    bool mapping_changed;         /* the server said so; cleared by who reads the mapping anew */
    unsigned own_first, own_last; /* sequence numbers of our last changes of it */

    unsigned question; /* sequence number of what tests whether the server answers */
    bool is_asked, is_dead;
    int64_t asked_ns;
    int room;           /* bytes that the socket may hold unread; beyond, the answer is waited for */
    unsigned unflushed; /* events */
    unsigned refused;   /* errors the server answered with */
};

/* Takes the fresh connection. False: the server lacks XTEST or XKEYBOARD (logged), or does not answer. */
bool xtest_link_open(struct xtest_link *self, xcb_connection_t *connection);
void xtest_link_close(struct xtest_link *self); /* does not wait */

/* Sends what was written. Waits for the server only if it has left too much unread, half a second at most. */
bool xtest_link_flush(struct xtest_link *self);
bool xtest_link_take_events(struct xtest_link *self); /* what has come; does not wait */
/* When take_events has to be called the latest; INT64_MAX: no matter when. */
int64_t xtest_link_deadline_ns(const struct xtest_link *self);

/* Flushes and waits half a second at most. `*ret_reply` is freed by the caller; NULL: the server refused. */
bool xtest_link_wait(struct xtest_link *self, unsigned sequence, void **ret_reply);
bool xtest_link_round_trip(struct xtest_link *self);

/* xcb takes the server's word for how long a list in a reply is. Whether the reply has room for it. */
bool xtest_link_reply_holds(const void *reply, const void *list, uint64_t size_bytes);

/* XCB_KEY_PRESS, XCB_BUTTON_PRESS ... and their releases; XCB_MOTION_NOTIFY: detail 1 is relative. */
void xtest_link_fake(struct xtest_link *self, uint8_t type, uint8_t detail, int x, int y);
