/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer: its shape by XFixes, its place by asking. Motion raises no damage: XInput 2 raw motion wakes the capture
 * thread, and an alarm (x11_alarms.c) when the pointer is warped. What comes close behind is found by asking until the
 * pointer rests. A server that keeps silent is asked, too: has it stopped?
 * Servers without such alarms are polled. Once the poll has found a warp it goes faster for a while; on a still screen
 * it goes slower.
 */
#include "base/clock.h"
#include "capture/x11.h"

#include <stdlib.h>

#define PROBE_ACTS_NS  (20 * CLOCK_MS_NS)               /* more than what lies between two pictures: they ask, too */
#define SILENCE_NS     (X11_BEAT_NS + 30 * CLOCK_MS_NS) /* a sign of life that is later is asked for */
#define PROBE_SLOW_NS  (100 * CLOCK_MS_NS)
#define PROBE_FAST_NS  (8 * CLOCK_MS_NS)
#define PROBE_STILL_NS (250 * CLOCK_MS_NS)
#define BUSY_NS        (1000 * CLOCK_MS_NS)
#define STILL_NS       (2 * CLOCK_SECOND_NS) /* without a picture */

static int64_t probe_interval(const struct x11_source *self, int64_t now_ns)
{
    if (x11_alarms_are_possible(self))
        return self->alarms.is_acting ? PROBE_ACTS_NS : SILENCE_NS;
    if (!self->xinput_opcode || now_ns < self->busy_until_ns)
        return PROBE_FAST_NS;
    return now_ns - self->fetched_ns < STILL_NS ? PROBE_SLOW_NS : PROBE_STILL_NS;
}

static void schedule_probe(struct x11_source *self, int64_t now_ns)
{
    self->next_probe_ns = now_ns + probe_interval(self, now_ns);
}

void x11_cursor_probe(struct x11_source *self, int64_t now_ns)
{
    void *answer = NULL;
    xcb_generic_error_t *error = NULL;
    if (self->alarms.has_beaten && !self->alarms.is_acting)
        schedule_probe(self, now_ns);
    self->alarms.has_beaten = false;
    if (self->probe_sent && xcb_poll_for_reply(self->connection, self->probe.sequence, &answer, &error)) {
        xcb_query_pointer_reply_t *reply = answer;
        self->probe_sent = false;
        if (reply && (reply->root_x != self->pointer_x || reply->root_y != self->pointer_y)) {
            if (!self->pointer_moved) /* no event told us */
                self->busy_until_ns = now_ns + BUSY_NS;
            self->pointer_moved = true;
        }
        schedule_probe(self, now_ns);
        free(answer);
        free(error);
    }
    if (self->probe_sent || now_ns < self->next_probe_ns)
        return;
    self->probe = xcb_query_pointer(self->connection, self->root);
    self->probe_sent = true;
    self->probe_sent_ns = now_ns;
    xcb_flush(self->connection);
}

static bool take_shape(struct x11_source *self, unsigned sequence, int64_t until_ns)
{
    void *answer = NULL;
    enum x11_reply result = x11_wait(self, sequence, until_ns, &answer);
    xcb_xfixes_get_cursor_image_reply_t *reply = answer;
    if (result == X11_REPLY_DEAD)
        return false;
    self->cursor.visible = false;
    if (result ==
        X11_REPLY_ERROR) { /* a shape whose maker has gone (xsetroot): the server does not show it to others */
        self->cursor.visible = cursor_set_arrow(&self->cursor);
        self->hot_x = self->hot_y = 0;
    }
    if (result == X11_REPLY_OK && reply->width > 0 && reply->height > 0 &&
        x11_reply_reaches(reply,
                          xcb_xfixes_get_cursor_image_cursor_image(reply) + (size_t)reply->width * reply->height)) {
        self->cursor.visible = cursor_set_shape(&self->cursor, reply->width, reply->height,
                                                xcb_xfixes_get_cursor_image_cursor_image(reply));
        self->hot_x = reply->xhot;
        self->hot_y = reply->yhot;
    }
    free(answer);
    return true;
}

static bool take_place(struct x11_source *self, unsigned sequence, int64_t until_ns)
{
    void *answer = NULL;
    enum x11_reply result = x11_wait(self, sequence, until_ns, &answer);
    xcb_query_pointer_reply_t *reply = answer;
    if (result == X11_REPLY_DEAD)
        return false;
    schedule_probe(self, self->fetched_ns);
    if (result == X11_REPLY_OK) {
        self->pointer_x = reply->root_x;
        self->pointer_y = reply->root_y;
    }
    free(answer);
    return true;
}

/* The requests leave with those of the damage: one journey less. */
struct x11_cursor_question x11_cursor_ask(struct x11_source *self)
{
    struct x11_cursor_question question = {.has_shape = self->shape_changed};
    self->shape_changed = self->pointer_moved = false;
    question.place = xcb_query_pointer(self->connection, self->root).sequence;
    if (question.has_shape)
        question.shape = xcb_xfixes_get_cursor_image(self->connection).sequence;
    return question;
}

bool x11_cursor_take(struct x11_source *self, const struct x11_cursor_question *question, int64_t until_ns,
                     struct region *ret_damage)
{
    struct rect before = cursor_rect(&self->cursor);
    if (!take_place(self, question->place, until_ns))
        return false;
    if (question->has_shape && !take_shape(self, question->shape, until_ns))
        return false;
    self->cursor.x = self->pointer_x - self->hot_x - self->area.x;
    self->cursor.y = self->pointer_y - self->hot_y - self->area.y;
    struct rect after = cursor_rect(&self->cursor);
    if (question->has_shape || before.x != after.x || before.y != after.y) {
        region_add(ret_damage, before);
        region_add(ret_damage, after);
    }
    return true;
}
