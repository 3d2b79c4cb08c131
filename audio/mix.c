/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a smaller layout has no place for goes to the nearest channel that it has: to stereo at -3 dB, as recommended by
 * ITU-R BS.775, without the low tones; from 7.1 to 5.1 the sides join the back at full level, because most players put
 * a sound into one of them only. A larger layout is not filled up: what was not played there stays silent.
 */
#include "audio/mix.h"

#include <string.h>

enum { FL, FR, FC, LFE, BL, BR, SL, SR };

static const struct share {
    int from, to; /* channels */
    float gain;
} to_stereo[] = {{FL, FL, 1},      {FR, FR, 1},      {FC, FL, .7071f}, {FC, FR, .7071f},
                 {BL, FL, .7071f}, {BR, FR, .7071f}, {SL, FL, .7071f}, {SR, FR, .7071f}},
  to_surround51[] = {{FL, FL, 1}, {FR, FR, 1}, {FC, FC, 1}, {LFE, LFE, 1},
                     {BL, BL, 1}, {BR, BR, 1}, {SL, BL, 1}, {SR, BR, 1}};

bool audio_mix_channels_known(int channels)
{
    return channels == 2 || channels == 6 || channels == 8;
}

static float limited(float value)
{
    return value > 1 ? 1 : value < -1 ? -1 : value == value ? value : 0;
}

static void add_share(const float *from, int from_channels, float *to, int to_channels, size_t frames,
                      const struct share *share)
{
    from += share->from;
    to += share->to;
    for (size_t i = 0; i < frames; i++, from += from_channels, to += to_channels)
        *to += share->gain * *from;
}

void audio_mix(const float *from, int from_channels, float *ret_to, int to_channels, size_t frames)
{
    memset(ret_to, 0, frames * (size_t)to_channels * sizeof(*ret_to));
    if (to_channels >= from_channels) {
        for (int c = 0; c < from_channels; c++)
            add_share(from, from_channels, ret_to, to_channels, frames, &(struct share){c, c, 1});
    } else {
        const struct share *table = to_channels == 2 ? to_stereo : to_surround51;
        for (int i = 0; i < 8; i++) {
            if (table[i].from < from_channels)
                add_share(from, from_channels, ret_to, to_channels, frames, &table[i]);
        }
    }
    for (size_t i = 0; i < frames * (size_t)to_channels; i++)
        ret_to[i] = limited(ret_to[i]);
}
