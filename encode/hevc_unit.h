/* SPDX-License-Identifier: Apache-2.0 */
/* hevc_unit: makes what an encoder of HEVC wrote into an access unit as the stream must carry it. */
#pragma once

#include "encode/hevc_sps.h"
#include "encode/part.h"

/*
 * Takes out what may not stand before the first slice (encode/annexb.h), and makes the parameter sets of an IDR forbid
 * reordering (encode/hevc_sps.h), all in place.
 * data      `size` bytes of Annex B and room for HEVC_SPS_GROWTH_MAX more; borrowed
 * ret_part  data (behind the first of these bytes), size and type are filled
 * False: it is no access unit, or a key picture without VPS, SPS and PPS in this order, which clients would wait for
 * for ever; the bytes may have changed. Pure.
 */
bool hevc_unit_finish(uint8_t *data, size_t size, struct au_part *ret_part);
