/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hevc_sps: makes a sequence parameter set of HEVC say that no picture is reordered, and has the bitstream_restriction
 * that clients want ("codec payload", docs/protocol.md). NVENC through libavcodec does not ask for it, nor does x265.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HEVC_SPS_MAX = 512, HEVC_SPS_GROWTH_MAX = 24 /* bytes that hevc_sps_restrict() may add */ };

/*
 * nal  the unit from its header on, without start code, at most HEVC_SPS_MAX bytes, of a stream without temporal layers
 * ret  the same with sps_max_num_reorder_pics 0, and with bitstream_restriction, which limits nothing, where it had
 * none Returns the new size. 0: nothing is written, as the unit is no such SPS, is damaged, or says all this already.
 * Pure.
 */
size_t hevc_sps_restrict(const uint8_t *nal, size_t size, uint8_t ret[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX]);
