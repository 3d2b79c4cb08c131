/* SPDX-License-Identifier: Apache-2.0 */
/* password: records "scrypt$N$r$p$salt$hash", salt and hash in hex. Parameters cost about 32 MiB and 0.1 s. */
#include "web/web.h"

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
    SALT_BYTES = 16,
    HASH_BYTES = 32,
    COST = 1 << 15,
    COST_MAX = 1 << 17, /* of a record that was read: its work must stay bounded */
    BLOCK = 8,
    BLOCK_MAX = 16,
    LANES = 1,
    LANES_MAX = 4,
};

struct record {
    int64_t cost, block, lanes;
    uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
};

/* The next field of `*at`, up to '$' or the end; `*at` moves behind it. */
static struct http_slice take_field(const char **at)
{
    struct http_slice field = {.text = *at, .size = strcspn(*at, "$")};
    *at += field.size + ((*at)[field.size] == '$');
    return field;
}

static bool take_number(const char **at, int64_t max, int64_t *ret_value)
{
    struct http_slice field = take_field(at);
    return text_parse_i64(field.text, field.size, 1, max, ret_value);
}

static bool take_hex(const char **at, uint8_t *ret_data, size_t size)
{
    struct http_slice field = take_field(at);
    return text_unhex(field.text, field.size, ret_data, size);
}

static bool parse_record(const char *text, struct record *ret_record)
{
    struct record record;
    if (strnlen(text, WEB_RECORD_MAX) == WEB_RECORD_MAX)
        return false;
    struct http_slice kind = take_field(&text);
    if (kind.size != 6 || memcmp(kind.text, "scrypt", 6) != 0)
        return false;
    if (!take_number(&text, COST_MAX, &record.cost) || !take_number(&text, BLOCK_MAX, &record.block) ||
        !take_number(&text, LANES_MAX, &record.lanes))
        return false;
    if (record.cost < 2 || (record.cost & (record.cost - 1)) != 0)
        return false;
    if (!take_hex(&text, record.salt, SALT_BYTES) || !take_hex(&text, record.hash, HASH_BYTES) || *text != '\0')
        return false;
    *ret_record = record;
    return true;
}

/* Into `ret_hash`; the other members say how. */
static bool derive(const char *password, const struct record *how, uint8_t ret_hash[HASH_BYTES])
{
    uint64_t memory = (uint64_t)(128 * how->block * (how->cost + how->lanes + 2)) + (1 << 20);
    if (EVP_PBE_scrypt(password, strlen(password), how->salt, SALT_BYTES, (uint64_t)how->cost, (uint64_t)how->block,
                       (uint64_t)how->lanes, memory, ret_hash, HASH_BYTES) == 1)
        return true;
    log_error("web: cannot compute a password hash (out of memory?)");
    return false;
}

bool web_password_hash(const char *password, char *ret_record, size_t capacity)
{
    struct record record = {.cost = COST, .block = BLOCK, .lanes = LANES};
    if (!random_bytes(record.salt, SALT_BYTES) || !derive(password, &record, record.hash))
        return false;
    char salt[2 * SALT_BYTES + 1], hash[2 * HASH_BYTES + 1], text[WEB_RECORD_MAX];
    text_hex(record.salt, SALT_BYTES, salt);
    text_hex(record.hash, HASH_BYTES, hash);
    snprintf(text, sizeof(text), "scrypt$%d$%d$%d$%s$%s", COST, BLOCK, LANES, salt, hash);
    OPENSSL_cleanse(&record, sizeof(record));
    if (strlen(text) >= capacity)
        return false;
    return text_copy(ret_record, capacity, text);
}

bool web_password_matches(const char *record_text, const char *password)
{
    struct record record;
    uint8_t hash[HASH_BYTES];
    if (!parse_record(record_text, &record)) {
        log_error("web: the stored password record is damaged; set a new one with \"earthshine passwd\"");
        return false;
    }
    bool same = derive(password, &record, hash) && CRYPTO_memcmp(hash, record.hash, HASH_BYTES) == 0;
    OPENSSL_cleanse(hash, sizeof(hash));
    return same;
}
