/* SPDX-License-Identifier: Apache-2.0 */
/* web: what all requests go through: the Host check, the table of static files, and how replies look. */
#include "web/web_private.h"

#include "base/clock.h"
#include "base/text.h"
#include "web/request.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct web *web_create(struct loop *loop, const struct web_backend *backend)
{
    struct web *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("web");
    self->loop = loop;
    self->backend = *backend;
    return self;
}

void web_destroy(struct web *self)
{
    if (!self)
        return;
    credentials_abandon(self);
    events_finish(self);
    OPENSSL_cleanse(self, sizeof(*self));
    free(self);
}

bool web_add_name(struct web *self, const char *name)
{
    if (self->name_count == WEB_NAMES_MAX || !*name || !text_copy(self->names[self->name_count], 256, name))
        return false;
    self->name_count++;
    return true;
}

bool web_admits(enum web_allow allow, const struct address *peer)
{
    enum address_scope scope = address_scope(peer);
    return allow == WEB_ALLOW_ANY || scope == ADDRESS_LOOPBACK || (allow == WEB_ALLOW_LAN && scope == ADDRESS_LAN);
}

void web_notify(struct web *self)
{
    events_nudge(self);
}

void web_forget_logins(struct web *self)
{
    login_book_close_all(&self->logins);
    events_close_login(self, 0);
}

static void reply(struct http_exchange *exchange, int status, const char *type, const char *cache, const char *more,
                  const void *body, size_t size)
{
    char headers[2048];
    snprintf(headers, sizeof(headers), WEB_SECURITY_HEADERS "Cache-Control: %s\r\n%s", cache, more ? more : "");
    http_exchange_reply(exchange, status, type, headers, body, size);
}

void web_reply_json(struct http_exchange *exchange, int status, const char *headers, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (text)
        reply(exchange, status, "application/json", "no-store", headers, text, strlen(text));
    else
        web_reply_error(exchange, 500, NULL, "failed", "The host could not answer. Its log says more.");
    free(text);
}

void web_reply_error(struct http_exchange *exchange, int status, const char *headers, const char *code,
                     const char *message)
{
    char text[512];
    int size = snprintf(text, sizeof(text), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
    reply(exchange, status, "application/json", "no-store", headers, text, (size_t)size);
}

void web_reply_wait(struct http_exchange *exchange, unsigned seconds)
{
    char header[64], message[128];
    snprintf(header, sizeof(header), "Retry-After: %u\r\n", seconds);
    if (seconds > 120)
        snprintf(message, sizeof(message), "Too many attempts. Try again in %u minutes.", (seconds + 59) / 60);
    else
        snprintf(message, sizeof(message), "Too many attempts. Try again in %u seconds.", seconds);
    web_reply_error(exchange, 429, header, "wait", message);
}

void web_cookie_name(struct http_exchange *exchange, char ret_name[WEB_COOKIE_NAME_MAX])
{
    snprintf(ret_name, WEB_COOKIE_NAME_MAX, "__Host-earthshine-%u", address_port(http_exchange_local(exchange)));
}

const struct login *web_find_login(struct web *self, struct http_exchange *exchange, bool touch)
{
    char name[WEB_COOKIE_NAME_MAX];
    struct http_slice cookie;
    web_cookie_name(exchange, name);
    if (!self->backend.password_record(self->backend.ctx))
        return NULL; /* none is set, or the identity was made anew: log-ins from before are worth nothing */
    if (!request_cookie(http_exchange_request(exchange), name, &cookie))
        return NULL;
    const struct login *login = login_book_find(&self->logins, cookie, clock_now_ns(), touch);
    if (login)
        http_exchange_mark_known(exchange);
    return login;
}

void web_reply_new_login(struct web *self, struct http_exchange *exchange)
{
    char name[WEB_COOKIE_NAME_MAX], cookie[LOGIN_TOKEN_TEXT], header[256];
    const struct login *login = login_book_open(&self->logins, clock_now_ns(), cookie);
    if (!login) {
        web_reply_error(exchange, 500, NULL, "failed", "The host could not open a log-in. Its log says more.");
        return;
    }
    web_cookie_name(exchange, name);
    snprintf(header, sizeof(header), "Set-Cookie: %s=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=%d\r\n",
             name, cookie, (int)(LOGIN_WHOLE_NS / CLOCK_SECOND_NS));
    web_reply_json(exchange, 200, header, json_pack("{s:s,s:s}", "state", "open", "csrf", login->csrf));
    OPENSSL_cleanse(cookie, sizeof(cookie));
    OPENSSL_cleanse(header, sizeof(header));
}

static void reply_asset(struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    for (size_t i = 0; i < web_asset_count; i++) {
        const struct web_asset *asset = &web_assets[i];
        if (!slice_is(request->path, asset->path))
            continue;
        if (slice_is(request->method, "GET"))
            reply(exchange, 200, asset->content_type, "no-cache", NULL, asset->data, asset->size);
        else
            reply(exchange, 405, "text/plain; charset=utf-8", "no-store", "Allow: GET\r\n", "GET only\n", 9);
        return;
    }
    reply(exchange, 404, "text/plain; charset=utf-8", "no-store", NULL, "not found\n", 10);
}

static bool starts_with(struct http_slice slice, const char *start)
{
    size_t size = strlen(start);
    return slice.size >= size && memcmp(slice.text, start, size) == 0;
}

void web_handle(void *ctx, struct http_exchange *exchange)
{
    struct web *self = ctx;
    const struct http_request *request = http_exchange_request(exchange);
    const struct http_slice *host = http_header_find(request, "Host");
    if (!host || !request_host_allowed(*host, (const char(*)[256])self->names, self->name_count)) {
        web_reply_error(exchange, 403, NULL, "host", "Open this page by the host's IP address or its own name.");
        return;
    }
    if (starts_with(request->path, "/api/"))
        api_handle(self, exchange);
    else
        reply_asset(exchange);
}
