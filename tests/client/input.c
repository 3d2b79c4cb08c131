/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/input.h"

#include "base/bytes.h"

#include <string.h>

enum {
    MAGIC_KEY_DOWN = 0x03,
    MAGIC_KEY_UP = 0x04,
    MAGIC_POSITION = 0x05,
    MAGIC_MOVE = 0x07,
    MAGIC_BUTTON_DOWN = 0x08,
    MAGIC_BUTTON_UP = 0x09,
    MAGIC_WHEEL = 0x0a,
    MAGIC_HAPTICS = 0x0d,
    MAGIC_TEXT = 0x17,
    MAGIC_HORIZONTAL_WHEEL = 0x55000001,
    MAGIC_TOUCH = 0x55000002,
    MAGIC_PEN = 0x55000003,
};
enum {
    CHANNEL_GENERAL = 0,
    CHANNEL_KEYBOARD = 2,
    CHANNEL_MOUSE = 3,
    CHANNEL_PEN = 4,
    CHANNEL_TOUCH = 5,
    CHANNEL_TEXT = 6,
};
enum { CONTACT_HOVER = 0, CONTACT_MOVE = 3 };
enum { HEAD = 8 };

/* A packet whose body is still all zero. */
static struct input_packet begin(uint32_t magic, size_t body, uint8_t channel)
{
    struct input_packet packet = {.size = HEAD + body, .channel = channel};
    bytes_put_u32be(packet.bytes, (uint32_t)(4 + body));
    bytes_put_u32le(packet.bytes + 4, magic);
    return packet;
}

static void put_float(uint8_t *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bytes_put_u32le(at, bits);
}

struct input_packet input_key(uint16_t code, bool down, uint8_t modifiers, uint8_t flags)
{
    struct input_packet packet = begin(down ? MAGIC_KEY_DOWN : MAGIC_KEY_UP, 6, CHANNEL_KEYBOARD);
    packet.bytes[HEAD] = flags;
    bytes_put_u16le(packet.bytes + HEAD + 1, code);
    packet.bytes[HEAD + 3] = modifiers;
    return packet;
}

struct input_packet input_text(const char *utf8, size_t size)
{
    struct input_packet packet = begin(MAGIC_TEXT, size, CHANNEL_TEXT);
    memcpy(packet.bytes + HEAD, utf8, size);
    return packet;
}

struct input_packet input_move(int16_t dx, int16_t dy)
{
    struct input_packet packet = begin(MAGIC_MOVE, 4, CHANNEL_MOUSE);
    bytes_put_u16be(packet.bytes + HEAD, (uint16_t)dx);
    bytes_put_u16be(packet.bytes + HEAD + 2, (uint16_t)dy);
    return packet;
}

struct input_packet input_position(int16_t x, int16_t y, int16_t width, int16_t height)
{
    struct input_packet packet = begin(MAGIC_POSITION, 10, CHANNEL_MOUSE);
    bytes_put_u16be(packet.bytes + HEAD, (uint16_t)x);
    bytes_put_u16be(packet.bytes + HEAD + 2, (uint16_t)y);
    bytes_put_u16be(packet.bytes + HEAD + 6, (uint16_t)(width - 1)); /* the far edge is sent */
    bytes_put_u16be(packet.bytes + HEAD + 8, (uint16_t)(height - 1));
    return packet;
}

struct input_packet input_button(uint8_t button, bool down)
{
    struct input_packet packet = begin(down ? MAGIC_BUTTON_DOWN : MAGIC_BUTTON_UP, 1, CHANNEL_MOUSE);
    packet.bytes[HEAD] = button;
    return packet;
}

struct input_packet input_wheel(int16_t amount, bool horizontal)
{
    struct input_packet packet =
        begin(horizontal ? MAGIC_HORIZONTAL_WHEEL : MAGIC_WHEEL, horizontal ? 2 : 6, CHANNEL_MOUSE);
    bytes_put_u16be(packet.bytes + HEAD, (uint16_t)amount);
    if (!horizontal)
        bytes_put_u16be(packet.bytes + HEAD + 2, (uint16_t)amount);
    return packet;
}

struct input_packet input_touch(const struct input_contact *contact)
{
    struct input_packet packet = begin(MAGIC_TOUCH, 28, CHANNEL_TOUCH);
    packet.unreliable = contact->event == CONTACT_HOVER || contact->event == CONTACT_MOVE;
    packet.bytes[HEAD] = contact->event;
    bytes_put_u16le(packet.bytes + HEAD + 2, contact->rotation);
    bytes_put_u32le(packet.bytes + HEAD + 4, contact->pointer);
    put_float(packet.bytes + HEAD + 8, contact->x);
    put_float(packet.bytes + HEAD + 12, contact->y);
    put_float(packet.bytes + HEAD + 16, contact->pressure);
    put_float(packet.bytes + HEAD + 20, contact->major);
    put_float(packet.bytes + HEAD + 24, contact->minor);
    return packet;
}

/* The caller makes a packet with a change of the buttons reliable, as stock clients do. */
struct input_packet input_pen(const struct input_contact *contact)
{
    struct input_packet packet = begin(MAGIC_PEN, 28, CHANNEL_PEN);
    packet.unreliable = contact->event == CONTACT_HOVER || contact->event == CONTACT_MOVE;
    packet.bytes[HEAD] = contact->event;
    packet.bytes[HEAD + 1] = contact->tool;
    packet.bytes[HEAD + 2] = contact->buttons;
    put_float(packet.bytes + HEAD + 4, contact->x);
    put_float(packet.bytes + HEAD + 8, contact->y);
    put_float(packet.bytes + HEAD + 12, contact->pressure);
    bytes_put_u16le(packet.bytes + HEAD + 16, contact->rotation);
    packet.bytes[HEAD + 18] = contact->tilt;
    put_float(packet.bytes + HEAD + 20, contact->major);
    put_float(packet.bytes + HEAD + 24, contact->minor);
    return packet;
}

struct input_packet input_haptics(bool enable)
{
    struct input_packet packet = begin(MAGIC_HAPTICS, 2, CHANNEL_GENERAL);
    bytes_put_u16le(packet.bytes + HEAD, enable);
    return packet;
}
