/* SPDX-License-Identifier: Apache-2.0 */
/* What the page and the local commands ask the host for, as JSON (web/web.h names the fields). */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "host/codec_offer.h"
#include "host/host_internal.h"
#include "host/rights.h"
#include "host/xlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *list_pairings(void *ctx)
{
    struct host *self = ctx;
    struct pairing_waiting waiting[PAIRING_SESSIONS_MAX];
    size_t count = pairing_list(gamestream_pairing(self->gamestream), waiting);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        int64_t age_ms = (clock_now_ns() - waiting[i].since_ns) / CLOCK_MS_NS;
        json_array_append_new(list,
                              json_pack("{ss ss sI ss}", "id", waiting[i].id, "address", waiting[i].address, "since_ms",
                                        (json_int_t)(clock_wall_ms() - age_ms), "fingerprint", waiting[i].fingerprint));
    }
    return list;
}

static json_t *list_clients(void *ctx)
{
    struct host *self = ctx;
    json_t *list = json_array();
    for (size_t i = 0; i < state_client_count(self->state); i++) {
        const struct state_client *client = state_client_at(self->state, i);
        char fingerprint[17], rights[RIGHTS_TEXT];
        text_hex(client->sha256, 8, fingerprint);
        rights_text(client->rights, rights);
        if (!client->pending)
            json_array_append_new(list,
                                  json_pack("{ss ss ss sI sI sb ss}", "id", client->id, "name", client->name,
                                            "fingerprint", fingerprint, "paired_ms", (json_int_t)client->paired_ms,
                                            "seen_ms", (json_int_t)client->seen_ms, "streaming",
                                            sessions_streaming(self->sessions, client->sha256), "rights", rights));
    }
    return list;
}

static json_t *list_encoders(const struct host *self)
{
    json_t *list = json_array();
    for (int i = 0; i < self->encoders.count; i++) {
        const struct encoder_report *report = &self->encoders.reports[i];
        json_array_append_new(list, json_pack("{ss ss sb sb ss}", "name", report->name, "codec",
                                              codec_name(report->codec), "hardware", report->hardware, "usable",
                                              report->usable, "reason", report->reason));
    }
    return list;
}

static void count_server(json_t *counters, const char *name, const struct http_server *server)
{
    if (!server)
        return;
    struct http_server_counters c = http_server_counters(server);
    const struct {
        const char *what;
        uint64_t value;
    } rows[] = {{"accepted", c.accepted}, {"refused", c.refused},           {"bad_requests", c.bad_requests},
                {"timeouts", c.timeouts}, {"tls_failures", c.tls_failures}, {"open", c.open}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[64];
        snprintf(key, sizeof(key), "%s_%s", name, rows[i].what);
        json_object_set_new(counters, key, json_integer((json_int_t)rows[i].value));
    }
}

static json_t *make_counters(const struct host *self)
{
    json_t *counters = json_object();
    count_server(counters, "http", self->http);
    count_server(counters, "https", self->https);
    count_server(counters, "page", self->web_server);
    struct rtsp_server_counters rtsp = rtsp_server_counters(self->rtsp);
    struct control_counters control = control_host_counters(self->control);
    json_t *rest =
        json_pack("{sI sI sI sI sI sI sI sI sI sI}", "rtsp_accepted", (json_int_t)rtsp.accepted, "rtsp_broken",
                  (json_int_t)rtsp.broken, "rtsp_timeouts", (json_int_t)rtsp.timeouts, "rtsp_over_limit",
                  (json_int_t)(rtsp.refused + rtsp.evicted), "control_refused", (json_int_t)control.connects_refused,
                  "control_bad_envelopes", (json_int_t)control.envelopes_bad, "control_bad_tags",
                  (json_int_t)control.tags_bad, "control_replays", (json_int_t)control.replays, "control_unknown",
                  (json_int_t)control.unknown, "state_write_failures", (json_int_t)self->saver.failures);
    json_object_update(counters, rest);
    json_decref(rest);
    gamestream_counters(self->gamestream, counters);
    sessions_counters(self->sessions, counters);
    apps_counters(self->apps, counters);
    watchdog_counters(self->watchdog, counters);
    return counters;
}

static json_t *mode_json(const struct display_mode_status *mode)
{
    static const char *const states[] = {
        [DISPLAY_MODE_AS_FOUND] = "as found", [DISPLAY_MODE_PENDING] = "pending",   [DISPLAY_MODE_APPLIED] = "applied",
        [DISPLAY_MODE_REFUSED] = "refused",   [DISPLAY_MODE_REVERTED] = "reverted",
    };
    char wished[48] = "";
    if (mode->width)
        snprintf(wished, sizeof(wished), "%dx%d@%d", mode->width, mode->height, (mode->fps_x100 + 50) / 100);
    return json_pack("{ss ss ss sI sI sI}", "state", states[mode->state], "wished", wished, "sentence", mode->sentence,
                     "switches", (json_int_t)mode->switches, "refusals", (json_int_t)mode->refusals, "reverts",
                     (json_int_t)mode->reverts);
}

static json_t *display_json(const struct host *self)
{
    struct display_status status;
    display_get_status(self->display, &status);
    json_t *candidates = json_array();
    for (int i = 0; i < status.candidate_count; i++) {
        const struct display_candidate *candidate = &status.candidates[i];
        json_array_append_new(candidates, json_pack("{ss ss sb}", "name", candidate->name, "reason", candidate->reason,
                                                    "chosen", candidate->chosen));
    }
    return json_pack("{sb ss si si ss sI sI so so sb}", "capturing", status.capturing, "source", status.source, "width",
                     status.width, "height", status.height, "sentence", status.sentence, "reconnects",
                     (json_int_t)status.reconnects, "aborts", (json_int_t)status.aborts, "mode",
                     mode_json(&status.mode), "candidates", candidates, "awake", status.mode.awake);
}

static json_t *audio_json(const struct host *self)
{
    struct audio_source_status status;
    if (!self->audio)
        return json_null();
    audio_source_get_status(self->audio, &status);
    return json_pack("{ss ss ss si sb sI sI sI}", "backend", status.backend, "sink", status.sink, "sentence",
                     status.sentence, "channels", status.channels, "silenced", status.silenced, "reconnects",
                     (json_int_t)status.reconnects, "dropped_frames", (json_int_t)status.dropped_frames,
                     "silent_frames", (json_int_t)status.silent_frames);
}

static const char *app_name(const struct host *self, uint32_t id)
{
    for (size_t i = 0; i < apps_count(self->apps); i++) {
        if (apps_id(self->apps, i) == id)
            return apps_name(self->apps, i);
    }
    return "";
}

static json_t *sessions_json(const struct host *self)
{
    json_t *list = sessions_to_json(self->sessions), *session;
    size_t i;
    json_array_foreach(list, i, session)
    {
        json_t *id = json_object_get(session, "app_id");
        json_object_set_new(session, "app", json_string(app_name(self, (uint32_t)json_integer_value(id))));
    }
    return list;
}

/* The delay is of the events since it was last asked for, or of the last ones before. */
static json_t *input_json(struct host *self)
{
    static const struct {
        unsigned can;
        const char *word;
    } words[] = {{INJECTOR_CAN_KEYS, "keyboard"},    {INJECTOR_CAN_TEXT, "text"},   {INJECTOR_CAN_RELATIVE, "mouse"},
                 {INJECTOR_CAN_ABSOLUTE, "pointer"}, {INJECTOR_CAN_TOUCH, "touch"}, {INJECTOR_CAN_PEN, "pen"}};
    json_t *list = json_array();
    for (int i = 0; i < self->injector_count; i++) {
        const struct injector_report *report = &self->injectors[i];
        json_t *can = json_array();
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
            if (report->can & words[w].can)
                json_array_append_new(can, json_string(words[w].word));
        }
        json_array_append_new(list, json_pack("{ss sb ss so}", "name", report->name, "usable", report->usable, "reason",
                                              report->reason, "can", can));
    }
    struct stats_summary delay = {0};
    if (self->injector)
        injector_take_stats(self->injector, &delay);
    if (delay.count)
        self->input_delay = delay;
    delay = self->input_delay;
    return json_pack("{ss so s{sI sI sI sI}}", "active", self->injector ? self->injector->ops->name : "", "injectors",
                     list, "delay", "count", (json_int_t)delay.count, "p50_us", (json_int_t)delay.p50_us, "p99_us",
                     (json_int_t)delay.p99_us, "max_us", (json_int_t)delay.max_us);
}

static json_t *make_status(void *ctx)
{
    struct host *self = ctx;
    json_t *status = json_pack(
        "{ss ss ss si ss so so so ss so sb}", "host", self->hostname, "version", EARTHSHINE_VERSION, "uniqueid",
        state_uniqueid(self->state), "base_port", self->config->port, "certificate", self->fingerprint, "display",
        display_json(self), "encoders", list_encoders(self), "sessions", sessions_json(self), "discovery",
        self->discovery ? "announced by mDNS as soon as Avahi runs" : "not announced", "counters", make_counters(self),
        "pairing_closed", pairing_is_closed(gamestream_pairing(self->gamestream)));
    char address[ADDRESS_TEXT_MAX];
    host_own_address(self, address);
    json_t *more =
        json_pack("{so so ss so so so so ss}", "gpu", gpu_watch_to_json(&self->gpu), "input", input_json(self),
                  "address", address, "audio", audio_json(self), "desktop",
                  self->desktop ? desktop_to_json(self->desktop) : json_null(), "apps", apps_to_json(self->apps),
                  "stages", watchdog_to_json(self->watchdog), "inhibit", service_awake_text(self->service));
    json_object_update(status, more);
    json_decref(more);
    return status;
}

static enum web_result restart_session(void *ctx)
{
    struct host *self = ctx;
    return self->desktop && desktop_restart_session(self->desktop) ? WEB_OK : WEB_NOT_FOUND;
}

static enum web_result restart_server(void *ctx)
{
    struct host *self = ctx;
    if (!self->desktop)
        return WEB_NOT_FOUND;
    desktop_restart_server(self->desktop);
    return WEB_OK;
}

static json_t *server_log(void *ctx)
{
    enum { LOG_MAX = 16 * 1024 };
    struct host *self = ctx;
    char *text = malloc(LOG_MAX);
    if (!text)
        return NULL;
    text[0] = 0;
    if (self->desktop) {
        desktop_server_log(self->desktop, text, LOG_MAX);
    } else {
        struct display_status status;
        display_get_status(self->display, &status);
        xlog_tail(status.name, getenv("HOME"), text, LOG_MAX);
    }
    text_make_printable(text);
    json_t *answer = json_pack("{ss}", "log", text);
    free(text);
    return answer;
}

static enum web_result give_pin(void *ctx, const char *id, const char *pin, const char *name)
{
    struct host *self = ctx;
    switch (pairing_pin(gamestream_pairing(self->gamestream), id, pin, name, clock_now_ns())) {
    case PAIRING_PIN_TAKEN:
        return WEB_OK;
    case PAIRING_PIN_UNKNOWN_ID:
        return WEB_NOT_FOUND;
    case PAIRING_PIN_BAD_VALUE:
        break;
    }
    return WEB_BAD_VALUE;
}

static enum web_result cancel_pairing(void *ctx, const char *id)
{
    struct host *self = ctx;
    return pairing_cancel(gamestream_pairing(self->gamestream), id, clock_now_ns()) ? WEB_OK : WEB_NOT_FOUND;
}

static void reopen_pairing(void *ctx)
{
    struct host *self = ctx;
    pairing_reopen(gamestream_pairing(self->gamestream));
}

static const struct state_client *find_client(const struct host *self, const char *id)
{
    for (size_t i = 0; i < state_client_count(self->state); i++) {
        const struct state_client *client = state_client_at(self->state, i);
        if (!strcmp(client->id, id))
            return client;
    }
    return NULL;
}

static enum web_result rename_client(void *ctx, const char *id, const char *name, void (*done)(void *arg, bool stored),
                                     void *arg)
{
    struct host *self = ctx;
    if (!find_client(self, id))
        return WEB_NOT_FOUND;
    if (!state_rename_client(self->state, id, name))
        return WEB_BAD_VALUE;
    saver_save(&self->saver, done, arg);
    return WEB_OK;
}

static enum web_result set_client_rights(void *ctx, const char *id, const char *text,
                                         void (*done)(void *arg, bool stored), void *arg)
{
    struct host *self = ctx;
    unsigned rights;
    if (!find_client(self, id))
        return WEB_NOT_FOUND;
    if (!rights_parse(text, &rights))
        return WEB_BAD_VALUE;
    state_set_rights(self->state, id, rights);
    sessions_set_rights(self->sessions, find_client(self, id)->sha256, rights);
    saver_save(&self->saver, done, arg);
    return WEB_OK;
}

/* At once: what it streams and runs ends, its next request gets 401. */
static enum web_result remove_client(void *ctx, const char *id, void (*done)(void *arg, bool stored), void *arg)
{
    struct host *self = ctx;
    const struct state_client *client = find_client(self, id);
    if (!client)
        return WEB_NOT_FOUND;
    sessions_cancel(self->sessions, client->sha256);
    state_remove_client(self->state, id);
    saver_save(&self->saver, done, arg);
    return WEB_OK;
}

static enum web_result end_session(void *ctx, const char *id)
{
    struct host *self = ctx;
    return sessions_end(self->sessions, id) ? WEB_OK : WEB_NOT_FOUND;
}

static enum web_result set_bitrate(void *ctx, const char *id, int kbps)
{
    static const enum web_result results[] = {
        [SESSIONS_BITRATE_SET] = WEB_OK,
        [SESSIONS_BITRATE_NO_SESSION] = WEB_NOT_FOUND,
        [SESSIONS_BITRATE_OUT_OF_RANGE] = WEB_BAD_VALUE,
    };
    return results[sessions_set_bitrate(((struct host *)ctx)->sessions, id, kbps)];
}

static const char *password_record(void *ctx)
{
    return state_password(((struct host *)ctx)->state);
}

/* A new password on its way to disk, and what it replaces. */
struct password_change {
    struct host *host;
    char *record, *setup_code; /* before; NULL: there was none */
    void (*done)(void *arg, bool stored);
    void *arg;
};

static void free_text(char *text)
{
    if (text)
        crypto_wipe(text, strlen(text));
    free(text);
}

static void end_change(struct password_change *change, bool stored)
{
    change->done(change->arg, stored);
    free_text(change->record);
    free_text(change->setup_code);
    free(change);
}

static void password_saved(void *arg, bool stored)
{
    struct password_change *change = arg;
    if (!stored)
        state_put_back_password(change->host->state, change->record, change->setup_code);
    end_change(change, stored);
}

static void store_password(void *ctx, const char *record, void (*done)(void *arg, bool stored), void *arg)
{
    struct host *self = ctx;
    const char *before = state_password(self->state), *code = state_setup_code(self->state);
    struct password_change *change = calloc(1, sizeof(*change));
    if (!change) {
        log_oom("host");
        done(arg, false);
        return;
    }
    *change = (struct password_change){.host = self, .done = done, .arg = arg};
    change->record = before ? strdup(before) : NULL;
    change->setup_code = code ? strdup(code) : NULL;
    bool kept = (!before || change->record) && (!code || change->setup_code);
    if (kept && state_set_password(self->state, record))
        saver_save(&self->saver, password_saved, change);
    else
        end_change(change, false); /* nothing was changed */
}

static bool setup_code_matches(void *ctx, const char *code)
{
    return state_setup_code_matches(((struct host *)ctx)->state, code);
}

static const char *setup_code(void *ctx)
{
    return state_setup_code(((struct host *)ctx)->state);
}

static void password_changed(void *ctx)
{
    struct host *self = ctx;
    if (self->web)
        web_forget_logins(self->web);
}

void host_fill_backend(struct host *self)
{
    self->backend = (struct web_backend){
        .ctx = self,
        .pairings = list_pairings,
        .clients = list_clients,
        .status = make_status,
        .pairing_pin = give_pin,
        .pairing_cancel = cancel_pairing,
        .pairing_reopen = reopen_pairing,
        .client_rename = rename_client,
        .client_remove = remove_client,
        .client_rights = set_client_rights,
        .session_end = end_session,
        .session_bitrate = set_bitrate,
        .desktop_restart_session = restart_session,
        .desktop_restart_server = restart_server,
        .desktop_log = server_log,
        .password_record = password_record,
        .password_store = store_password,
        .setup_code_matches = setup_code_matches,
    };
    self->commands = (struct commands){
        .backend = &self->backend,
        .setup_code = setup_code,
        .password_changed = password_changed,
        .ctx = self,
    };
}
