/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of the AV1 specification, 5.3 (OBU), 4.10.5 (leb128) and 5.9.2 (frame header). */
#include "encode/av1_unit.h"

enum obu_type {
    OBU_SEQUENCE_HEADER = 1,
    OBU_TEMPORAL_DELIMITER = 2,
    OBU_FRAME_HEADER = 3,
    OBU_TILE_GROUP = 4,
    OBU_METADATA = 5,
    OBU_FRAME = 6,
    OBU_PADDING = 15,
};
enum { HAS_SIZE = 0x02, HAS_EXTENSION = 0x04, FORBIDDEN = 0x80 };
enum { SHOW_EXISTING_FRAME = 0x80, FRAME_TYPE = 0x60, SHOW_FRAME = 0x10 }; /* frame type 0: key */

struct obu {
    enum obu_type type;
    size_t payload, end; /* from the beginning of the data */
};

/* False: more than 8 bytes, or the data end. *at is behind it. */
static bool read_leb128(const uint8_t *data, size_t size, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;
    for (int i = 0; i < 8 && *at < size; i++) {
        uint8_t byte = data[(*at)++];
        value |= (uint64_t)(byte & 127) << 7 * i;
        if (!(byte & 128)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_obu(const uint8_t *data, size_t size, size_t from, struct obu *ret)
{
    uint8_t header = data[from];
    size_t at = from + 1 + (header & HAS_EXTENSION ? 1 : 0);
    uint64_t length;
    if (header & FORBIDDEN || !(header & HAS_SIZE) || !read_leb128(data, size, &at, &length) || length > size - at)
        return false;
    *ret = (struct obu){.type = (enum obu_type)(header >> 3 & 15), .payload = at, .end = at + (size_t)length};
    return true;
}

bool av1_unit_finish(const uint8_t *data, size_t size, struct au_part *ret_part)
{
    struct obu obu = {.end = 0};
    bool has_sequence = false, is_key = false;
    int shown = 0;
    while (obu.end < size) {
        if (!read_obu(data, size, obu.end, &obu))
            return false;
        has_sequence |= obu.type == OBU_SEQUENCE_HEADER;
        if (obu.type != OBU_FRAME && obu.type != OBU_FRAME_HEADER)
            continue;
        if (obu.end == obu.payload)
            return false;
        uint8_t frame = data[obu.payload];
        shown += frame & (SHOW_EXISTING_FRAME | SHOW_FRAME) ? 1 : 0;
        is_key |= !(frame & (SHOW_EXISTING_FRAME | FRAME_TYPE));
    }
    if (shown != 1 || (is_key && !has_sequence))
        return false;
    ret_part->data = data;
    ret_part->size = size;
    ret_part->type = is_key ? PART_IDR : PART_PREDICTED;
    return true;
}
