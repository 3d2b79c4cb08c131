/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The X11 source. A persistent shared-memory image of the captured area is kept up to date in place, which lets
 * everybody convert from the image without a copy in between.
 * Nothing here waits longer than 500 ms for the server; xcb never ends the process when the connection breaks.
 */
#include "capture/x11.h"

#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/text.h"
#include "base/x11_connect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <xcb/xinput.h>

static struct x11_source *x11_of(const struct source *base)
{
    return container_of(base, struct x11_source, base);
}

bool x11_is_alive(struct x11_source *self)
{
    if (!xcb_connection_has_error(self->connection))
        return true;
    snprintf(self->base.sentence, sizeof(self->base.sentence),
             self->aborted ? "The X server %s stopped answering. Connecting again."
                           : "The desktop %s went away. Waiting for it to return.",
             self->display);
    return false;
}

static void handle_event(struct x11_source *self, const xcb_generic_event_t *event)
{
    uint8_t type = event->response_type & 0x7f;
    if (type == 0) {
        const xcb_generic_error_t *error = (const xcb_generic_error_t *)(const void *)event;
        log_debug("x11: error %d of request %d.%d", error->error_code, error->major_code, error->minor_code);
    } else if (type == self->damage_event + XCB_DAMAGE_NOTIFY) {
        self->damaged = true;
    } else if (type == self->xfixes_event + XCB_XFIXES_CURSOR_NOTIFY) {
        self->shape_changed = true;
    } else if (type == XCB_GE_GENERIC && self->xinput_opcode &&
               ((const xcb_ge_generic_event_t *)(const void *)event)->extension == self->xinput_opcode) {
        self->pointer_moved = true;
    } else if (self->alarms.event && type == self->alarms.event) {
        x11_alarms_take(self, event);
    } else if (type == XCB_CONFIGURE_NOTIFY ||
               (self->has_randr && (type == self->randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY ||
                                    type == self->randr_event + XCB_RANDR_NOTIFY))) {
        self->mode_changed = true;
    }
}

void x11_handle_events(struct x11_source *self)
{
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(self->connection))) {
        handle_event(self, event);
        free(event);
    }
}

enum x11_reply x11_wait(struct x11_source *self, unsigned sequence, int64_t until_ns, void **ret_reply)
{
    xcb_flush(self->connection);
    for (;;) {
        xcb_generic_error_t *error = NULL;
        void *reply = NULL;
        x11_handle_events(self); /* also reads what has arrived */
        if (!x11_is_alive(self))
            return X11_REPLY_DEAD;
        if (xcb_poll_for_reply(self->connection, sequence, &reply, &error)) {
            free(error);
            if (reply)
                *ret_reply = reply;
            return reply ? X11_REPLY_OK : X11_REPLY_ERROR;
        }
        int64_t left_ns = until_ns - clock_now_ns();
        if (left_ns <= 0) {
            snprintf(self->base.sentence, sizeof(self->base.sentence), "The X server %s does not answer.",
                     self->display);
            return X11_REPLY_DEAD;
        }
        struct pollfd fd = {.fd = xcb_get_file_descriptor(self->connection), .events = POLLIN};
        poll(&fd, 1, (int)(left_ns / CLOCK_MS_NS) + 1);
    }
}

static void x11_destroy(struct source *base)
{
    struct x11_source *self = x11_of(base);
    x11_shm_detach(self);
    cursor_finish(&self->cursor);
    if (self->connection)
        xcb_disconnect(self->connection);
    free(self);
}

static int x11_fd(const struct source *base)
{
    return xcb_get_file_descriptor(x11_of(base)->connection);
}

static void select_motion(struct x11_source *self, bool select)
{
    struct {
        xcb_input_event_mask_t head;
        uint32_t mask;
    } events = {{XCB_INPUT_DEVICE_ALL_MASTER, 1}, select ? XCB_INPUT_XI_EVENT_MASK_RAW_MOTION : 0};
    xcb_input_xi_select_events(self->connection, self->root, 1, &events.head);
}

static void x11_set_viewed(struct source *base, bool viewed)
{
    struct x11_source *self = x11_of(base);
    if (self->viewed == viewed)
        return;
    self->viewed = viewed;
    self->pointer_moved = viewed;
    self->next_probe_ns = 0;
    x11_alarms_set(self, viewed);
    if (self->xinput_opcode)
        select_motion(self, viewed);
    xcb_flush(self->connection);
}

static enum source_state x11_pump(struct source *base, int64_t now_ns, int64_t *ret_again_ns)
{
    struct x11_source *self = x11_of(base);
    x11_handle_events(self);
    if (self->viewed)
        x11_cursor_probe(self, now_ns);
    if (!x11_is_alive(self))
        return SOURCE_FAILED;
    if (self->probe_sent && now_ns - self->probe_sent_ns > X11_REPLY_LIMIT_NS) {
        snprintf(base->sentence, sizeof(base->sentence), "The X server %s does not answer.", self->display);
        return SOURCE_FAILED;
    }
    *ret_again_ns = INT64_MAX;
    if (self->viewed)
        *ret_again_ns = self->probe_sent ? self->probe_sent_ns + X11_REPLY_LIMIT_NS + CLOCK_MS_NS : self->next_probe_ns;
    bool changed = self->damaged || self->mode_changed || self->all_new || self->pointer_moved || self->shape_changed;
    return changed ? SOURCE_CHANGED : SOURCE_QUIET;
}

/* Place and size of the captured area, and a shared image for it. */
static bool follow_mode(struct x11_source *self, int64_t until_ns, bool *ret_resized)
{
    struct rect before = self->area;
    self->mode_changed = false;
    if (!x11_choose_area(self, until_ns))
        return false;
    struct rect now = self->area;
    if (self->shm.memory && before.x == now.x && before.y == now.y && before.width == now.width &&
        before.height == now.height)
        return true;
    if (!x11_shm_attach(self, now.width, now.height))
        return false;
    self->all_new = *ret_resized = true;
    return true;
}

/* One try at a picture. X11_REPLY_ERROR: the mode changed under our hands, or the server refuses the shared image. */
static enum x11_reply try_fetch(struct x11_source *self, int64_t until_ns, struct region *ret_damage, bool *ret_resized)
{
    if ((self->mode_changed || !self->shm.memory) && !follow_mode(self, until_ns, ret_resized))
        return X11_REPLY_DEAD;
    enum x11_reply result = x11_read(self, until_ns, ret_damage);
    if (result == X11_REPLY_OK)
        self->all_new = self->mode_changed; /* a copy from beyond the screen's new edge leaves what was there */
    else
        self->mode_changed = self->all_new = true;
    return result;
}

static bool x11_fetch(struct source *base, int64_t now_ns, struct source_picture *ret_picture)
{
    struct x11_source *self = x11_of(base);
    int64_t until_ns = now_ns + X11_REPLY_LIMIT_NS;
    struct region damage = {.count = 0};
    bool resized = self->all_new;
    self->fetched_ns = now_ns;
    struct x11_cursor_question question = x11_cursor_ask(self);
    enum x11_reply result = X11_REPLY_ERROR;
    for (int attempt = 0; attempt < 4 && result == X11_REPLY_ERROR; attempt++) {
        result = try_fetch(self, until_ns, &damage, &resized);
        if (result == X11_REPLY_ERROR && attempt == 1 && self->can_pass_fd) {
            self->can_pass_fd = false; /* perhaps it is the segment that the server refused */
            x11_shm_detach(self);
        }
    }
    if (result == X11_REPLY_ERROR)
        snprintf(base->sentence, sizeof(base->sentence), "The X server %s does not let its screen be read.",
                 self->display);
    if (result != X11_REPLY_OK || !x11_cursor_take(self, &question, until_ns, &damage))
        return false;
    int width = self->area.width, height = self->area.height;
    region_clip(&damage, (struct rect){0, 0, width, height});
    *ret_picture = (struct source_picture){
        .image = {self->shm.memory, width * 4, width, height},
        .cursor = &self->cursor,
        .damage = damage,
        .resized = resized,
    };
    return true;
}

static void x11_abort(struct source *base)
{
    struct x11_source *self = x11_of(base);
    self->aborted = true;
    shutdown(xcb_get_file_descriptor(self->connection), SHUT_RDWR);
}

static const struct source_ops x11_ops = {
    .name = "x11",
    .destroy = x11_destroy,
    .fd = x11_fd,
    .set_viewed = x11_set_viewed,
    .pump = x11_pump,
    .fetch = x11_fetch,
    .abort = x11_abort,
};

struct source *x11_create(xcb_connection_t *connection, const char *display, const char *output, char *ret_sentence,
                          size_t sentence_size)
{
    struct x11_source *self = calloc(1, sizeof(*self));
    if (!self) {
        xcb_disconnect(connection);
        text_copy(ret_sentence, sentence_size, "Out of memory.");
        return log_oom("x11");
    }
    self->base.ops = &x11_ops;
    self->connection = connection;
    self->all_new = self->shape_changed = true;
    text_copy(self->display, sizeof(self->display), display);
    text_copy(self->output, sizeof(self->output), output);
    if (!x11_setup(self) || !x11_choose_area(self, clock_now_ns() + 10 * CLOCK_SECOND_NS)) {
        text_copy(ret_sentence, sentence_size, self->base.sentence);
        x11_destroy(&self->base);
        return NULL;
    }
    return &self->base;
}

struct source *x11_connect_finish(struct x11_connect *connect, const char *output, char *ret_sentence,
                                  size_t sentence_size)
{
    xcb_connection_t *connection = x11_connect_open(connect, ret_sentence, sentence_size);
    if (!connection)
        return NULL;
    struct source *source = x11_create(connection, x11_connect_display(connect), output, ret_sentence, sentence_size);
    if (source) {
        text_copy(source->display, sizeof(source->display), x11_connect_display(connect));
        text_copy(source->xauthority, sizeof(source->xauthority), x11_connect_xauthority(connect));
        source->cookie_owner = x11_connect_owner(connect);
    }
    return source;
}
