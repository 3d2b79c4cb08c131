/* SPDX-License-Identifier: Apache-2.0 */
/* unit: what encoders wrote becomes access units as the stream must carry them, whatever the codec. */
#pragma once

#include "encode/encoder.h"

enum { UNIT_GROWTH_MAX = 24 /* room that unit_finish() needs behind the data */ };

/* As h264_unit_finish() and its counterparts. */
bool unit_finish(enum encoder_codec codec, uint8_t *data, size_t size, struct au_part *ret_part);
