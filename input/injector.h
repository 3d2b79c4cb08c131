/* SPDX-License-Identifier: Apache-2.0 */
/*
 * injector: puts events into the desktop. One implementation per file, injector.c has the list of them: uinput (kernel
 * devices) and xtest (an X server). Codes are Linux evdev codes (linux/input-event-codes.h), positions are pixels of
 * the whole screen (X: the root window). What a client may do, and which keys are down, is the seat's matter (seat.h).
 *
 * Thread: the control thread. Nothing here blocks: what may (XTest) has a thread of its own and a bounded queue.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct injector;
struct stats_summary; /* base/stats.h */

enum injector_axis { INJECTOR_VERTICAL, INJECTOR_HORIZONTAL };

/* What an injector can do; the rest is not called. */
enum {
    INJECTOR_CAN_KEYS = 1,
    INJECTOR_CAN_TEXT = 2,
    INJECTOR_CAN_RELATIVE = 4,
    INJECTOR_CAN_ABSOLUTE = 8,
    INJECTOR_CAN_TOUCH = 16,
    INJECTOR_CAN_PEN = 32,
};

enum { INJECTOR_CONTACTS_MAX = 16 };

/* One finger on a touch device. All of a device's contacts are given each time, so that a lost event is made good. */
struct injector_contact {
    bool active;
    double x, y;         /* px of the screen */
    double pressure;     /* 0..1; 0: unknown */
    double major, minor; /* px; 0: unknown */
    int orientation;     /* degrees -90..90 */
};

struct injector_pen {
    bool in_range, touches, eraser;
    unsigned buttons; /* 1 primary, 2 secondary, 4 tertiary */
    double x, y, pressure, distance;
    int tilt_x, tilt_y; /* degrees; 0: upright or unknown */
};

/* The captured desktop, for devices that span all of it. */
struct injector_screen {
    int width, height;    /* px of the whole screen; 0: not known, absolute events are dropped */
    char display[32];     /* ":0"; "": none */
    char xauthority[256]; /* "": the usual place */
    int64_t cookie_owner; /* only if this user owns that file; -1: whoever */
    unsigned generation;  /* counts each change */
};

/* Members are required unless `can` lacks what they are for. `device` is a number from add_device. */
struct injector_ops {
    const char *name; /* "uinput" */
    unsigned (*can)(const struct injector *self);
    void (*destroy)(struct injector *self); /* releases everything */
    void (*set_screen)(struct injector *self, const struct injector_screen *screen);
    void (*key)(struct injector *self, uint16_t code, uint32_t keysym,
                bool down); /* keysym: when there is no key for code */
    void (*text)(struct injector *self, const uint32_t *code_points, size_t count);
    void (*move)(struct injector *self, int dx, int dy);
    void (*move_to)(struct injector *self, double x, double y);
    void (*button)(struct injector *self, uint16_t code, bool down);            /* BTN_LEFT ... BTN_EXTRA */
    void (*scroll)(struct injector *self, enum injector_axis axis, int amount); /* 120: one notch; up, right */
    int (*add_device)(struct injector *self, bool pen);                         /* of one session; -1: none */
    void (*remove_device)(struct injector *self, int device);
    void (*touch)(struct injector *self, int device, const struct injector_contact contacts[INJECTOR_CONTACTS_MAX]);
    void (*pen)(struct injector *self, int device, const struct injector_pen *pen);
    void (*flush)(struct injector *self);     /* the end of one client message */
    void (*drop_text)(struct injector *self); /* optional: text that still waits, and the keys behind it */
    /* Optional; any thread. See injector_take_stats(). */
    void (*take_stats)(struct injector *self, struct stats_summary *ret_delay);
};

struct injector {
    const struct injector_ops *ops;
};

enum { INJECTOR_REASON_MAX = 160, INJECTOR_REPORTS_MAX = 4 };
struct injector_report {
    const char *name;
    bool usable;
    unsigned can;
    char reason[INJECTOR_REASON_MAX]; /* why not; "" when usable */
};
/* Tries each (`wish`: "auto", or a name: only that one). Returns how many. May block: on a worker. */
int injector_probe(const char *wish, struct injector_report ret_reports[INJECTOR_REPORTS_MAX]);
struct injector *injector_create(const char *name); /* NULL: logged */

/* Time from the control thread's call to the event being written, since the last call; for the report. */
void injector_take_stats(struct injector *self, struct stats_summary *ret_delay);
