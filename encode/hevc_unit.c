/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/hevc_unit.h"

#include "encode/annexb.h"

/* In front of the slice at `head` there are all three sets, and in their order. */
static bool has_parameter_sets(const uint8_t *data, size_t head, size_t from)
{
    struct annexb_nal unit = {.end = from};
    int last = ANNEXB_HEVC_VPS - 1;
    while (annexb_next(data, head, unit.end, &unit)) {
        int type = data[unit.head] >> 1 & 63;
        if (type != last && type != last + 1)
            return false;
        last = type;
    }
    return last == ANNEXB_HEVC_PPS;
}

/* Of the unit from `from` to `size`, which has all three sets. Returns the end of what it is then. */
static size_t forbid_reordering(uint8_t *data, size_t size, size_t from)
{
    struct annexb_nal unit = {.end = from};
    uint8_t sps[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX];
    do {
        if (!annexb_next(data, size, unit.end, &unit))
            return size;
    } while ((data[unit.head] >> 1 & 63) != ANNEXB_HEVC_SPS);
    size_t sps_size = hevc_sps_restrict(data + unit.head, unit.end - unit.head, sps);
    if (!sps_size || sps_size > unit.end - unit.head + HEVC_SPS_GROWTH_MAX)
        return size;
    return annexb_replace(data, size, &unit, sps, sps_size);
}

bool hevc_unit_finish(uint8_t *data, size_t size, struct au_part *ret_part)
{
    struct annexb_unit unit;
    if (!annexb_hevc_tidy(data, size, &unit))
        return false;
    if (unit.idr && !has_parameter_sets(data, unit.start + unit.first_slice, unit.start))
        return false;
    size_t end = unit.idr ? forbid_reordering(data, size, unit.start) : size;
    ret_part->data = data + unit.start;
    ret_part->size = end - unit.start;
    ret_part->type = unit.idr ? PART_IDR : PART_PREDICTED;
    return true;
}
