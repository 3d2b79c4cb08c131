/* SPDX-License-Identifier: Apache-2.0 */
/* Fingers by protocol B of Linux' Documentation/input/multi-touch-protocol.rst: a slot each, with a number that is new
 * for each touch. */
#include "input/uinput_panel.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert((int)UINPUT_SLOTS == (int)INJECTOR_CONTACTS_MAX, "a slot for each contact");

/* libinput takes a pen that presses less for one that is only near. */
#define LEAST_PRESSURE   0.1
#define UNKNOWN_PRESSURE 0.5

static int clamp(int value, int min, int max)
{
    return value < min ? min : value > max ? max : value;
}

static int share(double value, int max)
{
    return !(value > 0) ? 0 : value >= 1 ? max : (int)lround(value * max);
}

/* --- fingers --- */

/* Lengths are in the units of the longer side, whichever way they lie: the two sides' units differ. */
static int length(double px, int width, int height)
{
    return share(px / (width > height ? width : height), UINPUT_PLACE_MAX);
}

static void contact_axes(const struct injector_contact *contact, int width, int height,
                         int ret_axes[UINPUT_CONTACT_AXES])
{
    double pressure = contact->pressure > 0 ? contact->pressure : UNKNOWN_PRESSURE;
    ret_axes[0] = uinput_place(contact->x, width);
    ret_axes[1] = uinput_place(contact->y, height);
    ret_axes[2] = clamp(share(pressure, UINPUT_PRESSURE_MAX), 1, UINPUT_PRESSURE_MAX);
    ret_axes[3] = length(contact->major, width, height);
    ret_axes[4] = length(contact->minor, width, height);
    ret_axes[5] = clamp(contact->orientation, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX);
}

static void lift(struct uinput_panel *self, int slot)
{
    uinput_device_put(&self->device, EV_ABS, ABS_MT_SLOT, slot);
    uinput_device_put(&self->device, EV_ABS, ABS_MT_TRACKING_ID, -1);
    self->slots[slot] = false;
}

static void place(struct uinput_panel *self, int slot, const int axes[UINPUT_CONTACT_AXES])
{
    static const uint16_t codes[UINPUT_CONTACT_AXES] = {ABS_MT_POSITION_X,  ABS_MT_POSITION_Y,  ABS_MT_PRESSURE,
                                                        ABS_MT_TOUCH_MAJOR, ABS_MT_TOUCH_MINOR, ABS_MT_ORIENTATION};
    struct uinput_device *device = &self->device;
    bool is_new = !self->slots[slot];
    int *before = self->slot_axes[slot];
    if (!is_new && memcmp(before, axes, sizeof(self->slot_axes[slot])) == 0)
        return;
    uinput_device_put(device, EV_ABS, ABS_MT_SLOT, slot);
    if (is_new) {
        uinput_device_put(device, EV_ABS, ABS_MT_TRACKING_ID, self->next_id);
        self->next_id = (self->next_id + 1) % UINPUT_IDS;
    }
    for (int i = 0; i < UINPUT_CONTACT_AXES; i++) {
        if (is_new || before[i] != axes[i])
            uinput_device_put(device, EV_ABS, codes[i], axes[i]);
    }
    memcpy(before, axes, sizeof(self->slot_axes[slot]));
    self->slots[slot] = true;
}

/* The first finger, as a device that knows one only would tell it. */
static void tell_single(struct uinput_panel *self)
{
    static const uint16_t codes[3] = {ABS_X, ABS_Y, ABS_PRESSURE};
    int first = 0;
    while (first < UINPUT_SLOTS && !self->slots[first])
        first++;
    bool is_touched = first < UINPUT_SLOTS;
    if (is_touched != self->is_touched)
        uinput_device_put(&self->device, EV_KEY, BTN_TOUCH, is_touched);
    for (int i = 0; i < 3; i++) {
        int value = is_touched ? self->slot_axes[first][i] : i == 2 ? 0 : self->single[i];
        if (value != self->single[i] || (is_touched && !self->is_touched))
            uinput_device_put(&self->device, EV_ABS, codes[i], value);
        self->single[i] = value;
    }
    self->is_touched = is_touched;
}

void uinput_panel_touch(struct uinput_panel *self, const struct injector_contact contacts[INJECTOR_CONTACTS_MAX],
                        int width, int height)
{
    for (int slot = 0; slot < UINPUT_SLOTS; slot++) {
        int axes[UINPUT_CONTACT_AXES];
        if (!contacts[slot].active) {
            if (self->slots[slot])
                lift(self, slot);
        } else if (width > 0 && height > 0) {
            contact_axes(&contacts[slot], width, height, axes);
            place(self, slot, axes);
        }
    }
    tell_single(self);
}

/* --- pen --- */

static void set_pen_axes(struct uinput_panel *self, const int axes[UINPUT_PEN_AXES], bool all)
{
    static const uint16_t codes[UINPUT_PEN_AXES] = {ABS_X, ABS_Y, ABS_PRESSURE, ABS_DISTANCE, ABS_TILT_X, ABS_TILT_Y};
    for (int i = 0; i < UINPUT_PEN_AXES; i++) {
        if (all || axes[i] != self->pen_axes[i])
            uinput_device_put(&self->device, EV_ABS, codes[i], axes[i]);
        self->pen_axes[i] = axes[i];
    }
}

static void set_pen_buttons(struct uinput_panel *self, unsigned buttons)
{
    static const uint16_t codes[] = {BTN_STYLUS, BTN_STYLUS2, BTN_STYLUS3};
    for (unsigned i = 0; i < 3; i++) {
        if ((buttons ^ self->pen_buttons) & 1u << i)
            uinput_device_put(&self->device, EV_KEY, codes[i], buttons >> i & 1);
    }
    self->pen_buttons = buttons;
}

static void set_tip(struct uinput_panel *self, bool touches)
{
    if (touches != self->is_touched)
        uinput_device_put(&self->device, EV_KEY, BTN_TOUCH, touches);
    self->is_touched = touches;
}

static void take_pen_away(struct uinput_panel *self)
{
    if (!self->tool)
        return;
    int axes[UINPUT_PEN_AXES] = {self->pen_axes[0], self->pen_axes[1], 0, 0, 0, 0};
    set_tip(self, false);
    set_pen_axes(self, axes, false);
    set_pen_buttons(self, 0);
    uinput_device_put(&self->device, EV_KEY, self->tool, 0);
    uinput_device_report(&self->device);
    self->tool = 0;
}

/* Down or not, where it is not known where. */
static void lift_pen(struct uinput_panel *self)
{
    int axes[UINPUT_PEN_AXES];
    memcpy(axes, self->pen_axes, sizeof(axes));
    axes[2] = 0;
    axes[3] = 1;
    set_tip(self, false);
    set_pen_axes(self, axes, false);
}

static void place_pen(struct uinput_panel *self, const struct injector_pen *pen, int width, int height)
{
    uint16_t tool = pen->eraser ? BTN_TOOL_RUBBER : BTN_TOOL_PEN;
    double pressure = pen->pressure > LEAST_PRESSURE ? pen->pressure : LEAST_PRESSURE;
    int axes[UINPUT_PEN_AXES] = {
        uinput_place(pen->x, width),
        uinput_place(pen->y, height),
        pen->touches ? share(pressure, UINPUT_PRESSURE_MAX) : 0,
        pen->touches ? 0 : clamp(share(pen->distance, UINPUT_DISTANCE_MAX), 1, UINPUT_DISTANCE_MAX),
        clamp(pen->tilt_x, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX),
        clamp(pen->tilt_y, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX),
    };
    if (self->tool != tool)
        take_pen_away(self);
    bool is_new = !self->tool;
    if (is_new)
        uinput_device_put(&self->device, EV_KEY, tool, 1);
    self->tool = tool;
    set_pen_axes(self, axes, is_new);
    set_tip(self, pen->touches);
    set_pen_buttons(self, pen->buttons & 7);
}

void uinput_panel_pen(struct uinput_panel *self, const struct injector_pen *pen, int width, int height)
{
    if (!pen->in_range)
        take_pen_away(self);
    else if (width > 0 && height > 0)
        place_pen(self, pen, width, height);
    else if (self->tool && !pen->touches)
        lift_pen(self);
}

void uinput_panel_release(struct uinput_panel *self)
{
    const struct injector_contact nobody[INJECTOR_CONTACTS_MAX] = {0};
    if (self->is_pen)
        take_pen_away(self);
    else
        uinput_panel_touch(self, nobody, 0, 0);
}
