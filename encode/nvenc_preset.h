/* SPDX-License-Identifier: Apache-2.0 */
/* nvenc_preset: which of NVENC's presets a stream gets, for the direct encoder and the one through libavcodec. */
#pragma once

#include "encode/encoder.h"

/*
 * 1 (the fastest) to 4: the quality that the pixel rate leaves time for. The limits have not been measured: they are
 * guesses that leave a Tesla P4 half of its time, as it is shared. Pure.
 */
int nvenc_preset(const struct encoder_config *config);
