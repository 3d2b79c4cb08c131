/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices, as udev and libinput tell kinds apart: an absolute pointer without BTN_TOUCH and tools is a mouse like
 * that of a virtual machine; a finger's device is a touchscreen by INPUT_PROP_DIRECT; a pen needs axes with a
 * resolution. Sources: Linux, Documentation/input/event-codes.rst and multi-touch-protocol.rst; systemd, the builtin
 * input_id; libinput, "Device capabilities" and "Tablets".
 */
#include "input/uinput_device.h"

#include "base/clock.h"
#include "base/log.h"
#include "input/keymap.h"

#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NODE "/dev/uinput"

/* Ours, for desktops that keep settings by vendor and product; "ES" is nobody's number. */
enum { VENDOR = 0x4553, VERSION = 1 };
/* Units in a mm: a screen of 0.65 m, which is as good as any. A radian has 57 degrees. */
enum { PLACE_RESOLUTION = 100, ANGLE_RESOLUTION = 57, NO_RESOLUTION = 0 };

struct axis {
    uint16_t code;
    int min, max, resolution;
};
struct kind {
    const char *name;
    int property; /* -1: none */
    uint16_t keys[12];
    uint16_t relatives[8];
    struct axis axes[12];
};

#define PLACE(code)                                                                                                    \
    {                                                                                                                  \
        code, 0, UINPUT_PLACE_MAX, PLACE_RESOLUTION                                                                    \
    }

/* Lists end at the first zero but for the code of axes, whose end is a maximum of zero. */
static const struct kind kinds[UINPUT_KINDS] = {
    [UINPUT_KEYBOARD] = {.name = "Earthshine Keyboard", .property = -1},
    [UINPUT_MOUSE] = {.name = "Earthshine Mouse",
                      .property = INPUT_PROP_POINTER,
                      .keys = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA},
                      .relatives = {REL_Y, REL_WHEEL, REL_HWHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES}},
    [UINPUT_POINTER] = {.name = "Earthshine Pointer",
                        .property = INPUT_PROP_POINTER,
                        .keys = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE}, /* with more, joydev takes it too */
                        .axes = {PLACE(ABS_X), PLACE(ABS_Y)}},
    [UINPUT_TOUCH] = {.name = "Earthshine Touch",
                      .property = INPUT_PROP_DIRECT,
                      .keys = {BTN_TOUCH},
                      .axes = {PLACE(ABS_X),
                               PLACE(ABS_Y),
                               {ABS_PRESSURE, 0, UINPUT_PRESSURE_MAX, NO_RESOLUTION},
                               {ABS_MT_SLOT, 0, UINPUT_SLOTS - 1, NO_RESOLUTION},
                               {ABS_MT_TRACKING_ID, 0, UINPUT_IDS - 1, NO_RESOLUTION},
                               PLACE(ABS_MT_POSITION_X),
                               PLACE(ABS_MT_POSITION_Y),
                               {ABS_MT_PRESSURE, 0, UINPUT_PRESSURE_MAX, NO_RESOLUTION},
                               PLACE(ABS_MT_TOUCH_MAJOR),
                               PLACE(ABS_MT_TOUCH_MINOR),
                               {ABS_MT_ORIENTATION, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX, NO_RESOLUTION}}},
    [UINPUT_PEN] = {.name = "Earthshine Pen",
                    .property = INPUT_PROP_DIRECT,
                    .keys = {BTN_TOOL_PEN, BTN_TOOL_RUBBER, BTN_TOUCH, BTN_STYLUS, BTN_STYLUS2, BTN_STYLUS3},
                    .axes = {PLACE(ABS_X),
                             PLACE(ABS_Y),
                             {ABS_PRESSURE, 0, UINPUT_PRESSURE_MAX, NO_RESOLUTION},
                             {ABS_DISTANCE, 0, UINPUT_DISTANCE_MAX, NO_RESOLUTION},
                             {ABS_TILT_X, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX, ANGLE_RESOLUTION},
                             {ABS_TILT_Y, -UINPUT_ANGLE_MAX, UINPUT_ANGLE_MAX, ANGLE_RESOLUTION}}},
};

const char *uinput_device_name(enum uinput_kind kind)
{
    return kinds[kind].name;
}

/* --- making one --- */

static bool describe_keyboard(struct libevdev *shape)
{
    bool good = libevdev_enable_event_code(shape, EV_MSC, MSC_SCAN, NULL) == 0 &&
                libevdev_enable_event_type(shape, EV_REP) == 0; /* the kernel's own repeat, for the console */
    for (size_t i = 0; good && keymap_at(i); i++)
        good = libevdev_enable_event_code(shape, EV_KEY, keymap_at(i)->code, NULL) == 0;
    return good;
}

static bool describe(struct libevdev *shape, enum uinput_kind number)
{
    const struct kind *kind = &kinds[number];
    libevdev_set_name(shape, kind->name);
    libevdev_set_id_bustype(shape, BUS_USB);
    libevdev_set_id_vendor(shape, VENDOR);
    libevdev_set_id_product(shape, (int)number + 1);
    libevdev_set_id_version(shape, VERSION);
    bool good = kind->property < 0 || libevdev_enable_property(shape, (unsigned)kind->property) == 0;
    for (int i = 0; good && kind->keys[i]; i++)
        good = libevdev_enable_event_code(shape, EV_KEY, kind->keys[i], NULL) == 0;
    if (good && kind->relatives[0]) /* REL_X is zero, and ends lists */
        good = libevdev_enable_event_code(shape, EV_REL, REL_X, NULL) == 0;
    for (int i = 0; good && kind->relatives[i]; i++)
        good = libevdev_enable_event_code(shape, EV_REL, kind->relatives[i], NULL) == 0;
    for (int i = 0; good && kind->axes[i].max; i++) {
        const struct axis *axis = &kind->axes[i];
        const struct input_absinfo info = {.minimum = axis->min, .maximum = axis->max, .resolution = axis->resolution};
        good = libevdev_enable_event_code(shape, EV_ABS, axis->code, &info) == 0;
    }
    return good && (number != UINPUT_KEYBOARD || describe_keyboard(shape));
}

static void explain_open(int error, char *ret_reason, size_t size)
{
    if (error == EACCES || error == EPERM)
        snprintf(ret_reason, size, "%s",
                 NODE " cannot be opened: permission denied; install the udev rule "
                      "60-earthshine.rules and add the user to the group input");
    else if (error == ENOENT || error == ENODEV || error == ENXIO)
        snprintf(ret_reason, size, "%s", NODE " is missing; load the kernel's module: modprobe uinput");
    else
        snprintf(ret_reason, size, NODE " cannot be opened: %s", strerror(error));
}

bool uinput_device_init(struct uinput_device *self, enum uinput_kind kind, char *ret_reason, size_t reason_size)
{
    *self = (struct uinput_device){.fd = open(NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (self->fd < 0) {
        explain_open(errno, ret_reason, reason_size);
        *self = (struct uinput_device){0};
        return false;
    }
    struct libevdev *shape = libevdev_new();
    int error = !shape                   ? -ENOMEM
                : !describe(shape, kind) ? -EINVAL
                                         : libevdev_uinput_create_from_device(shape, self->fd, &self->node);
    if (shape)
        libevdev_free(shape);
    if (error == 0)
        return true;
    snprintf(ret_reason, reason_size, NODE " takes no device: %s", strerror(-error));
    close(self->fd);
    *self = (struct uinput_device){0};
    return false;
}

void uinput_device_finish(struct uinput_device *self)
{
    if (!self->node)
        return;
    libevdev_uinput_destroy(self->node);
    close(self->fd);
    self->node = NULL;
}

/* --- events --- */

static void write_all(struct uinput_device *self)
{
    const char *data = (const char *)self->events;
    size_t left = self->count * sizeof(self->events[0]);
    self->count = 0;
    while (left) {
        ssize_t done = write(self->fd, data, left);
        if (done > 0) {
            data += done;
            left -= (size_t)done;
        } else if (done == 0 || errno != EINTR) {
            if (!self->is_broken)
                log_error("uinput: events cannot be written, and are lost: %s", done == 0 ? "no" : strerror(errno));
            self->is_broken = true;
            return;
        }
    }
    self->is_broken = false;
}

void uinput_device_put(struct uinput_device *self, uint16_t type, uint16_t code, int value)
{
    if (!self->node)
        return;
    if (self->count == UINPUT_EVENTS)
        write_all(self);
    if (self->count == 0)
        self->since_ns = clock_now_ns();
    self->events[self->count++] = (struct input_event){.type = type, .code = code, .value = value};
    self->is_open = type != EV_SYN;
}

void uinput_device_report(struct uinput_device *self)
{
    if (self->is_open)
        uinput_device_put(self, EV_SYN, SYN_REPORT, 0);
}

int64_t uinput_device_flush(struct uinput_device *self)
{
    uinput_device_report(self);
    if (self->count == 0)
        return -1;
    write_all(self);
    return clock_now_ns() - self->since_ns;
}

int uinput_place(double pixel, int size)
{
    if (!(pixel > 0))
        return 0;
    if (pixel >= size - 1)
        return UINPUT_PLACE_MAX;
    return (int)floor((pixel + 0.5) * (UINPUT_PLACE_MAX + 1.0) / size);
}
