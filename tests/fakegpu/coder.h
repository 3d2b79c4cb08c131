/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coder: what the imagined chip does: pictures to Annex B bytes, in software. One file for each codec.
 * A coder is used by one thread at a time. One picture in, its bytes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coder_format { CODER_NV12, CODER_YUV444, CODER_I010, CODER_I410 /* planar 4:2:0 and 4:4:4 of 10 bit in 16 */ };

struct coder_colour { /* H.273 codes; primaries 0: nothing is signalled */
    int primaries, transfer, matrix;
    bool full_range;
};

struct coder_config {
    int width, height;
    uint32_t fps_num, fps_den;
    enum coder_format format;
    const char *profile; /* "baseline", "main", "high", "high444"; HEVC: chosen by the format */
    int bitrate_kbps, vbv_kbit;
    int qp; /* > 0: this quantiser and no rate */
    int slices, dpb;
    bool intra_refresh, cabac;
    struct coder_colour colour;
};

struct coder_picture {
    uint8_t *planes[3];
    int strides[3]; /* bytes */
    int64_t number; /* rises by one */
    bool idr, intra;
    bool refresh; /* begin a sweep of intra columns here */
};

struct coder_output {
    const uint8_t *bytes; /* parameter sets (with an IDR) and slices, nothing else; until the next call */
    size_t size;
    bool idr, intra;
    int qp;
};

struct coder;

struct coder_ops {
    struct coder *(*open)(const struct coder_config *config); /* NULL: refused */
    void (*close)(struct coder *self);
    bool (*encode)(struct coder *self, const struct coder_picture *picture, struct coder_output *ret);
    /* Parameter sets, valid until the next call. */
    bool (*headers)(struct coder *self, const uint8_t **ret_bytes, size_t *ret_size);
    bool (*set_rate)(struct coder *self, int bitrate_kbps, int vbv_kbit);
    /* No later picture refers to this one or to a later one coded before the call. */
    void (*forget_from)(struct coder *self, int64_t number);
    int slice_nal_max; /* NAL types 0 to this are slices */
    int nal_shift;     /* of the type in a NAL's first byte */
};

struct coder {
    const struct coder_ops *ops;
};

extern const struct coder_ops coder_x264;
extern const struct coder_ops coder_x265; /* HAVE_X265 only */
