/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uinput_panel: what is put into a touch device or a pen when fingers or a pen are somewhere. Only what differs from
 * what the device was told before is put. The caller flushes.
 */
#pragma once

#include "input/injector.h"
#include "input/uinput_device.h"

enum { UINPUT_CONTACT_AXES = 6, UINPUT_PEN_AXES = 6 };

struct uinput_panel {
    struct uinput_device device;
    bool is_pen, is_used; /* is_used: it is a client's */

    bool slots[UINPUT_SLOTS]; /* a finger is down */
    int slot_axes[UINPUT_SLOTS][UINPUT_CONTACT_AXES];
    int single[3]; /* ABS_X, ABS_Y, ABS_PRESSURE for those who do not know of slots */
    int next_id;
    bool is_touched;

    uint16_t tool; /* BTN_TOOL_...; 0: no pen is near */
    unsigned pen_buttons;
    int pen_axes[UINPUT_PEN_AXES];
};

/* `width`, `height`: of the screen; 0: not known, so fingers and pens are only lifted. */
void uinput_panel_touch(struct uinput_panel *self, const struct injector_contact contacts[INJECTOR_CONTACTS_MAX],
                        int width, int height);
void uinput_panel_pen(struct uinput_panel *self, const struct injector_pen *pen, int width, int height);
void uinput_panel_release(struct uinput_panel *self);
