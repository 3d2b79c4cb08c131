/* SPDX-License-Identifier: Apache-2.0 */
/* h264_eye: looks at what an encoder made, through libavcodec's decoder. Failures assert (cmocka). */
#pragma once

#include "capture/frame.h"
#include "encode/part.h"

#include <libavcodec/avcodec.h>

struct h264_eye {
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *decoded; /* the last picture */
};

void h264_eye_open(struct h264_eye *self);
void h264_eye_open_decoder(struct h264_eye *self, const AVCodec *codec); /* for another codec */
void h264_eye_close(struct h264_eye *self);
/* The picture must come out at once: after packet n, picture n. */
void h264_eye_decode(struct h264_eye *self, const struct au_part *part);
/* Of the last picture against `frame`, in dB; 99: the same. */
double h264_eye_luma_psnr(const struct h264_eye *self, const struct frame *frame);
int h264_count_units(const struct au_part *part, int type); /* NAL units of that nal_unit_type */
