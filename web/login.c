/* SPDX-License-Identifier: Apache-2.0 */
#include "web/login.h"

#include "base/random.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

static bool is_over(const struct login *login, int64_t now_ns)
{
    return now_ns - login->used_ns >= LOGIN_IDLE_NS || now_ns - login->began_ns >= LOGIN_WHOLE_NS;
}

static void forget_old(struct login_book *self, int64_t now_ns)
{
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        if (self->logins[i].id && is_over(&self->logins[i], now_ns))
            OPENSSL_cleanse(&self->logins[i], sizeof(self->logins[i]));
    }
}

/* A free place, else the one that was not used for longest. */
static struct login *place_for_new(struct login_book *self)
{
    struct login *best = &self->logins[0];
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        struct login *login = &self->logins[i];
        if (!login->id)
            return login;
        if (login->used_ns < best->used_ns)
            best = login;
    }
    return best;
}

const struct login *login_book_open(struct login_book *self, int64_t now_ns, char ret_cookie[LOGIN_TOKEN_TEXT])
{
    uint8_t cookie[LOGIN_TOKEN_BYTES], csrf[LOGIN_TOKEN_BYTES];
    if (!random_bytes(cookie, sizeof(cookie)) || !random_bytes(csrf, sizeof(csrf)))
        return NULL;
    forget_old(self, now_ns);
    struct login *login = place_for_new(self);
    self->last_id += self->last_id == UINT32_MAX ? 2 : 1;
    *login = (struct login){.id = self->last_id, .began_ns = now_ns, .used_ns = now_ns};
    SHA256(cookie, sizeof(cookie), login->cookie_hash);
    text_hex(csrf, sizeof(csrf), login->csrf);
    text_hex(cookie, sizeof(cookie), ret_cookie);
    OPENSSL_cleanse(cookie, sizeof(cookie));
    return login;
}

const struct login *login_book_find(struct login_book *self, struct http_slice cookie, int64_t now_ns, bool touch)
{
    uint8_t value[LOGIN_TOKEN_BYTES], hash[32];
    if (!text_unhex(cookie.text, cookie.size, value, sizeof(value)))
        return NULL;
    SHA256(value, sizeof(value), hash);
    OPENSSL_cleanse(value, sizeof(value));
    forget_old(self, now_ns);
    struct login *found = NULL;
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        struct login *login = &self->logins[i];
        if (login->id && CRYPTO_memcmp(login->cookie_hash, hash, sizeof(hash)) == 0)
            found = login;
    }
    if (found && touch)
        found->used_ns = now_ns;
    return found;
}

bool login_book_holds(struct login_book *self, uint32_t id, int64_t now_ns)
{
    forget_old(self, now_ns);
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        if (id && self->logins[i].id == id)
            return true;
    }
    return false;
}

void login_book_close(struct login_book *self, uint32_t id)
{
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        if (id && self->logins[i].id == id)
            OPENSSL_cleanse(&self->logins[i], sizeof(self->logins[i]));
    }
}

void login_book_close_all(struct login_book *self)
{
    OPENSSL_cleanse(self->logins, sizeof(self->logins));
}

bool login_csrf_matches(const struct login *login, struct http_slice token)
{
    return token.size == LOGIN_TOKEN_TEXT - 1 && CRYPTO_memcmp(login->csrf, token.text, token.size) == 0;
}
