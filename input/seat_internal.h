/* SPDX-License-Identifier: Apache-2.0 */
/* seat_internal: the inside of seat.h, between seat.c, seat_keys.c and seat_touch.c. Control thread. */
#pragma once

#include "base/thread.h"
#include "input/keymap.h"
#include "input/pointer_map.h"
#include "input/seat.h"
#include "protocol/input.h"

#include <stdatomic.h>

enum { SEAT_CODES = 768, SEAT_BUTTONS = 6, SEAT_NO_DEVICE = -1 };

enum seat_count {
    SEAT_DONE,
    SEAT_UNPLACED,
    SEAT_UNSUPPORTED,
    SEAT_IGNORED,
    SEAT_FLOODED,
    SEAT_DENIED, /* and the next SEAT_RIGHTS - 1 */
    SEAT_COUNTS = SEAT_DENIED + SEAT_RIGHTS
};

struct seat {
    struct injector *injector;
    struct seat_client *clients;
    struct rect area;
    struct injector_screen screen;
    uint16_t key_holders[SEAT_CODES], button_holders[SEAT_BUTTONS];
    bool wrote; /* since the last flush */

    atomic_bool news;  /* the following, or a client's rights, were set */
    struct mutex lock; /* guards the following */
    struct seat_client *joining;
    struct rect next_area;
    struct injector_screen next_screen;
};

struct seat_client {
    struct seat *seat;
    struct seat_client *next;
    int width, height;
    atomic_uint wanted_rights; /* any thread sets it */
    unsigned rights;
    atomic_uint_fast64_t counts[SEAT_COUNTS];

    const struct keymap_key *keys[256]; /* held, by VK; NULL: up */
    bool buttons[SEAT_BUTTONS];
    int64_t text_until_ns; /* when all text so far would have been typed at the highest rate */

    bool is_mapped;
    struct pointer_map map;

    bool asked_touch, asked_pen; /* a device was asked for */
    int touch_device, pen_device;
    struct injector_contact contacts[INJECTOR_CONTACTS_MAX];
    uint32_t pointers[INJECTOR_CONTACTS_MAX];
    struct injector_pen pen;
};

/* seat.c */
static inline bool seat_can(const struct seat *self, unsigned what)
{
    return self->injector && (self->injector->ops->can(self->injector) & what) != 0;
}
void seat_flush(struct seat *self);

/* seat_keys.c: what became of the event */
enum seat_count seat_key(struct seat_client *client, const struct input_event *event);
enum seat_count seat_text(struct seat_client *client, const struct input_event *event);
void seat_release_keys(struct seat_client *client);

/* seat_touch.c */
enum seat_count seat_touch(struct seat_client *client, const struct input_touch *touch);
enum seat_count seat_pen(struct seat_client *client, const struct input_pen *pen);
void seat_release_touch_pen(struct seat_client *client);
void seat_remove_devices(struct seat_client *client);
