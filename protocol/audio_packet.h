/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio_packet: Opus packets as the datagrams of the sound stream: RTP header, encryption, and two parity packets after
 * every fourth. Pure. Source: docs/protocol.md, "Sound packets"; bytes checked by tests/unit/test_audio_packet.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AUDIO_BLOCK_DATA = 4,
    AUDIO_BLOCK_PARITY = 2,
    AUDIO_DATAGRAM_MAX = 1400, /* clients cut what is longer */
    AUDIO_DATA_HEADER = 12,
    AUDIO_PARITY_HEADER = 24,
    AUDIO_OPUS_MAX = AUDIO_DATAGRAM_MAX - AUDIO_PARITY_HEADER - 16, /* padded it still fits */
};

struct audio_packetiser;

struct audio_packetiser_config {
    const uint8_t *key; /* 16 bytes, copied: encrypt; NULL: plain */
    uint32_t key_id;    /* rikeyid of the launch, its 32 bits */
    int packet_ms;      /* duration of one Opus packet: 5, 10 or 20 */
};

struct audio_packetiser *audio_packetiser_create(const struct audio_packetiser_config *config); /* NULL: logged */
void audio_packetiser_destroy(struct audio_packetiser *self); /* NULL is fine; wipes the key */

/* Datagrams of equal size, back to back; valid until the next add. */
struct audio_datagrams {
    const uint8_t *base;
    size_t size; /* of one */
    int count;
};

/*
 * The next packet of the stream, to be sent at once. All four of a block must be of one size, else clients turn their
 * repair of losses off until the session ends.
 * False: empty, longer than AUDIO_OPUS_MAX, of another size than the block's first, or the cipher failed. No sequence
 * number was used then.
 */
bool audio_packetiser_add(struct audio_packetiser *self, const uint8_t *opus, size_t size,
                          struct audio_datagrams *ret_data);
/* After each successful add: true when it completed a block, whose parity is to be sent now. */
bool audio_packetiser_parity(struct audio_packetiser *self, struct audio_datagrams *ret_parity);
