/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/h264_eye.h"

#include "encode/annexb.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void h264_eye_open(struct h264_eye *self)
{
    h264_eye_open_decoder(self, avcodec_find_decoder(AV_CODEC_ID_H264));
}

void h264_eye_open_decoder(struct h264_eye *self, const AVCodec *codec)
{
    self->decoder = avcodec_alloc_context3(codec);
    self->packet = av_packet_alloc();
    self->decoded = av_frame_alloc();
    assert_true(self->decoder && self->packet && self->decoded);
    self->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
    self->decoder->thread_count = 1;
    assert_int_equal(avcodec_open2(self->decoder, NULL, NULL), 0);
}

void h264_eye_close(struct h264_eye *self)
{
    avcodec_free_context(&self->decoder);
    av_packet_free(&self->packet);
    av_frame_free(&self->decoded);
}

void h264_eye_decode(struct h264_eye *self, const struct au_part *part)
{
    assert_int_equal(av_new_packet(self->packet, (int)part->size), 0);
    memcpy(self->packet->data, part->data, part->size);
    assert_int_equal(avcodec_send_packet(self->decoder, self->packet), 0);
    av_packet_unref(self->packet);
    assert_int_equal(avcodec_receive_frame(self->decoder, self->decoded), 0);
}

double h264_eye_luma_psnr(const struct h264_eye *self, const struct frame *frame)
{
    double sum = 0;
    assert_int_equal(self->decoded->width, frame->layout.width);
    assert_int_equal(self->decoded->height, frame->layout.height);
    for (int y = 0; y < frame->layout.height; y++) {
        const uint8_t *a = frame->planes[0] + (ptrdiff_t)y * frame->strides[0];
        const uint8_t *b = self->decoded->data[0] + (ptrdiff_t)y * self->decoded->linesize[0];
        for (int x = 0; x < frame->layout.width; x++)
            sum += (a[x] - b[x]) * (a[x] - b[x]);
    }
    double pixels = (double)frame->layout.width * frame->layout.height;
    return sum > 0 ? 10 * log10(255.0 * 255.0 * pixels / sum) : 99;
}

int h264_count_units(const struct au_part *part, int type)
{
    struct annexb_nal nal = {0};
    int count = 0;
    while (annexb_next(part->data, part->size, nal.end, &nal))
        count += (part->data[nal.head] & 31) == type;
    return count;
}
