/* SPDX-License-Identifier: Apache-2.0 */
/* The list of sessions and of what clients run; how sessions end; pings; time. */
#include "host/sessions.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "host/stream_settings.h"
#include "protocol/control.h"
#include "protocol/crypto.h"
#include "protocol/ping.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 250 };

/* --- what clients run: per certificate, outlives the sessions --- */

struct run *sessions_find_run(const struct sessions *self, const uint8_t sha256[32])
{
    for (int i = 0; i < self->run_count; i++) {
        if (!memcmp(self->runs[i].sha256, sha256, 32))
            return (struct run *)&self->runs[i];
    }
    return NULL;
}

/* Whom the list can do without: the oldest that neither streams nor runs anything, else the oldest that does not
 * stream. There is one: fewer sessions live than the list is long. */
static int find_dispensable(const struct sessions *self)
{
    int found = 0;
    for (int i = self->run_count - 1; i >= 0; i--) {
        const struct run *run = &self->runs[i];
        if (!sessions_live_of(self, run->sha256, NULL) && (!run->app_id || self->runs[found].app_id))
            found = i;
    }
    return found;
}

struct run *sessions_make_run(struct sessions *self, const uint8_t sha256[32])
{
    struct run *run = sessions_find_run(self, sha256);
    if (run)
        return run;
    uint32_t app_left = 0;
    if (self->run_count == SESSIONS_RUNS_MAX) {
        int gone = find_dispensable(self);
        app_left = self->runs[gone].app_id;
        self->run_count--;
        memmove(&self->runs[gone], &self->runs[gone + 1], (size_t)(self->run_count - gone) * sizeof(self->runs[0]));
    }
    run = &self->runs[self->run_count++];
    *run = (struct run){0};
    memcpy(run->sha256, sha256, 32);
    sessions_app_left(self, app_left);
    return run;
}

uint32_t sessions_running_app(const struct sessions *self, const uint8_t sha256[32])
{
    const struct run *run = sessions_find_run(self, sha256);
    return run ? run->app_id : 0;
}

const struct nvhttp_launch *sessions_last_launch(const struct sessions *self, const uint8_t sha256[32])
{
    const struct run *run = sessions_find_run(self, sha256);
    return run ? &run->launch : NULL;
}

enum sdp_policy sessions_video_policy(const struct sessions *self, const struct address *peer)
{
    const struct config *config = self->config.config;
    enum config_encryption wanted =
        address_scope(peer) == ADDRESS_WAN ? config->video_encryption_wan : config->video_encryption;
    static const enum sdp_policy policies[] = {
        [CONFIG_ENCRYPTION_OFF] = SDP_POLICY_OFF,
        [CONFIG_ENCRYPTION_OPPORTUNISTIC] = SDP_POLICY_OPPORTUNISTIC,
        [CONFIG_ENCRYPTION_MANDATORY] = SDP_POLICY_MANDATORY,
    };
    return policies[wanted];
}

bool sessions_demand_encryption(const struct sessions *self, const struct address *peer)
{
    return sessions_video_policy(self, peer) == SDP_POLICY_MANDATORY;
}

const struct session *sessions_live_of(const struct sessions *self, const uint8_t sha256[32], const struct session *but)
{
    for (const struct session *s = self->first; s; s = s->next) {
        if (s != but && s->state != SESSION_STOPPING && !memcmp(s->client.sha256, sha256, 32))
            return s;
    }
    return NULL;
}

int sessions_count_others(const struct sessions *self, const uint8_t sha256[32])
{
    int count = 0;
    for (const struct session *s = self->first; s; s = s->next)
        count += s->state != SESSION_STOPPING && memcmp(s->client.sha256, sha256, 32) != 0;
    return count;
}

bool sessions_streaming(const struct sessions *self, const uint8_t sha256[32])
{
    for (const struct session *s = self->first; s; s = s->next) {
        if (s->state == SESSION_RUNNING && !memcmp(s->client.sha256, sha256, 32))
            return true;
    }
    return false;
}

/* --- the end of a session --- */

static void free_session(struct session *session)
{
    struct sessions *self = session->owner;
    for (struct session **at = &self->first; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            break;
        }
    }
    log_info("session %s: over (%s)", session->id, session->end_reason);
    self->counters.ended++;
    rtsp_seal_destroy(session->seal);
    mutex_finish(&session->lock);
    crypto_wipe(session, sizeof(*session));
    free(session);
    self->config.changed(self->config.ctx);
    if (!self->first && self->all_ended) {
        void (*done)(void *ctx) = self->all_ended;
        self->all_ended = NULL;
        done(self->all_ended_ctx);
    }
}

void session_free_if_over(struct session *session)
{
    if (session->state == SESSION_STOPPING && !session->control_id && !session->dying_stream)
        free_session(session);
}

static void destroy_stream_work(void *arg)
{
    struct session *session = arg;
    sound_destroy(session->dying_sound);
    stream_destroy(session->dying_stream);
}

static void destroy_stream_done(void *arg)
{
    struct session *session = arg;
    session->dying_sound = NULL;
    session->dying_stream = NULL;
    session_free_if_over(session);
}

/* Joining threads may take long: a worker does it. With all workers busy the next tick tries again. */
static void bury_stream(struct session *session)
{
    if (session->dying_stream && !session->dying_queued)
        session->dying_queued =
            loop_work(session->owner->config.loop, destroy_stream_work, destroy_stream_done, session);
}

void session_stop(struct session *session, uint32_t code, const char *reason)
{
    if (session->state == SESSION_STOPPING)
        return;
    log_info("session %s: ending: %s", session->id, reason);
    session->state = SESSION_STOPPING;
    session->end_reason = reason;
    session_unwatch(session);
    session_stop_sound(session);
    mutex_lock(&session->lock);
    session->dying_stream = session->stream;
    session->stream = NULL;
    mutex_unlock(&session->lock);
    sessions_share(session->owner);
    sessions_tell(session, SESSIONS_EVENT_ENDED);
    bury_stream(session);
    if (session->control_id && session->owner->config.control)
        control_host_end(session->owner->config.control, session->control_id, code);
    session_free_if_over(session);
}

/* --- what ends them --- */

/* The app goes with its last session. Who left without quitting it (a phone that ran dry) cannot hold it for ever. */
static void quit_without_sessions(struct sessions *self, uint32_t app_id)
{
    for (const struct session *s = self->first; s; s = s->next) {
        if (s->app_id == app_id && s->state != SESSION_STOPPING)
            return;
    }
    for (int i = 0; i < self->run_count; i++) {
        if (self->runs[i].app_id == app_id)
            self->runs[i].app_id = 0;
    }
}

void sessions_cancel(struct sessions *self, const uint8_t sha256[32])
{
    struct run *run = sessions_find_run(self, sha256);
    uint32_t app_id = run ? run->app_id : 0;
    if (run)
        run->app_id = 0; /* the key's hash stays: it must not come again */
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        if (!memcmp(s->client.sha256, sha256, 32))
            session_stop(s, CONTROL_CODE_GRACEFUL, "cancelled");
    }
    quit_without_sessions(self, app_id);
    sessions_app_left(self, app_id);
    self->config.changed(self->config.ctx);
}

void sessions_app_over(struct sessions *self, uint32_t app_id)
{
    for (int i = 0; i < self->run_count; i++) {
        if (self->runs[i].app_id == app_id)
            self->runs[i].app_id = 0;
    }
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        if (s->app_id == app_id)
            session_stop(s, CONTROL_CODE_GRACEFUL, "its app has ended");
    }
    self->config.changed(self->config.ctx);
}

bool sessions_end(struct sessions *self, const char *id)
{
    for (struct session *s = self->first; s; s = s->next) {
        if (!strcmp(s->id, id)) {
            session_stop(s, CONTROL_CODE_GRACEFUL, "ended on the page");
            return true;
        }
    }
    return false;
}

static struct session *find_streaming(const struct sessions *self, const char *id)
{
    for (struct session *s = self->first; s; s = s->next) {
        if (!strcmp(s->id, id) && s->stream && s->state != SESSION_STOPPING)
            return s;
    }
    return NULL;
}

enum sessions_bitrate_result sessions_set_bitrate(struct sessions *self, const char *id, int kbps)
{
    const struct config *config = self->config.config;
    struct session *session = find_streaming(self, id);
    if (!session)
        return SESSIONS_BITRATE_NO_SESSION;
    int most = stream_settings_allowed_kbps(config, &session->announce);
    if (!kbps)
        kbps = most;
    if (kbps > most || (kbps < SESSIONS_BITRATE_MIN_KBPS && kbps != most))
        return SESSIONS_BITRATE_OUT_OF_RANGE;
    session->bitrate_kbps = kbps;
    stream_set_bitrate(session->stream, stream_settings_encoder_kbps(config, &session->announce, kbps), kbps);
    log_info("session %s: %d kbit/s from now on", session->id, kbps);
    self->config.changed(self->config.ctx);
    return SESSIONS_BITRATE_SET;
}

/* --- pings --- */

static bool takes_pings(const struct session *session)
{
    return session->state == SESSION_STARTING || session->state == SESSION_RUNNING;
}

static void take_video_ping(struct session *session, const struct address *peer)
{
    if (!session->pinged) {
        session->video_peer = *peer;
        session->pinged = true;
        session_maybe_run(session);
    } else if (address_same_ip(peer, &session->video_peer) && !address_equal(peer, &session->video_peer)) {
        session->video_peer = *peer; /* a NAT gave it another port; another address is never followed */
        if (session->state == SESSION_RUNNING)
            stream_set_port(session->stream, address_port(peer));
    }
}

/*
 * "PING" of a client that announced no session id is known by its address alone. From one address that is: the session
 * pinged from that port before, else the only one not pinged yet, else the only one there is (its port has changed).
 * Where several would do, none does: a picture must not go to another client. Both start anew then.
 */
static struct session *find_by_address(struct sessions *self, const struct address *peer)
{
    struct session *waiting = NULL, *any = NULL;
    int waiting_count = 0, count = 0;
    for (struct session *s = self->first; s; s = s->next) {
        if (!takes_pings(s) || s->announce.session_id_v1 || !address_same_ip(peer, &s->rtsp_peer))
            continue;
        if (s->pinged && address_equal(peer, &s->video_peer))
            return s;
        any = s;
        count++;
        if (!s->pinged) {
            waiting = s;
            waiting_count++;
        }
    }
    if (waiting_count)
        return waiting_count == 1 ? waiting : NULL;
    return count == 1 ? any : NULL;
}

void sessions_video_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer)
{
    struct session *found = NULL;
    for (struct session *s = self->first; s && !found; s = s->next) {
        if (takes_pings(s) && ping_matches(data, size, s->video_ping, false))
            found = s;
    }
    if (!found && ping_matches(data, size, "", true))
        found = find_by_address(self, peer);
    if (found)
        take_video_ping(found, peer);
    else
        self->counters.pings_unknown++;
}

/* --- time --- */

/* At each tick until its first picture has left, then once a second. */
static void look_at(struct session *session, int64_t now_ns)
{
    bool waits = !session->first_picture_sent;
    if (!waits && now_ns - session->report.taken_ns < CLOCK_SECOND_NS)
        return;
    report_update(&session->report, session->stream, atomic_load(&session->lost_packets), now_ns);
    session_tell_failures(session);
    if (!waits) {
        report_log(&session->report, session->id);
        session_look_at_sound(session);
    } else if (session->report.now.sender.frames) {
        session->first_picture_sent = true;
        sessions_tell(session, SESSIONS_EVENT_FIRST_PICTURE);
    }
}

static void tick(void *arg)
{
    struct sessions *self = arg;
    int64_t now_ns = clock_now_ns();
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        if (s->state == SESSION_RUNNING)
            look_at(s, now_ns);
        if ((s->state == SESSION_PENDING || s->state == SESSION_STARTING) && now_ns > s->expires_ns)
            session_stop(s, CONTROL_CODE_GRACEFUL,
                         s->state == SESSION_PENDING ? "no RTSP dialog followed the launch"
                         : !s->control_connected     ? "the client's control connection did not come"
                                                     : "the client's video ping did not come");
        else if (s->state == SESSION_STOPPING)
            bury_stream(s);
    }
    sessions_share(self); /* what the encodes cost was measured anew */
}

/* --- the list --- */

struct sessions *sessions_create(const struct sessions_config *config)
{
    struct sessions *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("sessions");
    self->config = *config;
    self->cores = process_cores();
    self->tick = loop_timer_create(config->loop, TICK_MS * CLOCK_MS_NS, true, tick, self);
    if (!self->tick) {
        free(self);
        return NULL;
    }
    return self;
}

void sessions_end_all(struct sessions *self, void (*done)(void *ctx), void *ctx)
{
    self->stopping = true;
    if (!self->first) {
        done(ctx);
        return;
    }
    self->all_ended = done;
    self->all_ended_ctx = ctx;
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        session_stop(s, CONTROL_CODE_GRACEFUL, "the host stops");
    }
}

static void end_at_once(struct sessions *self)
{
    for (struct session *s = self->first; s; s = s->next) {
        session_unwatch(s);
        if (s->sound)
            session_stop_sound(s);
        sound_destroy(s->dying_sound);
        s->dying_sound = NULL;
        stream_destroy(s->stream);
        stream_destroy(s->dying_stream);
        s->stream = s->dying_stream = NULL;
    }
    loop_finish_work(self->config.loop); /* what the streams posted */
    while (self->first)
        free_session(self->first);
}

void sessions_lose_control(struct sessions *self)
{
    self->config.control = NULL;
}

void sessions_destroy(struct sessions *self)
{
    if (!self)
        return;
    loop_timer_destroy(self->tick);
    end_at_once(self);
    crypto_wipe(self->runs, sizeof(self->runs));
    free(self);
}
