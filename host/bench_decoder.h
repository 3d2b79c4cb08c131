/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_decoder: libavcodec's decoder in software, as strict as it can be, for what looks at an encoder's pictures
 * (bench_eye, tests/quality). One thread.
 */
#pragma once

#include "encode/part.h"

#include <libavcodec/avcodec.h>
#include <stdbool.h>

struct bench_decoder {
    AVCodecContext *context;
    AVPacket *packet;
    AVFrame *picture; /* the last one */
};

/* `export_side_data`: AV_CODEC_EXPORT_DATA_*. False: no such decoder here, or no memory; close it all the same. */
bool bench_decoder_open(struct bench_decoder *self, enum AVCodecID codec, int export_side_data);
void bench_decoder_close(struct bench_decoder *self); /* zeroed is fine */
/* One whole access unit, whose picture must come out at once and without a fault. */
bool bench_decoder_decode(struct bench_decoder *self, const struct au_part *part);
