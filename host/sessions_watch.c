/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a running stream under the eye of the watchdog: one that hangs is replaced, the session goes on. */
#include "base/log.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "host/watchdog.h"
#include "protocol/control.h"

#include <stdio.h>

static void on_encode_hung(void *ctx, int64_t age_ns);
static void on_send_hung(void *ctx, int64_t age_ns);

static const struct {
    const char *name, *reason;
    void (*hung)(void *ctx, int64_t age_ns);
} stages[STREAM_STAGES] = {
    [STREAM_ENCODE] = {"encode", "its encoder hangs and cannot be replaced", on_encode_hung},
    [STREAM_SEND] = {"send", "sending hangs and cannot be started anew", on_send_hung},
};

static void watch(struct session *session, enum stream_stage stage)
{
    struct watchdog *watchdog = session->owner->config.watchdog;
    const struct heartbeat *heartbeat = watchdog ? stream_heartbeat(session->stream, stage) : NULL;
    if (!heartbeat)
        return;
    char name[32];
    snprintf(name, sizeof(name), "%s %s", stages[stage].name, session->id);
    if (watchdog_add(watchdog, name, heartbeat, stages[stage].hung, session))
        session->watched[stage] = heartbeat;
}

static void unwatch(struct session *session, enum stream_stage stage)
{
    if (session->watched[stage])
        watchdog_remove(session->owner->config.watchdog, session->watched[stage]);
    session->watched[stage] = NULL;
}

void session_tell_failures(struct session *session)
{
    const struct sessions_config *config = &session->owner->config;
    struct stream_failure failures[STREAM_ENCODERS_MAX];
    int count = session->stream ? stream_take_failures(session->stream, failures) : 0;
    for (int i = 0; i < count && config->encoder_failed; i++)
        config->encoder_failed(config->ctx, failures[i].encoder, failures[i].hung);
}

static void on_hung(struct session *session, enum stream_stage stage)
{
    unwatch(session, stage); /* the heartbeat may go with the thread that is left behind */
    if (stream_replace(session->stream, stage))
        watch(session, stage);
    else
        session_stop(session, CONTROL_CODE_CONVERSION, stages[stage].reason); /* the client shows an error */
}

static void on_encode_hung(void *ctx, int64_t age_ns)
{
    (void)age_ns; /* the watchdog has logged it */
    on_hung(ctx, STREAM_ENCODE);
}

static void on_send_hung(void *ctx, int64_t age_ns)
{
    (void)age_ns;
    on_hung(ctx, STREAM_SEND);
}

void session_watch(struct session *session)
{
    for (int stage = 0; stage < STREAM_STAGES; stage++)
        watch(session, (enum stream_stage)stage);
}

void session_unwatch(struct session *session)
{
    for (int stage = 0; stage < STREAM_STAGES; stage++)
        unwatch(session, (enum stream_stage)stage);
}
