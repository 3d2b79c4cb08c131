/* SPDX-License-Identifier: Apache-2.0 */
/* audio mix: samples of one channel layout as those of another: 2, 6 or 8 channels, the first of FL FR FC LFE BL BR SL
 * SR. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool audio_mix_channels_known(int channels); /* 2, 6 or 8 */
/* Nothing gets quieter; sums beyond -1..1 are cut off, and what is no number is silence. Interleaved; not overlapping.
 */
void audio_mix(const float *from, int from_channels, float *ret_to, int to_channels, size_t frames);
