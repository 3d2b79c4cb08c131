/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opus encoder: samples as Opus packets of one size, for the sound of one session. By one thread at a time; nothing is
 * allocated per packet.
 */
#pragma once

#include "protocol/sdp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct audio_encoder;

struct audio_encoder_config {
    struct sdp_layout layout; /* channels 2, 6 or 8; any streams and mapping that sdp_layout_read() accepts */
    bool high_quality;
    int packet_ms; /* 5, 10 or 20 */
};

struct audio_encoder *audio_encoder_create(const struct audio_encoder_config *config); /* NULL: logged */
void audio_encoder_destroy(struct audio_encoder *self);                                /* NULL is fine */

size_t audio_encoder_frames(const struct audio_encoder *self); /* of one packet */
size_t audio_encoder_size(const struct audio_encoder *self);   /* of every packet, at most AUDIO_OPUS_MAX */

/* samples     interleaved, in the order FL FR FC LFE BL BR SL SR
 * ret_packet  room for audio_encoder_size() bytes, all of which are written
 * False: libopus failed, logged once. */
bool audio_encoder_encode(struct audio_encoder *self, const float *samples, uint8_t *ret_packet);
