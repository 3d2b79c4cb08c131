/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/h264_unit.h"

#include "encode/annexb.h"

/* Of the unit from `from` to `size`. Returns the end of what it is then. */
static size_t forbid_reordering(uint8_t *data, size_t size, size_t from)
{
    struct annexb_nal unit = {.end = from};
    uint8_t sps[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    do {
        if (!annexb_next(data, size, unit.end, &unit))
            return size;
    } while ((data[unit.head] & 31) > ANNEXB_H264_IDR_SLICE && (data[unit.head] & 31) != ANNEXB_H264_SPS);
    size_t sps_size = h264_sps_restrict(data + unit.head, unit.end - unit.head, sps);
    if (!sps_size || sps_size > unit.end - unit.head + H264_SPS_GROWTH_MAX)
        return size;
    return annexb_replace(data, size, &unit, sps, sps_size);
}

bool h264_unit_finish(uint8_t *data, size_t size, struct au_part *ret_part)
{
    struct annexb_unit unit;
    if (!annexb_h264_tidy(data, size, &unit))
        return false;
    size_t end = unit.idr ? forbid_reordering(data, size, unit.start) : size;
    ret_part->data = data + unit.start;
    ret_part->size = end - unit.start;
    ret_part->type = unit.idr ? PART_IDR : PART_PREDICTED;
    return true;
}
