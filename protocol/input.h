/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input: what the client does: keys, mouse, text, touch, pen and controllers, one packet in each control message of
 * type 0x0206. Pure.
 *
 *   0          4          8
 *   +----------+----------+---------+
 *   | size     | magic    | body    |     size counts what follows it, magic included
 *   +----------+----------+---------+
 *     u32be      u32le      byte order by magic
 *
 * Bytes beyond the known body are a later extension and left alone. Source: docs/protocol.md, "Input"; every kind is
 * checked against recorded packets by tests/unit/test_input.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INPUT_PACKET_MAX = 256,
    INPUT_TEXT_MAX = 32,       /* bytes of UTF-8, and so code points at most */
    INPUT_CONTROLLERS_MAX = 16 /* of one client */
};

enum input_kind {
    INPUT_KEY,
    INPUT_MOVE,    /* mouse, relative */
    INPUT_MOVE_TO, /* mouse, absolute */
    INPUT_BUTTON,
    INPUT_SCROLL,
    INPUT_TEXT,
    INPUT_TOUCH,
    INPUT_PEN,
    INPUT_PAD_STATE,
    INPUT_PAD_ARRIVAL,
    INPUT_PAD_TOUCH,
    INPUT_PAD_MOTION,
    INPUT_PAD_BATTERY,
    INPUT_PAD_HAPTICS,
};

enum { /* of a key packet */
       INPUT_KEY_NOT_NORMALISED = 1,
       INPUT_MODIFIER_SHIFT = 1,
       INPUT_MODIFIER_CTRL = 2,
       INPUT_MODIFIER_ALT = 4,
       INPUT_MODIFIER_META = 8,
       INPUT_MODIFIER_EXTENDED = 16, /* with 0x0D: the Enter of the keypad */
};

/* Of fingers, pens and fingers on a controller. */
enum input_contact {
    INPUT_HOVER,
    INPUT_DOWN,
    INPUT_UP,
    INPUT_MOVED,
    INPUT_CANCEL,      /* of this pointer; no other field is valid */
    INPUT_BUTTON_ONLY, /* pen: only buttons are valid */
    INPUT_LEAVE,       /* out of range */
    INPUT_CANCEL_ALL,  /* no other field is valid */
};

enum { INPUT_TOOL_UNKNOWN, INPUT_TOOL_PEN, INPUT_TOOL_ERASER };
enum { INPUT_UNKNOWN_ANGLE = -1 };

struct input_touch {
    uint8_t event; /* enum input_contact */
    uint32_t pointer;
    int rotation;       /* degrees 0..359, or unknown */
    float x, y;         /* 0..1 of the picture */
    float pressure;     /* 0..1, 0: unknown. INPUT_HOVER: the distance, 1 is farthest */
    float major, minor; /* 0..1 of the picture, 0: unknown */
};
struct input_pen {
    uint8_t event, tool, buttons; /* buttons: 1 primary, 2 secondary, 4 tertiary */
    int rotation, tilt;           /* degrees 0..359; 0..90 from upright; or unknown */
    float x, y, pressure;         /* as of a finger */
    float major, minor;
};
struct input_pad_state {
    uint16_t number, active; /* 0..15; a bit for each controller that is there */
    uint32_t buttons;
    uint8_t left_trigger, right_trigger;
    int16_t left_x, left_y, right_x, right_y; /* up is positive */
};
struct input_pad_arrival {
    uint8_t number, type; /* 0 unknown, 1 Xbox, 2 PlayStation, 3 Nintendo, 4 Steam */
    uint16_t capabilities;
    uint32_t buttons;
};
struct input_pad_touch {
    uint8_t number, event, pad; /* pad: 0, 1 */
    uint32_t pointer;
    float x, y, pressure; /* 0..1 */
};
struct input_pad_motion {
    uint8_t number, sensor; /* 1 acceleration in m/s2, 2 angular rate in degrees/s */
    float x, y, z;
};
struct input_pad_battery {
    uint8_t number, state;
    uint8_t percent; /* 0..100; 255: unknown */
};

struct input_event {
    enum input_kind kind;
    union {
        struct {
            uint8_t vk, flags, modifiers;
            bool down;
        } key;
        struct {
            int dx, dy;
        } move;
        struct {
            int x, y, far_x, far_y; /* 0..far; far: 1 and up, the last place of the client's picture */
        } move_to;
        struct {
            uint8_t button; /* 1 left, 2 middle, 3 right, 4 back, 5 forward */
            bool down;
        } button;
        struct {
            bool horizontal;
            int amount; /* 120: one notch; up and right are positive */
        } scroll;
        struct {
            size_t count; /* 1 and up */
            uint32_t code_points[INPUT_TEXT_MAX];
        } text;
        struct input_touch touch;
        struct input_pen pen;
        struct input_pad_state pad_state;
        struct input_pad_arrival pad_arrival;
        struct input_pad_touch pad_touch;
        struct input_pad_motion pad_motion;
        struct input_pad_battery pad_battery;
        bool pad_haptics;
    };
};

enum input_result {
    INPUT_OK,
    INPUT_UNKNOWN,   /* a kind of packet that we do not know: ignore and count */
    INPUT_MALFORMED, /* sizes or values out of bounds: drop and count */
};
/* One packet, the whole payload of the control message. Numbers that are merely too large are brought into range. */
enum input_result input_decode(const uint8_t *packet, size_t size, struct input_event *ret_event);
