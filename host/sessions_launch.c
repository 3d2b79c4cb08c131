/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a session: from the launch to the stream that waits for its client. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "host/codec_offer.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "host/stream_settings.h"
#include "protocol/control.h"
#include "protocol/crypto.h"

#include <stdlib.h>
#include <string.h>

static void stream_failed_on_main(void *arg)
{
    session_tell_failures(arg);
    session_stop(arg, CONTROL_CODE_CONVERSION, "no encoder is left that works"); /* the client shows an error */
}

static void on_stream_failed(void *ctx)
{
    struct session *session = ctx;
    loop_post(session->owner->config.loop, stream_failed_on_main, session);
}

/* 8 bit 4:2:0 is what each of them makes, from whatever pictures it likes. Who worked before is asked: it may have a
 * session to give again, and says at once if it has none. */
static bool makes(const struct encoder_report *report, enum encoder_codec codec, enum frame_format format)
{
    bool may_work = report->usable || (report->worked && !report->silent);
    return may_work && report->codec == codec && (format == FRAME_NV12 || report->takes[format]);
}

static int collect_encoders(const struct sessions *self, enum encoder_codec codec, const struct frame_layout *layout,
                            const struct encoder_report *ret_encoders[STREAM_ENCODERS_MAX])
{
    int count = 0;
    for (int i = 0; i < self->config.report_count && count < STREAM_ENCODERS_MAX; i++) {
        const struct encoder_report *report = &self->config.reports[i];
        if (makes(report, codec, layout->format) && encoder_fits(report, layout->width, layout->height))
            ret_encoders[count++] = report;
    }
    return count;
}

static struct stream *make_stream(struct session *session)
{
    const struct sessions *self = session->owner;
    bool seal = session->announce.encryption & SDP_ENCRYPT_VIDEO;
    struct stream_config stream = stream_settings(self->config.config, &session->announce);
    stream.display = self->config.display;
    stream.sender.socket = self->config.video_socket;
    stream.sender.gso = self->config.gso;
    stream.sender.key = seal ? session->launch.rikey : NULL;
    stream.failed = on_stream_failed;
    stream.ctx = session;
    stream.encoder_count = collect_encoders(self, stream.encoder.codec, &stream.view.layout, stream.encoders);
    session->bitrate_kbps = stream.sender.bitrate_kbps;
    session->software = stream.encoder_count && !stream.encoders[0]->hardware;
    return stream.encoder_count ? stream_create(&stream) : NULL;
}

struct codec_wish session_wish(const struct nvhttp_launch *launch)
{
    int64_t pixels = (int64_t)launch->width * launch->height;
    struct codec_wish wish = {.pixels_per_s = pixels * launch->fps_x100 / 100};
    if (pixels) {
        wish.width = launch->width;
        wish.height = launch->height;
    }
    return wish;
}

bool session_begin(struct session *session)
{
    struct sessions *self = session->owner;
    struct stream *stream = make_stream(session);
    mutex_lock(&session->lock);
    session->stream = stream;
    mutex_unlock(&session->lock);
    if (stream) {
        struct control_session_config control;
        session_expect_control(session, &control);
        session->control_id = control_host_add(self->config.control, &control);
        crypto_wipe(control.key, sizeof(control.key));
    }
    if (!session->control_id)
        return false;
    session->state = SESSION_STARTING;
    session->expires_ns = clock_now_ns() + SESSION_START_TIMEOUT_S * CLOCK_SECOND_NS;
    sessions_share(self);
    sessions_tell(session, SESSIONS_EVENT_ANNOUNCED);
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

/* What the client had is over: its sessions give way to `session`. */
static void replace_older(struct session *session)
{
    for (struct session *s = session->owner->first, *next; s; s = next) {
        next = s->next;
        if (s != session && !memcmp(s->client.sha256, session->client.sha256, 32))
            session_stop(s, CONTROL_CODE_GRACEFUL, "replaced by a new launch of the same client");
    }
}

/*
 * The new session takes the place of the one it replaces, so that a client that comes back does not lose the mode to
 * the next one. It is in the list before that one ends; when it runs the same app, it is also told of before: the app
 * has a session all the time.
 */
static void begin_in_place_of(struct session *session, struct run *run, uint32_t app_id)
{
    struct sessions *self = session->owner;
    const struct session *older = sessions_live_of(self, session->client.sha256, session);
    uint32_t app_before = run->app_id;
    session->order = older ? older->order : ++self->last_order;
    session->app_id = run->app_id = app_id;
    bool same = app_before == app_id;
    if (same)
        sessions_tell(session, SESSIONS_EVENT_LAUNCHED);
    replace_older(session);
    if (!same) {
        sessions_app_left(self, app_before);
        sessions_tell(session, SESSIONS_EVENT_LAUNCHED);
    }
    sessions_share(self);
}

/* Each holds an encoder until a worker has ended it: who launches faster than that has to wait. */
static bool many_are_dying(const struct sessions *self)
{
    int count = 0;
    for (const struct session *s = self->first; s; s = s->next)
        count += s->state == SESSION_STOPPING;
    return count >= SESSIONS_DYING_MAX;
}

enum sessions_result sessions_launch(struct sessions *self, const struct sessions_caller *caller,
                                     const struct nvhttp_launch *launch, bool resume, bool encrypted_rtsp)
{
    if (self->stopping)
        return SESSIONS_FAILED;
    struct codec_wish wish = session_wish(launch);
    if (codec_offer_is_empty(self->config.config, self->config.reports, self->config.report_count, NULL))
        return SESSIONS_NO_ENCODER;
    if (codec_offer_is_empty(self->config.config, self->config.reports, self->config.report_count, &wish))
        return SESSIONS_TOO_LARGE;
    struct run *run = sessions_find_run(self, caller->sha256);
    if (resume && (!run || !run->app_id))
        return SESSIONS_NOT_RUNNING;
    uint8_t key_hash[32];
    crypto_sha256(launch->rikey, sizeof(launch->rikey), key_hash);
    if (run && !crypto_compare(run->key_hash, key_hash, sizeof(key_hash)))
        return SESSIONS_REPEATED_KEY; /* counters start at zero: the same key again would repeat IVs */
    if (sessions_count_others(self, caller->sha256) >= SESSIONS_LIVE_MAX)
        return SESSIONS_FULL;
    if (many_are_dying(self))
        return SESSIONS_BUSY;
    struct session *session = make_session(self, caller, launch, encrypted_rtsp);
    if (!session)
        return SESSIONS_FAILED;
    run = sessions_make_run(self, caller->sha256);
    memcpy(run->key_hash, key_hash, sizeof(key_hash));
    run->launch = *launch;
    crypto_wipe(run->launch.rikey, sizeof(run->launch.rikey));
    begin_in_place_of(session, run, resume ? run->app_id : launch->app_id);
    self->config.changed(self->config.ctx);
    return SESSIONS_OK;
}
