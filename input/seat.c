/* SPDX-License-Identifier: Apache-2.0 */
#include "input/seat.h"

#include "base/log.h"
#include "input/seat_internal.h"
#include "protocol/sdp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BTN_LEFT_CODE = 0x110, BTN_RIGHT_CODE, BTN_MIDDLE_CODE, BTN_SIDE_CODE, BTN_EXTRA_CODE };
enum { CAN_POINT = INJECTOR_CAN_RELATIVE | INJECTOR_CAN_ABSOLUTE };

struct seat *seat_create(struct injector *injector)
{
    struct seat *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("input");
    self->injector = injector;
    mutex_init(&self->lock);
    return self;
}

void seat_destroy(struct seat *self)
{
    if (!self)
        return;
    assert(!self->clients && !self->joining);
    mutex_finish(&self->lock);
    free(self);
}

void seat_flush(struct seat *self)
{
    if (self->wrote)
        self->injector->ops->flush(self->injector);
    self->wrote = false;
}

/* --- mouse --- */

static void emit_button(struct seat *self, int button, bool down)
{
    static const uint16_t codes[SEAT_BUTTONS] = {
        0, BTN_LEFT_CODE, BTN_MIDDLE_CODE, BTN_RIGHT_CODE, BTN_SIDE_CODE, BTN_EXTRA_CODE};
    self->injector->ops->button(self->injector, codes[button], down);
    self->wrote = true;
}

static void set_button(struct seat_client *client, int button, bool down)
{
    struct seat *self = client->seat;
    client->buttons[button] = down;
    if (down ? self->button_holders[button]++ == 0 : --self->button_holders[button] == 0)
        emit_button(self, button, down);
}

static void release_buttons(struct seat_client *client)
{
    for (int button = 1; button < SEAT_BUTTONS; button++)
        if (client->buttons[button])
            set_button(client, button, false);
}

static enum seat_count on_button(struct seat_client *client, const struct input_event *event)
{
    if (!seat_can(client->seat, CAN_POINT))
        return SEAT_UNSUPPORTED;
    if (client->buttons[event->button.button] == event->button.down)
        return SEAT_IGNORED;
    set_button(client, event->button.button, event->button.down);
    return SEAT_DONE;
}

static enum seat_count on_move(struct seat_client *client, const struct input_event *event)
{
    struct seat *self = client->seat;
    if (!seat_can(self, INJECTOR_CAN_RELATIVE))
        return SEAT_UNSUPPORTED;
    self->injector->ops->move(self->injector, event->move.dx, event->move.dy);
    self->wrote = true;
    return SEAT_DONE;
}

static enum seat_count on_move_to(struct seat_client *client, const struct input_event *event)
{
    struct seat *self = client->seat;
    if (!seat_can(self, INJECTOR_CAN_ABSOLUTE))
        return SEAT_UNSUPPORTED;
    if (!client->is_mapped)
        return SEAT_UNPLACED;
    double x, y;
    pointer_map_point(&client->map, (double)event->move_to.x / event->move_to.far_x,
                      (double)event->move_to.y / event->move_to.far_y, &x, &y);
    self->injector->ops->move_to(self->injector, x, y);
    self->wrote = true;
    return SEAT_DONE;
}

static enum seat_count on_scroll(struct seat_client *client, const struct input_event *event)
{
    struct seat *self = client->seat;
    if (!seat_can(self, CAN_POINT))
        return SEAT_UNSUPPORTED;
    self->injector->ops->scroll(self->injector, event->scroll.horizontal ? INJECTOR_HORIZONTAL : INJECTOR_VERTICAL,
                                event->scroll.amount);
    self->wrote = true;
    return SEAT_DONE;
}

static enum seat_count on_touch(struct seat_client *client, const struct input_event *event)
{
    return seat_touch(client, &event->touch);
}

static enum seat_count on_pen(struct seat_client *client, const struct input_event *event)
{
    return seat_pen(client, &event->pen);
}

static enum seat_count on_pad(struct seat_client *client, const struct input_event *event)
{
    (void)client;
    (void)event;
    return SEAT_UNSUPPORTED; /* no injector has controllers */
}

/* --- who is here, and may do what --- */

/* Places in seat_counters.denied, and bit numbers of enum seat_right. */
enum { KEYBOARD, MOUSE, TOUCH_PEN, GAMEPAD };

static const struct handler {
    int right;
    enum seat_count (*run)(struct seat_client *client, const struct input_event *event);
} handlers[] = {
    [INPUT_KEY] = {KEYBOARD, seat_key},      [INPUT_TEXT] = {KEYBOARD, seat_text},
    [INPUT_MOVE] = {MOUSE, on_move},         [INPUT_MOVE_TO] = {MOUSE, on_move_to},
    [INPUT_BUTTON] = {MOUSE, on_button},     [INPUT_SCROLL] = {MOUSE, on_scroll},
    [INPUT_TOUCH] = {TOUCH_PEN, on_touch},   [INPUT_PEN] = {TOUCH_PEN, on_pen},
    [INPUT_PAD_STATE] = {GAMEPAD, on_pad},   [INPUT_PAD_ARRIVAL] = {GAMEPAD, on_pad},
    [INPUT_PAD_TOUCH] = {GAMEPAD, on_pad},   [INPUT_PAD_MOTION] = {GAMEPAD, on_pad},
    [INPUT_PAD_BATTERY] = {GAMEPAD, on_pad}, [INPUT_PAD_HAPTICS] = {GAMEPAD, on_pad},
};

static void release(struct seat_client *client, unsigned rights)
{
    if (rights & SEAT_KEYBOARD)
        seat_release_keys(client);
    if (rights & SEAT_MOUSE)
        release_buttons(client);
    if (rights & SEAT_TOUCH_PEN)
        seat_release_touch_pen(client);
    seat_flush(client->seat);
}

static void map_client(struct seat_client *client)
{
    const struct seat *self = client->seat;
    client->is_mapped = self->screen.width > 0 && self->screen.height > 0 &&
                        pointer_map_init(&client->map, client->width, client->height, self->area);
}

static bool is_same_screen(const struct injector_screen *a, const struct injector_screen *b)
{
    return a->width == b->width && a->height == b->height && a->generation == b->generation &&
           strcmp(a->display, b->display) == 0 && strcmp(a->xauthority, b->xauthority) == 0;
}

static bool is_same_display(const struct injector_screen *a, const struct injector_screen *b)
{
    return strcmp(a->display, b->display) == 0 && strcmp(a->xauthority, b->xauthority) == 0;
}

static void use_screen(struct seat *self, const struct injector_screen *screen)
{
    if (is_same_screen(&self->screen, screen))
        return;
    if (!is_same_display(&self->screen, screen))
        for (struct seat_client *client = self->clients; client; client = client->next)
            release(client, SEAT_EVERYTHING);
    self->screen = *screen;
    if (self->injector)
        self->injector->ops->set_screen(self->injector, screen);
}

static void welcome(struct seat *self, struct seat_client *joining)
{
    while (joining) {
        struct seat_client *client = joining;
        joining = client->next;
        client->next = self->clients;
        self->clients = client;
    }
}

void seat_settle(struct seat *self)
{
    if (!atomic_exchange(&self->news, false))
        return;
    mutex_lock(&self->lock);
    struct injector_screen screen = self->next_screen;
    struct seat_client *joining = self->joining;
    self->area = self->next_area;
    self->joining = NULL;
    mutex_unlock(&self->lock);

    welcome(self, joining);
    use_screen(self, &screen);
    for (struct seat_client *client = self->clients; client; client = client->next) {
        unsigned rights = atomic_load(&client->wanted_rights);
        release(client, client->rights & ~rights);
        client->rights = rights;
        map_client(client);
    }
}

struct seat_client *seat_join(struct seat *self, const struct seat_client_config *config)
{
    struct seat_client *client = calloc(1, sizeof(*client));
    if (!client)
        return log_oom("input");
    client->seat = self;
    client->width = config->width;
    client->height = config->height;
    client->touch_device = client->pen_device = SEAT_NO_DEVICE;
    atomic_init(&client->wanted_rights, config->rights);
    mutex_lock(&self->lock);
    client->next = self->joining;
    self->joining = client;
    mutex_unlock(&self->lock);
    atomic_store(&self->news, true);
    return client;
}

void seat_leave(struct seat_client *client)
{
    if (!client)
        return;
    struct seat *self = client->seat;
    seat_settle(self); /* it may not be in the list yet */
    release(client, SEAT_EVERYTHING);
    seat_remove_devices(client);
    struct seat_client **at = &self->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    free(client);
}

void seat_set_geometry(struct seat *self, struct rect area, const struct injector_screen *screen)
{
    mutex_lock(&self->lock);
    self->next_area = area;
    self->next_screen = *screen;
    mutex_unlock(&self->lock);
    atomic_store(&self->news, true);
}

void seat_client_set_rights(struct seat_client *client, unsigned rights)
{
    atomic_store(&client->wanted_rights, rights);
    atomic_store(&client->seat->news, true);
}

static void count(struct seat_client *client, int what)
{
    atomic_fetch_add_explicit(&client->counts[what], 1, memory_order_relaxed);
}

void seat_event(struct seat_client *client, const struct input_event *event)
{
    struct seat *self = client->seat;
    seat_settle(self);
    const struct handler *handler = &handlers[event->kind];
    if (!(client->rights & 1u << handler->right)) {
        count(client, SEAT_DENIED + handler->right);
        return;
    }
    count(client, handler->run(client, event));
    seat_flush(self);
}

void seat_client_get_counters(const struct seat_client *client, struct seat_counters *ret_counters)
{
    uint64_t counts[SEAT_COUNTS];
    for (int i = 0; i < SEAT_COUNTS; i++)
        counts[i] = atomic_load_explicit(&client->counts[i], memory_order_relaxed);
    *ret_counters = (struct seat_counters){
        .done = counts[SEAT_DONE],
        .unplaced = counts[SEAT_UNPLACED],
        .unsupported = counts[SEAT_UNSUPPORTED],
        .ignored = counts[SEAT_IGNORED],
        .flooded = counts[SEAT_FLOODED],
    };
    memcpy(ret_counters->denied, counts + SEAT_DENIED, sizeof(ret_counters->denied));
}

uint32_t seat_feature_bits(unsigned can)
{
    return (can & INJECTOR_CAN_TOUCH) && (can & INJECTOR_CAN_PEN) ? SDP_FEATURE_PEN_TOUCH : 0;
}
