/* SPDX-License-Identifier: Apache-2.0 */
#include "host/gamestream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "host/assets.h"
#include "host/codec_offer.h"
#include "host/encoders.h"
#include "net/interfaces.h"
#include "protocol/nvhttp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_RTSP = 21, APPLIST_ENTRY_MAX = 1024 /* a name of which every byte is escaped, and its elements */ };

struct gamestream {
    struct gamestream_config config;
    struct pairing *pairing;
    struct loop_timer *tick;
    struct http_server *https; /* may be NULL */
    struct held *held;
    struct log_limit log_limit;
    uint64_t paired, wrong_pins, pairings_failed, not_authorised;
};

/* A /pair request that is not answered yet: it waits for its PIN, for a worker, or for the disk. */
struct held {
    struct gamestream *owner;
    struct held *next;
    struct http_exchange *exchange; /* NULL: the peer has gone */
    char id[PAIRING_ID_TEXT];       /* of a request that waits for its PIN, or for the disk */
    bool waits_for_pin;
    struct pairing_work *work;
    char client_id[STATE_ID_TEXT]; /* being stored */
};

static void reply_document(struct http_exchange *exchange, const void *document, size_t size)
{
    http_exchange_reply(exchange, 200, NVHTTP_CONTENT_TYPE, NULL, document, size);
}

/* --- pairing: held requests --- */

static struct held *hold(struct gamestream *self, struct http_exchange *exchange)
{
    struct held *held = calloc(1, sizeof(*held));
    if (!held)
        return log_oom("gamestream");
    held->owner = self;
    held->exchange = exchange;
    held->next = self->held;
    self->held = held;
    return held;
}

static void drop(struct held *held)
{
    for (struct held **at = &held->owner->held; *at; at = &(*at)->next) {
        if (*at == held) {
            *at = held->next;
            break;
        }
    }
    free(held);
}

static void on_held_closed(void *ctx, bool expired)
{
    (void)expired; /* the book has shorter time limits of its own */
    struct held *held = ctx;
    struct gamestream *self = held->owner;
    held->exchange = NULL;
    if (!held->waits_for_pin)
        return; /* a worker is busy with it: what it does is finished all the same */
    char id[PAIRING_ID_TEXT];
    memcpy(id, held->id, sizeof(id));
    drop(held);
    pairing_closed(self->pairing, id, clock_now_ns());
    self->config.changed(self->config.ctx);
}

static void finish_held(struct held *held, const char *document, size_t size)
{
    if (held->exchange)
        reply_document(held->exchange, document, size);
    drop(held);
}

static void on_release(void *ctx, const char *id, const char *document, size_t size)
{
    struct gamestream *self = ctx;
    for (struct held *held = self->held; held; held = held->next) {
        if (held->waits_for_pin && !strcmp(held->id, id)) {
            finish_held(held, document, size);
            break;
        }
    }
    self->config.changed(self->config.ctx);
}

static void on_pairing_ended(void *ctx, const char *id, const char *address, enum pairing_end why)
{
    static const char *const texts[] = {
        [PAIRING_END_PAIRED] = "paired",
        [PAIRING_END_WRONG_PIN] = "the PIN did not match",
        [PAIRING_END_EXPIRED] = "expired",
        [PAIRING_END_CANCELLED] = "cancelled by the operator",
        [PAIRING_END_LEFT] = "the client left",
        [PAIRING_END_REPLACED] = "replaced by a new attempt",
        [PAIRING_END_REFUSED] = "malformed or out of order",
        [PAIRING_END_FAILED] = "failed on our side",
    };
    struct gamestream *self = ctx;
    unsigned swallowed;
    if (why == PAIRING_END_PAIRED)
        self->paired++;
    else if (why == PAIRING_END_WRONG_PIN)
        self->wrong_pins++;
    else
        self->pairings_failed++;
    if (log_limit_pass(&self->log_limit, 5, clock_now_ns(), &swallowed))
        log_info("pairing: request %.8s from %s: %s", id, address, texts[why]);
    self->config.changed(self->config.ctx);
}

static bool on_random(void *ctx, void *ret_data, size_t size)
{
    (void)ctx;
    return random_bytes(ret_data, size);
}

static void on_tick(void *ctx)
{
    struct gamestream *self = ctx;
    pairing_tick(self->pairing, clock_now_ns());
}

static void follow_result(struct held *held, const struct pairing_result *result);

static void work_run(void *arg)
{
    struct held *held = arg;
    pairing_work_run(held->work);
}

static void work_done(void *arg)
{
    struct held *held = arg;
    struct pairing_result result;
    struct pairing_work *work = held->work;
    held->work = NULL;
    pairing_work_finish(held->owner->pairing, work, clock_now_ns(), &result);
    follow_result(held, &result);
}

static void client_stored(void *arg, bool stored)
{
    struct held *held = arg;
    struct gamestream *self = held->owner;
    state_confirm_client(self->config.state, held->client_id, stored);
    struct pairing_result result;
    pairing_stored(self->pairing, held->id, stored, clock_now_ns(), &result);
    finish_held(held, result.document, result.size);
    self->config.changed(self->config.ctx);
}

static void store_client(struct held *held, const struct pairing_result *result)
{
    struct gamestream *self = held->owner;
    memcpy(held->id, result->id, sizeof(held->id));
    if (state_put_client(self->config.state, result->client.name, result->client.certificate_pem, result->client.sha256,
                         clock_wall_ms(), held->client_id))
        saver_save(self->config.saver, client_stored, held);
    else
        client_stored(held, false);
}

/* What the book wants next of a request that is already held. */
static void follow_result(struct held *held, const struct pairing_result *result)
{
    struct gamestream *self = held->owner;
    switch (result->action) {
    case PAIRING_REPLY:
        finish_held(held, result->document, result->size);
        break;
    case PAIRING_HOLD:
        held->waits_for_pin = true;
        memcpy(held->id, result->id, sizeof(held->id));
        self->config.changed(self->config.ctx);
        break;
    case PAIRING_WORK:
        held->work = result->work;
        if (!loop_work(self->config.loop, work_run, work_done, held))
            work_done(held); /* not run: the book answers that it failed */
        break;
    case PAIRING_STORE:
        store_client(held, result);
        break;
    }
}

static void handle_pair(struct gamestream *self, struct http_exchange *exchange, const struct http_request *request)
{
    char address[ADDRESS_TEXT_MAX];
    address_text(http_exchange_peer(exchange), address);
    struct held *held = hold(self, exchange);
    if (!held) {
        http_exchange_close(exchange);
        return;
    }
    struct pairing_result result;
    pairing_request(self->pairing, address, request->query, clock_now_ns(), &result);
    if (result.action != PAIRING_REPLY)
        http_exchange_hold(exchange, (PAIRING_PIN_WAIT_S + PAIRING_PHASE_WAIT_S) * CLOCK_SECOND_NS, on_held_closed,
                           held);
    follow_result(held, &result);
}

static void handle_unpair(struct gamestream *self, struct http_exchange *exchange, const struct http_request *request)
{
    char address[ADDRESS_TEXT_MAX];
    address_text(http_exchange_peer(exchange), address);
    struct pairing_result result;
    pairing_unpair(self->pairing, address, request->query, clock_now_ns(), &result);
    reply_document(exchange, result.document, result.size);
}

/* --- documents --- */

static void reply_not_found(struct http_exchange *exchange)
{
    char document[NVHTTP_DOCUMENT_MAX];
    reply_document(exchange, document, nvhttp_not_found(document, sizeof(document)));
}

static void reply_error(struct http_exchange *exchange, int status, const char *message, const char *element)
{
    char document[NVHTTP_DOCUMENT_MAX];
    reply_document(exchange, document, nvhttp_error(status, message, element, document, sizeof(document)));
}

/* `sha256`: of an authorised client, NULL for others. */
static void reply_serverinfo(struct gamestream *self, struct http_exchange *exchange, const uint8_t *sha256)
{
    char document[NVHTTP_DOCUMENT_MAX], local[ADDRESS_TEXT_MAX], mac[INTERFACE_MAC_TEXT];
    address_text(http_exchange_local(exchange), local);
    bool has_mac = sha256 && interfaces_mac(http_exchange_local(exchange), mac);
    const struct nvhttp_serverinfo info = {
        .hostname = self->config.hostname,
        .uniqueid = state_uniqueid(self->config.state),
        .mac = has_mac ? mac : NULL,
        .local_ip = local,
        .base_port = self->config.config->port,
        .codecs = codec_offer_bits(self->config.config, self->config.encoders->reports, self->config.encoders->count),
        .authorised = sha256 != NULL,
        .current_app = sha256 ? sessions_running_app(self->config.sessions, sha256) : 0,
    };
    reply_document(exchange, document, nvhttp_serverinfo(&info, document, sizeof(document)));
}

static bool is_pair_challenge(const struct http_request *request)
{
    char phrase[32];
    return http_query_get(request->query, "phrase", phrase, sizeof(phrase)) && !strcmp(phrase, "pairchallenge");
}

static void reply_paired(struct http_exchange *exchange, bool paired)
{
    char document[NVHTTP_DOCUMENT_MAX];
    reply_document(exchange, document, nvhttp_paired(paired, document, sizeof(document)));
}

static bool path_is(const struct http_request *request, const char *path)
{
    return request->path.size == strlen(path) && !memcmp(request->path.text, path, request->path.size);
}

void gamestream_handle_http(void *ctx, struct http_exchange *exchange)
{
    struct gamestream *self = ctx;
    const struct http_request *request = http_exchange_request(exchange);
    if (path_is(request, "/serverinfo"))
        reply_serverinfo(self, exchange, NULL);
    else if (path_is(request, "/pair") && !is_pair_challenge(request))
        handle_pair(self, exchange, request);
    else if (path_is(request, "/pair"))
        reply_paired(exchange, false);
    else if (path_is(request, "/unpair"))
        handle_unpair(self, exchange, request);
    else
        reply_not_found(exchange);
}

/* --- HTTPS, authorised --- */

static void reply_launch_result(struct gamestream *self, struct http_exchange *exchange, enum sessions_result result,
                                bool resume, bool encrypted)
{
    static const struct {
        int status;
        const char *message;
    } errors[] = {
        [SESSIONS_FULL] = {400, "16 devices stream from this host already, and more are not possible. End a stream "
                                "first, on its device or on the host's page"},
        [SESSIONS_BUSY] = {503, "The host is still ending earlier streams. Please try again in a moment"},
        [SESSIONS_NOT_RUNNING] = {503, "No running app to resume"},
        [SESSIONS_NO_ENCODER] = {503, "This host has no working video encoder. Its page tells why"},
        [SESSIONS_TOO_LARGE] = {400, "No encoder of this host makes pictures of this size. Choose another resolution "
                                     "in the client's settings"},
        [SESSIONS_REPEATED_KEY] = {400, "The session key was used before. Please try again"},
        [SESSIONS_FAILED] = {503, "The host could not prepare the stream. Its log tells why"},
    };
    if (result != SESSIONS_OK) {
        reply_error(exchange, errors[result].status, errors[result].message, resume ? "resume" : "gamesession");
        return;
    }
    char document[NVHTTP_DOCUMENT_MAX], local[ADDRESS_TEXT_MAX];
    address_text(http_exchange_local(exchange), local);
    reply_document(
        exchange, document,
        nvhttp_launched(resume, encrypted, local, self->config.config->port + PORT_RTSP, document, sizeof(document)));
}

/* True: the app may be launched by this client. */
static bool check_app(struct gamestream *self, struct http_exchange *exchange, uint32_t app_id, const char *element)
{
    char message[STATE_NAME_MAX + 80];
    switch (apps_may_launch(self->config.apps, app_id)) {
    case APPS_OK:
        return true;
    case APPS_UNKNOWN:
        reply_error(exchange, 404, "This host has no such application", element);
        break;
    case APPS_OTHER_RUNS:
        snprintf(message, sizeof(message), "%s is running on this host. Quit it before you start another app",
                 apps_running_name(self->config.apps));
        reply_error(exchange, 400, message, element);
        break;
    }
    return false;
}

static void handle_launch(struct gamestream *self, struct http_exchange *exchange, const struct state_client *client,
                          bool resume)
{
    const struct http_request *request = http_exchange_request(exchange);
    const char *element = resume ? "resume" : "gamesession", *why;
    struct nvhttp_launch launch;
    if (!nvhttp_launch_parse(request->query, resume, sessions_last_launch(self->config.sessions, client->sha256),
                             &launch, &why)) {
        reply_error(exchange, 400, why, element);
        return;
    }
    struct sessions_caller caller = {.peer = *http_exchange_peer(exchange), .local = *http_exchange_local(exchange)};
    text_copy(caller.name, sizeof(caller.name), client->name);
    memcpy(caller.sha256, client->sha256, sizeof(caller.sha256));
    caller.rights = client->rights;
    bool encrypted = launch.corever >= 1;
    if (!resume && !check_app(self, exchange, launch.app_id, element)) {
        log_info("gamestream: %s may not launch app %u", caller.name, (unsigned)launch.app_id);
    } else if (!encrypted && sessions_demand_encryption(self->config.sessions, &caller.peer)) {
        reply_error(exchange, 403, "Encryption is mandatory for this host but unsupported by the client", element);
    } else {
        encoders_try_refused(self->config.encoders, clock_now_ns());
        enum sessions_result result = sessions_launch(self->config.sessions, &caller, &launch, resume, encrypted);
        reply_launch_result(self, exchange, result, resume, encrypted);
    }
    crypto_wipe(&launch, sizeof(launch));
}

static void reply_applist(struct gamestream *self, struct http_exchange *exchange)
{
    struct nvhttp_app list[CONFIG_APPS_MAX];
    size_t count = apps_count(self->config.apps), capacity = NVHTTP_DOCUMENT_MAX + count * APPLIST_ENTRY_MAX;
    char *document = malloc(capacity);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct nvhttp_app){.name = apps_name(self->config.apps, i), .id = apps_id(self->config.apps, i)};
    if (document)
        reply_document(exchange, document, nvhttp_applist(list, count, document, capacity));
    else
        http_exchange_close(exchange);
    free(document);
}

/* Clients may still show apps that are no more: these have the built-in picture. */
static void reply_appasset(struct gamestream *self, struct http_exchange *exchange)
{
    char text[16];
    int64_t app_id;
    const void *png = asset_desktop_png;
    size_t size = asset_desktop_png_size;
    if (http_query_get(http_exchange_request(exchange)->query, "appid", text, sizeof(text)) &&
        text_parse_i64(text, strlen(text), 0, UINT32_MAX, &app_id))
        apps_image(self->config.apps, (uint32_t)app_id, &png, &size);
    http_exchange_reply(exchange, 200, "image/png", NULL, png, size);
}

static void handle_cancel(struct gamestream *self, struct http_exchange *exchange, const struct state_client *client)
{
    char document[NVHTTP_DOCUMENT_MAX];
    sessions_cancel(self->config.sessions, client->sha256);
    reply_document(exchange, document, nvhttp_cancelled(document, sizeof(document)));
}

static void handle_authorised(struct gamestream *self, struct http_exchange *exchange,
                              const struct state_client *client)
{
    const struct http_request *request = http_exchange_request(exchange);
    char document[NVHTTP_DOCUMENT_MAX];
    if (path_is(request, "/serverinfo"))
        reply_serverinfo(self, exchange, client->sha256);
    else if (path_is(request, "/applist"))
        reply_applist(self, exchange);
    else if (path_is(request, "/appasset"))
        reply_appasset(self, exchange);
    else if (path_is(request, "/launch"))
        handle_launch(self, exchange, client, false);
    else if (path_is(request, "/resume"))
        handle_launch(self, exchange, client, true);
    else if (path_is(request, "/cancel"))
        handle_cancel(self, exchange, client);
    else if (path_is(request, "/pair") && is_pair_challenge(request))
        reply_paired(exchange, true);
    else if (path_is(request, "/pair"))
        reply_error(exchange, 400, "Pairing is done over HTTP", "paired");
    else if (path_is(request, "/unpair")) /* clients only forget us; the operator removes them on the page */
        reply_document(exchange, document, nvhttp_ok(document, sizeof(document)));
    else
        reply_not_found(exchange);
}

void gamestream_handle_https(void *ctx, struct http_exchange *exchange)
{
    struct gamestream *self = ctx;
    uint8_t sha256[32];
    const struct state_client *client = NULL;
    if (http_exchange_client_sha256(exchange, sha256))
        client = state_find_client(self->config.state, sha256);
    if (!client) {
        char document[NVHTTP_DOCUMENT_MAX];
        self->not_authorised++;
        size_t size = nvhttp_not_authorised(http_exchange_request(exchange)->path, document, sizeof(document));
        reply_document(exchange, document, size);
        return;
    }
    state_saw_client(self->config.state, sha256, clock_wall_ms());
    if (self->https)
        http_server_mark_known(self->https, http_exchange_peer(exchange));
    handle_authorised(self, exchange, client);
}

/* --- the object --- */

struct gamestream *gamestream_create(const struct gamestream_config *config)
{
    struct gamestream *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("gamestream");
    self->config = *config;
    const struct pairing_config pairing = {
        .certificate_pem = config->certificate_pem,
        .key = config->key,
        .random = on_random,
        .release = on_release,
        .ended = on_pairing_ended,
        .ctx = self,
    };
    self->pairing = pairing_create(&pairing);
    self->tick = loop_timer_create(config->loop, CLOCK_SECOND_NS, true, on_tick, self);
    if (!self->pairing || !self->tick) {
        gamestream_destroy(self);
        return NULL;
    }
    return self;
}

void gamestream_destroy(struct gamestream *self)
{
    if (!self)
        return;
    loop_timer_destroy(self->tick);
    pairing_destroy(self->pairing);
    while (self->held)
        drop(self->held);
    free(self);
}

void gamestream_set_https(struct gamestream *self, struct http_server *https)
{
    self->https = https;
}

void gamestream_counters(const struct gamestream *self, json_t *object)
{
    json_object_set_new(object, "pairings_done", json_integer((json_int_t)self->paired));
    json_object_set_new(object, "pairings_wrong_pin", json_integer((json_int_t)self->wrong_pins));
    json_object_set_new(object, "pairings_ended_otherwise", json_integer((json_int_t)self->pairings_failed));
    json_object_set_new(object, "not_authorised", json_integer((json_int_t)self->not_authorised));
}

struct pairing *gamestream_pairing(struct gamestream *self)
{
    return self->pairing;
}
