/* SPDX-License-Identifier: Apache-2.0 */
/* The sound of a session: it starts with the picture, once the client has pinged for it. No session ends for want of
 * sound. */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "host/watchdog.h"
#include "protocol/ping.h"

#include <stdio.h>

static void watch(struct session *session)
{
    struct watchdog *watchdog = session->owner->config.watchdog;
    char name[32];
    snprintf(name, sizeof(name), "audio %s", session->id);
    if (watchdog && watchdog_add(watchdog, name, sound_heartbeat(session->sound), NULL, NULL))
        session->watched_sound = sound_heartbeat(session->sound);
}

void session_maybe_hear(struct session *session)
{
    const struct sessions_config *config = &session->owner->config;
    const struct sdp_announce *announce = &session->announce;
    if (!config->audio || session->state != SESSION_RUNNING || !session->sound_pinged || session->sound ||
        session->sound_failed)
        return;
    const struct sound_config sound = {
        .source = config->audio,
        .layout = sound_layout(session->launch.surround_params, announce->audio_channels, announce->audio_high_quality),
        .high_quality = announce->audio_high_quality,
        .packet_ms = announce->audio_packet_ms,
        .silence_host = !session->launch.play_locally,
        .sender = {.socket = config->audio_socket,
                   .destination = session->sound_peer,
                   .source = session->control_local,
                   .key = announce->encryption & SDP_ENCRYPT_AUDIO ? session->launch.rikey : NULL,
                   .key_id = bytes_get_u32be(session->launch.iv),
                   .dscp = announce->audio_qos},
    };
    session->sound = sound_start(&sound);
    session->sound_failed = !session->sound;
    if (!session->sound)
        return;
    log_info("session %s: sound in %d channels, packets of %d ms", session->id, announce->audio_channels,
             announce->audio_packet_ms);
    watch(session);
}

void session_stop_sound(struct session *session)
{
    if (session->watched_sound)
        watchdog_remove(session->owner->config.watchdog, session->watched_sound);
    session->watched_sound = NULL;
    if (session->sound)
        sound_stop(session->sound);
    session->dying_sound = session->sound;
    session->sound = NULL;
}

/* --- pings --- */

static void take_ping(struct session *session, const struct address *peer)
{
    if (session->sound_pinged && !address_same_ip(peer, &session->sound_peer))
        return; /* another address is never followed */
    if (session->sound && !address_equal(peer, &session->sound_peer))
        sound_set_port(session->sound, address_port(peer));
    session->sound_peer = *peer;
    session->sound_pinged = true;
    session_maybe_hear(session);
}

/* "PING" of a client that announced no session id: the session that was pinged from there, else the only one of this
 * address that was not pinged yet, else the only one. */
static struct session *find_by_address(struct sessions *self, const struct address *peer)
{
    struct session *waiting = NULL, *any = NULL;
    int waiting_count = 0, count = 0;
    for (struct session *s = self->first; s; s = s->next) {
        bool takes = s->state == SESSION_STARTING || s->state == SESSION_RUNNING;
        if (!takes || s->announce.session_id_v1 || !address_same_ip(peer, &s->rtsp_peer))
            continue;
        if (s->sound_pinged && address_equal(peer, &s->sound_peer))
            return s;
        any = s;
        count++;
        if (!s->sound_pinged) {
            waiting = s;
            waiting_count++;
        }
    }
    if (waiting_count)
        return waiting_count == 1 ? waiting : NULL;
    return count == 1 ? any : NULL;
}

void sessions_audio_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer)
{
    struct session *found = NULL;
    bool awaited = false;
    for (struct session *s = self->first; s && !found; s = s->next) {
        if (s->state != SESSION_STOPPING && ping_matches(data, size, s->audio_ping, false))
            found = s; /* clients ping from the SETUP on */
        awaited |= address_same_ip(peer, &s->rtsp_peer);
    }
    bool plain = !found && ping_matches(data, size, "", true);
    if (plain)
        found = find_by_address(self, peer);
    if (found)
        take_ping(found, peer);
    else if (!plain || !awaited)
        self->counters.pings_unknown++;
}

/* --- reports --- */

void session_look_at_sound(struct session *session)
{
    struct sound_report *now = &session->sound_report;
    if (!session->sound)
        return;
    sound_take_report(session->sound, now);
    log_info("sound %s: %llu packets, %llu lost on the way out; ms p50/p99/max: encode %.1f/%.1f/%.1f latency "
             "%.1f/%.1f/%.1f",
             session->id, (unsigned long long)now->sender.packets, (unsigned long long)now->sender.send_errors,
             now->encode.p50_us / 1000.0, now->encode.p99_us / 1000.0, now->encode.max_us / 1000.0,
             now->latency.p50_us / 1000.0, now->latency.p99_us / 1000.0, now->latency.max_us / 1000.0);
}

json_t *session_sound_to_json(const struct session *session)
{
    const struct sdp_announce *announce = &session->announce;
    const struct sound_report *now = &session->sound_report;
    if (!session->sound)
        return json_null();
    return json_pack("{si sb si sb sI sI sI sI sf sf sf}", "channels", announce->audio_channels, "high_quality",
                     announce->audio_high_quality, "packet_ms", announce->audio_packet_ms, "encrypted",
                     (announce->encryption & SDP_ENCRYPT_AUDIO) != 0, "packets", (json_int_t)now->sender.packets,
                     "parity_packets", (json_int_t)now->sender.parity_packets, "bytes", (json_int_t)now->sender.bytes,
                     "send_errors", (json_int_t)now->sender.send_errors, "encode_p50_ms", now->encode.p50_us / 1000.0,
                     "p50_ms", now->latency.p50_us / 1000.0, "p99_ms", now->latency.p99_us / 1000.0);
}
