/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uinput: the injector by devices of the kernel, which every desktop takes like hardware: also a login screen, and with
 * touch and pen. Events are written on the control thread, once for each message.
 *
 * A kernel device belongs to whichever desktop is in front, which need not be the captured one. So what goes where is
 * decided for each event: devices are used while the captured display has them (uinput_seen.h), else its keys and
 * mouse go to an injector for X servers, which also types all text: a key's character is not known here. What was
 * pressed one way is let go of the same way.
 */
#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "input/backends.h"
#include "input/keymap.h"
#include "input/uinput_panel.h"
#include "input/uinput_seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCROLL_FORGET_NS CLOCK_SECOND_NS
#define OTHER_NAME       "xtest"
enum { NOTCH = 120, SCROLL_MAX = 100 * NOTCH, SHARED = UINPUT_POINTER + 1, PANELS_MAX = 32, BUTTONS = 5 };
enum { CAN_ALWAYS = INJECTOR_CAN_KEYS | INJECTOR_CAN_RELATIVE | INJECTOR_CAN_ABSOLUTE };
enum { CAN_SEEN = INJECTOR_CAN_TOUCH | INJECTOR_CAN_PEN };
enum { NOWHERE = -1, OTHER = SHARED }; /* beside enum uinput_kind: which way something went */

struct scroll {
    int rest; /* less than a notch */
    int64_t at_ns;
};

struct uinput {
    struct injector base;
    struct injector *other; /* for X servers; NULL: there is none */
    struct uinput_seen *seen;
    const char *names[SHARED]; /* what is asked for */
    struct stats delay;        /* has a lock of its own */
    atomic_int used_panels;

    /* Control thread. */
    struct injector_screen screen;
    struct uinput_device devices[SHARED];
    struct uinput_panel *panels[PANELS_MAX];
    int8_t keys[KEY_CNT], buttons[BUTTONS]; /* which way they went down */
    int8_t pointing;                        /* who has moved the pointer last */
    int place_x, place_y;                   /* the last ones of the absolute pointer */
    struct scroll scrolls[2];
};

static struct uinput *uinput_of(const struct injector *base)
{
    return container_of(base, struct uinput, base);
}

static bool is_seen(const struct uinput *self)
{
    return uinput_seen(self->seen);
}

/* Where something of `kind` goes now. */
static int8_t way_of(const struct uinput *self, enum uinput_kind kind)
{
    return (int8_t)(is_seen(self) ? (int)kind : self->other ? OTHER : NOWHERE);
}

/* Also asked by other threads. Who has a touch device already can go on, to lift the fingers. */
static unsigned uinput_can(const struct injector *base)
{
    struct uinput *self = uinput_of(base);
    return CAN_ALWAYS | (self->other ? INJECTOR_CAN_TEXT : 0) |
           (is_seen(self) || atomic_load(&self->used_panels) > 0 ? CAN_SEEN : 0);
}

static void uinput_set_screen(struct injector *base, const struct injector_screen *screen)
{
    struct uinput *self = uinput_of(base);
    self->screen = *screen;
    uinput_seen_set_screen(self->seen, screen);
    if (self->other)
        self->other->ops->set_screen(self->other, screen);
}

/* --- keyboard --- */

/* The scan code is what a USB keyboard would report: page 7 and the usage. */
static void put_key(struct uinput_device *device, uint16_t code, bool down)
{
    enum { KEYBOARD_PAGE = 0x70000 };
    uint8_t usage = keymap_hid(code);
    if (usage)
        uinput_device_put(device, EV_MSC, MSC_SCAN, KEYBOARD_PAGE | usage);
    uinput_device_put(device, EV_KEY, code, down);
    uinput_device_report(device); /* one at a time: their order counts */
}

static void uinput_key(struct injector *base, uint16_t code, uint32_t keysym, bool down)
{
    struct uinput *self = uinput_of(base);
    if (code >= KEY_CNT)
        return;
    int8_t way = down ? way_of(self, UINPUT_KEYBOARD) : self->keys[code];
    self->keys[code] = (int8_t)(down ? way : NOWHERE);
    if (way == OTHER)
        self->other->ops->key(self->other, code, keysym, down);
    else if (way != NOWHERE)
        put_key(&self->devices[way], code, down);
}

static void uinput_text(struct injector *base, const uint32_t *code_points, size_t count)
{
    struct uinput *self = uinput_of(base);
    if (self->other)
        self->other->ops->text(self->other, code_points, count);
}

static void uinput_drop_text(struct injector *base)
{
    struct uinput *self = uinput_of(base);
    if (self->other && self->other->ops->drop_text)
        self->other->ops->drop_text(self->other);
}

/* --- mouse --- */

static void uinput_move(struct injector *base, int dx, int dy)
{
    struct uinput *self = uinput_of(base);
    self->pointing = way_of(self, UINPUT_MOUSE);
    if (self->pointing == OTHER)
        self->other->ops->move(self->other, dx, dy);
    if (self->pointing != UINPUT_MOUSE)
        return;
    if (dx)
        uinput_device_put(&self->devices[UINPUT_MOUSE], EV_REL, REL_X, dx);
    if (dy)
        uinput_device_put(&self->devices[UINPUT_MOUSE], EV_REL, REL_Y, dy);
}

/* The kernel drops a place that is the device's last one, though something else may have moved the pointer since: so it
 * comes from beside it. */
static void put_place(struct uinput *self, int x, int y)
{
    struct uinput_device *device = &self->devices[UINPUT_POINTER];
    if (x == self->place_x && y == self->place_y)
        uinput_device_put(device, EV_ABS, ABS_X, x ^ 1);
    uinput_device_put(device, EV_ABS, ABS_X, x);
    uinput_device_put(device, EV_ABS, ABS_Y, y);
    self->place_x = x;
    self->place_y = y;
}

static void uinput_move_to(struct injector *base, double x, double y)
{
    struct uinput *self = uinput_of(base);
    if (self->screen.width <= 0 || self->screen.height <= 0)
        return;
    self->pointing = way_of(self, UINPUT_POINTER);
    if (self->pointing == OTHER)
        self->other->ops->move_to(self->other, x, y);
    if (self->pointing != UINPUT_POINTER)
        return;
    put_place(self, uinput_place(x, self->screen.width), uinput_place(y, self->screen.height));
}

/* Pressed where the pointer was moved last, if that is still a way. */
/* The pointer has three buttons: with more of them the kernel takes it for a joystick. */
static int8_t button_way(const struct uinput *self, uint16_t code)
{
    int8_t way = way_of(self, UINPUT_MOUSE);
    bool is_pointers = self->pointing == UINPUT_POINTER && code <= BTN_MIDDLE;
    return way == UINPUT_MOUSE && is_pointers ? UINPUT_POINTER : way;
}

static void uinput_button(struct injector *base, uint16_t code, bool down)
{
    struct uinput *self = uinput_of(base);
    if (code < BTN_LEFT || code >= BTN_LEFT + BUTTONS)
        return;
    int8_t *place = &self->buttons[code - BTN_LEFT];
    int8_t way = down ? button_way(self, code) : *place;
    *place = (int8_t)(down ? way : NOWHERE);
    if (way == OTHER)
        self->other->ops->button(self->other, code, down);
    else if (way != NOWHERE)
        uinput_device_put(&self->devices[way], EV_KEY, code, down);
}

/* Fractions of a notch are told at once; who knows whole ones only gets them when they are full. */
static void put_scroll(struct uinput *self, enum injector_axis axis, int amount)
{
    struct uinput_device *device = &self->devices[UINPUT_MOUSE];
    struct scroll *scroll = &self->scrolls[axis == INJECTOR_VERTICAL];
    bool is_vertical = axis == INJECTOR_VERTICAL;
    int64_t now_ns = clock_now_ns();
    bool turned = (amount > 0 && scroll->rest < 0) || (amount < 0 && scroll->rest > 0);
    if (turned || now_ns - scroll->at_ns > SCROLL_FORGET_NS)
        scroll->rest = 0;
    scroll->at_ns = now_ns;
    scroll->rest += amount;
    uinput_device_put(device, EV_REL, is_vertical ? REL_WHEEL_HI_RES : REL_HWHEEL_HI_RES, amount);
    if (scroll->rest / NOTCH)
        uinput_device_put(device, EV_REL, is_vertical ? REL_WHEEL : REL_HWHEEL, scroll->rest / NOTCH);
    scroll->rest %= NOTCH;
}

static void uinput_scroll(struct injector *base, enum injector_axis axis, int amount)
{
    struct uinput *self = uinput_of(base);
    int8_t way = way_of(self, UINPUT_MOUSE);
    if (way == OTHER)
        self->other->ops->scroll(self->other, axis, amount);
    else if (way != NOWHERE && amount)
        put_scroll(self, axis, amount > SCROLL_MAX ? SCROLL_MAX : amount < -SCROLL_MAX ? -SCROLL_MAX : amount);
}

/* --- touch and pen --- */

static struct uinput_panel *panel_of(struct uinput *self, int device)
{
    return device >= 0 && device < PANELS_MAX && self->panels[device] && self->panels[device]->is_used
               ? self->panels[device]
               : NULL;
}

static struct uinput_panel *make_panel(bool pen)
{
    char reason[INJECTOR_REASON_MAX];
    struct uinput_panel *panel = calloc(1, sizeof(*panel));
    if (!panel)
        return log_oom("uinput");
    panel->is_pen = pen;
    if (uinput_device_init(&panel->device, pen ? UINPUT_PEN : UINPUT_TOUCH, reason, sizeof(reason)))
        return panel;
    log_error("uinput: no device for a client's %s: %s", pen ? "pen" : "fingers", reason);
    free(panel);
    return NULL;
}

/* One that a client has left behind is taken again: to remove one would make the kernel wait. */
static int uinput_add_device(struct injector *base, bool pen)
{
    struct uinput *self = uinput_of(base);
    int place = 0;
    while (place < PANELS_MAX && self->panels[place] &&
           (self->panels[place]->is_used || self->panels[place]->is_pen != pen))
        place++;
    if (place == PANELS_MAX)
        return -1;
    if (!self->panels[place])
        self->panels[place] = make_panel(pen);
    if (!self->panels[place])
        return -1;
    self->panels[place]->is_used = true;
    atomic_fetch_add(&self->used_panels, 1);
    return place;
}

static void flush_device(struct uinput *self, struct uinput_device *device)
{
    int64_t took_ns = uinput_device_flush(device);
    if (took_ns >= 0)
        stats_add_ns(&self->delay, took_ns);
}

static void uinput_remove_device(struct injector *base, int device)
{
    struct uinput *self = uinput_of(base);
    struct uinput_panel *panel = panel_of(self, device);
    if (!panel)
        return;
    uinput_panel_release(panel);
    flush_device(self, &panel->device);
    panel->is_used = false;
    atomic_fetch_sub(&self->used_panels, 1);
}

/* While the captured desktop does not see them, fingers and pens are only lifted. */
static void uinput_touch(struct injector *base, int device,
                         const struct injector_contact contacts[INJECTOR_CONTACTS_MAX])
{
    struct uinput *self = uinput_of(base);
    struct uinput_panel *panel = panel_of(self, device);
    bool can_press = is_seen(self);
    if (panel)
        uinput_panel_touch(panel, contacts, can_press ? self->screen.width : 0, can_press ? self->screen.height : 0);
}

static void uinput_pen(struct injector *base, int device, const struct injector_pen *pen)
{
    struct uinput *self = uinput_of(base);
    struct uinput_panel *panel = panel_of(self, device);
    bool can_press = is_seen(self);
    if (panel)
        uinput_panel_pen(panel, pen, can_press ? self->screen.width : 0, can_press ? self->screen.height : 0);
}

/* --- all --- */

static void uinput_flush(struct injector *base)
{
    struct uinput *self = uinput_of(base);
    for (int i = 0; i < SHARED; i++)
        flush_device(self, &self->devices[i]);
    for (int i = 0; i < PANELS_MAX && self->panels[i]; i++)
        flush_device(self, &self->panels[i]->device);
    if (self->other)
        self->other->ops->flush(self->other);
}

/* Of the way that is used; each has its own numbers. */
static void uinput_take_stats(struct injector *base, struct stats_summary *ret_delay)
{
    struct uinput *self = uinput_of(base);
    struct stats_summary other = {0};
    injector_take_stats(self->other, &other);
    *ret_delay = stats_take(&self->delay);
    if (ret_delay->count < other.count)
        *ret_delay = other;
}

static void release_all(struct uinput *self)
{
    for (int code = 0; code < KEY_CNT; code++) {
        if (self->keys[code] == UINPUT_KEYBOARD)
            uinput_key(&self->base, (uint16_t)code, 0, false);
    }
    for (int i = 0; i < BUTTONS; i++) {
        if (self->buttons[i] != OTHER)
            uinput_button(&self->base, (uint16_t)(BTN_LEFT + i), false);
    }
    for (int i = 0; i < PANELS_MAX && self->panels[i]; i++)
        uinput_panel_release(self->panels[i]);
    uinput_flush(&self->base);
}

/* The other injector lets go of what went its way. */
static void uinput_destroy(struct injector *base)
{
    if (!base)
        return;
    struct uinput *self = uinput_of(base);
    release_all(self);
    uinput_seen_destroy(self->seen);
    if (self->other)
        self->other->ops->destroy(self->other);
    for (int i = 0; i < SHARED; i++)
        uinput_device_finish(&self->devices[i]);
    for (int i = 0; i < PANELS_MAX && self->panels[i]; i++) {
        uinput_device_finish(&self->panels[i]->device);
        free(self->panels[i]);
    }
    stats_finish(&self->delay);
    free(self);
}

static const struct injector_ops ops = {
    .name = "uinput",
    .can = uinput_can,
    .destroy = uinput_destroy,
    .set_screen = uinput_set_screen,
    .key = uinput_key,
    .text = uinput_text,
    .move = uinput_move,
    .move_to = uinput_move_to,
    .button = uinput_button,
    .scroll = uinput_scroll,
    .add_device = uinput_add_device,
    .remove_device = uinput_remove_device,
    .touch = uinput_touch,
    .pen = uinput_pen,
    .flush = uinput_flush,
    .drop_text = uinput_drop_text,
    .take_stats = uinput_take_stats,
};

static bool make_devices(struct uinput *self)
{
    char reason[INJECTOR_REASON_MAX];
    for (int kind = 0; kind < SHARED; kind++) {
        if (!uinput_device_init(&self->devices[kind], (enum uinput_kind)kind, reason, sizeof(reason))) {
            log_error("uinput: %s", reason);
            return false;
        }
    }
    return true;
}

/* What the injector for X servers can; 0: there is none. */
static unsigned other_can(void)
{
    struct injector_report reports[INJECTOR_REPORTS_MAX];
    return injector_probe(OTHER_NAME, reports) == 1 && reports[0].usable ? reports[0].can : 0;
}

static struct injector *uinput_create(void)
{
    struct uinput *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("uinput");
    self->base.ops = &ops;
    self->pointing = NOWHERE;
    memset(self->keys, NOWHERE, sizeof(self->keys));
    memset(self->buttons, NOWHERE, sizeof(self->buttons));
    stats_init(&self->delay);
    if (other_can())
        self->other = injector_create(OTHER_NAME);
    for (int i = 0; i < SHARED; i++)
        self->names[i] = uinput_device_name((enum uinput_kind)i);
    self->seen = uinput_seen_create(self->names, SHARED);
    if (self->seen && make_devices(self)) {
        /* The desktop takes a while to open a new device, and misses what is done with it before. */
        self->panels[0] = make_panel(false);
        self->panels[1] = make_panel(true);
        return &self->base;
    }
    uinput_destroy(&self->base);
    return NULL;
}

static void uinput_probe(struct injector_report *ret_report)
{
    struct uinput_device *device = calloc(1, sizeof(*device));
    if (!device) {
        text_copy(ret_report->reason, sizeof(ret_report->reason), "out of memory");
        return;
    }
    ret_report->usable = uinput_device_init(device, UINPUT_MOUSE, ret_report->reason, sizeof(ret_report->reason));
    uinput_device_finish(device);
    free(device);
    if (ret_report->usable)
        ret_report->can = CAN_ALWAYS | CAN_SEEN | (other_can() & INJECTOR_CAN_TEXT);
}

const struct injector_backend injector_uinput = {.name = "uinput", .probe = uinput_probe, .create = uinput_create};
