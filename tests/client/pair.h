/* SPDX-License-Identifier: Apache-2.0 */
/* pair: the client's side of pairing (docs/protocol.md, "Pairing"). */
#pragma once

#include "tests/client/http.h"

struct pair_secrets { /* random in real use, fixed in the self test */
    uint8_t salt[16], challenge[16], secret[16];
};

struct pair_key { /* AES-128-ECB with SHA-256(salt, PIN) */
    uint8_t bytes[16];
};

enum pair_result { PAIR_OK, PAIR_WRONG_PIN, PAIR_REFUSED, PAIR_MAN_IN_THE_MIDDLE, PAIR_FAILED };

struct pair_outcome {
    enum pair_result result;
    int phase;       /* the last one begun, 1..5 */
    int status_code; /* of its reply */
    char message[160];
};

/* Steps of the computation; all lengths in bytes are exact. */
bool pair_derive_key(const uint8_t salt[16], const char *pin, struct pair_key *ret_key);
bool pair_encrypt(const struct pair_key *key, const uint8_t *data, size_t size, uint8_t *ret_data);
bool pair_decrypt(const struct pair_key *key, const uint8_t *data, size_t size, uint8_t *ret_data);
/* SHA-256(challenge, signature of the certificate, secret). */
bool pair_commitment(const uint8_t challenge[16], const X509 *certificate, const uint8_t secret[16],
                     uint8_t ret_hash[32]);
bool pair_sign(EVP_PKEY *key, const uint8_t secret[16], uint8_t ret_signature[256]);
bool pair_verify(X509 *certificate, const uint8_t secret[16], const uint8_t *signature, size_t size);

/* The whole dialog. `checked`: compare the host's hash and signature, as most clients do. Pins the host on success. */
struct pair_outcome pair_run(const struct http_target *target, struct identity *identity, const char *pin,
                             const char *device_name, bool checked);
