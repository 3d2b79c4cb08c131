/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annexb: finds its way in an access unit of H.264 or HEVC and takes out what the stream must not carry.
 *
 * Clients look for the first slice of an IDR in the first packet only, so nothing but parameter sets may stand before
 * it ("codec payload", docs/protocol.md). Encoders put version notes (SEI) and delimiters (AUD) there. Both
 * stand before the first slice, so the walk ends there and the slices, nearly all of the bytes, are not touched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum annexb_h264_type {
    ANNEXB_H264_SLICE = 1,
    ANNEXB_H264_IDR_SLICE = 5,
    ANNEXB_H264_SEI = 6,
    ANNEXB_H264_SPS = 7,
    ANNEXB_H264_PPS = 8,
    ANNEXB_H264_AUD = 9,
    ANNEXB_H264_FILLER = 12,
};

enum annexb_hevc_type {
    ANNEXB_HEVC_KEY_FIRST = 16, /* slices of a picture that needs no other; IDR are 19 and 20 */
    ANNEXB_HEVC_KEY_LAST = 21,
    ANNEXB_HEVC_VPS = 32, /* below: slices */
    ANNEXB_HEVC_SPS = 33,
    ANNEXB_HEVC_PPS = 34,
    ANNEXB_HEVC_AUD = 35,
    ANNEXB_HEVC_FILLER = 38,
    ANNEXB_HEVC_SEI = 39,
    ANNEXB_HEVC_SEI_AFTER = 40,
};

struct annexb_nal {
    size_t start; /* of the start code, from the beginning of the data */
    size_t head;  /* of the byte after the start code: the NAL header, or its first byte */
    size_t end;   /* one behind; the next unit's start code, or the end of the data */
};

/*
 * The unit that starts at or after `from`. A zero byte in front of 00 00 01 counts as part of the start code.
 * False: no further unit with at least its header byte; *ret_nal is left alone.
 */
bool annexb_next(const uint8_t *data, size_t size, size_t from, struct annexb_nal *ret_nal);

struct annexb_unit {
    size_t start;       /* the access unit now begins here, and still ends at `size` */
    size_t first_slice; /* header byte of the first slice, counted from the new start */
    bool idr;
};

/*
 * Take SEI, AUD and filler from in front of the first slice, in place: what stays moves towards the slice.
 * False when the data do not begin with a start code, have no slice, or have more than 16 units in front of it; then
 * nothing is written.
 */
bool annexb_h264_tidy(uint8_t *data, size_t size, struct annexb_unit *ret_unit);
/* The same for HEVC: nothing but VPS, SPS and PPS stays in front of the first slice. */
bool annexb_hevc_tidy(uint8_t *data, size_t size, struct annexb_unit *ret_unit);
/* The unit behind its start code becomes `bytes`, for which there is room. The size of all then. */
size_t annexb_replace(uint8_t *data, size_t size, const struct annexb_nal *unit, const uint8_t *bytes, size_t count);
