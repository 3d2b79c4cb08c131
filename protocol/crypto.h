/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto: the few things we need of OpenSSL, with fixed algorithms and checked sizes. Pure; any thread, one object by
 * one thread at a time unless said otherwise. No function logs what it works on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- AES-128-GCM with a kept context: per message only the IV is set, nothing is allocated --- */
struct gcm;

enum { GCM_TAG_BYTES = 16 };

struct gcm *gcm_create(const uint8_t key[16]); /* key is copied; NULL: logged */
void gcm_destroy(struct gcm *self);            /* wipes; NULL is fine */
/* IV of 1..16 bytes (12: control and video; 16: legacy control). `ret_cipher`: `size` bytes, may be `plain` itself.
 * False: OpenSSL failed (nothing of the output may be used). */
bool gcm_seal(struct gcm *self, const uint8_t *iv, size_t iv_size, const void *plain, size_t size, void *ret_cipher,
              uint8_t ret_tag[GCM_TAG_BYTES]);
/* False: the tag does not match; `ret_plain` (may be `cipher` itself) is zeroed then. */
bool gcm_open(struct gcm *self, const uint8_t *iv, size_t iv_size, const void *cipher, size_t size,
              const uint8_t tag[GCM_TAG_BYTES], void *ret_plain);

/* --- AES-128-CBC with PKCS#7 padding and a kept context: nothing is allocated per message --- */
struct cbc;

enum { CBC_PADDING_MAX = 16 };

struct cbc *cbc_create(const uint8_t key[16]); /* to encrypt; key is copied; NULL: logged */
void cbc_destroy(struct cbc *self);            /* wipes; NULL is fine */
/* `ret_cipher`: room for `size` + CBC_PADDING_MAX, not overlapping `plain`. The size of the cipher text, always larger
 * than `size`; 0: OpenSSL failed (nothing of the output may be used). */
size_t cbc_encrypt(struct cbc *self, const uint8_t iv[16], const void *plain, size_t size, void *ret_cipher);

/* --- small things --- */
/* AES-128-ECB without padding; `size` a multiple of 16; in place is fine. False: wrong size or OpenSSL failed. */
bool crypto_ecb_encrypt(const uint8_t key[16], const void *plain, size_t size, void *ret_cipher);
bool crypto_ecb_decrypt(const uint8_t key[16], const void *cipher, size_t size, void *ret_plain);
/* False: OpenSSL failed, the digest is all zeros. */
bool crypto_sha256(const void *data, size_t size, uint8_t ret_digest[32]);
/* 0 when equal, else not 0; the time depends on `size` only. */
int crypto_compare(const void *a, const void *b, size_t size);
void crypto_wipe(void *data, size_t size);

/* --- RSA and certificates --- */
struct crypto_key; /* private RSA key; signing is safe from several threads at once */

enum {
    CRYPTO_SIGNATURE_MAX = 512,            /* RSA-4096 */
    CRYPTO_CERTIFICATE_PEM_MAX = 8 * 1024, /* larger ones are refused */
};

struct crypto_key *crypto_key_from_pem(const char *pem, size_t size); /* NULL: not one RSA key; logged */
void crypto_key_destroy(struct crypto_key *self);                     /* NULL is fine */
/* RSASSA-PKCS1-v1_5 with SHA-256; ~1 ms with 2048 bits: on a worker. False: failed, or longer than the buffer. */
bool crypto_key_sign(const struct crypto_key *self, const void *data, size_t size,
                     uint8_t ret_signature[CRYPTO_SIGNATURE_MAX], size_t *ret_size);
/* True when `certificate_pem` carries the public half. */
bool crypto_key_fits(const struct crypto_key *self, const char *certificate_pem, size_t size);

struct crypto_certificate {
    uint8_t sha256[32];                      /* of the DER */
    uint8_t signature[CRYPTO_SIGNATURE_MAX]; /* content of the signature BIT STRING */
    size_t signature_size;
    int rsa_bits; /* 2048..4096 */
};
/* Exactly one PEM certificate with an RSA key of 2048..4096 bits; only blanks (and NULs at the end) around it. Names,
 * dates, version and issuer are not looked at: clients are known by the exact certificate. False: anything else. */
bool crypto_certificate_parse(const char *pem, size_t size, struct crypto_certificate *ret_certificate);
/* The signature of crypto_key_sign, by the key in the certificate. */
bool crypto_certificate_verify(const char *pem, size_t pem_size, const void *data, size_t size,
                               const uint8_t *signature, size_t signature_size);

struct crypto_new_identity {
    const char *common_name;
    int64_t now_s;                 /* wall clock; valid from one day before, for 20 years */
    const char *const *dns_names;  /* subjectAltName, NULL-terminated; NULL: none */
    const char *const *ip_numbers; /* likewise, "192.0.2.1" or IPv6 text */
};
/* New RSA-2048 key and a self-signed certificate (v3, SHA-256, random serial). Slow (0.1..2 s): on a worker. Gives both
 * PEM texts, freed by the caller (wipe the key first). False: logged. */
bool crypto_make_identity(const struct crypto_new_identity *config, char **ret_key_pem, char **ret_certificate_pem);
