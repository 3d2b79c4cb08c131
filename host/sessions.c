/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sessions.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "protocol/control.h"
#include "protocol/crypto.h"
#include "protocol/ping.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 250 };

/* --- what clients run: per certificate, outlives the sessions --- */

static struct run *find_run(const struct sessions *self, const uint8_t sha256[32])
{
    for (int i = 0; i < self->run_count; i++) {
        if (!memcmp(self->runs[i].sha256, sha256, 32))
            return (struct run *)&self->runs[i];
    }
    return NULL;
}

static struct run *make_run(struct sessions *self, const uint8_t sha256[32])
{
    struct run *run = find_run(self, sha256);
    if (run)
        return run;
    if (self->run_count == SESSIONS_RUNS_MAX) { /* the oldest gives way */
        memmove(&self->runs[0], &self->runs[1], (SESSIONS_RUNS_MAX - 1) * sizeof(self->runs[0]));
        self->run_count--;
    }
    run = &self->runs[self->run_count++];
    *run = (struct run){0};
    memcpy(run->sha256, sha256, 32);
    return run;
}

uint32_t sessions_running_app(const struct sessions *self, const uint8_t sha256[32])
{
    const struct run *run = find_run(self, sha256);
    return run ? run->app_id : 0;
}

const struct nvhttp_launch *sessions_last_launch(const struct sessions *self, const uint8_t sha256[32])
{
    const struct run *run = find_run(self, sha256);
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

static void free_if_over(struct session *session)
{
    if (session->state == SESSION_STOPPING && !session->control_id && !session->dying_stream)
        free_session(session);
}

static void destroy_stream_work(void *arg)
{
    struct session *session = arg;
    stream_destroy(session->dying_stream);
}

static void destroy_stream_done(void *arg)
{
    struct session *session = arg;
    session->dying_stream = NULL;
    free_if_over(session);
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
    mutex_lock(&session->lock);
    session->dying_stream = session->stream;
    session->stream = NULL;
    mutex_unlock(&session->lock);
    bury_stream(session);
    if (session->control_id)
        control_host_end(session->owner->config.control, session->control_id, code);
    free_if_over(session);
}

/* --- control: callbacks on the control thread, continued on the main thread --- */

static void maybe_run(struct session *session)
{
    if (session->state != SESSION_STARTING || !session->control_connected || !session->pinged)
        return;
    if (!stream_start(session->stream, &session->video_peer, &session->control_local)) {
        session_stop(session, CONTROL_CODE_GRACEFUL, "the stream could not be started");
        return;
    }
    session->state = SESSION_RUNNING;
    session->running_wall_ms = clock_wall_ms();
    char peer[ADDRESS_TEXT_MAX];
    address_text(&session->video_peer, peer);
    log_info("session %s: streaming %dx%d at %.2f fps to %s (%s)", session->id, session->announce.width,
             session->announce.height, session->announce.fps_x100 / 100.0, session->client.name, peer);
    session->owner->counters.started++;
    session->owner->config.changed(session->owner->config.ctx);
}

static void connected_on_main(void *arg)
{
    struct session *session = arg;
    mutex_lock(&session->lock);
    session->control_peer = session->posted_peer;
    session->control_local = session->posted_local;
    mutex_unlock(&session->lock);
    session->control_connected = true;
    maybe_run(session);
}

static void on_connected(void *ctx, const struct address *peer, const struct address *local)
{
    struct session *session = ctx;
    mutex_lock(&session->lock);
    session->posted_peer = *peer;
    session->posted_local = *local;
    mutex_unlock(&session->lock);
    loop_post(session->owner->config.loop, connected_on_main, session);
}

static void ended_on_main(void *arg)
{
    static const char *const reasons[] = {
        [CONTROL_END_PEER] = "the client left",
        [CONTROL_END_TIMEOUT] = "the client is silent",
        [CONTROL_END_ABUSE] = "too many broken control messages",
        [CONTROL_END_OURS] = "ended by the host",
    };
    struct session *session = arg;
    mutex_lock(&session->lock);
    enum control_end why = session->posted_end;
    mutex_unlock(&session->lock);
    session->control_id = 0;
    if (session->state == SESSION_STOPPING)
        free_if_over(session);
    else
        session_stop(session, CONTROL_CODE_GRACEFUL, reasons[why]);
}

static void on_ended(void *ctx, enum control_end why)
{
    struct session *session = ctx;
    mutex_lock(&session->lock);
    session->posted_end = why;
    mutex_unlock(&session->lock);
    loop_post(session->owner->config.loop, ended_on_main, session);
}

static void gso_off_on_main(void *arg)
{
    struct sessions *self = arg;
    self->config.gso_off(self->config.ctx);
}

/* Control thread, as all down to on_message. None of these calls blocks. */
static void report_arrival(struct session *session)
{
    mutex_lock(&session->lock);
    if (session->stream)
        stream_report_arrival(session->stream);
    mutex_unlock(&session->lock);
}

static void report_loss(struct session *session, bool wants_idr)
{
    bool gso_off = false;
    mutex_lock(&session->lock);
    if (session->stream) {
        gso_off = stream_report_loss(session->stream);
        if (wants_idr || gso_off)
            stream_request_idr(session->stream);
    }
    mutex_unlock(&session->lock);
    if (gso_off)
        loop_post(session->owner->config.loop, gso_off_on_main, session->owner);
}

static void take_fec_status(struct session *session, const struct control_fec_status *status)
{
    unsigned total = status->data_total + status->parity_total;
    unsigned received = status->data_received + status->parity_received;
    atomic_fetch_add(&session->fec_reports, 1);
    atomic_fetch_add(&session->lost_packets, total > received ? total - received : 0);
    if (received < status->data_total) {
        atomic_fetch_add(&session->blocks_lost, 1);
        report_loss(session, false); /* a request for an IDR follows by itself */
    } else if (status->data_total > 1) {
        report_arrival(session); /* a single packet proves nothing about those sent in batches */
    }
}

/* No encoder of this version can forget single frames: an IDR answers. Clients repeat the message for a whole round
 * trip; what was answered already is neither a new loss nor worth another IDR. */
static void take_invalidation(struct session *session, const struct control_invalidate *range)
{
    atomic_fetch_add(&session->invalidations, 1);
    if (range->first_frame <= range->last_frame && range->last_frame <= session->invalidated_to)
        return;
    session->invalidated_to = range->last_frame;
    report_loss(session, true);
}

static void on_message(void *ctx, uint16_t type, const uint8_t *payload, size_t size)
{
    struct session *session = ctx;
    struct control_message message;
    if (!control_decode(type, payload, size, &message))
        return; /* counted by the control host */
    switch (message.kind) {
    case CONTROL_REQUEST_IDR:
        if (atomic_exchange(&session->start_seen, true)) {
            atomic_fetch_add(&session->idr_requests, 1);
            report_loss(session, true);
        }
        break;
    case CONTROL_INVALIDATE:
        take_invalidation(session, &message.invalidate);
        break;
    case CONTROL_FEC_STATUS:
        take_fec_status(session, &message.fec_status);
        break;
    case CONTROL_INPUT:
        atomic_fetch_add(&session->input_messages, 1);
        break;
    default:
        break;
    }
}

static void stream_failed_on_main(void *arg)
{
    session_stop(arg, CONTROL_CODE_CONVERSION, "no encoder is left that works"); /* the client shows an error */
}

static void on_stream_failed(void *ctx)
{
    struct session *session = ctx;
    loop_post(session->owner->config.loop, stream_failed_on_main, session);
}

/* --- the start of a session --- */

static int collect_encoders(const struct sessions *self, enum encoder_codec codec,
                            const struct encoder_report *ret_encoders[STREAM_ENCODERS_MAX])
{
    int count = 0;
    for (int i = 0; i < self->config.report_count && count < STREAM_ENCODERS_MAX; i++) {
        const struct encoder_report *report = &self->config.reports[i];
        if (report->usable && report->codec == codec)
            ret_encoders[count++] = report;
    }
    return count;
}

/* What 4 FEC blocks of at most 255 packets carry: beyond that a frame loses its share of parity. */
static int burst_kbit(int packet_size, int fec_percent)
{
    int data_packets = 4 * (25500 / (100 + fec_percent));
    return data_packets * (packet_size - 16) * 8 / 1000;
}

static struct stream *make_stream(struct session *session)
{
    const struct sessions *self = session->owner;
    const struct config *config = self->config.config;
    const struct sdp_announce *announce = &session->announce;
    int total_kbps = announce->bitrate_kbps;
    if (config->bitrate_max_kbps && total_kbps > config->bitrate_max_kbps)
        total_kbps = config->bitrate_max_kbps;
    bool seal = announce->encryption & SDP_ENCRYPT_VIDEO;
    struct stream_config stream = {
        .display = self->config.display,
        .view =
            {
                .layout =
                    {
                        .width = announce->width,
                        .height = announce->height,
                        .colour_space = (enum frame_colour_space)announce->colour_space,
                        .full_range = announce->full_range,
                    },
                .fps_x100 = announce->fps_x100,
            },
        .encoder =
            {
                .codec = (enum encoder_codec)announce->codec,
                .bitrate_kbps = sdp_encoder_bitrate_kbps(total_kbps, config->fec_percent, announce->audio_channels,
                                                         announce->audio_high_quality),
                .slices = announce->slices,
                .burst_kbit = burst_kbit(announce->packet_size, config->fec_percent),
                .max_reference_frames = announce->max_reference_frames,
            },
        .sender =
            {
                .socket = self->config.video_socket,
                .gso = self->config.gso,
                .packet_size = announce->packet_size,
                .fec_percent = config->fec_percent,
                .min_parity = announce->min_fec_packets,
                .key = seal ? session->launch.rikey : NULL,
                .dscp = announce->video_qos,
                .bitrate_kbps = total_kbps,
            },
        .idle_fps = config->idle_fps,
        .failed = on_stream_failed,
        .ctx = session,
    };
    stream.encoder_count = collect_encoders(self, stream.encoder.codec, stream.encoders);
    return stream.encoder_count ? stream_create(&stream) : NULL;
}

bool session_begin(struct session *session)
{
    struct control_session_config control = {
        .connect_data = session->connect_data,
        .match_by_ip = !session->announce.session_id_v1,
        .peer_ip = session->rtsp_peer,
        .connected = on_connected,
        .message = on_message,
        .ended = on_ended,
        .ctx = session,
    };
    memcpy(control.key, session->launch.rikey, sizeof(control.key));
    struct stream *stream = make_stream(session);
    mutex_lock(&session->lock);
    session->stream = stream;
    mutex_unlock(&session->lock);
    if (stream)
        session->control_id = control_host_add(session->owner->config.control, &control);
    crypto_wipe(control.key, sizeof(control.key));
    if (!session->control_id)
        return false;
    session->state = SESSION_STARTING;
    session->expires_ns = clock_now_ns() + SESSION_START_TIMEOUT_S * CLOCK_SECOND_NS;
    return true;
}

static bool make_token(char ret_token[SESSION_TOKEN_TEXT])
{
    uint8_t bytes[8];
    if (!random_bytes(bytes, sizeof(bytes)))
        return false;
    text_hex(bytes, sizeof(bytes), ret_token);
    return true;
}

static struct session *make_session(struct sessions *self, const struct sessions_caller *caller,
                                    const struct nvhttp_launch *launch, bool encrypted_rtsp)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return log_oom("session");
    mutex_init(&session->lock);
    session->owner = self;
    session->client = *caller;
    session->launch = *launch;
    session->encrypted_rtsp = encrypted_rtsp;
    session->created_ns = clock_now_ns();
    session->expires_ns = session->created_ns + SESSION_LAUNCH_TIMEOUT_S * CLOCK_SECOND_NS;
    session->end_reason = "never started";
    if (encrypted_rtsp)
        session->seal = rtsp_seal_create(launch->rikey);
    char id[SESSION_TOKEN_TEXT];
    bool good = (!encrypted_rtsp || session->seal) && make_token(id) && make_token(session->token) &&
                make_token(session->audio_ping) && make_token(session->video_ping) &&
                random_bytes(&session->connect_data, sizeof(session->connect_data));
    if (!good) {
        rtsp_seal_destroy(session->seal);
        mutex_finish(&session->lock);
        free(session);
        return NULL;
    }
    text_copy(session->id, sizeof(session->id), id);
    session->next = self->first;
    self->first = session;
    return session;
}

enum sessions_result sessions_launch(struct sessions *self, const struct sessions_caller *caller,
                                     const struct nvhttp_launch *launch, bool resume, bool encrypted_rtsp)
{
    if (self->all_ended)
        return SESSIONS_FAILED; /* the host is stopping */
    const struct encoder_report *encoders[STREAM_ENCODERS_MAX];
    if (!collect_encoders(self, ENCODER_H264, encoders))
        return SESSIONS_NO_ENCODER;
    struct run *run = find_run(self, caller->sha256);
    if (resume && (!run || !run->app_id))
        return SESSIONS_NOT_RUNNING;
    uint8_t key_hash[32];
    crypto_sha256(launch->rikey, sizeof(launch->rikey), key_hash);
    if (run && !crypto_compare(run->key_hash, key_hash, sizeof(key_hash)))
        return SESSIONS_REPEATED_KEY; /* counters start at zero: the same key again would repeat IVs */
    for (struct session *s = self->first; s; s = s->next) {
        if (s->state != SESSION_STOPPING && memcmp(s->client.sha256, caller->sha256, 32) != 0)
            return SESSIONS_BUSY;
    }
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        session_stop(s, CONTROL_CODE_GRACEFUL, "replaced by a new launch of the same client");
    }
    if (!make_session(self, caller, launch, encrypted_rtsp))
        return SESSIONS_FAILED;
    run = make_run(self, caller->sha256);
    memcpy(run->key_hash, key_hash, sizeof(key_hash));
    run->launch = *launch;
    crypto_wipe(run->launch.rikey, sizeof(run->launch.rikey));
    if (!resume)
        run->app_id = launch->app_id;
    self->config.changed(self->config.ctx);
    return SESSIONS_OK;
}

void sessions_cancel(struct sessions *self, const uint8_t sha256[32])
{
    struct run *run = find_run(self, sha256);
    if (run)
        run->app_id = 0; /* the key's hash stays: it must not come again */
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        if (!memcmp(s->client.sha256, sha256, 32))
            session_stop(s, CONTROL_CODE_GRACEFUL, "cancelled");
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

/* --- pings --- */

void sessions_video_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer)
{
    for (struct session *s = self->first; s; s = s->next) {
        if (s->state != SESSION_STARTING && s->state != SESSION_RUNNING)
            continue;
        bool legacy = !s->announce.session_id_v1 && address_same_ip(peer, &s->rtsp_peer);
        if (!ping_matches(data, size, s->video_ping, legacy))
            continue;
        if (!s->pinged) {
            s->video_peer = *peer;
            s->pinged = true;
            maybe_run(s);
        } else if (address_same_ip(peer, &s->video_peer) && !address_equal(peer, &s->video_peer)) {
            s->video_peer = *peer; /* a NAT gave it another port; another address is never followed */
            if (s->state == SESSION_RUNNING)
                stream_set_port(s->stream, address_port(peer));
        }
        return;
    }
    self->counters.pings_unknown++;
}

void sessions_audio_ping(struct sessions *self, const uint8_t *data, size_t size, const struct address *peer)
{
    for (struct session *s = self->first; s; s = s->next) {
        if (ping_matches(data, size, s->audio_ping, address_same_ip(peer, &s->rtsp_peer)))
            return; /* sound is not sent in this version */
    }
    self->counters.pings_unknown++;
}

/* --- time --- */

static void tick(void *arg)
{
    struct sessions *self = arg;
    int64_t now_ns = clock_now_ns();
    for (struct session *s = self->first, *next; s; s = next) {
        next = s->next;
        if (s->state == SESSION_RUNNING && now_ns - s->report.taken_ns >= CLOCK_SECOND_NS) {
            bool first = !s->report.taken_ns;
            report_update(&s->report, s->stream, atomic_load(&s->lost_packets), now_ns);
            if (!first)
                report_log(&s->report, s->id);
        }
        if ((s->state == SESSION_PENDING || s->state == SESSION_STARTING) && now_ns > s->expires_ns)
            session_stop(s, CONTROL_CODE_GRACEFUL,
                         s->state == SESSION_PENDING ? "no RTSP dialog followed the launch"
                         : !s->control_connected     ? "the client's control connection did not come"
                                                     : "the client's video ping did not come");
        else if (s->state == SESSION_STOPPING)
            bury_stream(s);
    }
}

/* --- the list --- */

struct sessions *sessions_create(const struct sessions_config *config)
{
    struct sessions *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("sessions");
    self->config = *config;
    self->tick = loop_timer_create(config->loop, TICK_MS * CLOCK_MS_NS, true, tick, self);
    if (!self->tick) {
        free(self);
        return NULL;
    }
    return self;
}

void sessions_end_all(struct sessions *self, void (*done)(void *ctx), void *ctx)
{
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
        stream_destroy(s->stream);
        stream_destroy(s->dying_stream);
        s->stream = s->dying_stream = NULL;
    }
    loop_finish_work(self->config.loop); /* what the streams posted */
    while (self->first)
        free_session(self->first);
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

static const char *const state_names[] = {"launched", "starting", "streaming", "ending"};

/* What the client has told us so far. */
static void add_feedback(json_t *object, const struct session *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"fec_reports", atomic_load(&s->fec_reports)},      {"blocks_lost", atomic_load(&s->blocks_lost)},
                {"idr_requests", atomic_load(&s->idr_requests)},    {"invalidations", atomic_load(&s->invalidations)},
                {"input_ignored", atomic_load(&s->input_messages)}, {"packets_lost", atomic_load(&s->lost_packets)}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].value));
}

json_t *sessions_to_json(const struct sessions *self)
{
    json_t *list = json_array();
    for (const struct session *s = self->first; s; s = s->next) {
        char peer[ADDRESS_TEXT_MAX];
        address_text(&s->client.peer, peer);
        json_t *object =
            json_pack("{ss ss ss ss si si sf ss sI}", "id", s->id, "client", s->client.name, "address", peer, "state",
                      state_names[s->state], "width", s->announce.width, "height", s->announce.height, "fps",
                      s->announce.fps_x100 / 100.0, "codec", "H.264", "since_ms", (json_int_t)s->running_wall_ms);
        if (object) {
            report_to_json(&s->report, object);
            add_feedback(object, s);
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
