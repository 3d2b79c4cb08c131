/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/seal.h"

#include "base/bytes.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct seal {
    EVP_CIPHER_CTX *closing, *opening;
};

struct seal *seal_create(const uint8_t key[16])
{
    struct seal *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->closing = EVP_CIPHER_CTX_new();
    self->opening = EVP_CIPHER_CTX_new();
    if (!self->closing || !self->opening || !EVP_EncryptInit_ex(self->closing, EVP_aes_128_gcm(), NULL, key, NULL) ||
        !EVP_DecryptInit_ex(self->opening, EVP_aes_128_gcm(), NULL, key, NULL)) {
        seal_destroy(self);
        return NULL;
    }
    return self;
}

void seal_destroy(struct seal *self)
{
    if (!self)
        return;
    EVP_CIPHER_CTX_free(self->closing);
    EVP_CIPHER_CTX_free(self->opening);
    free(self);
}

bool seal_close(struct seal *self, const uint8_t iv[12], const uint8_t *data, size_t size, uint8_t *ret_data,
                uint8_t ret_tag[16])
{
    int used;
    return EVP_EncryptInit_ex(self->closing, NULL, NULL, NULL, iv) &&
           EVP_EncryptUpdate(self->closing, ret_data, &used, data, (int)size) &&
           EVP_EncryptFinal_ex(self->closing, ret_data + used, &used) &&
           EVP_CIPHER_CTX_ctrl(self->closing, EVP_CTRL_GCM_GET_TAG, 16, ret_tag);
}

bool seal_open(struct seal *self, const uint8_t iv[12], const uint8_t tag[16], const uint8_t *data, size_t size,
               uint8_t *ret_data)
{
    int used;
    return EVP_DecryptInit_ex(self->opening, NULL, NULL, NULL, iv) &&
           EVP_DecryptUpdate(self->opening, ret_data, &used, data, (int)size) &&
           EVP_CIPHER_CTX_ctrl(self->opening, EVP_CTRL_GCM_SET_TAG, 16, (void *)(uintptr_t)tag) &&
           EVP_DecryptFinal_ex(self->opening, ret_data + used, &used) > 0;
}

void seal_iv(uint32_t counter, const char letters[2], uint8_t ret_iv[12])
{
    memset(ret_iv, 0, 12);
    bytes_put_u32le(ret_iv, counter);
    memcpy(ret_iv + 10, letters, 2);
}
