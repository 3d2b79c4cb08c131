/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/rtsp_seal.h"

#include "base/bytes.h"
#include "base/log.h"
#include "protocol/crypto.h"

#include <stdlib.h>

enum { TAG_AT = 8, IV_SIZE = 12 };

struct rtsp_seal {
    struct gcm *gcm;
    uint32_t last_received, last_sent; /* 0: none yet, the first message of each side carries 1 */
};

struct rtsp_seal *rtsp_seal_create(const uint8_t key[16])
{
    struct rtsp_seal *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("rtsp");
    self->gcm = gcm_create(key);
    if (!self->gcm) {
        free(self);
        return NULL;
    }
    return self;
}

void rtsp_seal_destroy(struct rtsp_seal *self)
{
    if (!self)
        return;
    gcm_destroy(self->gcm);
    free(self);
}

static void make_iv(uint32_t sequence, char side, uint8_t ret_iv[IV_SIZE])
{
    memset(ret_iv, 0, IV_SIZE);
    bytes_put_u32le(ret_iv, sequence);
    ret_iv[10] = (uint8_t)side;
    ret_iv[11] = 'R';
}

size_t rtsp_seal_size(const uint8_t header[RTSP_SEAL_HEADER])
{
    uint32_t word = bytes_get_u32be(header), length = word & 0x7fffffff;
    if (!(word & 0x80000000) || length == 0 || length > RTSP_SEAL_PLAIN_MAX)
        return 0;
    return RTSP_SEAL_HEADER + length;
}

enum rtsp_seal_result rtsp_seal_open(struct rtsp_seal *self, const void *envelope, size_t size, void *ret_plain,
                                     size_t *ret_size)
{
    const uint8_t *bytes = envelope;
    if (size < RTSP_SEAL_HEADER || rtsp_seal_size(bytes) != size)
        return RTSP_SEAL_REFUSED;
    uint32_t sequence = bytes_get_u32be(bytes + 4);
    uint8_t iv[IV_SIZE];
    make_iv(sequence, 'C', iv);
    size_t plain_size = size - RTSP_SEAL_HEADER;
    if (!gcm_open(self->gcm, iv, sizeof(iv), bytes + RTSP_SEAL_HEADER, plain_size, bytes + TAG_AT, ret_plain))
        return RTSP_SEAL_NOT_MINE;
    if (sequence <= self->last_received) {
        crypto_wipe(ret_plain, plain_size);
        return RTSP_SEAL_REFUSED;
    }
    self->last_received = sequence;
    *ret_size = plain_size;
    return RTSP_SEAL_OK;
}

size_t rtsp_seal_reply(struct rtsp_seal *self, const void *plain, size_t size, void *ret_envelope, size_t capacity)
{
    uint8_t *bytes = ret_envelope;
    if (size == 0 || capacity < RTSP_SEAL_HEADER || size > capacity - RTSP_SEAL_HEADER || size > 0x7fffffff ||
        self->last_sent == UINT32_MAX)
        return 0;
    uint32_t sequence = ++self->last_sent;
    uint8_t iv[IV_SIZE];
    make_iv(sequence, 'H', iv);
    bytes_put_u32be(bytes, 0x80000000 | (uint32_t)size);
    bytes_put_u32be(bytes + 4, sequence);
    if (!gcm_seal(self->gcm, iv, sizeof(iv), plain, size, bytes + RTSP_SEAL_HEADER, bytes + TAG_AT))
        return 0;
    return RTSP_SEAL_HEADER + size;
}
