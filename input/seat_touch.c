/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fingers and pens: each client has devices of its own, made when it first comes near. Hovering and moving are sent
 * unreliably, the rest reliably, so that what we think is down may be a move behind but never stays.
 */
#include "input/seat_internal.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

enum { ROTATION_FOR_EQUAL_AXES = 45, NOT_FOUND = -1 };
#define PEN_PRESSURE_UNKNOWN 0.5

/* --- fingers --- */

static int find_contact(const struct seat_client *client, uint32_t pointer)
{
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++)
        if (client->contacts[i].active && client->pointers[i] == pointer)
            return i;
    return NOT_FOUND;
}

static int free_contact(const struct seat_client *client)
{
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++)
        if (!client->contacts[i].active)
            return i;
    return NOT_FOUND;
}

static void emit_touch(struct seat_client *client)
{
    struct seat *self = client->seat;
    self->injector->ops->touch(self->injector, client->touch_device, client->contacts);
    self->wrote = true;
}

static bool lift_all(struct seat_client *client)
{
    bool any = false;
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++) {
        any = any || client->contacts[i].active;
        client->contacts[i].active = false;
    }
    if (any)
        emit_touch(client);
    return any;
}

static enum seat_count lift(struct seat_client *client, uint32_t pointer)
{
    int slot = find_contact(client, pointer);
    if (slot == NOT_FOUND)
        return SEAT_IGNORED;
    client->contacts[slot].active = false;
    emit_touch(client);
    return SEAT_DONE;
}

static int orientation_of(int rotation)
{
    if (rotation == INPUT_UNKNOWN_ANGLE)
        return 0;
    return rotation >= 270 ? rotation - 360 : rotation > 90 ? 180 - rotation : rotation;
}

static void place(struct seat_client *client, int slot, const struct input_touch *touch)
{
    struct injector_contact *contact = &client->contacts[slot];
    int rotation = touch->rotation == INPUT_UNKNOWN_ANGLE ? ROTATION_FOR_EQUAL_AXES : touch->rotation;
    double minor = touch->minor > 0 ? (double)touch->minor : (double)touch->major; /* unknown: a circle */
    *contact = (struct injector_contact){
        .active = true,
        .pressure = (double)touch->pressure,
        .major = pointer_map_axis(&client->map, (double)touch->major, rotation),
        .minor = pointer_map_axis(&client->map, minor, rotation + 90),
        .orientation = orientation_of(touch->rotation),
    };
    pointer_map_point(&client->map, (double)touch->x, (double)touch->y, &contact->x, &contact->y);
    client->pointers[slot] = touch->pointer;
}

static enum seat_count press(struct seat_client *client, const struct input_touch *touch)
{
    int slot = find_contact(client, touch->pointer);
    if (slot == NOT_FOUND && touch->event == INPUT_MOVED)
        return SEAT_IGNORED;
    if (!client->is_mapped)
        return SEAT_UNPLACED;
    if (slot == NOT_FOUND)
        slot = free_contact(client);
    if (slot == NOT_FOUND) { /* more fingers than a device has: what we know of them cannot be right */
        lift_all(client);
        seat_flush(client->seat);
        slot = 0;
    }
    place(client, slot, touch);
    emit_touch(client);
    return SEAT_DONE;
}

static bool has_device(struct seat_client *client, bool pen)
{
    bool *asked = pen ? &client->asked_pen : &client->asked_touch;
    int *device = pen ? &client->pen_device : &client->touch_device;
    struct seat *self = client->seat;
    if (!*asked)
        *device = self->injector->ops->add_device(self->injector, pen);
    *asked = true;
    return *device != SEAT_NO_DEVICE;
}

enum seat_count seat_touch(struct seat_client *client, const struct input_touch *touch)
{
    if (!seat_can(client->seat, INJECTOR_CAN_TOUCH) || !has_device(client, false))
        return SEAT_UNSUPPORTED;
    switch ((enum input_contact)touch->event) {
    case INPUT_DOWN:
    case INPUT_MOVED:
        return press(client, touch);
    case INPUT_UP:
    case INPUT_CANCEL:
    case INPUT_HOVER: /* a finger in the air cannot be shown, but it does not touch */
    case INPUT_LEAVE:
        return lift(client, touch->pointer);
    case INPUT_CANCEL_ALL:
        return lift_all(client) ? SEAT_DONE : SEAT_IGNORED;
    case INPUT_BUTTON_ONLY:
        break;
    }
    return SEAT_IGNORED;
}

/* --- pen --- */

static void emit_pen(struct seat_client *client)
{
    struct seat *self = client->seat;
    self->injector->ops->pen(self->injector, client->pen_device, &client->pen);
    self->wrote = true;
}

static bool take_pen_away(struct seat_client *client)
{
    if (!client->pen.in_range)
        return false;
    client->pen.in_range = client->pen.touches = false;
    client->pen.buttons = 0;
    client->pen.pressure = client->pen.distance = 0;
    emit_pen(client);
    return true;
}

/* Degrees of the direction (x, y), without the noise that is left of a sine or cosine of right angles. */
static int angle_of(double y, double x)
{
    return (int)lround(atan2(fabs(y) < 1e-9 ? 0 : y, fabs(x) < 1e-9 ? 0 : x) * 180 / PI);
}

/* Lean and its direction to lean along the axes. */
static void tilt_of(const struct input_pen *pen, int *ret_x, int *ret_y)
{
    *ret_x = *ret_y = 0;
    if (pen->tilt == INPUT_UNKNOWN_ANGLE || pen->rotation == INPUT_UNKNOWN_ANGLE)
        return;
    double tilt = pen->tilt * PI / 180, rotation = pen->rotation * PI / 180;
    *ret_x = angle_of(-sin(rotation) * sin(tilt), cos(tilt));
    *ret_y = angle_of(cos(rotation) * sin(tilt), cos(tilt));
}

static enum seat_count place_pen(struct seat_client *client, const struct input_pen *pen)
{
    struct injector_pen *now = &client->pen;
    if (!client->is_mapped)
        return SEAT_UNPLACED;
    bool touches = pen->event == INPUT_DOWN || pen->event == INPUT_MOVED;
    bool eraser = pen->tool == INPUT_TOOL_UNKNOWN ? now->in_range && now->eraser : pen->tool == INPUT_TOOL_ERASER;
    *now = (struct injector_pen){.in_range = true, .touches = touches, .eraser = eraser, .buttons = pen->buttons};
    if (touches)
        now->pressure = pen->pressure > 0 ? (double)pen->pressure : PEN_PRESSURE_UNKNOWN;
    else if (pen->event == INPUT_HOVER)
        now->distance = (double)pen->pressure;
    tilt_of(pen, &now->tilt_x, &now->tilt_y);
    pointer_map_point(&client->map, (double)pen->x, (double)pen->y, &now->x, &now->y);
    emit_pen(client);
    return SEAT_DONE;
}

/* The tip is lifted even where it cannot be placed. */
static enum seat_count lift_pen(struct seat_client *client, const struct input_pen *pen)
{
    if (!client->pen.touches)
        return SEAT_IGNORED;
    if (client->is_mapped)
        return place_pen(client, pen);
    client->pen.touches = false;
    client->pen.pressure = 0;
    emit_pen(client);
    return SEAT_DONE;
}

enum seat_count seat_pen(struct seat_client *client, const struct input_pen *pen)
{
    if (!seat_can(client->seat, INJECTOR_CAN_PEN) || !has_device(client, true))
        return SEAT_UNSUPPORTED;
    switch ((enum input_contact)pen->event) {
    case INPUT_HOVER:
    case INPUT_DOWN:
        return place_pen(client, pen);
    case INPUT_MOVED:
        return client->pen.touches ? place_pen(client, pen) : SEAT_IGNORED;
    case INPUT_UP:
        return lift_pen(client, pen);
    case INPUT_BUTTON_ONLY:
        if (!client->pen.in_range || client->pen.buttons == pen->buttons)
            return SEAT_IGNORED;
        client->pen.buttons = pen->buttons;
        emit_pen(client);
        return SEAT_DONE;
    case INPUT_CANCEL:
    case INPUT_LEAVE:
    case INPUT_CANCEL_ALL:
        return take_pen_away(client) ? SEAT_DONE : SEAT_IGNORED;
    }
    return SEAT_IGNORED;
}

void seat_release_touch_pen(struct seat_client *client)
{
    lift_all(client);
    take_pen_away(client);
}

void seat_remove_devices(struct seat_client *client)
{
    struct injector *injector = client->seat->injector;
    if (client->touch_device != SEAT_NO_DEVICE)
        injector->ops->remove_device(injector, client->touch_device);
    if (client->pen_device != SEAT_NO_DEVICE)
        injector->ops->remove_device(injector, client->pen_device);
    client->touch_device = client->pen_device = SEAT_NO_DEVICE;
}
