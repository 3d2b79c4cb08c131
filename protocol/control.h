/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: messages of the control stream: the sealed envelope (version 2) and the payloads in it. Pure.
 *
 *   0          2        4          8           24
 *   +----------+--------+----------+-----------+-------------------------------------+
 *   | 0x0001   | length | sequence | GCM tag   | ciphertext of: type, size, payload  |
 *   +----------+--------+----------+-----------+-------------------------------------+
 *     u16le      u16le    u32le                              u16le  u16le
 *
 * length counts what follows it. IV: sequence little-endian, six zero bytes, "CC" (client to host) or "HC". Sequence
 * numbers start at 0 in each direction. Version 1 of the envelope repeats IVs and is not spoken.
 * Source: docs/protocol.md, "Control stream".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONTROL_PACKET_MAX = 4096, /* of the client */
    CONTROL_ENVELOPE = 28,     /* bytes around a payload */
    CONTROL_PAYLOAD_MAX = 256, /* of ours */
    CONTROL_WINDOW = 4096,     /* sequence numbers below the highest that are told apart */
};

/* --- envelope --- */

struct control_seal;                                             /* both directions of one session */
struct control_seal *control_seal_create(const uint8_t key[16]); /* NULL: logged */
void control_seal_destroy(struct control_seal *self);            /* wipes; NULL is fine */

enum control_open_result {
    CONTROL_OPEN_OK,
    CONTROL_OPEN_BAD_ENVELOPE, /* sizes or types, outside or inside */
    CONTROL_OPEN_BAD_TAG,
    CONTROL_OPEN_REPLAY, /* the tag is right, but the number was seen or is too old to tell */
};
/* Opens one packet of the client. `ret_plain`: room for `size` bytes; on success `*ret_payload` points into it. */
enum control_open_result control_open(struct control_seal *self, const uint8_t *packet, size_t size, uint8_t *ret_plain,
                                      uint16_t *ret_type, const uint8_t **ret_payload, size_t *ret_size);
/* Seals a message of ours. Returns the size, or 0: no room in `capacity`, payload too large, or the numbers ran out. */
size_t control_write(struct control_seal *self, uint16_t type, const void *payload, size_t size, uint8_t *ret_packet,
                     size_t capacity);

/* --- payloads of the client --- */

enum control_kind {
    CONTROL_REQUEST_IDR, /* 0x0302; the first of a session means "start" */
    CONTROL_START,       /* 0x0307 */
    CONTROL_PING,        /* 0x0200 */
    CONTROL_INVALIDATE,  /* 0x0301 */
    CONTROL_LTR_ACK,     /* 0x0350 */
    CONTROL_FEC_STATUS,  /* 0x5502 */
    CONTROL_LOSS_STATS,  /* 0x0201 */
    CONTROL_INPUT,       /* 0x0206 */
};
struct control_invalidate {
    uint32_t first_frame, last_frame; /* as sent: see control_invalidate_fits() */
};
struct control_fec_status { /* of one FEC block */
    uint32_t frame;
    uint16_t highest_received, next_contiguous, missing_before_highest;
    uint16_t data_total, parity_total, data_received, parity_received;
    uint8_t fec_percent, block, block_count;
};
struct control_loss_stats {
    uint32_t lost, interval_ms;
    uint64_t last_good_frame;
};
struct control_message {
    enum control_kind kind;
    union {
        struct control_invalidate invalidate;
        uint32_t ltr_frame;
        struct control_fec_status fec_status;
        struct control_loss_stats loss_stats;
        struct {
            const uint8_t *data; /* into the payload */
            size_t size;
        } input;
    };
};
/* False: a type we do not know, or too short for its type. Bytes beyond the known ones are ignored. */
bool control_decode(uint16_t type, const uint8_t *payload, size_t size, struct control_message *ret_message);
/* True: the range is ordered, sent already, and its first frame is one of the `references` newest. Else answer an IDR.
 */
bool control_invalidate_fits(const struct control_invalidate *range, uint32_t newest_frame, uint32_t references);

/* --- payloads of the host --- */

struct control_payload {
    uint16_t type;
    uint16_t size;
    uint8_t bytes[32];
};

#define CONTROL_CODE_GRACEFUL   UINT32_C(0x80030023)
#define CONTROL_CODE_PROTECTED  UINT32_C(0x800e9302)
#define CONTROL_CODE_CONVERSION UINT32_C(0x800e9403)
struct control_payload control_termination(uint32_t code);

struct control_hdr { /* all 0 when off */
    bool enabled;
    uint16_t primaries[3][2]; /* R, G, B; x and y in 1/50000 */
    uint16_t white[2];
    uint16_t max_luminance, min_luminance;                                         /* nit, 1/10000 nit */
    uint16_t max_content_light, max_frame_average_light, max_full_frame_luminance; /* nit; 0: unknown */
};
struct control_payload control_hdr_mode(const struct control_hdr *hdr);

struct control_payload control_rumble(uint16_t controller, uint16_t low, uint16_t high);
struct control_payload control_rumble_triggers(uint16_t controller, uint16_t left, uint16_t right);
enum control_sensor { CONTROL_SENSOR_ACCELEROMETER = 1, CONTROL_SENSOR_GYROSCOPE = 2 };
struct control_payload control_motion(uint16_t controller, uint16_t rate_hz, enum control_sensor sensor); /* 0: stop */
struct control_payload control_led(uint16_t controller, uint8_t red, uint8_t green, uint8_t blue);
struct control_trigger {
    bool set; /* this side is to be changed */
    uint8_t effect, parameters[10];
};
struct control_payload control_adaptive_triggers(uint16_t controller, const struct control_trigger *left,
                                                 const struct control_trigger *right);
