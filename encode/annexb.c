/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/annexb.h"

#include <string.h>

enum { UNITS_MAX = 16 };

/* The next 00 00 01 at or after `from`; `size` when there is none. */
static size_t find_start_code(const uint8_t *data, size_t size, size_t from)
{
    while (from < size && size - from >= 3) {
        const uint8_t *one = memchr(data + from + 2, 1, size - from - 2);
        if (!one)
            break;
        size_t at = (size_t)(one - data) - 2;
        if (data[at] == 0 && data[at + 1] == 0)
            return at;
        from = at + 1;
    }
    return size;
}

bool annexb_next(const uint8_t *data, size_t size, size_t from, struct annexb_nal *ret_nal)
{
    size_t code = find_start_code(data, size, from);
    if (code == size || size - code < 4)
        return false;
    size_t head = code + 3, end = find_start_code(data, size, head);
    if (end < size && end > head && data[end - 1] == 0)
        end--;
    ret_nal->start = code > from && data[code - 1] == 0 ? code - 1 : code;
    ret_nal->head = head;
    ret_nal->end = end;
    return true;
}

/* As annexb_next, but does not look for the end: a slice is long. */
static bool next_head(const uint8_t *data, size_t size, size_t from, struct annexb_nal *ret_nal)
{
    size_t code = find_start_code(data, size, from);
    if (code == size || size - code < 4)
        return false;
    ret_nal->start = code > from && data[code - 1] == 0 ? code - 1 : code;
    ret_nal->head = code + 3;
    ret_nal->end = size;
    return true;
}

static bool begins_with_start_code(const uint8_t *data, size_t size)
{
    static const uint8_t code[] = {0, 0, 0, 1};
    return size >= 4 && (!memcmp(data, code, 4) || !memcmp(data, code + 1, 3));
}

enum role { KEPT, DROPPED, SLICE, KEY_SLICE };

static enum role h264_role(uint8_t header)
{
    int type = header & 31;
    if (type >= ANNEXB_H264_SLICE && type <= ANNEXB_H264_IDR_SLICE)
        return type == ANNEXB_H264_IDR_SLICE ? KEY_SLICE : SLICE;
    bool dropped = type == ANNEXB_H264_SEI || type == ANNEXB_H264_AUD || type == ANNEXB_H264_FILLER;
    return dropped ? DROPPED : KEPT;
}

static enum role hevc_role(uint8_t header)
{
    int type = header >> 1 & 63;
    if (type < ANNEXB_HEVC_VPS)
        return type >= ANNEXB_HEVC_KEY_FIRST && type <= ANNEXB_HEVC_KEY_LAST ? KEY_SLICE : SLICE;
    return type <= ANNEXB_HEVC_PPS ? KEPT : DROPPED;
}

static bool tidy(uint8_t *data, size_t size, enum role (*role)(uint8_t header), struct annexb_unit *ret_unit)
{
    struct annexb_nal units[UNITS_MAX + 1];
    enum role roles[UNITS_MAX + 1];
    int count = 0;
    if (!begins_with_start_code(data, size))
        return false;
    for (size_t from = 0;; count++) {
        if (count > UNITS_MAX || !next_head(data, size, from, &units[count]))
            return false;
        if (count > 0)
            units[count - 1].end = units[count].start;
        roles[count] = role(data[units[count].head]);
        if (roles[count] >= SLICE)
            break;
        from = units[count].head;
    }
    size_t start = units[count].start, head = units[count].head;
    for (int i = count - 1; i >= 0; i--) {
        if (roles[i] == DROPPED)
            continue;
        size_t bytes = units[i].end - units[i].start;
        start -= bytes;
        memmove(data + start, data + units[i].start, bytes);
    }
    *ret_unit = (struct annexb_unit){.start = start, .first_slice = head - start, .idr = roles[count] == KEY_SLICE};
    return true;
}

bool annexb_h264_tidy(uint8_t *data, size_t size, struct annexb_unit *ret_unit)
{
    return tidy(data, size, h264_role, ret_unit);
}

bool annexb_hevc_tidy(uint8_t *data, size_t size, struct annexb_unit *ret_unit)
{
    return tidy(data, size, hevc_role, ret_unit);
}

size_t annexb_replace(uint8_t *data, size_t size, const struct annexb_nal *unit, const uint8_t *bytes, size_t count)
{
    memmove(data + unit->head + count, data + unit->end, size - unit->end);
    memcpy(data + unit->head, bytes, count);
    return size - (unit->end - unit->head) + count;
}
