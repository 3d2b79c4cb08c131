/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x264_band: a libx264 of its own for some rows of the picture, and the picture it refers to, which others may change.
 *
 * libx264 goes through all it is given, 20 MB of memory for a picture of 1440p, whatever changed. Given only rows in
 * which something does, it goes through these, and each band on a processor of its own.
 *
 * Its motion vectors reach up to 24 samples beyond its edges, where it repeats the edge, but a decoder sees the band
 * beside it. So before each picture the band's surroundings are copied to where libx264 keeps the repeated edge: PAD
 * samples around the picture that x264_encoder_encode() reports. A skipped macroblock inherits its vector, and libx264
 * would cut one that reaches further, which a decoder does not: so no vector of a band that has another one below is
 * longer than its last row but one can see, and the last row is a slice of its own, in which nothing is inherited from
 * above. That is not in its interface; it holds for the build,
 * which is in the library's name, of which the source was read: others get no bands, see X264_BAND_IS_KNOWN.
 */
#pragma once

#include "encode/h264_patch.h"
#include "encode/h264_stream.h"

#include <x264.h>

enum {
    X264_BAND_IS_KNOWN = X264_BUILD == 164,
    X264_BAND_ROWS_MIN = 2, /* of macroblocks: PAD samples */
    X264_BAND_REFERENCES = 4, /* with 5, 1080p60 would be beyond level 4.2 */
};

/* What libx264 made, in its own memory. */
struct x264_band_picture {
    x264_image_t image;
    int64_t pts;
};

struct x264_band {
    x264_t *x264;
    struct h264_stream stream;
    int first_row, rows, columns;                             /* of macroblocks */
    bool is_first, is_last;                                   /* of the picture's bands */
    struct x264_band_picture now;                             /* what its next picture refers to */
    struct x264_band_picture older[X264_BAND_REFERENCES - 1]; /* since the last IDR, the newest last */
    int older_count;
    struct x264_band_picture made; /* the picture in hand */
    bool has_made, made_idr;
    uint8_t *bytes; /* its slices of the picture in hand, Annex B */
    size_t room, size;
};

/* What a picture asks of a band. */
struct x264_band_job {
    const struct frame *frame;
    const struct mb_map *map;
    struct h264_order order;
    bool idr;
    int qp; /* below 0: libx264's choice */
    int64_t pts;
};

/*
 * param  of the whole picture, borrowed; threads and slices are for each band; i_dpb_size: pictures that it keeps, at
 *        most X264_BAND_REFERENCES
 * False: libx264 refuses (told through the param's log function), or out of memory. Close it also then.
 */
bool x264_band_open(struct x264_band *self, const x264_param_t *param, const struct mb_map *map, int first_row,
                    int rows);
void x264_band_close(struct x264_band *self); /* also a zeroed one */

/* Copies what lies around into the picture it refers to. NULL: nothing does. Others may do the same with their bands
 * and encode, but x264_band_settle() must wait for all. */
void x264_band_look_around(const struct x264_band *self, const struct x264_band *above, const struct x264_band *below);
/* Fills bytes and size. False: libx264 failed, logged. */
bool x264_band_encode(struct x264_band *self, const struct x264_band_job *job);
/* What was encoded is now what the next picture refers to. */
void x264_band_settle(struct x264_band *self);
/* Pictures from this one on, fewer than it keeps and none of them an IDR, are referred to no more. */
void x264_band_forget(struct x264_band *self, int64_t pts);
/* Whether `now` can be changed: a picture was encoded, and there are as many samples around it as expected. */
bool x264_band_is_open_to_change(const struct x264_band *self);
/* A macroblock, of the whole picture's rows, in the picture that the next refers to. */
void x264_band_take(const struct x264_band *self, int column, int row, uint8_t ret[H264_PATCH_MB_BYTES]);
void x264_band_put(const struct x264_band *self, int column, int row, const uint8_t samples[H264_PATCH_MB_BYTES]);
