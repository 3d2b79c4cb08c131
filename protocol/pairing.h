/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairing: the book of clients that are pairing. Pure: time and random bytes come in, documents go out. One thread.
 *
 *   getservercert ─► WAIT_PIN ─(PIN)─► CERT_SENT ─clientchallenge─► CHALLENGED ─serverchallengeresp─► COMMITTED
 *       (held)                                                                   ─clientpairingsecret─► stored, gone
 *
 * A session is known by (source address, uniqueid): all stock clients send the same uniqueid. Any other event ends it
 * with wiped secrets; one PIN serves one request once. RSA is done by pairing_work_run(), made for a worker.
 * Source: docs/protocol.md, "Pairing"; bytes checked by tests/unit/test_pairing.c.
 */
#pragma once

#include "protocol/crypto.h"
#include "protocol/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAIRING_ID_TEXT = 33, /* 32 hex digits and a NUL */
    PAIRING_SESSIONS_MAX = 32,
    PAIRING_PER_ADDRESS_MAX = 4,
    PAIRING_ADDRESS_TEXT = 64,
    PAIRING_UNIQUEID_MAX = 64,
    PAIRING_NAME_MAX = 128,           /* bytes, without the NUL */
    PAIRING_PIN_WAIT_S = 300,         /* then 408 */
    PAIRING_PHASE_WAIT_S = 30,        /* between the later requests, which follow within milliseconds */
    PAIRING_FAILURES_MAX = 10,        /* within an hour: closed until pairing_reopen() */
    PAIRING_FAILURES_PER_ADDRESS = 3, /* within 10 minutes: refused for 10 minutes */
};

struct pairing;
struct pairing_work; /* RSA for one request */

enum pairing_end { /* why a session ended, for log and page */
                   PAIRING_END_PAIRED,
                   PAIRING_END_WRONG_PIN, /* phase 4 did not match, or the client left after phase 3 */
                   PAIRING_END_EXPIRED,
                   PAIRING_END_CANCELLED, /* by the operator */
                   PAIRING_END_LEFT,      /* the client closed the held connection or called /unpair */
                   PAIRING_END_REPLACED,  /* by a new attempt of the same client */
                   PAIRING_END_REFUSED,   /* malformed or out of order */
                   PAIRING_END_FAILED,    /* our side: random numbers, signature, storing */
};

struct pairing_config {
    const char *certificate_pem;  /* the host's; copied */
    const struct crypto_key *key; /* outlives the book and its works */
    bool (*random)(void *ctx, void *ret_data, size_t size);
    /* Answer the held request `id` with this document (HTTP 200). Called from within any call on the book. */
    void (*release)(void *ctx, const char *id, const char *document, size_t size);
    /* Optional: a session ended. From within any call on the book; `address` and `id` are borrowed. */
    void (*ended)(void *ctx, const char *id, const char *address, enum pairing_end why);
    void *ctx;
};

struct pairing *pairing_create(const struct pairing_config *config); /* NULL: logged */
void pairing_destroy(struct pairing *self);                          /* wipes; releases nothing; NULL is fine */

enum pairing_action {
    PAIRING_REPLY, /* answer with document/size (HTTP 200, text/xml) */
    PAIRING_HOLD,  /* keep the exchange; release() names `id` later. Tell pairing_closed() when the peer goes away */
    PAIRING_WORK,  /* keep the exchange, pairing_work_run(work) on a worker, then pairing_work_finish(work) */
    PAIRING_STORE, /* keep the exchange, store `client` durably, then pairing_stored(id) */
};
struct pairing_client {
    char name[PAIRING_NAME_MAX + 1]; /* the operator's, or "" */
    uint8_t sha256[32];
    const char *certificate_pem; /* NUL-terminated, borrowed until pairing_stored() */
};
struct pairing_result {
    enum pairing_action action;
    const char *document; /* borrowed until the next call on the book */
    size_t size;
    char id[PAIRING_ID_TEXT];
    struct pairing_work *work; /* owned by the caller until pairing_work_finish() */
    struct pairing_client client;
};

/* GET /pair on the HTTP port. `address`: text of the source address, without port. */
void pairing_request(struct pairing *self, const char *address, struct http_slice query, int64_t now_ns,
                     struct pairing_result *ret_result);
/* GET /unpair on the HTTP port: ends at most a session that is past its PIN. Never a paired client. PAIRING_REPLY. */
void pairing_unpair(struct pairing *self, const char *address, struct http_slice query, int64_t now_ns,
                    struct pairing_result *ret_result);

void pairing_work_run(struct pairing_work *work); /* any thread; pure */
/* Takes the work, run or not (not run: the request fails). REPLY or STORE. Also to be called when the exchange went
 * away meanwhile; a STORE is carried out then too. */
void pairing_work_finish(struct pairing *self, struct pairing_work *work, int64_t now_ns,
                         struct pairing_result *ret_result);
/* After STORE: whether the client is on disk and visible to the TLS side. REPLY. */
void pairing_stored(struct pairing *self, const char *id, bool stored, int64_t now_ns,
                    struct pairing_result *ret_result);

void pairing_closed(struct pairing *self, const char *id, int64_t now_ns); /* a held exchange went away */
void pairing_tick(struct pairing *self, int64_t now_ns);                   /* about once a second: time limits */

/* --- the operator --- */
struct pairing_waiting {
    char id[PAIRING_ID_TEXT];
    char address[PAIRING_ADDRESS_TEXT];
    char fingerprint[17]; /* first 8 bytes of the certificate's SHA-256 */
    int64_t since_ns;
};
/* Requests that wait for a PIN, oldest first. Returns their number, at most PAIRING_SESSIONS_MAX. */
size_t pairing_list(const struct pairing *self, struct pairing_waiting ret_list[PAIRING_SESSIONS_MAX]);

enum pairing_pin_result { PAIRING_PIN_TAKEN, PAIRING_PIN_UNKNOWN_ID, PAIRING_PIN_BAD_VALUE };
/* `pin`: exactly four ASCII digits; `name`: 0..128 bytes of text. The PIN counts for this one request. */
enum pairing_pin_result pairing_pin(struct pairing *self, const char *id, const char *pin, const char *name,
                                    int64_t now_ns);
bool pairing_cancel(struct pairing *self, const char *id, int64_t now_ns); /* false: unknown id */
bool pairing_is_closed(const struct pairing *self);                        /* after too many failures */
void pairing_reopen(struct pairing *self);                                 /* forgets the failures */
