/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_decoder.h"

#include <string.h>

bool bench_decoder_open(struct bench_decoder *self, enum AVCodecID codec, int export_side_data)
{
    const AVCodec *decoder = avcodec_find_decoder(codec);
    *self = (struct bench_decoder){.context = decoder ? avcodec_alloc_context3(decoder) : NULL,
                                   .packet = av_packet_alloc(),
                                   .picture = av_frame_alloc()};
    if (!self->context || !self->packet || !self->picture)
        return false;
    self->context->flags |= AV_CODEC_FLAG_LOW_DELAY;
    self->context->export_side_data |= export_side_data;
    self->context->err_recognition = AV_EF_EXPLODE;
    self->context->thread_count = 1; /* more would hold pictures back */
    return avcodec_open2(self->context, decoder, NULL) == 0;
}

void bench_decoder_close(struct bench_decoder *self)
{
    avcodec_free_context(&self->context);
    av_packet_free(&self->packet);
    av_frame_free(&self->picture);
}

bool bench_decoder_decode(struct bench_decoder *self, const struct au_part *part)
{
    if (av_new_packet(self->packet, (int)part->size) < 0)
        return false;
    memcpy(self->packet->data, part->data, part->size);
    int sent = avcodec_send_packet(self->context, self->packet);
    av_packet_unref(self->packet);
    return sent == 0 && avcodec_receive_frame(self->context, self->picture) == 0 &&
           !(self->picture->flags & AV_FRAME_FLAG_CORRUPT) && self->picture->decode_error_flags == 0;
}
