/* SPDX-License-Identifier: Apache-2.0 */
/* What the control host tells a session: callbacks on the control thread, continued on the main thread. */
#include "base/clock.h"
#include "base/log.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "protocol/control.h"

#include <string.h>

void session_maybe_run(struct session *session)
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
    session_watch(session);
    session_maybe_hear(session);
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
    session_maybe_run(session);
}

static void on_connected(void *ctx, const struct address *peer, const struct address *local)
{
    struct session *session = ctx;
    mutex_lock(&session->lock);
    session->posted_peer = *peer;
    session->posted_local = *local;
    mutex_unlock(&session->lock);
    session_join_seat(session);
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
        session_free_if_over(session);
    else
        session_stop(session, CONTROL_CODE_GRACEFUL, reasons[why]);
}

static void on_ended(void *ctx, enum control_end why)
{
    struct session *session = ctx;
    session_leave_seat(session); /* keys and buttons first */
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

/* Clients repeat the message, with a later end, for each frame of a whole round trip: that is one loss. */
static void take_invalidation(struct session *session, const struct control_invalidate *range)
{
    bool is_new = range->first_frame != session->missing_from;
    atomic_fetch_add(&session->invalidations, 1);
    session->missing_from = range->first_frame;
    if (is_new)
        report_loss(session, false);
    mutex_lock(&session->lock);
    if (session->stream)
        stream_report_missing(session->stream, range->first_frame, range->last_frame);
    mutex_unlock(&session->lock);
}

static void take_ltr_ack(struct session *session, uint32_t frame)
{
    mutex_lock(&session->lock);
    if (session->stream)
        stream_report_kept(session->stream, frame);
    mutex_unlock(&session->lock);
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
    case CONTROL_LTR_ACK:
        take_ltr_ack(session, message.ltr_frame);
        break;
    case CONTROL_FEC_STATUS:
        take_fec_status(session, &message.fec_status);
        break;
    case CONTROL_INPUT:
        session_take_input(session, payload, size);
        break;
    default:
        break;
    }
}

void session_expect_control(struct session *session, struct control_session_config *ret_config)
{
    *ret_config = (struct control_session_config){
        .connect_data = session->connect_data,
        .match_by_ip = !session->announce.session_id_v1,
        .peer_ip = session->rtsp_peer,
        .connected = on_connected,
        .message = on_message,
        .ended = on_ended,
        .ctx = session,
    };
    memcpy(ret_config->key, session->launch.rikey, sizeof(ret_config->key));
}
