/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server tells by itself, so that it need not be asked. A warp of the pointer raises no event, but the server
 * counts for how long its pointer has been idle: an alarm of the SYNC extension goes off when that count falls, because
 * something is done to the pointer, and another one when it has risen again. A third alarm goes off four times a second
 * by the server's clock: when it does not, the server has stopped.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "capture/x11.h"

#include <stdlib.h>

enum { IDLE_MS = 10, BEAT_MS = X11_BEAT_NS / CLOCK_MS_NS };

static bool is_named(const uint8_t *name, size_t size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

static void consider_counter(struct x11_alarms *self, uint32_t counter, const uint8_t *name, size_t size,
                             bool *ret_is_exact)
{
    if (is_named(name, size, "SERVERTIME"))
        self->time_counter = counter;
    if (is_named(name, size, "IDLETIME") && !*ret_is_exact) /* of all devices */
        self->idle_counter = counter;
    if (is_named(name, size, "DEVICEIDLETIME 2")) { /* the core pointer always has this number */
        self->idle_counter = counter;
        *ret_is_exact = true;
    }
}

/* By hand: libxcb 1.15 takes a counter's name to begin two bytes later than it does. */
static void choose_counters(struct x11_alarms *self, struct byte_reader *list, uint32_t count)
{
    bool is_exact = false;
    for (uint32_t i = 0; i < count && !list->failed; i++) {
        uint32_t counter = byte_reader_u32le(list);
        byte_reader_take(list, 8); /* its resolution */
        size_t size = byte_reader_u16le(list);
        const uint8_t *name = byte_reader_take(list, size);
        byte_reader_take(list, (2 - size) & 3);
        if (name)
            consider_counter(self, counter, name, size, &is_exact);
    }
}

void x11_alarms_setup(struct x11_source *self)
{
    const xcb_query_extension_reply_t *sync = xcb_get_extension_data(self->connection, &xcb_sync_id);
    struct byte_reader list;
    if (!sync || !sync->present)
        return;
    xcb_sync_initialize_cookie_t hello = xcb_sync_initialize(self->connection, 3, 0);
    xcb_sync_list_system_counters_cookie_t asked = xcb_sync_list_system_counters(self->connection);
    free(xcb_sync_initialize_reply(self->connection, hello, NULL));
    xcb_sync_list_system_counters_reply_t *reply = xcb_sync_list_system_counters_reply(self->connection, asked, NULL);
    if (!reply)
        return;
    self->alarms.event = sync->first_event + XCB_SYNC_ALARM_NOTIFY;
    byte_reader_init(&list, reply + 1, 4 * (size_t)reply->length);
    choose_counters(&self->alarms, &list, reply->counters_len);
    free(reply);
}

static xcb_sync_alarm_t create_alarm(struct x11_source *self, xcb_sync_counter_t counter, xcb_sync_valuetype_t type,
                                     xcb_sync_testtype_t test, uint32_t value, uint32_t delta)
{
    xcb_sync_alarm_t alarm = xcb_generate_id(self->connection);
    const uint32_t values[] = {counter, type, 0, value, test, 0, delta};
    xcb_sync_create_alarm(self->connection, alarm,
                          XCB_SYNC_CA_COUNTER | XCB_SYNC_CA_VALUE_TYPE | XCB_SYNC_CA_VALUE | XCB_SYNC_CA_TEST_TYPE |
                              XCB_SYNC_CA_DELTA,
                          values);
    return alarm;
}

static void set_alarms(struct x11_source *self)
{
    struct x11_alarms *alarms = &self->alarms;
    alarms->acts = create_alarm(self, alarms->idle_counter, XCB_SYNC_VALUETYPE_ABSOLUTE,
                                XCB_SYNC_TESTTYPE_NEGATIVE_TRANSITION, IDLE_MS, 0);
    alarms->rests = create_alarm(self, alarms->idle_counter, XCB_SYNC_VALUETYPE_ABSOLUTE,
                                 XCB_SYNC_TESTTYPE_POSITIVE_TRANSITION, IDLE_MS, 0);
    alarms->beats = create_alarm(self, alarms->time_counter, XCB_SYNC_VALUETYPE_RELATIVE,
                                 XCB_SYNC_TESTTYPE_POSITIVE_COMPARISON, BEAT_MS, BEAT_MS);
}

static void unset_alarms(struct x11_source *self)
{
    struct x11_alarms *alarms = &self->alarms;
    xcb_sync_destroy_alarm(self->connection, alarms->acts);
    xcb_sync_destroy_alarm(self->connection, alarms->rests);
    xcb_sync_destroy_alarm(self->connection, alarms->beats);
    alarms->acts = alarms->rests = alarms->beats = XCB_NONE;
}

bool x11_alarms_are_possible(const struct x11_source *self)
{
    return self->alarms.idle_counter && self->alarms.time_counter;
}

void x11_alarms_set(struct x11_source *self, bool set)
{
    if (!x11_alarms_are_possible(self))
        return;
    self->alarms.is_acting = self->alarms.has_beaten = false;
    if (set)
        set_alarms(self);
    else
        unset_alarms(self);
}

void x11_alarms_take(struct x11_source *self, const xcb_generic_event_t *event)
{
    const xcb_sync_alarm_notify_event_t *notice = (const xcb_sync_alarm_notify_event_t *)(const void *)event;
    struct x11_alarms *alarms = &self->alarms;
    if (notice->state != XCB_SYNC_ALARMSTATE_ACTIVE)
        return;
    if (notice->alarm == alarms->beats)
        alarms->has_beaten = true;
    if (notice->alarm == alarms->acts || notice->alarm == alarms->rests) {
        alarms->is_acting = notice->alarm == alarms->acts;
        self->pointer_moved = true; /* when it rests, perhaps a last time since somebody looked */
    }
}
