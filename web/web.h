/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web: the page on base+1 and its JSON API under /api/v1. Loop thread only.
 * Knows log-ins, cookies, CSRF and rate limits; everything else it asks of the backend, which the host implements.
 * The local commands (control.sock) use the same backend.
 */
#pragma once

#include "net/http_server.h"
#include "net/loop.h"

#include <jansson.h>
#include <stdbool.h>

struct web;

enum web_result { WEB_OK, WEB_NOT_FOUND, WEB_BAD_VALUE, WEB_BUSY, WEB_FAILED };

struct web_backend {
    void *ctx;
    /* New references. pairings: [{id, address, since_ms, fingerprint}], clients: [{id, name, fingerprint, paired_ms,
     * seen_ms, streaming, rights}], status: {host, version, uniqueid, base_port, certificate, display{}, desktop{} or
     * null, input{active, injectors[], delay{}}, audio{} or null, apps[], stages[], inhibit, encoders[], sessions[],
     * counters{}, discovery, pairing_closed}. Times are milliseconds of the wall clock. The page does without what is
     * missing. */
    json_t *(*pairings)(void *ctx);
    json_t *(*clients)(void *ctx);
    json_t *(*status)(void *ctx);
    /* `pin`: exactly four digits; `name`: 1..128 bytes of UTF-8, or "" for none. */
    enum web_result (*pairing_pin)(void *ctx, const char *id, const char *pin, const char *name);
    enum web_result (*pairing_cancel)(void *ctx, const char *id);
    /* After too many failures, when status says pairing_closed. */
    void (*pairing_reopen)(void *ctx);
    /* In force at once. With WEB_OK `done` is called on the loop thread, perhaps before the return: it is on disk, or
     * that failed and the next start of the host does not know of it. */
    enum web_result (*client_rename)(void *ctx, const char *id, const char *name, void (*done)(void *arg, bool stored),
                                     void *arg);
    enum web_result (*client_remove)(void *ctx, const char *id, void (*done)(void *arg, bool stored), void *arg);
    /* `rights`: those it has from now on, of "keyboard mouse touch gamepad"; "": it may only look. Optional: NULL is
     * answered as not found. */
    enum web_result (*client_rights)(void *ctx, const char *id, const char *rights,
                                     void (*done)(void *arg, bool stored), void *arg);
    enum web_result (*session_end)(void *ctx, const char *id);
    /* What its video may take from now on; 0: as its client asked. WEB_BAD_VALUE: too little or too much. Optional. */
    enum web_result (*session_bitrate)(void *ctx, const char *id, int kbps);
    /* Of the private display; what is running on it ends. These three are optional: NULL is answered as not found. */
    enum web_result (*desktop_restart_session)(void *ctx); /* WEB_NOT_FOUND: there is no session command */
    enum web_result (*desktop_restart_server)(void *ctx);
    /* {log}: the tail of the X server's log, also of one that is not ours; of it the last WEB_LOG_MAX bytes are passed
     * on. New reference; NULL: there is none to be read. */
    json_t *(*desktop_log)(void *ctx);
    /* The stored password record ("scrypt$..."), NULL while none is set: then the setup code is asked for. Borrowed. */
    const char *(*password_record)(void *ctx);
    /* Store a new one (and forget the setup code); `done` on the loop thread when it is on disk, or failed. */
    void (*password_store)(void *ctx, const char *record, void (*done)(void *arg, bool stored), void *arg);
    /* Constant-time compare with the one-time setup code. */
    bool (*setup_code_matches)(void *ctx, const char *code);
};

enum web_allow { WEB_ALLOW_LOOPBACK, WEB_ALLOW_LAN, WEB_ALLOW_ANY };

/* `backend` is copied, its ctx outlives the web. NULL: out of memory, logged. */
struct web *web_create(struct loop *loop, const struct web_backend *backend);
/* After http_server_destroy of the server it was plugged into, before loop_destroy. NULL is fine. */
void web_destroy(struct web *self);
/* Against DNS rebinding only requests for an IP address, "localhost" or one of these names are answered (upper and
 * lower case are one; a name without a dot is also known as "name.local"). Copied; at most WEB_NAMES_MAX, false then.
 */
bool web_add_name(struct web *self, const char *name);
/* For http_server_config.admit: may this address see the page? */
bool web_admits(enum web_allow allow, const struct address *peer);
enum {
    WEB_NAMES_MAX = 16,
    WEB_BODY_MAX = 4096, /* for http_server_config.body_max */
    WEB_LOG_MAX = 32768,
};
/* For http_server_config.handle; ctx is the struct web. */
void web_handle(void *ctx, struct http_exchange *exchange);
/* Tell open pages that something changed (they also get the status once a second). */
void web_notify(struct web *self);
/* All log-ins end: after a password change. */
void web_forget_logins(struct web *self);

/* "scrypt$N$r$p$salt$hash". Slow on purpose: on a worker only. False: out of memory. */
bool web_password_hash(const char *password, char *ret_record, size_t capacity);
bool web_password_matches(const char *record, const char *password);
enum { WEB_PASSWORD_MIN = 8, WEB_PASSWORD_MAX = 256, WEB_RECORD_MAX = 256 };
