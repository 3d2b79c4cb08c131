/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sound: what the client hears: datagrams through the queue, opened, decoded as a stock client would by the lines of
 * DESCRIBE, and looked at: which tone stands out in each channel, and how loud it is.
 */
#pragma once

#include "tests/client/sound_queue.h"

#include <jansson.h>

enum { SOUND_CHANNELS_MAX = 8 };

struct sound_config {
    const char *describe;
    int channels, packet_ms;
    bool high_quality;
    const uint8_t *key; /* 16 bytes: packets are encrypted; NULL: plain */
    uint32_t key_id;
    bool listen;        /* decode and look */
    const char *record; /* WAV file, or NULL */
    int loss_per_block; /* of the six packets of each block, chosen from the seed */
    uint64_t seed;
};

struct sound;

struct sound *sound_create(const struct sound_config *config); /* NULL: logged */
void sound_destroy(struct sound *self);
void sound_packet(struct sound *self, const uint8_t *data, size_t size, int64_t arrival_ns);
/*
 * {packets, parity, bytes, payload_bytes, played, recovered, lost, at_start, late, duplicates, malformed,
 * bad_timestamps, fec_off, dropped_on_purpose, broken, decode_errors, layout, gap_max_ms, gaps, channels: [{hz, db,
 * tone_db}], seconds_db: [...]}: `gaps`: pauses of more than 20 ms; `db`: of all that was heard in the channel;
 * `tone_db`: of the strongest tone; `seconds_db`: of the loudest channel, second by second.
 */
json_t *sound_report(struct sound *self);
