/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symmetric part of crypto.h. The GCM context keeps its key schedule: giving a key per packet costs more than sealing
 * it.
 */
#include "protocol/crypto.h"

#include "base/log.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct gcm {
    EVP_CIPHER_CTX *seal, *open; /* one per direction: changing it would set up the key again */
    size_t seal_iv, open_iv;     /* IV sizes the contexts are set to */
};

static EVP_CIPHER_CTX *gcm_context(const uint8_t key[16], bool encrypt)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context && EVP_CipherInit_ex(context, EVP_aes_128_gcm(), NULL, key, NULL, encrypt) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

struct gcm *gcm_create(const uint8_t key[16])
{
    struct gcm *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("crypto");
    self->seal = gcm_context(key, true);
    self->open = gcm_context(key, false);
    self->seal_iv = self->open_iv = 12; /* OpenSSL's default */
    if (self->seal && self->open)
        return self;
    log_error("crypto: OpenSSL has no AES-128-GCM");
    gcm_destroy(self);
    return NULL;
}

void gcm_destroy(struct gcm *self)
{
    if (!self)
        return;
    EVP_CIPHER_CTX_free(self->seal); /* wipes the key schedule */
    EVP_CIPHER_CTX_free(self->open);
    free(self);
}

static bool gcm_set_iv(EVP_CIPHER_CTX *context, size_t *current, const uint8_t *iv, size_t size)
{
    if (size < 1 || size > 16)
        return false;
    if (*current != size) {
        if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, (int)size, NULL) != 1)
            return false;
        *current = size;
    }
    return EVP_CipherInit_ex(context, NULL, NULL, NULL, iv, -1) == 1;
}

static bool gcm_update(EVP_CIPHER_CTX *context, const void *in, size_t size, void *out)
{
    int written = 0;
    return size == 0 || (size <= INT_MAX && EVP_CipherUpdate(context, out, &written, in, (int)size) == 1);
}

bool gcm_seal(struct gcm *self, const uint8_t *iv, size_t iv_size, const void *plain, size_t size, void *ret_cipher,
              uint8_t ret_tag[GCM_TAG_BYTES])
{
    int written = 0;
    uint8_t rest[16]; /* GCM leaves nothing for the end, but OpenSSL wants a place */
    return gcm_set_iv(self->seal, &self->seal_iv, iv, iv_size) && gcm_update(self->seal, plain, size, ret_cipher) &&
           EVP_CipherFinal_ex(self->seal, rest, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(self->seal, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, ret_tag) == 1;
}

bool gcm_open(struct gcm *self, const uint8_t *iv, size_t iv_size, const void *cipher, size_t size,
              const uint8_t tag[GCM_TAG_BYTES], void *ret_plain)
{
    int written = 0;
    uint8_t rest[16], expected[GCM_TAG_BYTES];
    memcpy(expected, tag, sizeof(expected)); /* OpenSSL takes it without const */
    if (gcm_set_iv(self->open, &self->open_iv, iv, iv_size) && gcm_update(self->open, cipher, size, ret_plain) &&
        EVP_CIPHER_CTX_ctrl(self->open, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, expected) == 1 &&
        EVP_CipherFinal_ex(self->open, rest, &written) == 1)
        return true;
    if (size)
        OPENSSL_cleanse(ret_plain, size);
    return false;
}

struct cbc {
    EVP_CIPHER_CTX *context;
};

struct cbc *cbc_create(const uint8_t key[16])
{
    struct cbc *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("crypto");
    self->context = EVP_CIPHER_CTX_new(); /* pads by itself */
    if (self->context && EVP_EncryptInit_ex(self->context, EVP_aes_128_cbc(), NULL, key, NULL) == 1)
        return self;
    log_error("crypto: OpenSSL has no AES-128-CBC");
    cbc_destroy(self);
    return NULL;
}

void cbc_destroy(struct cbc *self)
{
    if (!self)
        return;
    EVP_CIPHER_CTX_free(self->context);
    free(self);
}

size_t cbc_encrypt(struct cbc *self, const uint8_t iv[16], const void *plain, size_t size, void *ret_cipher)
{
    int written = 0, rest = 0;
    bool good = size <= INT_MAX - CBC_PADDING_MAX && EVP_EncryptInit_ex(self->context, NULL, NULL, NULL, iv) == 1 &&
                EVP_EncryptUpdate(self->context, ret_cipher, &written, plain, (int)size) == 1 &&
                EVP_EncryptFinal_ex(self->context, (uint8_t *)ret_cipher + written, &rest) == 1;
    return good ? (size_t)(written + rest) : 0;
}

static bool ecb(const uint8_t key[16], const void *in, size_t size, void *out, bool encrypt)
{
    if (size % 16 || size > INT_MAX)
        return false;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0, rest = 0;
    bool good = context && EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL, encrypt) == 1 &&
                EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
                EVP_CipherUpdate(context, out, &written, in, (int)size) == 1 &&
                EVP_CipherFinal_ex(context, (uint8_t *)out + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    return good && (size_t)(written + rest) == size;
}

bool crypto_ecb_encrypt(const uint8_t key[16], const void *plain, size_t size, void *ret_cipher)
{
    return ecb(key, plain, size, ret_cipher, true);
}

bool crypto_ecb_decrypt(const uint8_t key[16], const void *cipher, size_t size, void *ret_plain)
{
    return ecb(key, cipher, size, ret_plain, false);
}

bool crypto_sha256(const void *data, size_t size, uint8_t ret_digest[32])
{
    unsigned length = 0;
    if (EVP_Digest(data, size, ret_digest, &length, EVP_sha256(), NULL) == 1 && length == 32)
        return true;
    memset(ret_digest, 0, 32);
    return false;
}

int crypto_compare(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size);
}

void crypto_wipe(void *data, size_t size)
{
    if (data)
        OPENSSL_cleanse(data, size);
}
