/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread, "devices", holds a connection of its own to the server and asks for the list of devices at first and each
 * time the server says that it has changed. It waits for nothing but news, so a server that has stopped cannot hold it.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wake.h"
#include "base/x11_connect.h"
#include "input/injector.h"
#include "input/uinput_names.h"
#include "input/uinput_seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xcb/xcbext.h>
#include <xcb/xinput.h>

enum { RETRY_MS = 1000, NEVER_MS = -1 };
enum stage { CLOSED, FINDING, LISTENING, UNABLE };

struct uinput_seen {
    struct thread thread;
    const char *const *names;
    int name_count;
    struct wake news;
    atomic_bool is_seen;

    struct mutex lock; /* guards the next ones, and writing is_seen */
    struct injector_screen screen;
    struct x11_connect *connect; /* the attempt under way */
    bool is_stopping;

    /* The thread's. */
    struct injector_screen place; /* what it is connected to, or tries to */
    enum stage stage;
    xcb_connection_t *connection;
    uint8_t opcode;
    unsigned question; /* what the server was asked */
    bool is_asked;     /* and has not answered yet */
    bool is_stale;     /* the list has changed since */
};

static bool is_same_server(const struct injector_screen *a, const struct injector_screen *b)
{
    return strcmp(a->display, b->display) == 0 && strcmp(a->xauthority, b->xauthority) == 0 &&
           a->cookie_owner == b->cookie_owner;
}

/* --- the thread: connecting --- */

static void publish(struct uinput_seen *self, bool is_seen)
{
    mutex_lock(&self->lock);
    bool is_for_now = *self->screen.display && is_same_server(&self->screen, &self->place);
    bool is_news = is_for_now && atomic_exchange(&self->is_seen, is_seen) != is_seen;
    mutex_unlock(&self->lock);
    if (is_news)
        log_info("uinput: %s %s", self->place.display,
                 is_seen ? "has our devices: input goes through the kernel"
                         : "does not have our devices any more: input goes through XTEST");
}

static void disconnect(struct uinput_seen *self)
{
    if (self->connection)
        xcb_disconnect(self->connection);
    self->connection = NULL;
    self->stage = CLOSED;
    self->is_asked = self->is_stale = false;
}

/* May take as long as the server likes; another thread can cancel it. */
static xcb_connection_t *open_display(struct uinput_seen *self)
{
    char sentence[160];
    struct x11_connect *connect =
        x11_connect_begin(self->place.display, self->place.xauthority, sentence, sizeof(sentence));
    if (!connect)
        return NULL;
    x11_connect_require_owner(connect, self->place.cookie_owner);
    mutex_lock(&self->lock);
    bool is_wanted = !self->is_stopping && is_same_server(&self->screen, &self->place);
    self->connect = connect;
    mutex_unlock(&self->lock);
    xcb_connection_t *connection = is_wanted ? x11_connect_open(connect, sentence, sizeof(sentence)) : NULL;
    mutex_lock(&self->lock);
    self->connect = NULL;
    mutex_unlock(&self->lock);
    x11_connect_destroy(connect);
    return connection;
}

/* xcb looks for the extension before the first request to it, and waits; when a later question is answered it has
 * found it. */
static void connect_to(struct uinput_seen *self)
{
    static const char name[] = "XInputExtension";
    self->connection = open_display(self);
    if (!self->connection)
        return;
    xcb_prefetch_extension_data(self->connection, &xcb_input_id);
    self->question = xcb_query_extension(self->connection, sizeof(name) - 1, name).sequence;
    self->is_asked = true;
    self->stage = FINDING;
    xcb_flush(self->connection);
}

/* A server says what it likes about its devices, and input would go to whichever desktop is in front: so that no user
 * leads it there from a desktop in the background, only one of root's or of our own user is believed. */
static bool is_believed(const struct uinput_seen *self)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int fd = xcb_get_file_descriptor(self->connection);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    log_info("uinput: %s is user %u's, whose word on devices does not count here: input goes through XTEST",
             self->place.display, (unsigned)peer.uid);
    return false;
}

/* --- the thread: asking and listening --- */

static void ask(struct uinput_seen *self)
{
    enum { ALL_DEVICES = 0 };
    self->question = xcb_input_xi_query_device(self->connection, ALL_DEVICES).sequence;
    self->is_asked = true;
    self->is_stale = false;
    xcb_flush(self->connection);
}

static void listen_to(struct uinput_seen *self, const xcb_query_extension_reply_t *reply)
{
    struct {
        xcb_input_event_mask_t head;
        uint32_t mask;
    } events = {{.deviceid = 0, .mask_len = 1}, XCB_INPUT_XI_EVENT_MASK_HIERARCHY};
    if (!reply || !reply->present || !is_believed(self)) {
        self->stage = UNABLE;
        return;
    }
    self->opcode = reply->major_opcode;
    xcb_window_t root = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data->root;
    xcb_discard_reply(self->connection, xcb_input_xi_query_version(self->connection, 2, 0).sequence);
    xcb_input_xi_select_events(self->connection, root, 1, &events.head);
    self->stage = LISTENING;
    ask(self);
}

static void take_list(struct uinput_seen *self, const xcb_input_xi_query_device_reply_t *reply)
{
    publish(self, reply && uinput_names_are_listed((const uint8_t *)(reply + 1), (size_t)reply->length * 4,
                                                   reply->num_infos, self->names, self->name_count));
}

static void take_events(struct uinput_seen *self, xcb_generic_event_t *(*next)(xcb_connection_t *connection))
{
    xcb_generic_event_t *event;
    while ((event = next(self->connection))) {
        const xcb_ge_generic_event_t *generic = (const xcb_ge_generic_event_t *)event;
        if ((event->response_type & 0x7f) == XCB_GE_GENERIC && generic->extension == self->opcode &&
            generic->event_type == XCB_INPUT_HIERARCHY)
            self->is_stale = true;
        free(event);
    }
}

/* What has come; does not wait. */
static void serve(struct uinput_seen *self)
{
    void *reply = NULL;
    xcb_generic_error_t *error = NULL;
    take_events(self, xcb_poll_for_event);
    if (self->is_asked && xcb_poll_for_reply(self->connection, self->question, &reply, &error)) {
        self->is_asked = false;
        if (self->stage == FINDING)
            listen_to(self, reply);
        else
            take_list(self, reply);
    }
    free(reply);
    free(error);
    take_events(self, xcb_poll_for_queued_event); /* looking for the answer has read them */
    if (self->stage == LISTENING && self->is_stale && !self->is_asked)
        ask(self);
    if (xcb_connection_has_error(self->connection)) {
        publish(self, false);
        disconnect(self);
    }
}

/* --- the thread --- */

/* False: stop. */
static bool obey(struct uinput_seen *self)
{
    mutex_lock(&self->lock);
    bool is_stopping = self->is_stopping;
    bool is_other = !is_same_server(&self->screen, &self->place);
    self->place = self->screen;
    mutex_unlock(&self->lock);
    if (is_other)
        disconnect(self);
    return !is_stopping;
}

static void sleep_for(struct uinput_seen *self, int limit_ms)
{
    int64_t until_ns = limit_ms < 0 ? INT64_MAX : clock_now_ns() + limit_ms * CLOCK_MS_NS;
    wake_wait(&self->news, self->connection ? xcb_get_file_descriptor(self->connection) : -1, until_ns);
}

static void run(void *arg)
{
    struct uinput_seen *self = arg;
    thread_set_priority(THREAD_PRIORITY_LOW);
    while (obey(self)) {
        bool is_wanted = *self->place.display;
        if (is_wanted && !self->connection)
            connect_to(self);
        if (self->connection)
            serve(self);
        /* An answer that xcb reads while it writes does not make the descriptor readable. */
        sleep_for(self, is_wanted && (!self->connection || self->is_asked) ? RETRY_MS : NEVER_MS);
    }
    disconnect(self);
}

/* --- control thread --- */

void uinput_seen_set_screen(struct uinput_seen *self, const struct injector_screen *screen)
{
    bool is_sized = screen->width > 0 && screen->height > 0;
    mutex_lock(&self->lock);
    bool is_other = !is_same_server(&self->screen, screen);
    self->screen = *screen;
    if (!*screen->display)
        atomic_store(&self->is_seen, is_sized);
    else if (is_other)
        atomic_store(&self->is_seen, false);
    if (is_other && self->connect)
        x11_connect_cancel(self->connect);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

bool uinput_seen(const struct uinput_seen *self)
{
    return atomic_load(&self->is_seen);
}

struct uinput_seen *uinput_seen_create(const char *const *names, int count)
{
    struct uinput_seen *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("uinput");
    self->names = names;
    self->name_count = count;
    mutex_init(&self->lock);
    if (wake_init(&self->news) && thread_start(&self->thread, "devices", run, self))
        return self;
    uinput_seen_destroy(self);
    return NULL;
}

void uinput_seen_destroy(struct uinput_seen *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->is_stopping = true;
    if (self->connect)
        x11_connect_cancel(self->connect);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
    thread_join(&self->thread);
    wake_finish(&self->news);
    mutex_finish(&self->lock);
    free(self);
}
