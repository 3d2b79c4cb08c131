/* SPDX-License-Identifier: Apache-2.0 */
/* h264_unit: makes what a hardware encoder wrote into an access unit as the stream must carry it. */
#pragma once

#include "encode/h264_sps.h"
#include "encode/part.h"

/*
 * Takes out what may not stand before the first slice (encode/annexb.h), and makes the parameter sets of an IDR forbid
 * reordering (encode/h264_sps.h), all in place.
 * data      `size` bytes of Annex B and room for H264_SPS_GROWTH_MAX more; borrowed
 * ret_part  data (behind the first of these bytes), size and type are filled
 * False: it is no access unit; the bytes may have changed. Pure.
 */
bool h264_unit_finish(uint8_t *data, size_t size, struct au_part *ret_part);
