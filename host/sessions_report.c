/* SPDX-License-Identifier: Apache-2.0 */
/* What the page shows of the sessions. */
#include "host/codec_offer.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "host/stream_settings.h"

static const char *const state_names[] = {"launched", "starting", "streaming", "ending"};

/* What the client has told us so far. */
static void add_feedback(json_t *object, const struct session *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"fec_reports", atomic_load(&s->fec_reports)},
                {"blocks_lost", atomic_load(&s->blocks_lost)},
                {"idr_requests", atomic_load(&s->idr_requests)},
                {"invalidations", atomic_load(&s->invalidations)},
                {"packets_lost", atomic_load(&s->lost_packets)}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].value));
}

/* What it may take, and the most that can be asked for. */
static void add_bitrate(json_t *object, const struct config *config, const struct session *s)
{
    if (!s->bitrate_kbps)
        return;
    json_object_set_new(object, "bitrate_kbps", json_integer(s->bitrate_kbps));
    json_object_set_new(object, "bitrate_max_kbps", json_integer(stream_settings_allowed_kbps(config, &s->announce)));
}

json_t *sessions_to_json(const struct sessions *self)
{
    json_t *list = json_array();
    const struct session *owner = sessions_owner(self);
    for (const struct session *s = self->first; s; s = s->next) {
        char peer[ADDRESS_TEXT_MAX];
        address_text(&s->client.peer, peer);
        json_t *object =
            json_pack("{ss ss ss ss sI si si sf ss sI ss sb}", "id", s->id, "client", s->client.name, "address", peer,
                      "state", state_names[s->state], "app_id", (json_int_t)s->app_id, "width", s->announce.width,
                      "height", s->announce.height, "fps", s->announce.fps_x100 / 100.0, "codec",
                      s->announced ? codec_name((enum encoder_codec)s->announce.codec) : "", "since_ms",
                      (json_int_t)s->running_wall_ms, "rate_reason", s->rate_reason, "owns_mode", s == owner);
        if (object) {
            add_bitrate(object, self->config.config, s);
            report_to_json(&s->report, object);
            add_feedback(object, s);
            json_object_set_new(object, "input", session_input_json((struct session *)s));
            json_object_set_new(object, "audio", session_sound_to_json(s));
        }
        json_array_append_new(list, object);
    }
    return list;
}

void sessions_counters(const struct sessions *self, json_t *object)
{
    json_object_set_new(object, "sessions_started", json_integer((json_int_t)self->counters.started));
    json_object_set_new(object, "sessions_ended", json_integer((json_int_t)self->counters.ended));
    json_object_set_new(object, "rtsp_refused", json_integer((json_int_t)self->counters.rtsp_refused));
    json_object_set_new(object, "pings_unknown", json_integer((json_int_t)self->counters.pings_unknown));
}
