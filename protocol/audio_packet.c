/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parity matrix is fixed: the systematic form of a Vandermonde matrix, as in RFC 5510, and not that of the video
 * stream. Parity is computed over what goes over the wire, that is over the cipher text.
 */
#include "protocol/audio_packet.h"

#include "base/bytes.h"
#include "base/log.h"
#include "protocol/crypto.h"

#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

enum {
    RTP_FLAGS = 0x80,
    RTP_DATA = 97,
    RTP_PARITY = 127,
    TABLE_BYTES = 32 * AUDIO_BLOCK_DATA * AUDIO_BLOCK_PARITY,
};

struct audio_packetiser {
    struct cbc *cbc; /* NULL: plain */
    uint32_t key_id, packet_ms;
    uint16_t sequence;           /* of the next packet */
    uint32_t timestamp_ms;       /* likewise */
    size_t size;                 /* of the payloads of the block so far */
    uint8_t tables[TABLE_BYTES]; /* of ISA-L */
    uint8_t data[AUDIO_BLOCK_DATA][AUDIO_DATAGRAM_MAX];
    uint8_t parity[AUDIO_BLOCK_PARITY * AUDIO_DATAGRAM_MAX]; /* back to back, in the block's size */
};

struct audio_packetiser *audio_packetiser_create(const struct audio_packetiser_config *config)
{
    static const uint8_t matrix[AUDIO_BLOCK_PARITY * AUDIO_BLOCK_DATA] = {0x77, 0x40, 0x38, 0x0e,
                                                                          0xc7, 0xa7, 0x0d, 0x6c};
    uint8_t rows[sizeof(matrix)]; /* ISA-L does not declare it const */
    struct audio_packetiser *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("audio_packet");
    self->key_id = config->key_id;
    self->packet_ms = (uint32_t)config->packet_ms;
    memcpy(rows, matrix, sizeof(rows));
    ec_init_tables(AUDIO_BLOCK_DATA, AUDIO_BLOCK_PARITY, rows, self->tables);
    self->cbc = config->key ? cbc_create(config->key) : NULL;
    if (!config->key || self->cbc)
        return self;
    audio_packetiser_destroy(self);
    return NULL;
}

void audio_packetiser_destroy(struct audio_packetiser *self)
{
    if (!self)
        return;
    cbc_destroy(self->cbc);
    free(self);
}

static void put_rtp(uint8_t *to, uint8_t type, uint16_t sequence, uint32_t timestamp)
{
    to[0] = RTP_FLAGS;
    to[1] = type;
    bytes_put_u16be(to + 2, sequence);
    bytes_put_u32be(to + 4, timestamp);
    bytes_put_u32be(to + 8, 0);
}

/* The size of the payload; 0: failed. */
static size_t put_payload(struct audio_packetiser *self, const uint8_t *opus, size_t size, uint8_t *ret_payload)
{
    if (!self->cbc) {
        memcpy(ret_payload, opus, size);
        return size;
    }
    uint8_t iv[16] = {0};
    bytes_put_u32be(iv, self->key_id + self->sequence);
    return cbc_encrypt(self->cbc, iv, opus, size, ret_payload);
}

bool audio_packetiser_add(struct audio_packetiser *self, const uint8_t *opus, size_t size,
                          struct audio_datagrams *ret_data)
{
    int slot = self->sequence % AUDIO_BLOCK_DATA;
    if (!size || size > AUDIO_OPUS_MAX)
        return false;
    uint8_t *packet = self->data[slot];
    size_t payload = put_payload(self, opus, size, packet + AUDIO_DATA_HEADER);
    if (!payload || (slot && payload != self->size))
        return false;
    put_rtp(packet, RTP_DATA, self->sequence, self->timestamp_ms);
    self->size = payload;
    self->sequence++;
    self->timestamp_ms += self->packet_ms;
    *ret_data = (struct audio_datagrams){.base = packet, .size = AUDIO_DATA_HEADER + payload, .count = 1};
    return true;
}

bool audio_packetiser_parity(struct audio_packetiser *self, struct audio_datagrams *ret_parity)
{
    if (!self->size || self->sequence % AUDIO_BLOCK_DATA)
        return false;
    unsigned char *data[AUDIO_BLOCK_DATA], *parity[AUDIO_BLOCK_PARITY];
    size_t packet_size = AUDIO_PARITY_HEADER + self->size;
    for (int i = 0; i < AUDIO_BLOCK_DATA; i++)
        data[i] = self->data[i] + AUDIO_DATA_HEADER;
    for (int j = 0; j < AUDIO_BLOCK_PARITY; j++) {
        uint8_t *packet = self->parity + (size_t)j * packet_size;
        put_rtp(packet, RTP_PARITY, (uint16_t)(self->sequence + j), 0);
        packet[12] = (uint8_t)j;
        packet[13] = RTP_DATA;
        memcpy(packet + 14, self->data[0] + 2, 10); /* sequence, timestamp and source of the block's first packet */
        parity[j] = packet + AUDIO_PARITY_HEADER;
    }
    ec_encode_data((int)self->size, AUDIO_BLOCK_DATA, AUDIO_BLOCK_PARITY, self->tables, data, parity);
    *ret_parity = (struct audio_datagrams){.base = self->parity, .size = packet_size, .count = AUDIO_BLOCK_PARITY};
    return true;
}
