/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gamestream: what the HTTP and HTTPS ports answer: serverinfo, pairing, application list, launch, resume, cancel.
 * On HTTPS a client is its certificate, compared by SHA-256 with the enabled ones on every request. Main thread.
 */
#pragma once

#include "encode/encoder.h"
#include "host/apps.h"
#include "host/config.h"
#include "host/saver.h"
#include "host/sessions.h"
#include "host/state.h"
#include "net/http_server.h"
#include "protocol/pairing.h"

struct gamestream;

struct gamestream_config {
    const struct config *config; /* this and the next eight outlive the object */
    struct loop *loop;
    struct apps *apps;
    struct state *state;
    struct saver *saver;
    struct sessions *sessions;
    struct encoders *encoders; /* tried again when something is launched */
    const struct crypto_key *key;
    const char *certificate_pem;
    const char *hostname;
    void (*changed)(void *ctx); /* something the page shows is different */
    void *ctx;
};

struct gamestream *gamestream_create(const struct gamestream_config *config); /* NULL: logged */
/* After the servers, which end the held requests. NULL is fine. */
void gamestream_destroy(struct gamestream *self);

/* For http_server_config.handle; `ctx` is the struct gamestream. */
void gamestream_handle_http(void *ctx, struct http_exchange *exchange);
void gamestream_handle_https(void *ctx, struct http_exchange *exchange);
/* Authorised clients' TLS handshakes are preferred on this server. */
void gamestream_set_https(struct gamestream *self, struct http_server *https);

/* Adds "pairings_*" and "not_authorised". */
void gamestream_counters(const struct gamestream *self, json_t *object);

struct pairing *gamestream_pairing(struct gamestream *self);
