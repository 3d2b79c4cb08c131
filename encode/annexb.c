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

bool annexb_h264_tidy(uint8_t *data, size_t size, struct annexb_h264 *ret_unit)
{
    struct annexb_nal units[UNITS_MAX + 1];
    int count = 0, type = 0;
    if (!begins_with_start_code(data, size))
        return false;
    for (size_t from = 0;; count++) {
        if (count > UNITS_MAX || !next_head(data, size, from, &units[count]))
            return false;
        if (count > 0)
            units[count - 1].end = units[count].start;
        type = data[units[count].head] & 31;
        if (type >= ANNEXB_H264_SLICE && type <= ANNEXB_H264_IDR_SLICE)
            break;
        from = units[count].head;
    }
    size_t start = units[count].start, head = units[count].head;
    for (int i = count - 1; i >= 0; i--) {
        int kind = data[units[i].head] & 31;
        if (kind == ANNEXB_H264_SEI || kind == ANNEXB_H264_AUD || kind == ANNEXB_H264_FILLER)
            continue;
        size_t bytes = units[i].end - units[i].start;
        start -= bytes;
        memmove(data + start, data + units[i].start, bytes);
    }
    *ret_unit = (struct annexb_h264){.start = start, .first_slice = head - start, .idr = type == ANNEXB_H264_IDR_SLICE};
    return true;
}
