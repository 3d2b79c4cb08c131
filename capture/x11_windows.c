/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With a window manager its list of clients is what counts (EWMH, _NET_CLIENT_LIST), minimised ones too; a list that a
 * dead window manager left behind is told from a living one by _NET_SUPPORTING_WM_CHECK, whose window died with it.
 * Without one, whatever is mapped on the root window counts.
 */
#include "capture/x11_windows.h"

#include "base/x11_socket.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xcb/xcb.h>

enum { COOKIE_MAX = 64, CLIENTS_MAX = 256, TYPES_MAX = 16 };

struct x11_windows {
    int socket;   /* given to xcb by ask(); -1 then */
    int shutdown; /* a second descriptor of it */
    char cookie[COOKIE_MAX];
    size_t cookie_size;
    xcb_connection_t *connection; /* from here on: during ask() only */
    xcb_window_t root;
};

struct x11_windows *x11_windows_create(int number, const uint8_t *cookie, size_t cookie_size)
{
    int error;
    struct x11_windows *self = cookie_size <= COOKIE_MAX ? calloc(1, sizeof(*self)) : NULL;
    if (!self)
        return NULL;
    memcpy(self->cookie, cookie, cookie_size);
    self->cookie_size = cookie_size;
    self->socket = x11_socket_open(number, &error);
    self->shutdown = self->socket < 0 ? -1 : fcntl(self->socket, F_DUPFD_CLOEXEC, 0);
    if (self->shutdown >= 0)
        return self;
    x11_windows_destroy(self);
    return NULL;
}

void x11_windows_cancel(struct x11_windows *self)
{
    shutdown(self->shutdown, SHUT_RDWR);
}

void x11_windows_destroy(struct x11_windows *self)
{
    if (!self)
        return;
    if (self->socket >= 0)
        close(self->socket);
    if (self->shutdown >= 0)
        close(self->shutdown);
    free(self);
}

static xcb_atom_t intern(struct x11_windows *self, const char *name)
{
    xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(
        self->connection, xcb_intern_atom(self->connection, 0, (uint16_t)strlen(name), name), NULL);
    xcb_atom_t atom = reply ? reply->atom : (xcb_atom_t)XCB_ATOM_NONE;
    free(reply);
    return atom;
}

/* The 32-bit values of a window's property; 0: none. */
static size_t read_property(struct x11_windows *self, xcb_window_t window, const char *name, uint32_t *ret_values,
                            size_t capacity)
{
    xcb_get_property_reply_t *reply =
        xcb_get_property_reply(self->connection,
                               xcb_get_property(self->connection, 0, window, intern(self, name),
                                                XCB_GET_PROPERTY_TYPE_ANY, 0, (uint32_t)capacity),
                               NULL);
    size_t count = reply && reply->format == 32 ? (size_t)xcb_get_property_value_length(reply) / 4 : 0;
    if (count > capacity)
        count = capacity;
    if (count)
        memcpy(ret_values, xcb_get_property_value(reply), count * 4);
    free(reply);
    return count;
}

static bool has_window_manager(struct x11_windows *self)
{
    static const char name[] = "_NET_SUPPORTING_WM_CHECK";
    uint32_t window, itself;
    return read_property(self, self->root, name, &window, 1) == 1 &&
           read_property(self, window, name, &itself, 1) == 1 && itself == window;
}

static bool is_part_of_the_desktop(struct x11_windows *self, xcb_window_t window)
{
    uint32_t types[TYPES_MAX];
    size_t count = read_property(self, window, "_NET_WM_WINDOW_TYPE", types, TYPES_MAX);
    xcb_atom_t dock = intern(self, "_NET_WM_WINDOW_TYPE_DOCK"), desktop = intern(self, "_NET_WM_WINDOW_TYPE_DESKTOP");
    for (size_t i = 0; i < count; i++)
        if (types[i] == dock || types[i] == desktop)
            return true;
    return false;
}

static bool any_client(struct x11_windows *self)
{
    uint32_t clients[CLIENTS_MAX];
    size_t count = read_property(self, self->root, "_NET_CLIENT_LIST", clients, CLIENTS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!is_part_of_the_desktop(self, clients[i]))
            return true;
    return false;
}

static bool is_shown(struct x11_windows *self, xcb_window_t window)
{
    xcb_get_window_attributes_reply_t *reply =
        xcb_get_window_attributes_reply(self->connection, xcb_get_window_attributes(self->connection, window), NULL);
    bool shown = reply && reply->map_state == XCB_MAP_STATE_VIEWABLE && !reply->override_redirect &&
                 reply->_class == XCB_WINDOW_CLASS_INPUT_OUTPUT;
    free(reply);
    return shown && !is_part_of_the_desktop(self, window);
}

static bool any_shown(struct x11_windows *self)
{
    xcb_query_tree_reply_t *reply =
        xcb_query_tree_reply(self->connection, xcb_query_tree(self->connection, self->root), NULL);
    const xcb_window_t *children = reply ? xcb_query_tree_children(reply) : NULL;
    bool any = false;
    for (int i = 0; reply && !any && i < xcb_query_tree_children_length(reply); i++)
        any = is_shown(self, children[i]);
    free(reply);
    return any;
}

enum x11_windows_answer x11_windows_ask(struct x11_windows *self)
{
    char protocol[] = "MIT-MAGIC-COOKIE-1";
    xcb_auth_info_t info = {(int)sizeof(protocol) - 1, protocol, (int)self->cookie_size, self->cookie};
    enum x11_windows_answer answer = X11_WINDOWS_UNKNOWN;
    self->connection = xcb_connect_to_fd(self->socket, self->cookie_size ? &info : NULL); /* takes the socket */
    self->socket = -1;
    if (!xcb_connection_has_error(self->connection)) {
        self->root = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data->root;
        bool any = has_window_manager(self) ? any_client(self) : any_shown(self);
        if (!xcb_connection_has_error(self->connection)) /* else what was read may be less than all */
            answer = any ? X11_WINDOWS_OPEN : X11_WINDOWS_NONE;
    }
    xcb_disconnect(self->connection);
    self->connection = NULL;
    return answer;
}
