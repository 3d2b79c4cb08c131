/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: the book of open log-ins. Of a cookie only its SHA-256 is kept. Time comes in as an argument.
 * A log-in ends 12 hours after it was last used, at the latest 7 days after it began; when the book is full the one
 * that was not used for longest gives way.
 */
#pragma once

#include "protocol/http.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOGIN_MAX = 32, LOGIN_TOKEN_BYTES = 32, LOGIN_TOKEN_TEXT = 2 * LOGIN_TOKEN_BYTES + 1 };
#define LOGIN_IDLE_NS  (INT64_C(12) * 3600 * 1000000000)
#define LOGIN_WHOLE_NS (INT64_C(7) * 24 * 3600 * 1000000000)

struct login {
    uint32_t id; /* never 0 while used; never given twice */
    uint8_t cookie_hash[32];
    char csrf[LOGIN_TOKEN_TEXT];
    int64_t began_ns, used_ns;
};

/* Zero-initialise. */
struct login_book {
    struct login logins[LOGIN_MAX];
    uint32_t last_id;
};

/* The new log-in, borrowed until the next call; its cookie as hex in `ret_cookie`, to be wiped by the caller. NULL: no
 * random numbers (logged). */
const struct login *login_book_open(struct login_book *self, int64_t now_ns, char ret_cookie[LOGIN_TOKEN_TEXT]);
/* By the cookie's value. `touch`: counts as use. NULL: unknown or over. Borrowed until the next call. */
const struct login *login_book_find(struct login_book *self, struct http_slice cookie, int64_t now_ns, bool touch);
bool login_book_holds(struct login_book *self, uint32_t id, int64_t now_ns);
void login_book_close(struct login_book *self, uint32_t id);
void login_book_close_all(struct login_book *self);
/* Constant time. */
bool login_csrf_matches(const struct login *login, struct http_slice token);
