/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lavc: what the encoders through libavcodec (lavc_nvenc.c, lavc_vaapi.c, lavc_software.c) have in common. A backend
 * allocates, sets the options of its codec, and opens.
 *
 * All load their drivers at run time, so a build without a GPU is the same build. Options this libavcodec does not know
 * are left out with a debug line. A refusal is explained with libavcodec's own error lines: its log callback is
 * process-wide, but the lines of an encoder carry its AVCodecContext, and that leads to our instance.
 */
#pragma once

#include "encode/encoder.h"
#include "encode/planar.h"

#include <libavcodec/avcodec.h>

struct lavc {
    struct encoder base;
    enum encoder_codec codec;
    AVCodecContext *context;
    AVBufferRef *device, *surfaces; /* VAAPI only */
    struct planar planar;           /* software only */
    enum AVPixelFormat pixels;      /* of `picture` */
    AVFrame *picture;               /* refers to the caller's planes, and those of `planar`, during encode */
    AVFrame *surface;               /* VAAPI only */
    AVPacket *packet;               /* the access unit handed out last */
    int64_t pts;
    bool opened;
    char message[160]; /* libavcodec's errors during the call that is going on */
    char hint[160];    /* while opening: its last line below an error */
};

/* Everything but the options of one codec: size, rates, colour, slices, profile, pixels as the frames have them. NULL:
 * *ret_reason is written. */
struct lavc *lavc_alloc(const struct encoder_ops *ops, const char *codec_name, const struct encoder_config *config,
                        char *ret_reason, size_t reason_size);
/* The rate's buffer in `pictures_x2` half pictures, but no more than the client's burst. */
void lavc_set_buffer(struct lavc *self, const struct encoder_config *config, int pictures_x2);
bool lavc_has(const char *codec_name); /* whether this libavcodec has the encoder */
void lavc_set_option(struct lavc *self, const char *name, const char *value);
struct lavc_option {
    const char *name, *value;
};
void lavc_set_options(struct lavc *self, const struct lavc_option *options, size_t count);
/* Opens the codec; on failure the object is gone and *ret_reason is written. */
struct encoder *lavc_open(struct lavc *self, char *ret_reason, size_t reason_size);

/* Of lavc_vaapi.c, for a test of what it asks for: all but the device, not opened. NULL: *ret_reason is written. */
struct lavc *lavc_vaapi_prepare(const struct encoder_config *config, bool low_power, char *ret_reason,
                                size_t reason_size);

/* For encoder_ops. */
void lavc_destroy(struct encoder *base);
enum encode_result lavc_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                               int64_t now_ns, bool idr, struct au_part *ret_part);
