/* SPDX-License-Identifier: Apache-2.0 */
/* api: the routes under /api/v1. What a request must show before its handler sees it stands in one place, admit(). */
#include "web/web_private.h"

#include "base/clock.h"
#include "web/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_ROOT       "/api/v1/"
#define CHANGE_HOLD_NS (20 * CLOCK_SECOND_NS)
enum { ID_MAX = 128, NAME_MAX_BYTES = 128, RIGHTS_MAX = 64, KBPS_DIGITS_MAX = 7 };

struct route {
    const char *method, *path;
    bool open; /* answered without a log-in */
    void (*handle)(struct web_call *call);
};

static void reply_result(struct web_call *call, enum web_result result)
{
    switch (result) {
    case WEB_OK:
        web_reply_json(call->exchange, 200, NULL, json_object());
        return;
    case WEB_NOT_FOUND:
        web_reply_error(call->exchange, 404, NULL, "not_found", "This is no longer there.");
        return;
    case WEB_BAD_VALUE:
        web_reply_error(call->exchange, 400, NULL, "bad_value", "This value cannot be used.");
        return;
    case WEB_BUSY:
        web_reply_error(call->exchange, 409, NULL, "busy", "The host is busy with this already. Try again.");
        return;
    case WEB_FAILED:
        break;
    }
    web_reply_error(call->exchange, 500, NULL, "failed", "The host could not do this. Its log says why.");
}

static bool take_fields(struct web_call *call, const struct request_field *fields, size_t count)
{
    if (request_fields(http_exchange_body(call->exchange), fields, count))
        return true;
    web_reply_error(call->exchange, 400, NULL, "bad_request", "The request is not of the expected form.");
    return false;
}

static void get_session(struct web_call *call)
{
    if (call->login)
        web_reply_json(call->exchange, 200, NULL, json_pack("{s:s,s:s}", "state", "open", "csrf", call->login->csrf));
    else
        web_reply_json(call->exchange, 200, NULL,
                       json_pack("{s:s}", "state",
                                 call->web->backend.password_record(call->web->backend.ctx) ? "login" : "setup"));
}

static void post_logout(struct web_call *call)
{
    char name[WEB_COOKIE_NAME_MAX], header[256];
    uint32_t id = call->login->id;
    login_book_close(&call->web->logins, id);
    events_close_login(call->web, id);
    web_cookie_name(call->exchange, name);
    snprintf(header, sizeof(header), "Set-Cookie: %s=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0\r\n", name);
    web_reply_json(call->exchange, 200, header, json_pack("{s:s}", "state", "login"));
}

static void get_pairings(struct web_call *call)
{
    web_reply_json(call->exchange, 200, NULL, call->web->backend.pairings(call->web->backend.ctx));
}

static void get_clients(struct web_call *call)
{
    web_reply_json(call->exchange, 200, NULL, call->web->backend.clients(call->web->backend.ctx));
}

static void get_status(struct web_call *call)
{
    web_reply_json(call->exchange, 200, NULL, call->web->backend.status(call->web->backend.ctx));
}

static bool is_pin(const char *pin)
{
    for (int i = 0; i < 4; i++) {
        if (!isdigit((unsigned char)pin[i]))
            return false;
    }
    return pin[4] == '\0';
}

static void post_pairing_pin(struct web_call *call)
{
    char id[ID_MAX + 1], pin[5], name[NAME_MAX_BYTES + 1];
    const struct request_field fields[] = {
        {"id", 1, ID_MAX, id}, {"pin", 4, 4, pin}, {"name", 0, NAME_MAX_BYTES, name}};
    if (!take_fields(call, fields, 3))
        return;
    struct web_backend *backend = &call->web->backend;
    reply_result(call, is_pin(pin) ? backend->pairing_pin(backend->ctx, id, pin, name) : WEB_BAD_VALUE);
    events_nudge(call->web);
}

/* The routes whose body is just {"id": ...}. */
static void act_on_id(struct web_call *call, enum web_result (*act)(void *ctx, const char *id))
{
    char id[ID_MAX + 1];
    const struct request_field fields[] = {{"id", 1, ID_MAX, id}};
    if (!take_fields(call, fields, 1))
        return;
    reply_result(call, act(call->web->backend.ctx, id));
    events_nudge(call->web);
}

static void post_pairing_cancel(struct web_call *call)
{
    act_on_id(call, call->web->backend.pairing_cancel);
}

static void post_pairing_reopen(struct web_call *call)
{
    if (!take_fields(call, NULL, 0))
        return;
    call->web->backend.pairing_reopen(call->web->backend.ctx);
    reply_result(call, WEB_OK);
    events_nudge(call->web);
}

/* A change of the list of clients, answered when it is on disk. */
struct change {
    struct http_exchange *exchange; /* NULL: the peer has gone */
};

static void change_closed(void *ctx, bool expired)
{
    struct change *change = ctx;
    if (expired)
        web_reply_error(change->exchange, 503, "Retry-After: 5\r\n", "busy", "The host is busy. Try again.");
    change->exchange = NULL;
}

static void change_stored(void *arg, bool stored)
{
    struct change *change = arg;
    if (change->exchange && stored)
        web_reply_json(change->exchange, 200, NULL, json_object());
    else if (change->exchange)
        web_reply_error(change->exchange, 500, NULL, "failed",
                        "This could not be saved and is undone when the host starts again. The host's log says why.");
    free(change);
}

static struct change *begin_change(struct web_call *call)
{
    struct change *change = calloc(1, sizeof(*change));
    if (!change) {
        reply_result(call, WEB_FAILED);
        return NULL;
    }
    change->exchange = call->exchange;
    http_exchange_hold(call->exchange, CHANGE_HOLD_NS, change_closed, change);
    return change;
}

static void end_change(struct web_call *call, struct change *change, enum web_result result)
{
    if (result != WEB_OK) { /* else change_stored has it */
        reply_result(call, result);
        free(change);
    }
    events_nudge(call->web);
}

static void post_client_remove(struct web_call *call)
{
    char id[ID_MAX + 1];
    const struct request_field fields[] = {{"id", 1, ID_MAX, id}};
    if (!take_fields(call, fields, 1))
        return;
    struct web_backend *backend = &call->web->backend;
    struct change *change = begin_change(call);
    if (change)
        end_change(call, change, backend->client_remove(backend->ctx, id, change_stored, change));
}

static void post_session_end(struct web_call *call)
{
    act_on_id(call, call->web->backend.session_end);
}

static void post_session_bitrate(struct web_call *call)
{
    char id[ID_MAX + 1], text[KBPS_DIGITS_MAX + 1];
    const struct request_field fields[] = {{"id", 1, ID_MAX, id}, {"kbps", 1, KBPS_DIGITS_MAX, text}};
    if (!take_fields(call, fields, 2))
        return;
    struct web_backend *backend = &call->web->backend;
    enum web_result result = WEB_NOT_FOUND;
    if (strspn(text, "0123456789") != strlen(text))
        result = WEB_BAD_VALUE;
    else if (backend->session_bitrate)
        result = backend->session_bitrate(backend->ctx, id, atoi(text));
    reply_result(call, result);
    events_nudge(call->web);
}

static void post_client_rename(struct web_call *call)
{
    char id[ID_MAX + 1], name[NAME_MAX_BYTES + 1];
    const struct request_field fields[] = {{"id", 1, ID_MAX, id}, {"name", 1, NAME_MAX_BYTES, name}};
    if (!take_fields(call, fields, 2))
        return;
    struct web_backend *backend = &call->web->backend;
    struct change *change = begin_change(call);
    if (change)
        end_change(call, change, backend->client_rename(backend->ctx, id, name, change_stored, change));
}

static void post_client_rights(struct web_call *call)
{
    char id[ID_MAX + 1], rights[RIGHTS_MAX + 1];
    const struct request_field fields[] = {{"id", 1, ID_MAX, id}, {"rights", 0, RIGHTS_MAX, rights}};
    if (!take_fields(call, fields, 2))
        return;
    struct web_backend *backend = &call->web->backend;
    if (!backend->client_rights) {
        reply_result(call, WEB_NOT_FOUND);
        return;
    }
    struct change *change = begin_change(call);
    if (change)
        end_change(call, change, backend->client_rights(backend->ctx, id, rights, change_stored, change));
}

static void act_on_desktop(struct web_call *call, enum web_result (*act)(void *ctx), const char *missing)
{
    if (!take_fields(call, NULL, 0))
        return;
    enum web_result result = act ? act(call->web->backend.ctx) : WEB_NOT_FOUND;
    if (result == WEB_NOT_FOUND)
        web_reply_error(call->exchange, 404, NULL, "not_found", missing);
    else
        reply_result(call, result);
    events_nudge(call->web);
}

static void post_restart_session(struct web_call *call)
{
    act_on_desktop(call, call->web->backend.desktop_restart_session, "The host runs no session of its own.");
}

static void post_restart_server(struct web_call *call)
{
    act_on_desktop(call, call->web->backend.desktop_restart_server, "The host runs no display of its own.");
}

/* The end of a long text, from the beginning of a line on, or at least of a character. */
static const char *tail_of(const char *text)
{
    size_t size = strlen(text);
    if (size <= WEB_LOG_MAX)
        return text;
    text += size - WEB_LOG_MAX;
    const char *line = strchr(text, '\n');
    if (line && line[1])
        return line + 1;
    while (((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return text;
}

static void get_desktop_log(struct web_call *call)
{
    struct web_backend *backend = &call->web->backend;
    json_t *log = backend->desktop_log ? backend->desktop_log(backend->ctx) : NULL;
    const char *text = json_string_value(json_object_get(log, "log"));
    if (text)
        web_reply_json(call->exchange, 200, NULL, json_pack("{s:s}", "log", tail_of(text)));
    else
        web_reply_error(call->exchange, 404, NULL, "not_found",
                        "There is no log of the X server that the host may read.");
    json_decref(log);
}

static const struct route routes[] = {
    {"GET", "session", true, get_session},
    {"POST", "setup", true, credentials_setup},
    {"POST", "login", true, credentials_login},
    {"POST", "logout", false, post_logout},
    {"POST", "password", false, credentials_change},
    {"GET", "pairings", false, get_pairings},
    {"POST", "pairings/pin", false, post_pairing_pin},
    {"POST", "pairings/cancel", false, post_pairing_cancel},
    {"POST", "pairings/reopen", false, post_pairing_reopen},
    {"GET", "clients", false, get_clients},
    {"POST", "clients/rename", false, post_client_rename},
    {"POST", "clients/remove", false, post_client_remove},
    {"POST", "clients/rights", false, post_client_rights},
    {"GET", "status", false, get_status},
    {"POST", "sessions/end", false, post_session_end},
    {"POST", "sessions/bitrate", false, post_session_bitrate},
    {"POST", "desktop/restart-session", false, post_restart_session},
    {"POST", "desktop/restart-server", false, post_restart_server},
    {"GET", "desktop/log", false, get_desktop_log},
    {"GET", "events", false, events_open},
};

static const struct route *find_route(const struct http_request *request)
{
    size_t root = strlen(API_ROOT);
    if (request->path.size < root || memcmp(request->path.text, API_ROOT, root) != 0)
        return NULL;
    struct http_slice name = {request->path.text + root, request->path.size - root};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_is(name, routes[i].path))
            return &routes[i];
    }
    return NULL;
}

/* What a POST must show besides its log-in. */
static bool admit_post(const struct web_call *call, const struct route *route)
{
    if (!request_same_origin(call->request)) {
        web_reply_error(call->exchange, 403, NULL, "origin", "This request does not come from the host's own page.");
        return false;
    }
    const struct http_slice *token = http_header_find(call->request, "X-CSRF-Token");
    if (!route->open && (!token || !login_csrf_matches(call->login, *token))) {
        web_reply_error(call->exchange, 403, NULL, "csrf", "The page is out of date. Load it again.");
        return false;
    }
    if (!request_is_json(call->request)) {
        web_reply_error(call->exchange, 415, NULL, "type", "The body must be application/json.");
        return false;
    }
    if (http_exchange_body(call->exchange).size > WEB_BODY_MAX) {
        web_reply_error(call->exchange, 413, NULL, "size", "The body is too large.");
        return false;
    }
    return true;
}

/* Strangers learn nothing, not even which routes there are: 401 comes first. */
static bool admit(const struct web_call *call, const struct route *route)
{
    if (!call->login && !(route && route->open)) {
        web_reply_error(call->exchange, 401, NULL, "login", "Log in first.");
        return false;
    }
    if (!route) {
        web_reply_error(call->exchange, 404, NULL, "not_found", "There is no such route.");
        return false;
    }
    if (!slice_is(call->request->method, route->method)) {
        bool get = strcmp(route->method, "GET") == 0;
        web_reply_error(call->exchange, 405, get ? "Allow: GET\r\n" : "Allow: POST\r\n", "method",
                        "This method is not for this route.");
        return false;
    }
    return strcmp(route->method, "POST") != 0 || admit_post(call, route);
}

void api_handle(struct web *self, struct http_exchange *exchange)
{
    struct web_call call = {.web = self, .exchange = exchange, .request = http_exchange_request(exchange)};
    const struct route *route = find_route(call.request);
    /* An open page asks for events all the time: that alone must not keep a log-in alive. */
    call.login = web_find_login(self, exchange, route && route->handle != events_open);
    if (admit(&call, route))
        route->handle(&call);
}
