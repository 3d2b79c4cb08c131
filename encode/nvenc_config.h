/* SPDX-License-Identifier: Apache-2.0 */
/* nvenc_config: a stream's settings in NVENC's words: in order, at the lowest latency, IDR on demand only. */
#pragma once

#include "encode/encoder.h"

#include <ffnvcodec/nvEncodeAPI.h>

GUID nvenc_config_codec(enum encoder_codec codec);                         /* H.264 or HEVC */
NV_ENC_BUFFER_FORMAT nvenc_config_buffer_format(enum frame_format format); /* not of BGR0 */
GUID nvenc_config_preset(const struct encoder_config *config);
/* Pictures of this size that a decoder of level 5.2 has room for besides the one in hand; Pure. */
int nvenc_config_references_max(const struct encoder_config *config);

/* Slices of a picture that are to come one by one; 1: at this rate it is not worth it, or they were not asked for.
 * Pure. */
int nvenc_config_parts(const struct encoder_config *config);

/*
 * references     pictures that are kept to refer to; each picture refers to one of them
 * long_terms     places for pictures that are kept for longer
 * one_of_many    the GPU has to be told that
 * parts          as from nvenc_config_parts(); 1 also if the GPU cannot show slices one by one
 * preset_config  what the driver says of that preset; becomes what is wanted, and *ret_params refers to it
 * Pure.
 */
void nvenc_config_fill(const struct encoder_config *config, int references, int long_terms, bool one_of_many, int parts,
                       NV_ENC_CONFIG *preset_config, NV_ENC_INITIALIZE_PARAMS *ret_params);
/* What follows from bitrate_kbps, anew. Pure. */
void nvenc_config_set_rate(const struct encoder_config *config, NV_ENC_CONFIG *codec_config);
