/* SPDX-License-Identifier: Apache-2.0 */
/* The input of a session: from its control messages to the seat that all sessions share. */
#include "base/log.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "input/seat.h"
#include "protocol/input.h"

#include <string.h>

/* Control thread, when the client is there: so it cannot leave before. */
void session_join_seat(struct session *session)
{
    const struct sessions_config *config = &session->owner->config;
    mutex_lock(&session->lock);
    const struct seat_client_config seat = {
        .rights = session->client.rights,
        .width = session->announce.width,
        .height = session->announce.height,
    };
    session->seat_client = config->seat ? seat_join(config->seat, &seat) : NULL;
    mutex_unlock(&session->lock);
}

/* Control thread. */
void session_leave_seat(struct session *session)
{
    mutex_lock(&session->lock);
    struct seat_client *client = session->seat_client;
    session->seat_client = NULL;
    mutex_unlock(&session->lock);
    seat_leave(client);
}

/* Control thread, which alone makes and ends the seat's client. */
void session_take_input(struct session *session, const uint8_t *packet, size_t size)
{
    struct input_event event;
    atomic_fetch_add(&session->input_messages, 1);
    switch (input_decode(packet, size, &event)) {
    case INPUT_OK:
        if (session->seat_client)
            seat_event(session->seat_client, &event);
        break;
    case INPUT_UNKNOWN:
        atomic_fetch_add(&session->input_unknown, 1);
        break;
    case INPUT_MALFORMED:
        atomic_fetch_add(&session->input_malformed, 1);
        break;
    }
}

void sessions_set_rights(struct sessions *self, const uint8_t sha256[32], unsigned rights)
{
    for (struct session *s = self->first; s; s = s->next) {
        if (memcmp(s->client.sha256, sha256, 32) != 0)
            continue;
        mutex_lock(&s->lock);
        s->client.rights = rights;
        if (s->seat_client)
            seat_client_set_rights(s->seat_client, rights);
        mutex_unlock(&s->lock);
    }
    control_host_wake(self->config.control); /* what is held without a right is let go of now */
}

json_t *session_input_json(struct session *session)
{
    struct seat_counters counters = {0};
    mutex_lock(&session->lock);
    if (session->seat_client)
        seat_client_get_counters(session->seat_client, &counters);
    mutex_unlock(&session->lock);
    uint64_t denied = 0;
    for (int i = 0; i < SEAT_RIGHTS; i++)
        denied += counters.denied[i];
    return json_pack("{sI sI sI sI sI sI sI sI}", "messages", (json_int_t)atomic_load(&session->input_messages), "done",
                     (json_int_t)counters.done, "denied", (json_int_t)denied, "unplaced", (json_int_t)counters.unplaced,
                     "unsupported", (json_int_t)counters.unsupported, "flooded", (json_int_t)counters.flooded,
                     "unknown", (json_int_t)atomic_load(&session->input_unknown), "malformed",
                     (json_int_t)atomic_load(&session->input_malformed));
}
