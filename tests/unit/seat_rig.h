/* SPDX-License-Identifier: Apache-2.0 */
/* seat_rig: a seat with a recorder for an injector, and short ways to say what clients do. */
#pragma once

#include "input/seat.h"
#include "input_recorder.h"
#include "protocol/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct input_recorder recorder;
    struct seat *seat;
    struct seat_client *a, *b; /* 1920x1080 each; all rights */
};

enum { RIG_CAN_ALL = 63 };

static inline struct seat_client *rig_join(struct rig *self, int width, int height)
{
    struct seat_client_config config = {.rights = SEAT_EVERYTHING, .width = width, .height = height};
    struct seat_client *client = seat_join(self->seat, &config);
    assert_non_null(client);
    return client;
}

static inline void rig_set_screen(struct rig *self, int width, int height, struct rect area, const char *display)
{
    struct injector_screen screen = {.width = width, .height = height};
    strncpy(screen.display, display, sizeof(screen.display) - 1);
    seat_set_geometry(self->seat, area, &screen);
    seat_settle(self->seat);
}

static inline int rig_set_up(void **state)
{
    struct rig *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    input_recorder_init(&self->recorder, RIG_CAN_ALL);
    self->seat = seat_create(&self->recorder.base);
    assert_non_null(self->seat);
    self->a = rig_join(self, 1920, 1080);
    self->b = rig_join(self, 1920, 1080);
    rig_set_screen(self, 1920, 1080, (struct rect){0, 0, 1920, 1080}, ":0");
    input_recorder_forget(&self->recorder);
    *state = self;
    return 0;
}

static inline int rig_tear_down(void **state)
{
    struct rig *self = *state;
    seat_leave(self->a);
    seat_leave(self->b);
    seat_destroy(self->seat);
    input_recorder_finish(&self->recorder);
    free(self);
    return 0;
}

static inline void rig_expect(struct rig *self, const char *lines)
{
    input_recorder_expect(&self->recorder, lines);
}

static inline struct seat_counters rig_counters(const struct seat_client *client)
{
    struct seat_counters counters;
    seat_client_get_counters(client, &counters);
    return counters;
}

static inline void rig_key(struct seat_client *client, uint8_t vk, bool down, uint8_t modifiers)
{
    struct input_event event = {.kind = INPUT_KEY};
    event.key.vk = vk;
    event.key.down = down;
    event.key.modifiers = modifiers;
    seat_event(client, &event);
}

static inline void rig_button(struct seat_client *client, uint8_t button, bool down)
{
    struct input_event event = {.kind = INPUT_BUTTON};
    event.button.button = button;
    event.button.down = down;
    seat_event(client, &event);
}

static inline void rig_move_to(struct seat_client *client, int x, int y, int far_x, int far_y)
{
    struct input_event event = {.kind = INPUT_MOVE_TO};
    event.move_to.x = x;
    event.move_to.y = y;
    event.move_to.far_x = far_x;
    event.move_to.far_y = far_y;
    seat_event(client, &event);
}

static inline void rig_text(struct seat_client *client, const uint32_t *code_points, size_t count)
{
    struct input_event event = {.kind = INPUT_TEXT};
    event.text.count = count;
    memcpy(event.text.code_points, code_points, count * sizeof(*code_points));
    seat_event(client, &event);
}

/* Pressure 1/2, size and rotation unknown. */
static inline void rig_touch(struct seat_client *client, enum input_contact what, uint32_t pointer, float x, float y)
{
    struct input_event event = {.kind = INPUT_TOUCH};
    event.touch = (struct input_touch){
        .event = (uint8_t)what, .pointer = pointer, .rotation = INPUT_UNKNOWN_ANGLE, .x = x, .y = y, .pressure = 0.5f};
    seat_event(client, &event);
}

static inline void rig_pen(struct seat_client *client, const struct input_pen *pen)
{
    struct input_event event = {.kind = INPUT_PEN, .pen = *pen};
    seat_event(client, &event);
}
