/* SPDX-License-Identifier: Apache-2.0 */
#include "input/xtest_link.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <xcb/xcbext.h>
#include <xcb/xkb.h>
#include <xcb/xtest.h>

#define REPLY_LIMIT_NS (500 * CLOCK_MS_NS)
/* xcb writes by itself when it has 16 KB. */
enum { UNFLUSHED_MAX = 8 * 1024 / sizeof(xcb_test_fake_input_request_t) };

static bool is_alive(const struct xtest_link *self)
{
    return self->connection && !self->is_dead && !xcb_connection_has_error(self->connection);
}

static void ask(struct xtest_link *self)
{
    self->question = xcb_get_input_focus(self->connection).sequence;
    self->is_asked = true;
    self->asked_ns = clock_now_ns();
}

static void take_answer(struct xtest_link *self)
{
    void *reply = NULL;
    xcb_generic_error_t *error = NULL;
    if (self->is_asked && xcb_poll_for_reply(self->connection, self->question, &reply, &error))
        self->is_asked = false;
    free(reply);
    free(error);
}

static void take_event(struct xtest_link *self, const xcb_generic_event_t *event)
{
    uint8_t type = event->response_type & 0x7f;
    bool is_ours = event->full_sequence - self->own_first <= self->own_last - self->own_first;
    if (type == 0)
        self->refused++;
    else if (type == self->keyboard_event && !is_ours) /* of those, only changes are asked for */
        self->mapping_changed = true;
}

bool xtest_link_take_events(struct xtest_link *self)
{
    xcb_generic_event_t *event;
    while (is_alive(self) && (event = xcb_poll_for_event(self->connection))) {
        take_event(self, event);
        free(event);
    }
    if (is_alive(self))
        take_answer(self);
    return is_alive(self) && clock_now_ns() < xtest_link_deadline_ns(self);
}

int64_t xtest_link_deadline_ns(const struct xtest_link *self)
{
    return self->is_asked ? self->asked_ns + REPLY_LIMIT_NS : INT64_MAX;
}

/* Until the answer has come, with `ret_reply` NULL that to our own question. */
static bool wait_until(struct xtest_link *self, unsigned sequence, int64_t until_ns, void **ret_reply)
{
    while (xtest_link_take_events(self)) {
        xcb_generic_error_t *error = NULL;
        bool here = ret_reply ? xcb_poll_for_reply(self->connection, sequence, ret_reply, &error) : !self->is_asked;
        self->refused += error != NULL;
        free(error);
        if (here)
            return is_alive(self);
        struct pollfd news = {.fd = xcb_get_file_descriptor(self->connection), .events = POLLIN};
        int64_t left_ns = until_ns - clock_now_ns();
        if (left_ns <= 0)
            return false;
        poll(&news, 1, (int)(left_ns / CLOCK_MS_NS) + 1);
    }
    return false;
}

static bool is_full(const struct xtest_link *self)
{
    int unread = 0;
    return ioctl(xcb_get_file_descriptor(self->connection), SIOCOUTQ, &unread) == 0 && unread > self->room;
}

bool xtest_link_flush(struct xtest_link *self)
{
    if (is_alive(self) && self->is_asked && is_full(self) && !wait_until(self, 0, xtest_link_deadline_ns(self), NULL))
        self->is_dead = true;
    if (!is_alive(self))
        return false;
    if (!self->is_asked)
        ask(self);
    self->unflushed = 0;
    return xcb_flush(self->connection) > 0;
}

bool xtest_link_wait(struct xtest_link *self, unsigned sequence, void **ret_reply)
{
    *ret_reply = NULL;
    return xtest_link_flush(self) && wait_until(self, sequence, clock_now_ns() + REPLY_LIMIT_NS, ret_reply);
}

bool xtest_link_round_trip(struct xtest_link *self)
{
    void *reply;
    bool good = xtest_link_wait(self, xcb_get_input_focus(self->connection).sequence, &reply);
    free(reply);
    return good;
}

bool xtest_link_reply_holds(const void *reply, const void *list, uint64_t size_bytes)
{
    const xcb_generic_reply_t *head = reply;
    uint64_t offset = (uint64_t)((const char *)list - (const char *)reply);
    return offset + size_bytes <= 32 + 4 * (uint64_t)head->length;
}

static bool has_extension(struct xtest_link *self, const char *name, uint16_t length)
{
    void *answer;
    if (!xtest_link_wait(self, xcb_query_extension(self->connection, length, name).sequence, &answer))
        return false;
    xcb_query_extension_reply_t *reply = answer;
    bool present = reply && reply->present;
    free(reply);
    if (!present)
        log_warn("xtest: the X server has no %s extension, so it cannot be given input. Use uinput.", name);
    return present;
}

/* A server sends the events of the core protocol only to clients that do not use XKEYBOARD. */
static bool watch_keyboard(struct xtest_link *self)
{
    enum { ALL = XCB_XKB_MAP_PART_KEY_TYPES | XCB_XKB_MAP_PART_KEY_SYMS | XCB_XKB_MAP_PART_MODIFIER_MAP };
    enum { CHANGES = XCB_XKB_EVENT_TYPE_NEW_KEYBOARD_NOTIFY | XCB_XKB_EVENT_TYPE_MAP_NOTIFY };
    const xcb_query_extension_reply_t *extension = xcb_get_extension_data(self->connection, &xcb_xkb_id);
    if (!extension || !extension->present)
        return false;
    self->keyboard_event = extension->first_event;
    xcb_xkb_select_events(self->connection, XCB_XKB_ID_USE_CORE_KBD, CHANGES, 0, CHANGES, ALL, ALL, NULL);
    return true;
}

bool xtest_link_open(struct xtest_link *self, xcb_connection_t *connection)
{
    void *reply;
    *self = (struct xtest_link){.connection = connection};
    xcb_screen_iterator_t screen = xcb_setup_roots_iterator(xcb_get_setup(connection));
    if (!screen.rem)
        return false;
    self->root = screen.data->root;
    socklen_t size = sizeof(self->room);
    if (getsockopt(xcb_get_file_descriptor(connection), SOL_SOCKET, SO_SNDBUF, &self->room, &size) < 0)
        return false;
    self->room /= 4;
    if (!has_extension(self, "XTEST", 5) || !has_extension(self, "XKEYBOARD", 9))
        return false;
    /* xcb asks for the number of an extension when it is first used, and would wait for ever for the answer. */
    xcb_prefetch_extension_data(connection, &xcb_test_id);
    xcb_prefetch_extension_data(connection, &xcb_xkb_id);
    if (!xtest_link_round_trip(self))
        return false;
    xcb_test_grab_control(connection, 1); /* not held up by a client that has grabbed the server */
    unsigned sequence = xcb_xkb_use_extension(connection, 1, 0).sequence;
    bool good = xtest_link_wait(self, sequence, &reply);
    free(reply);
    return good && watch_keyboard(self);
}

void xtest_link_close(struct xtest_link *self)
{
    if (self->connection)
        xcb_disconnect(self->connection);
    *self = (struct xtest_link){0};
}

void xtest_link_fake(struct xtest_link *self, uint8_t type, uint8_t detail, int x, int y)
{
    if (!is_alive(self) || (++self->unflushed > UNFLUSHED_MAX && !xtest_link_flush(self)))
        return;
    xcb_test_fake_input(self->connection, type, detail, XCB_CURRENT_TIME, XCB_NONE, (int16_t)x, (int16_t)y, 0);
}
