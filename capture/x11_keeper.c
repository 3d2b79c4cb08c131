/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's connection to an X server. No wait for a reply is without a limit: then the connection is given up. */
#include "capture/x11_keeper.h"

#include "base/container_of.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/x11_connect.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <xcb/dpms.h>
#include <xcb/screensaver.h>

struct x11_keeper *x11_keeper_of(const struct keeper_backend *base)
{
    return container_of(base, struct x11_keeper, base);
}

static void handle_events(struct x11_keeper *self)
{
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(self->connection))) {
        uint8_t type = event->response_type & 0x7f;
        bool is_screen = self->has_randr && type == self->randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY;
        if (is_screen) {
            const xcb_randr_screen_change_notify_event_t *screen = (const void *)event;
            self->width_mm = screen->mwidth;
            self->height_mm = screen->mheight;
        }
        if (is_screen || (self->has_randr && type == self->randr_event + XCB_RANDR_NOTIFY))
            self->changed = true;
        free(event);
    }
}

enum x11_reply x11_keeper_wait(struct x11_keeper *self, unsigned sequence, int64_t limit_ns, void **ret_reply)
{
    int64_t until_ns = clock_now_ns() + limit_ns;
    xcb_flush(self->connection);
    for (;;) {
        xcb_generic_error_t *error = NULL;
        void *reply = NULL;
        handle_events(self); /* also reads what has arrived */
        if (xcb_connection_has_error(self->connection))
            return X11_REPLY_DEAD;
        if (xcb_poll_for_reply(self->connection, sequence, &reply, &error)) {
            free(error);
            if (reply)
                *ret_reply = reply;
            return reply ? X11_REPLY_OK : X11_REPLY_ERROR;
        }
        int64_t left_ns = until_ns - clock_now_ns();
        if (left_ns <= 0)
            return X11_REPLY_DEAD;
        struct pollfd fd = {.fd = xcb_get_file_descriptor(self->connection), .events = POLLIN};
        poll(&fd, 1, (int)(left_ns / CLOCK_MS_NS) + 1);
    }
}

enum x11_reply x11_keeper_check(struct x11_keeper *self, unsigned sequence, int64_t limit_ns)
{
    /* Requests are carried out in order: after the answer to a later one, the error is there or will not come. */
    void *answer = NULL;
    xcb_generic_error_t *error = NULL;
    enum x11_reply result = x11_keeper_wait(self, xcb_get_input_focus(self->connection).sequence, limit_ns, &answer);
    if (result != X11_REPLY_OK)
        return X11_REPLY_DEAD;
    free(answer);
    void *none = NULL;
    if (!sequence || !xcb_poll_for_reply(self->connection, sequence, &none, &error) || !error)
        return X11_REPLY_OK;
    log_debug("keeper: X error %d of request %d.%d", error->error_code, error->major_code, error->minor_code);
    free(error);
    return X11_REPLY_ERROR;
}

static void write_boot(char *ret_text, size_t size)
{
    char *data = NULL;
    size_t length = 0;
    snprintf(ret_text, size, "-");
    if (file_read("/proc/sys/kernel/random/boot_id", 64, &data, &length) != FILE_OK)
        return;
    data[strcspn(data, "\n ")] = '\0';
    text_copy(ret_text, size, *data ? data : "-");
    free(data);
}

/* When a process began, in ticks since the boot; 0: not known. Source: proc(5), field 22 of stat. */
static unsigned long long start_of(pid_t pid)
{
    char path[64], *data = NULL;
    size_t length = 0;
    unsigned long long start = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read(path, 4096, &data, &length) != FILE_OK)
        return 0;
    char *at = strrchr(data, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        start = strtoull(at, NULL, 10);
    free(data);
    return start;
}

static void write_identity(struct x11_keeper *self)
{
    char boot[48];
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    write_boot(boot, sizeof(boot));
    if (getsockopt(xcb_get_file_descriptor(self->connection), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        peer.pid = 0;
    snprintf(self->identity, sizeof(self->identity), "%s %d %llu", boot, (int)peer.pid,
             peer.pid > 0 ? start_of(peer.pid) : 0);
}

static void x11_keeper_close(struct keeper_backend *base)
{
    struct x11_keeper *self = x11_keeper_of(base);
    if (self->connection)
        xcb_disconnect(self->connection); /* the server takes down the walls and lets the screen saver run again */
    x11_connect_destroy(self->connect);
    free(self);
}

static struct keeper_backend *x11_keeper_begin(const char *display, const char *xauthority, int64_t owner,
                                               const char *output, char *ret_sentence, size_t sentence_size)
{
    struct x11_keeper *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("keeper");
    self->base.ops = &keeper_x11;
    text_copy(self->display, sizeof(self->display), display);
    text_copy(self->output, sizeof(self->output), output);
    self->connect = x11_connect_begin(display, xauthority, ret_sentence, sentence_size);
    if (self->connect) {
        x11_connect_require_owner(self->connect, owner);
        return &self->base;
    }
    x11_keeper_close(&self->base);
    return NULL;
}

static bool has(struct x11_keeper *self, xcb_extension_t *id)
{
    const xcb_query_extension_reply_t *data = xcb_get_extension_data(self->connection, id);
    return data && data->present;
}

static uint32_t version_of(uint32_t major, uint32_t minor)
{
    return major * 100 + minor;
}

static enum x11_reply ask_randr(struct x11_keeper *self)
{
    void *answer = NULL;
    if (!has(self, &xcb_randr_id))
        return X11_REPLY_ERROR;
    enum x11_reply result =
        x11_keeper_wait(self, xcb_randr_query_version(self->connection, 1, 3).sequence, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_query_version_reply_t *version = answer;
    self->has_randr = version_of(version->major_version, version->minor_version) >= version_of(1, 3);
    self->randr_event = xcb_get_extension_data(self->connection, &xcb_randr_id)->first_event;
    free(answer);
    if (self->has_randr)
        xcb_randr_select_input(self->connection, self->root,
                               XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE | XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
                                   XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
    return X11_REPLY_OK;
}

static enum x11_reply ask_others(struct x11_keeper *self)
{
    void *answer = NULL;
    enum x11_reply result = X11_REPLY_OK;
    if (has(self, &xcb_xfixes_id)) {
        result = x11_keeper_wait(self, xcb_xfixes_query_version(self->connection, 5, 0).sequence, X11_KEEPER_LIMIT_NS,
                                 &answer);
        if (result == X11_REPLY_OK) {
            self->has_barriers = ((xcb_xfixes_query_version_reply_t *)answer)->major_version >= 5;
            free(answer);
        }
    }
    if (result != X11_REPLY_DEAD && has(self, &xcb_screensaver_id)) {
        result = x11_keeper_wait(self, xcb_screensaver_query_version(self->connection, 1, 1).sequence,
                                 X11_KEEPER_LIMIT_NS, &answer);
        if (result == X11_REPLY_OK) {
            xcb_screensaver_query_version_reply_t *version = answer;
            self->has_suspend =
                version_of(version->server_major_version, version->server_minor_version) >= version_of(1, 1);
            free(answer);
        }
    }
    if (result != X11_REPLY_DEAD && has(self, &xcb_dpms_id)) {
        result = x11_keeper_wait(self, xcb_dpms_capable(self->connection).sequence, X11_KEEPER_LIMIT_NS, &answer);
        if (result == X11_REPLY_OK) {
            self->has_dpms = ((xcb_dpms_capable_reply_t *)answer)->capable;
            free(answer);
        }
    }
    return result;
}

static bool x11_keeper_finish(struct keeper_backend *base, char *ret_sentence, size_t sentence_size)
{
    static xcb_extension_t *const used[] = {&xcb_randr_id, &xcb_xfixes_id, &xcb_screensaver_id, &xcb_dpms_id};
    struct x11_keeper *self = x11_keeper_of(base);
    self->connection = x11_connect_open(self->connect, ret_sentence, sentence_size);
    if (!self->connection)
        return false;
    xcb_screen_iterator_t screens = xcb_setup_roots_iterator(xcb_get_setup(self->connection));
    if (!screens.rem)
        return false;
    self->root = screens.data->root;
    self->width_mm = screens.data->width_in_millimeters;
    self->height_mm = screens.data->height_in_millimeters;
    write_identity(self);
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        xcb_prefetch_extension_data(self->connection, used[i]);
    /* Once this is answered, so are those, and looking at them does not wait. */
    void *answer = NULL;
    enum x11_reply result =
        x11_keeper_wait(self, xcb_get_input_focus(self->connection).sequence, X11_KEEPER_LIMIT_NS, &answer);
    free(answer);
    if (result == X11_REPLY_OK && ask_randr(self) != X11_REPLY_DEAD && ask_others(self) != X11_REPLY_DEAD)
        return true;
    snprintf(ret_sentence, sentence_size, "The X server %s does not answer.", self->display);
    return false;
}

static void x11_keeper_abort(struct keeper_backend *base)
{
    x11_connect_cancel(x11_keeper_of(base)->connect);
}

static int x11_keeper_fd(const struct keeper_backend *base)
{
    return xcb_get_file_descriptor(x11_keeper_of(base)->connection);
}

static bool x11_keeper_pump(struct keeper_backend *base, bool *ret_changed)
{
    struct x11_keeper *self = x11_keeper_of(base);
    handle_events(self);
    *ret_changed = self->changed;
    self->changed = false;
    return !xcb_connection_has_error(self->connection);
}

static const char *x11_keeper_identity(const struct keeper_backend *base)
{
    return x11_keeper_of(base)->identity;
}

const struct keeper_backend_ops keeper_x11 = {
    .name = "x11",
    .begin = x11_keeper_begin,
    .finish = x11_keeper_finish,
    .abort = x11_keeper_abort,
    .close = x11_keeper_close,
    .fd = x11_keeper_fd,
    .pump = x11_keeper_pump,
    .identity = x11_keeper_identity,
    .boot = write_boot,
    .plan = x11_modes_plan,
    .switch_to = x11_modes_switch,
    .put_back = x11_modes_put_back,
    .compare = x11_modes_compare,
    .keep_awake = x11_awake_keep,
    .clip = x11_clip_set,
};
