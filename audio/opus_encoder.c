/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard CBR: all packets of a parity block must have one size. libopus splits the rate over the streams itself and ends
 * at the size that it is given as the limit; should a packet come out shorter, it is padded.
 */
#include "audio/opus_encoder.h"

#include "base/log.h"
#include "protocol/audio_packet.h"

#include <opus_multistream.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 48000 };

struct audio_encoder {
    OpusMSEncoder *opus;
    int streams;
    size_t frames, size;
    bool failed; /* said so */
};

/* Source: docs/protocol.md, "Sound": bits per second by channels and quality. */
static int bitrate(int channels, bool high_quality)
{
    switch (channels) {
    case 2:
        return high_quality ? 512000 : 96000;
    case 6:
        return high_quality ? 1536000 : 256000;
    default:
        return high_quality ? 2048000 : 450000;
    }
}

static bool set_up(OpusMSEncoder *opus, int rate)
{
    return opus_multistream_encoder_ctl(opus, OPUS_SET_BITRATE(rate)) == OPUS_OK &&
           opus_multistream_encoder_ctl(opus, OPUS_SET_VBR(0)) == OPUS_OK &&
           opus_multistream_encoder_ctl(opus, OPUS_SET_DTX(0)) == OPUS_OK &&
           opus_multistream_encoder_ctl(opus, OPUS_SET_INBAND_FEC(0)) == OPUS_OK;
}

struct audio_encoder *audio_encoder_create(const struct audio_encoder_config *config)
{
    const struct sdp_layout *layout = &config->layout;
    struct audio_encoder *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("opus");
    int rate = bitrate(layout->channels, config->high_quality), problem = OPUS_OK;
    self->streams = layout->streams;
    self->frames = (size_t)(RATE / 1000 * config->packet_ms);
    self->size = (size_t)(rate / 8 * config->packet_ms / 1000);
    if (self->size > AUDIO_OPUS_MAX) { /* only with durations that no client combines with high quality */
        self->size = AUDIO_OPUS_MAX;
        rate = AUDIO_OPUS_MAX * 8 * 1000 / config->packet_ms;
    }
    self->opus = opus_multistream_encoder_create(RATE, layout->channels, layout->streams, layout->coupled,
                                                 layout->mapping, OPUS_APPLICATION_RESTRICTED_LOWDELAY, &problem);
    if (self->opus && set_up(self->opus, rate))
        return self;
    log_error("opus: no encoder for %d channels in %d streams: %s", layout->channels, layout->streams,
              opus_strerror(problem));
    audio_encoder_destroy(self);
    return NULL;
}

void audio_encoder_destroy(struct audio_encoder *self)
{
    if (!self)
        return;
    if (self->opus)
        opus_multistream_encoder_destroy(self->opus);
    free(self);
}

size_t audio_encoder_frames(const struct audio_encoder *self)
{
    return self->frames;
}

size_t audio_encoder_size(const struct audio_encoder *self)
{
    return self->size;
}

bool audio_encoder_encode(struct audio_encoder *self, const float *samples, uint8_t *ret_packet)
{
    opus_int32 size = (opus_int32)self->size;
    int result = opus_multistream_encode_float(self->opus, samples, (int)self->frames, ret_packet, size);
    if (result > 0 && result < size && opus_multistream_packet_pad(ret_packet, result, size, self->streams) == OPUS_OK)
        result = size;
    if (result == size)
        return true;
    if (!self->failed)
        log_error("opus: a packet could not be made: %s", result < 0 ? opus_strerror(result) : "wrong size");
    self->failed = true;
    return false;
}
