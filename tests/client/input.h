/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input: the packets a stock client sends for keys, text, mouse, fingers and pens (docs/protocol.md, "Input"). Checked
 * against recorded ones by `es_client selftest`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INPUT_TYPE = 0x0206, INPUT_BYTES_MAX = 256 };

struct input_packet {
    uint8_t bytes[INPUT_BYTES_MAX];
    size_t size;
    uint8_t channel;
    bool unreliable; /* in order, but it may be lost */
};

struct input_contact {
    uint8_t event;         /* 0 hover, 1 down, 2 up, 3 move, 4 cancel, 5 button only, 6 leave, 7 cancel all */
    uint32_t pointer;      /* fingers only */
    uint8_t tool, buttons; /* pens only */
    uint8_t tilt;          /* pens only; 0xff: unknown */
    uint16_t rotation;     /* degrees; 0xffff: unknown */
    float x, y, pressure;  /* of the picture, 0..1 */
    float major, minor;
};

struct input_packet input_key(uint16_t code, bool down, uint8_t modifiers, uint8_t flags);
struct input_packet input_text(const char *utf8, size_t size); /* at most 32 bytes */
struct input_packet input_move(int16_t dx, int16_t dy);
struct input_packet input_position(int16_t x, int16_t y, int16_t width, int16_t height);
struct input_packet input_button(uint8_t button, bool down);
struct input_packet input_wheel(int16_t amount, bool horizontal);
struct input_packet input_touch(const struct input_contact *contact);
struct input_packet input_pen(const struct input_contact *contact);
struct input_packet input_haptics(bool enable);
