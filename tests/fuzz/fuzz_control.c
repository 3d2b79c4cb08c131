/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages, three ways: the input as a packet; the input sealed as a client would, so that it passes the tag
 * and reaches what lies behind; and as a bare payload of the type in its first two bytes.
 */
#include "base/bytes.h"
#include "protocol/control.h"
#include "protocol/crypto.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_packet(struct control_seal *seal, const uint8_t *packet, size_t size)
{
    uint8_t *plain = malloc(size + !size);
    uint16_t type;
    const uint8_t *payload;
    size_t payload_size;
    if (control_open(seal, packet, size, plain, &type, &payload, &payload_size) == CONTROL_OPEN_OK) {
        assert(type != 1 && payload_size + CONTROL_ENVELOPE == size);
        struct control_message message;
        control_decode(type, payload, payload_size, &message);
        assert(control_open(seal, packet, size, plain, &type, &payload, &payload_size) == CONTROL_OPEN_REPLAY);
    }
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct control_seal *seal = control_seal_create(key);
    open_packet(seal, data, size);

    if (size >= 4 && size <= CONTROL_PACKET_MAX - 20) {
        struct gcm *client = gcm_create(key);
        uint8_t packet[CONTROL_PACKET_MAX], iv[12] = {0};
        size_t plain_size = size - 4; /* the first four bytes are the sequence number */
        memcpy(iv, data, 4);
        iv[10] = iv[11] = 'C';
        bytes_put_u16le(packet, 1);
        bytes_put_u16le(packet + 2, (uint16_t)(20 + plain_size));
        memcpy(packet + 4, data, 4);
        assert(gcm_seal(client, iv, sizeof(iv), data + 4, plain_size, packet + 24, packet + 8));
        open_packet(seal, packet, 24 + plain_size);
        gcm_destroy(client);
    }
    control_seal_destroy(seal);

    struct control_message message;
    if (size >= 2 && control_decode(bytes_get_u16le(data), data + 2, size - 2, &message) &&
        message.kind == CONTROL_INVALIDATE)
        control_invalidate_fits(&message.invalidate, 1000, 16);
    return 0;
}
