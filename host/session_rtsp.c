/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTSP dialog of a session: OPTIONS, DESCRIBE, SETUP of audio, video and control, ANNOUNCE, PLAY; one connection
 * each. A sealed request belongs to the launch whose key opens it; a plain one to the launch from its address, and
 * never to one that was answered with rtspenc. Source: docs/protocol.md.
 */
#include "base/clock.h"
#include "base/log.h"
#include "host/codec_offer.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "protocol/control.h"
#include "protocol/rtsp.h"

#include <stdio.h>
#include <string.h>

enum { SETUP_AUDIO = 1, SETUP_VIDEO = 2, SETUP_CONTROL = 4, SETUP_ALL = 7 };
enum { PORT_VIDEO = 9, PORT_CONTROL = 10, PORT_AUDIO = 11 }; /* from the base port */

static enum sdp_policy video_policy(const struct session *session)
{
    return sessions_video_policy(session->owner, &session->client.peer);
}

static bool offers(const struct session *session, enum encoder_codec codec)
{
    const struct sessions_config *config = &session->owner->config;
    struct codec_wish wish = session_wish(&session->launch);
    return codec_offer_has(config->config, config->reports, config->report_count, codec, &wish);
}

static void offer_finer(const struct session *session, enum frame_format format, bool ret_codecs[SDP_CODEC_COUNT])
{
    const struct sessions_config *config = &session->owner->config;
    struct codec_wish wish = session_wish(&session->launch);
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_AV1; codec++)
        ret_codecs[codec] =
            codec_offer_takes(config->config, config->reports, config->report_count, codec, format, &wish);
}

/* Any encoder that may be tried first: the client has not chosen its codec yet, and an IDR is always an answer. */
static bool offers_invalidation(const struct session *session)
{
    const struct sessions_config *config = &session->owner->config;
    struct codec_wish wish = session_wish(&session->launch);
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_AV1; codec++)
        if (offers(session, codec) &&
            codec_offer_encoder(config->reports, config->report_count, codec, &wish)->invalidates)
            return true;
    return false;
}

/* What others are offered, and this client is not. */
static void say_what_is_too_much(const struct session *session)
{
    const struct sessions_config *config = &session->owner->config;
    struct codec_wish wish = session_wish(&session->launch);
    for (enum encoder_codec codec = ENCODER_HEVC; codec <= ENCODER_AV1; codec++) {
        if (offers(session, codec) ||
            !codec_offer_has(config->config, config->reports, config->report_count, codec, NULL))
            continue;
        const struct encoder_report *software =
            codec_offer_encoder(config->reports, config->report_count, codec, &wish);
        if (software && codec_offer_depends_on_speed(config->config->codecs, software))
            log_info(
                "session %s: %s is not offered: software makes %.1f million pixels of it a second, and there should be "
                "twice as many as asked for",
                session->id, codec_name(codec), (double)software->pixels_per_s / 1e6);
        else
            log_info("session %s: %s is not offered: the GPU does not make it in %dx%d", session->id, codec_name(codec),
                     wish.width, wish.height);
    }
}

static void reply_describe(struct session *session, const struct rtsp_request *request, struct byte_writer *out)
{
    const struct sessions_config *config = &session->owner->config;
    const struct sdp_offer offer = {
        .feature_flags = config->feature_flags ? config->feature_flags(config->ctx) : 0,
        .policy = video_policy(session),
        .reference_invalidation = offers_invalidation(session),
        .hevc = offers(session, ENCODER_HEVC),
        .av1 = offers(session, ENCODER_AV1),
        .client_layout = session->launch.surround_params,
    };
    say_what_is_too_much(session);
    char body[SDP_DESCRIBE_MAX];
    size_t size = sdp_describe(&offer, body);
    rtsp_reply_begin(out, 200, request->cseq);
    rtsp_reply_end(out, body, size);
}

static void reply_setup(struct session *session, const struct rtsp_request *request, struct byte_writer *out)
{
    enum rtsp_stream stream = rtsp_setup_stream(request);
    if (session->announced || stream == RTSP_STREAM_UNKNOWN) {
        rtsp_reply_plain(out, session->announced ? 455 : 404, request->cseq);
        return;
    }
    int base = session->owner->config.config->port;
    rtsp_reply_begin(out, 200, request->cseq);
    rtsp_reply_header(out, "Session", "%s;timeout = 90", session->token);
    if (stream == RTSP_STREAM_AUDIO) {
        session->setups |= SETUP_AUDIO;
        rtsp_reply_header(out, "Transport", "server_port=%d", base + PORT_AUDIO);
        rtsp_reply_header(out, "X-SS-Ping-Payload", "%s", session->audio_ping);
    } else if (stream == RTSP_STREAM_VIDEO) {
        session->setups |= SETUP_VIDEO;
        rtsp_reply_header(out, "Transport", "server_port=%d", base + PORT_VIDEO);
        rtsp_reply_header(out, "X-SS-Ping-Payload", "%s", session->video_ping);
    } else {
        session->setups |= SETUP_CONTROL;
        rtsp_reply_header(out, "Transport", "server_port=%d", base + PORT_CONTROL);
        rtsp_reply_header(out, "X-SS-Connect-Data", "%u", session->connect_data);
    }
    rtsp_reply_end(out, NULL, 0);
}

/* A client may announce more than it launched with, and than it was offered the codec for. */
static bool holds(const struct session *session, const struct sdp_announce *announce)
{
    const struct sessions_config *config = &session->owner->config;
    const struct codec_wish wish = {
        .width = announce->width,
        .height = announce->height,
        .pixels_per_s = (int64_t)announce->width * announce->height * announce->fps_x100 / 100,
    };
    return codec_offer_has(config->config, config->reports, config->report_count, (enum encoder_codec)announce->codec,
                           &wish);
}

/* The status to answer with. */
static int take_announce(struct session *session, const struct rtsp_request *request)
{
    if (session->announced || session->setups != SETUP_ALL)
        return 455;
    struct sdp_limits limits = {
        .codec = {offers(session, ENCODER_H264), offers(session, ENCODER_HEVC), offers(session, ENCODER_AV1)},
        .policy = video_policy(session),
    };
    offer_finer(session, FRAME_P010, limits.ten_bit);
    offer_finer(session, FRAME_YUV444, limits.chroma444);
    offer_finer(session, FRAME_YUV444_10, limits.chroma444_ten_bit);
    char reason[SDP_REASON_MAX];
    int status = sdp_parse_announce(request->body.text, request->body.size, &limits, rtsp_host_is_any(request),
                                    &session->announce, reason);
    if (status == 200 && !holds(session, &session->announce)) {
        status = 400;
        snprintf(reason, sizeof(reason), "its codec is not offered for so large a picture so often");
    }
    if (status != 200) {
        unsigned swallowed;
        if (log_limit_pass(&session->owner->log_refused, 5, clock_now_ns(), &swallowed))
            log_warn("session %s: ANNOUNCE refused with %d: %s", session->id, status, reason);
        return status;
    }
    session->announced = true;
    return 200;
}

static void answer(struct session *session, const struct rtsp_request *request, struct byte_writer *out)
{
    int64_t now_ns = clock_now_ns();
    if (session->state == SESSION_PENDING && !session->announced) { /* slow clients need more than the first 10 s */
        int64_t last_ns = session->created_ns + SESSION_PENDING_MAX_S * CLOCK_SECOND_NS;
        session->expires_ns = now_ns + SESSION_LAUNCH_TIMEOUT_S * CLOCK_SECOND_NS;
        if (session->expires_ns > last_ns)
            session->expires_ns = last_ns;
    }
    if (rtsp_header_find(request, "Session") && !rtsp_session_is(request, session->token)) {
        rtsp_reply_plain(out, 454, request->cseq);
        return;
    }
    switch (request->method) {
    case RTSP_DESCRIBE:
        reply_describe(session, request, out);
        break;
    case RTSP_SETUP:
        reply_setup(session, request, out);
        break;
    case RTSP_ANNOUNCE: {
        int status = take_announce(session, request);
        if (status == 200 && !session_begin(session)) {
            log_error("session %s: the stream could not be prepared", session->id);
            status = 500;
            session->expires_ns = 0; /* the next tick ends it, after this reply */
        }
        rtsp_reply_plain(out, status, request->cseq);
        break;
    }
    case RTSP_OPTIONS:
    case RTSP_PLAY:
        rtsp_reply_plain(out, 200, request->cseq);
        break;
    case RTSP_OTHER:
        rtsp_reply_plain(out, 501, request->cseq);
        break;
    }
}

static size_t handle_sealed(struct sessions *self, const struct rtsp_server_message *message, uint8_t *ret_reply,
                            size_t capacity)
{
    uint8_t plain[RTSP_SEAL_PLAIN_MAX], reply[RTSP_REPLY_MAX];
    for (struct session *s = self->first; s; s = s->next) {
        size_t size;
        if (!s->seal || s->state == SESSION_STOPPING)
            continue;
        enum rtsp_seal_result result = rtsp_seal_open(s->seal, message->bytes, message->size, plain, &size);
        if (result == RTSP_SEAL_NOT_MINE)
            continue;
        if (result != RTSP_SEAL_OK)
            break;
        s->rtsp_peer = *message->peer;
        struct byte_writer out;
        byte_writer_init(&out, reply, sizeof(reply));
        struct rtsp_request request;
        int status;
        enum rtsp_parse_result parsed = rtsp_parse(plain, size, &request, &status);
        if (parsed == RTSP_PARSE_DONE)
            answer(s, &request, &out);
        else
            rtsp_reply_plain(&out, parsed == RTSP_PARSE_BAD ? status : 400, request.cseq);
        return out.failed ? 0 : rtsp_seal_reply(s->seal, reply, out.used, ret_reply, capacity);
    }
    self->counters.rtsp_refused++;
    return 0; /* nothing is said to who has no key */
}

/* The one its Session header names, else the newest launch from this address whose dialog is not over: without a header
 * two clients behind one address cannot be told apart. */
static struct session *find_plain(struct sessions *self, const struct rtsp_server_message *message,
                                  const struct rtsp_request *request)
{
    bool is_named = rtsp_header_find(request, "Session") != NULL;
    struct session *newest = NULL;
    for (struct session *s = self->first; s; s = s->next) {
        if (s->encrypted_rtsp || s->state == SESSION_STOPPING || !address_same_ip(&s->client.peer, message->peer))
            continue;
        if (is_named ? rtsp_session_is(request, s->token) : !s->announced)
            return s;
        if (!newest)
            newest = s;
    }
    return is_named ? NULL : newest;
}

static size_t handle_plain(struct sessions *self, const struct rtsp_server_message *message, uint8_t *ret_reply,
                           size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, ret_reply, capacity);
    struct rtsp_request request;
    int status;
    enum rtsp_parse_result parsed = rtsp_parse(message->bytes, message->size, &request, &status);
    if (parsed != RTSP_PARSE_DONE) {
        self->counters.rtsp_refused++;
        rtsp_reply_plain(&out, parsed == RTSP_PARSE_BAD ? status : 400, request.cseq);
        return out.failed ? 0 : out.used;
    }
    struct session *session = find_plain(self, message, &request);
    if (!session) {
        self->counters.rtsp_refused++;
        rtsp_reply_plain(&out, 454, request.cseq);
        return out.failed ? 0 : out.used;
    }
    session->rtsp_peer = *message->peer;
    answer(session, &request, &out);
    return out.failed ? 0 : out.used;
}

size_t sessions_rtsp(void *ctx, const struct rtsp_server_message *message, uint8_t *ret_reply, size_t capacity)
{
    return message->sealed ? handle_sealed(ctx, message, ret_reply, capacity)
                           : handle_plain(ctx, message, ret_reply, capacity);
}

bool sessions_expect_rtsp(void *ctx, const struct address *peer)
{
    const struct sessions *self = ctx;
    for (const struct session *s = self->first; s; s = s->next) {
        if ((s->state == SESSION_PENDING || s->state == SESSION_STARTING) && address_same_ip(&s->client.peer, peer))
            return true;
    }
    return false;
}
