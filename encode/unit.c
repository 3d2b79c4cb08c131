/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/unit.h"

#include "encode/av1_unit.h"
#include "encode/h264_unit.h"
#include "encode/hevc_unit.h"

#include <assert.h>

static_assert(UNIT_GROWTH_MAX >= (int)H264_SPS_GROWTH_MAX && UNIT_GROWTH_MAX >= (int)HEVC_SPS_GROWTH_MAX,
              "the larger of the two");

bool unit_finish(enum encoder_codec codec, uint8_t *data, size_t size, struct au_part *ret_part)
{
    switch (codec) {
    case ENCODER_H264:
        return h264_unit_finish(data, size, ret_part);
    case ENCODER_HEVC:
        return hevc_unit_finish(data, size, ret_part);
    case ENCODER_AV1:
        return av1_unit_finish(data, size, ret_part);
    }
    return false;
}
