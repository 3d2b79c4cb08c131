/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client numbers its messages over all channels, and channels overtake each other: a strictly rising number would
 * refuse honest messages. So the numbers seen are kept in a bit set of the last CONTROL_WINDOW, a ring indexed by
 * number; it changes only after the tag has shown that the number came from the client.
 */
#include "protocol/control.h"

#include "base/bytes.h"
#include "base/log.h"
#include "protocol/crypto.h"

#include <stdlib.h>

enum { TAG_AT = 8, OUTER_SIZE = 24, INNER_SIZE = 4, IV_SIZE = 12, TYPE_SEALED = 1 };

struct control_seal {
    struct gcm *gcm;
    uint64_t next_sequence; /* of ours; 64 bits so that running out shows */
    bool received;          /* newest and seen are valid */
    uint32_t newest;
    uint64_t seen[CONTROL_WINDOW / 64];
};

/* --- envelope --- */

struct control_seal *control_seal_create(const uint8_t key[16])
{
    struct control_seal *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("control");
    self->gcm = gcm_create(key);
    if (!self->gcm) {
        free(self);
        return NULL;
    }
    return self;
}

void control_seal_destroy(struct control_seal *self)
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
    ret_iv[11] = 'C';
}

static void window_set(struct control_seal *self, uint32_t sequence, bool seen)
{
    uint32_t slot = sequence % CONTROL_WINDOW;
    uint64_t bit = UINT64_C(1) << slot % 64;
    self->seen[slot / 64] = seen ? self->seen[slot / 64] | bit : self->seen[slot / 64] & ~bit;
}

/* Notes a number whose message is genuine. False: it was there before, or may have been. */
static bool window_accept(struct control_seal *self, uint32_t sequence)
{
    if (self->received && sequence <= self->newest) {
        uint32_t slot = sequence % CONTROL_WINDOW;
        if (self->newest - sequence >= CONTROL_WINDOW || self->seen[slot / 64] >> slot % 64 & 1)
            return false;
        window_set(self, sequence, true);
        return true;
    }
    if (!self->received || sequence - self->newest >= CONTROL_WINDOW) {
        memset(self->seen, 0, sizeof(self->seen));
    } else {
        for (uint32_t skipped = self->newest + 1; skipped != sequence; skipped++)
            window_set(self, skipped, false);
    }
    window_set(self, sequence, true);
    self->received = true;
    self->newest = sequence;
    return true;
}

enum control_open_result control_open(struct control_seal *self, const uint8_t *packet, size_t size, uint8_t *ret_plain,
                                      uint16_t *ret_type, const uint8_t **ret_payload, size_t *ret_size)
{
    if (size < OUTER_SIZE + INNER_SIZE || size > CONTROL_PACKET_MAX || bytes_get_u16le(packet) != TYPE_SEALED ||
        bytes_get_u16le(packet + 2) + 4u != size)
        return CONTROL_OPEN_BAD_ENVELOPE;
    uint32_t sequence = bytes_get_u32le(packet + 4);
    uint8_t iv[IV_SIZE];
    make_iv(sequence, 'C', iv);
    size_t plain_size = size - OUTER_SIZE;
    if (!gcm_open(self->gcm, iv, sizeof(iv), packet + OUTER_SIZE, plain_size, packet + TAG_AT, ret_plain))
        return CONTROL_OPEN_BAD_TAG;
    if (!window_accept(self, sequence))
        return CONTROL_OPEN_REPLAY;
    uint16_t type = bytes_get_u16le(ret_plain);
    if (type == TYPE_SEALED || bytes_get_u16le(ret_plain + 2) + (size_t)INNER_SIZE != plain_size)
        return CONTROL_OPEN_BAD_ENVELOPE;
    *ret_type = type;
    *ret_payload = ret_plain + INNER_SIZE;
    *ret_size = plain_size - INNER_SIZE;
    return CONTROL_OPEN_OK;
}

size_t control_write(struct control_seal *self, uint16_t type, const void *payload, size_t size, uint8_t *ret_packet,
                     size_t capacity)
{
    if (size > CONTROL_PAYLOAD_MAX || capacity < CONTROL_ENVELOPE + size || self->next_sequence > UINT32_MAX)
        return 0;
    uint32_t sequence = (uint32_t)self->next_sequence++;
    uint8_t iv[IV_SIZE], plain[INNER_SIZE + CONTROL_PAYLOAD_MAX];
    size_t plain_size = INNER_SIZE + size;
    make_iv(sequence, 'H', iv);
    bytes_put_u16le(plain, type);
    bytes_put_u16le(plain + 2, (uint16_t)size);
    if (size)
        memcpy(plain + INNER_SIZE, payload, size);
    bytes_put_u16le(ret_packet, TYPE_SEALED);
    bytes_put_u16le(ret_packet + 2, (uint16_t)(4 + GCM_TAG_BYTES + plain_size));
    bytes_put_u32le(ret_packet + 4, sequence);
    if (!gcm_seal(self->gcm, iv, sizeof(iv), plain, plain_size, ret_packet + OUTER_SIZE, ret_packet + TAG_AT))
        return 0;
    return OUTER_SIZE + plain_size;
}

/* --- payloads of the client --- */

static void decode_invalidate(struct byte_reader *in, struct control_message *ret_message)
{
    ret_message->invalidate.first_frame = byte_reader_u32le(in);
    byte_reader_take(in, 4);
    ret_message->invalidate.last_frame = byte_reader_u32le(in);
    byte_reader_take(in, 12);
}

static void decode_fec_status(struct byte_reader *in, struct control_message *ret_message)
{
    struct control_fec_status *status = &ret_message->fec_status;
    status->frame = byte_reader_u32be(in);
    status->highest_received = byte_reader_u16be(in);
    status->next_contiguous = byte_reader_u16be(in);
    status->missing_before_highest = byte_reader_u16be(in);
    status->data_total = byte_reader_u16be(in);
    status->parity_total = byte_reader_u16be(in);
    status->data_received = byte_reader_u16be(in);
    status->parity_received = byte_reader_u16be(in);
    status->fec_percent = byte_reader_u8(in);
    status->block = byte_reader_u8(in);
    status->block_count = byte_reader_u8(in);
}

static void decode_loss_stats(struct byte_reader *in, struct control_message *ret_message)
{
    ret_message->loss_stats.lost = byte_reader_u32le(in);
    ret_message->loss_stats.interval_ms = byte_reader_u32le(in);
    byte_reader_take(in, 4);
    uint32_t low = byte_reader_u32le(in);
    ret_message->loss_stats.last_good_frame = (uint64_t)byte_reader_u32le(in) << 32 | low;
    byte_reader_take(in, 12);
}

bool control_decode(uint16_t type, const uint8_t *payload, size_t size, struct control_message *ret_message)
{
    struct control_message message = {0};
    struct byte_reader in;
    byte_reader_init(&in, payload, size);
    switch (type) {
    case 0x0302:
        message.kind = CONTROL_REQUEST_IDR;
        byte_reader_take(&in, 2);
        break;
    case 0x0307:
        message.kind = CONTROL_START;
        byte_reader_take(&in, 1);
        break;
    case 0x0200:
        message.kind = CONTROL_PING;
        byte_reader_take(&in, 8);
        break;
    case 0x0301:
        message.kind = CONTROL_INVALIDATE;
        decode_invalidate(&in, &message);
        break;
    case 0x0350:
        message.kind = CONTROL_LTR_ACK;
        message.ltr_frame = byte_reader_u32le(&in);
        byte_reader_take(&in, 4);
        break;
    case 0x5502: /* of the host the same number means the colour of a controller's light */
        message.kind = CONTROL_FEC_STATUS;
        decode_fec_status(&in, &message);
        break;
    case 0x0201:
        message.kind = CONTROL_LOSS_STATS;
        decode_loss_stats(&in, &message);
        break;
    case 0x0206:
        message.kind = CONTROL_INPUT;
        message.input.data = payload;
        message.input.size = size;
        break;
    default:
        return false;
    }
    if (in.failed)
        return false;
    *ret_message = message;
    return true;
}

bool control_invalidate_fits(const struct control_invalidate *range, uint32_t newest_frame, uint32_t references)
{
    return range->first_frame <= range->last_frame && range->last_frame <= newest_frame &&
           newest_frame - range->first_frame < references;
}

/* --- payloads of the host --- */

static void put_u16(struct control_payload *payload, uint16_t value)
{
    bytes_put_u16le(payload->bytes + payload->size, value);
    payload->size += 2;
}

static void put_u8(struct control_payload *payload, uint8_t value)
{
    payload->bytes[payload->size++] = value;
}

struct control_payload control_termination(uint32_t code)
{
    struct control_payload payload = {.type = 0x0109, .size = 4};
    bytes_put_u32be(payload.bytes, code);
    return payload;
}

struct control_payload control_hdr_mode(const struct control_hdr *hdr)
{
    struct control_payload payload = {.type = 0x010e};
    put_u8(&payload, hdr->enabled);
    for (int i = 0; i < 3; i++) {
        put_u16(&payload, hdr->primaries[i][0]);
        put_u16(&payload, hdr->primaries[i][1]);
    }
    put_u16(&payload, hdr->white[0]);
    put_u16(&payload, hdr->white[1]);
    put_u16(&payload, hdr->max_luminance);
    put_u16(&payload, hdr->min_luminance);
    put_u16(&payload, hdr->max_content_light);
    put_u16(&payload, hdr->max_frame_average_light);
    put_u16(&payload, hdr->max_full_frame_luminance);
    return payload;
}

struct control_payload control_rumble(uint16_t controller, uint16_t low, uint16_t high)
{
    struct control_payload payload = {.type = 0x010b, .size = 4}; /* clients skip the first four bytes */
    put_u16(&payload, controller);
    put_u16(&payload, low);
    put_u16(&payload, high);
    return payload;
}

struct control_payload control_rumble_triggers(uint16_t controller, uint16_t left, uint16_t right)
{
    struct control_payload payload = {.type = 0x5500};
    put_u16(&payload, controller);
    put_u16(&payload, left);
    put_u16(&payload, right);
    return payload;
}

struct control_payload control_motion(uint16_t controller, uint16_t rate_hz, enum control_sensor sensor)
{
    struct control_payload payload = {.type = 0x5501};
    put_u16(&payload, controller);
    put_u16(&payload, rate_hz);
    put_u8(&payload, (uint8_t)sensor);
    return payload;
}

struct control_payload control_led(uint16_t controller, uint8_t red, uint8_t green, uint8_t blue)
{
    struct control_payload payload = {.type = 0x5502};
    put_u16(&payload, controller);
    put_u8(&payload, red);
    put_u8(&payload, green);
    put_u8(&payload, blue);
    return payload;
}

struct control_payload control_adaptive_triggers(uint16_t controller, const struct control_trigger *left,
                                                 const struct control_trigger *right)
{
    enum { RIGHT = 4, LEFT = 8 };
    struct control_payload payload = {.type = 0x5503};
    put_u16(&payload, controller);
    put_u8(&payload, (uint8_t)((right->set ? RIGHT : 0) | (left->set ? LEFT : 0)));
    put_u8(&payload, left->effect);
    put_u8(&payload, right->effect);
    for (size_t i = 0; i < sizeof(left->parameters); i++)
        put_u8(&payload, left->parameters[i]);
    for (size_t i = 0; i < sizeof(right->parameters); i++)
        put_u8(&payload, right->parameters[i]);
    return payload;
}
