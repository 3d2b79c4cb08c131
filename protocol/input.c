/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/input.h"

#include "base/bytes.h"

#include <math.h>

enum {
    HEADER = 8,
    ROTATION_UNKNOWN = 0xffff,
    TILT_UNKNOWN = 0xff,
    CAPABILITY_TOUCHPAD = 0x08,
    CAPABILITY_TWO_TOUCHPADS = 0x100,
    PAD_TYPES = 5,
    BATTERY_STATES = 6,
    PERCENT_UNKNOWN = 255,
};
#define MOTION_MAX 100000.0f /* far beyond any sensor */

static int get_i16be(const uint8_t *p)
{
    return (int16_t)bytes_get_u16be(p);
}

static int16_t get_i16le(const uint8_t *p)
{
    return (int16_t)bytes_get_u16le(p);
}

/* False: not a number, or infinite. */
static bool get_float(const uint8_t *p, float min, float max, float *ret_value)
{
    uint32_t bits = bytes_get_u32le(p);
    float value;
    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value))
        return false;
    *ret_value = value < min ? min : value > max ? max : value;
    return true;
}

static bool get_share(const uint8_t *p, float *ret_value)
{
    return get_float(p, 0.0f, 1.0f, ret_value);
}

static int clamp(int value, int min, int max)
{
    return value < min ? min : value > max ? max : value;
}

static int rotation_of(uint16_t raw)
{
    return raw == ROTATION_UNKNOWN ? INPUT_UNKNOWN_ANGLE : raw % 360;
}

/* The client leaves these fields as they are for events without a place. */
static bool has_place(uint8_t event)
{
    return event != INPUT_CANCEL && event != INPUT_CANCEL_ALL && event != INPUT_BUTTON_ONLY;
}

static bool read_key(const uint8_t *body, struct input_event *event)
{
    /* The high byte of the code is 0x80 or, when a client lets go of all keys, 0. */
    event->key.flags = body[0];
    event->key.vk = body[1];
    event->key.modifiers = body[3];
    return true;
}

static bool read_key_down(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->key.down = true;
    return read_key(body, event);
}

static bool read_key_up(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    return read_key(body, event);
}

static bool read_move(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->move.dx = get_i16be(body);
    event->move.dy = get_i16be(body + 2);
    return true;
}

static bool read_move_to(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    int far_x = get_i16be(body + 6), far_y = get_i16be(body + 8);
    if (far_x <= 0 || far_y <= 0)
        return false;
    event->move_to.far_x = far_x;
    event->move_to.far_y = far_y;
    event->move_to.x = clamp(get_i16be(body), 0, far_x);
    event->move_to.y = clamp(get_i16be(body + 2), 0, far_y);
    return true;
}

static bool read_button(const uint8_t *body, struct input_event *event)
{
    event->button.button = body[0];
    return body[0] >= 1 && body[0] <= 5;
}

static bool read_button_down(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->button.down = true;
    return read_button(body, event);
}

static bool read_button_up(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    return read_button(body, event);
}

static bool read_scroll(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->scroll.amount = get_i16be(body);
    return true;
}

static bool read_scroll_sideways(const uint8_t *body, size_t size, struct input_event *event)
{
    event->scroll.horizontal = true;
    return read_scroll(body, size, event);
}

/* One code point, strictly: no overlong forms, no surrogates, nothing above U+10FFFF. Returns its bytes, or 0. */
static size_t read_code_point(const uint8_t *p, size_t size, uint32_t *ret_code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (count > size || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4)
        return 0;
    uint32_t value = count == 1 ? p[0] : p[0] & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3fu);
    }
    if (value < smallest[count] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *ret_code_point = value;
    return count;
}

static bool read_text(const uint8_t *body, size_t size, struct input_event *event)
{
    if (size > INPUT_TEXT_MAX)
        return false;
    event->text.count = 0;
    for (size_t at = 0; at < size;) {
        size_t used = read_code_point(body + at, size - at, &event->text.code_points[event->text.count]);
        if (!used)
            return false;
        event->text.count++;
        at += used;
    }
    return true;
}

static bool read_touch(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_touch *touch = &event->touch;
    touch->event = body[0];
    touch->pointer = bytes_get_u32le(body + 4);
    if (touch->event > INPUT_CANCEL_ALL)
        return false;
    touch->rotation = rotation_of(bytes_get_u16le(body + 2));
    return !has_place(touch->event) || (get_share(body + 8, &touch->x) && get_share(body + 12, &touch->y) &&
                                        get_share(body + 16, &touch->pressure) && get_share(body + 20, &touch->major) &&
                                        get_share(body + 24, &touch->minor));
}

static bool read_pen(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_pen *pen = &event->pen;
    pen->event = body[0];
    pen->tool = body[1] > INPUT_TOOL_ERASER ? INPUT_TOOL_UNKNOWN : body[1];
    pen->buttons = body[2] & 7;
    if (pen->event > INPUT_CANCEL_ALL)
        return false;
    pen->rotation = rotation_of(bytes_get_u16le(body + 16));
    pen->tilt = body[18] == TILT_UNKNOWN ? INPUT_UNKNOWN_ANGLE : clamp(body[18], 0, 90);
    return !has_place(pen->event) ||
           (get_share(body + 4, &pen->x) && get_share(body + 8, &pen->y) && get_share(body + 12, &pen->pressure) &&
            get_share(body + 20, &pen->major) && get_share(body + 24, &pen->minor));
}

static bool read_pad_state(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->pad_state = (struct input_pad_state){
        .number = bytes_get_u16le(body + 2),
        .active = bytes_get_u16le(body + 4),
        .buttons = bytes_get_u16le(body + 8) | (uint32_t)bytes_get_u16le(body + 22) << 16,
        .left_trigger = body[10],
        .right_trigger = body[11],
        .left_x = get_i16le(body + 12),
        .left_y = get_i16le(body + 14),
        .right_x = get_i16le(body + 16),
        .right_y = get_i16le(body + 18),
    };
    return event->pad_state.number < INPUT_CONTROLLERS_MAX;
}

static bool read_pad_arrival(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_pad_arrival *arrival = &event->pad_arrival;
    arrival->number = body[0];
    arrival->type = body[1] < PAD_TYPES ? body[1] : 0;
    arrival->capabilities = bytes_get_u16le(body + 2);
    if (arrival->capabilities & CAPABILITY_TWO_TOUCHPADS)
        arrival->capabilities |= CAPABILITY_TOUCHPAD;
    arrival->buttons = bytes_get_u32le(body + 4);
    return arrival->number < INPUT_CONTROLLERS_MAX;
}

static bool read_pad_touch(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_pad_touch *touch = &event->pad_touch;
    touch->number = body[0];
    touch->event = body[1];
    touch->pad = body[3];
    touch->pointer = bytes_get_u32le(body + 4);
    if (touch->number >= INPUT_CONTROLLERS_MAX || touch->event > INPUT_CANCEL_ALL || touch->pad > 1)
        return false;
    return !has_place(touch->event) || (get_share(body + 8, &touch->x) && get_share(body + 12, &touch->y) &&
                                        get_share(body + 16, &touch->pressure));
}

static bool read_pad_motion(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_pad_motion *motion = &event->pad_motion;
    motion->number = body[0];
    motion->sensor = body[1];
    return motion->number < INPUT_CONTROLLERS_MAX && (motion->sensor == 1 || motion->sensor == 2) &&
           get_float(body + 4, -MOTION_MAX, MOTION_MAX, &motion->x) &&
           get_float(body + 8, -MOTION_MAX, MOTION_MAX, &motion->y) &&
           get_float(body + 12, -MOTION_MAX, MOTION_MAX, &motion->z);
}

static bool read_pad_battery(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    struct input_pad_battery *battery = &event->pad_battery;
    battery->number = body[0];
    battery->state = body[1] < BATTERY_STATES ? body[1] : 0;
    battery->percent = body[2] == PERCENT_UNKNOWN ? PERCENT_UNKNOWN : (uint8_t)clamp(body[2], 0, 100);
    return battery->number < INPUT_CONTROLLERS_MAX;
}

static bool read_pad_haptics(const uint8_t *body, size_t size, struct input_event *event)
{
    (void)size;
    event->pad_haptics = bytes_get_u16le(body) != 0;
    return true;
}

static const struct shape {
    uint32_t magic;
    enum input_kind kind;
    size_t min_body;
    bool (*read)(const uint8_t *body, size_t size, struct input_event *event); /* false: malformed */
} shapes[] = {
    {0x03, INPUT_KEY, 6, read_key_down},
    {0x04, INPUT_KEY, 6, read_key_up},
    {0x05, INPUT_MOVE_TO, 10, read_move_to},
    {0x07, INPUT_MOVE, 4, read_move},
    {0x08, INPUT_BUTTON, 1, read_button_down},
    {0x09, INPUT_BUTTON, 1, read_button_up},
    {0x0a, INPUT_SCROLL, 6, read_scroll},
    {0x0c, INPUT_PAD_STATE, 26, read_pad_state},
    {0x0d, INPUT_PAD_HAPTICS, 2, read_pad_haptics},
    {0x17, INPUT_TEXT, 1, read_text},
    {0x55000001, INPUT_SCROLL, 2, read_scroll_sideways},
    {0x55000002, INPUT_TOUCH, 28, read_touch},
    {0x55000003, INPUT_PEN, 28, read_pen},
    {0x55000004, INPUT_PAD_ARRIVAL, 8, read_pad_arrival},
    {0x55000005, INPUT_PAD_TOUCH, 20, read_pad_touch},
    {0x55000006, INPUT_PAD_MOTION, 16, read_pad_motion},
    {0x55000007, INPUT_PAD_BATTERY, 4, read_pad_battery},
};

enum input_result input_decode(const uint8_t *packet, size_t size, struct input_event *ret_event)
{
    if (size < HEADER || size > INPUT_PACKET_MAX)
        return INPUT_MALFORMED;
    uint32_t counted = bytes_get_u32be(packet), magic = bytes_get_u32le(packet + 4);
    if (counted < HEADER - 4 || counted > size - 4)
        return INPUT_MALFORMED;
    size_t body = counted - 4;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (shapes[i].magic != magic)
            continue;
        struct input_event event;
        memset(&event, 0, sizeof(event)); /* an initialiser clears the first member of the union only */
        event.kind = shapes[i].kind;
        if (body < shapes[i].min_body || !shapes[i].read(packet + HEADER, body, &event))
            return INPUT_MALFORMED;
        *ret_event = event;
        return INPUT_OK;
    }
    return INPUT_UNKNOWN;
}
