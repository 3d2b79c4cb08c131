/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seat: what the clients do becomes what the desktop sees. It knows who may do what and who holds what: keyboard and
 * mouse are shared (a key is down while any client holds it), touch and pen are each client's own. Nothing sticks:
 * what a client holds is let go of when it leaves or loses the right.
 *
 * One seat for the whole host. Calls are for the control thread unless marked otherwise.
 */
#pragma once

#include "base/region.h"
#include "input/injector.h"

#include <stdbool.h>
#include <stdint.h>

struct input_event; /* protocol/input.h */
struct seat;
struct seat_client;

/* Rights of a client, bits. Text counts as keyboard; without any a client only looks. */
enum seat_right { SEAT_KEYBOARD = 1, SEAT_MOUSE = 2, SEAT_TOUCH_PEN = 4, SEAT_GAMEPAD = 8 };
enum { SEAT_RIGHTS = 4, SEAT_EVERYTHING = 15 };

/* `injector` is kept until destroy, not owned; NULL: input is off, events are counted only. NULL: logged. */
struct seat *seat_create(struct injector *injector);
void seat_destroy(struct seat *self); /* no client is left; NULL is fine */

struct seat_client_config {
    unsigned rights;
    int width, height; /* of the stream's picture */
};
/* Any thread. NULL: logged. */
struct seat_client *seat_join(struct seat *self, const struct seat_client_config *config);
void seat_leave(struct seat_client *client); /* lets go of all it holds; frees it; NULL is fine */

void seat_event(struct seat_client *client, const struct input_event *event);

/* Any thread. `area`: the captured part of the screen; empty, or a screen without size: not known, and what needs a
 * place is dropped. Another display: everything is let go of on the old one. */
void seat_set_geometry(struct seat *self, struct rect area, const struct injector_screen *screen);
/* Any thread. */
void seat_client_set_rights(struct seat_client *client, unsigned rights);
/* What the two above have set comes into force now, not with the next event: once in each round of the thread. */
void seat_settle(struct seat *self);

struct seat_counters {
    uint64_t done;                /* events that were passed on */
    uint64_t denied[SEAT_RIGHTS]; /* the right was missing: keyboard, mouse, touch and pen, gamepad */
    uint64_t unplaced;            /* the geometry was not known */
    uint64_t unsupported;         /* input is off, or the injector cannot do it */
    uint64_t ignored;             /* down of what is down, up of what is not, an unknown key */
    uint64_t flooded;             /* text, beyond 200 characters per second */
};
/* Any thread, while the client is there. */
void seat_client_get_counters(const struct seat_client *client, struct seat_counters *ret_counters);

/* What DESCRIBE offers ("x-ss-general.featureFlags") with an injector that can this (INJECTOR_CAN_...): bit 0 touch
 * and pen. Bit 1, controllers with touchpad and motion, is never set. */
uint32_t seat_feature_bits(unsigned can);
