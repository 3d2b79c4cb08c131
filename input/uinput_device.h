/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uinput_device: one input device of the kernel that is ours. Events are gathered and written together, so that one
 * message of a client is one system call. Its owner is one thread's.
 */
#pragma once

#include <linux/input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct libevdev_uinput;

enum uinput_kind { UINPUT_KEYBOARD, UINPUT_MOUSE, UINPUT_POINTER, UINPUT_TOUCH, UINPUT_PEN, UINPUT_KINDS };

/* The highest value of the axes; all but the tilts and the orientation start at 0. */
enum { UINPUT_PLACE_MAX = 65535, UINPUT_PRESSURE_MAX = 4096, UINPUT_DISTANCE_MAX = 1024, UINPUT_ANGLE_MAX = 90 };
enum { UINPUT_SLOTS = 16, UINPUT_IDS = 65536, UINPUT_EVENTS = 256 };

struct uinput_device {
    struct libevdev_uinput *node; /* NULL: there is none */
    int fd;
    bool is_open;     /* an event came after the last SYN_REPORT */
    bool is_broken;   /* a write failed, and that was logged */
    int64_t since_ns; /* when the oldest event in `events` was asked for */
    size_t count;
    struct input_event events[UINPUT_EVENTS];
};

const char *uinput_device_name(enum uinput_kind kind); /* what the desktop calls it */

/* Opens /dev/uinput, makes the device. False: `ret_reason` says why and what helps; nothing is left. Takes some
 * milliseconds. */
bool uinput_device_init(struct uinput_device *self, enum uinput_kind kind, char *ret_reason, size_t reason_size);
void uinput_device_finish(struct uinput_device *self); /* the kernel lets go of what is down; fine when all zero */

/* Nothing is done without a device. */
void uinput_device_put(struct uinput_device *self, uint16_t type, uint16_t code, int value);
void uinput_device_report(struct uinput_device *self); /* what was put happens at once; nothing if nothing was */
/* Reports and writes. Returns how long the oldest event took since it was put; -1: there was none. */
int64_t uinput_device_flush(struct uinput_device *self);

/* Of a pixel of `size` ones, for a reader that maps the whole range to the whole screen: its middle, but for the outer
 * ones the ends of the range. `size` is positive. */
int uinput_place(double pixel, int size);
