/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264, 7.3.3 (slice header). */
#include "encode/h264_slice.h"

#include "encode/annexb.h"

#include <string.h>

enum {
    HEAD_BYTES = 64, /* more than a slice header has */
    FILTER_OFF = 1,
    FILTER_INSIDE = 2,
    SUBTRACT = 0, /* modification_of_pic_nums_idc */
    MODIFICATION_END = 3,
};

/* Takes bits, writes bytes with emulation prevention. */
struct sink {
    uint8_t *at, *end;
    uint32_t bits; /* the last `count` wait for a whole byte */
    int count, zeros;
    bool full;
};

static inline void put_byte(struct sink *self, uint8_t byte)
{
    if (self->end - self->at < 2) {
        self->full = true;
        return;
    }
    if (self->zeros == 2 && byte <= 3) {
        *self->at++ = 3;
        self->zeros = 0;
    }
    self->zeros = byte ? 0 : self->zeros + 1;
    *self->at++ = byte;
}

/* At most 8 bits. */
static inline void put(struct sink *self, uint32_t value, int count)
{
    self->bits = self->bits << count | value;
    self->count += count;
    if (self->count >= 8) {
        self->count -= 8;
        put_byte(self, (uint8_t)(self->bits >> self->count));
    }
}

static void put_all(struct sink *self, const struct rbsp *from, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at++)
        put(self, from->data[at / 8] >> (7 - at % 8) & 1U, 1);
}

void h264_slice_write_references(struct rbsp *out, const struct h264_order *order)
{
    bool older = order->distance > 1;
    rbsp_write_bits(out, 0, 1); /* num_ref_idx_active_override_flag */
    rbsp_write_bits(out, older, 1);
    if (!older)
        return;
    rbsp_write_ue(out, SUBTRACT);
    rbsp_write_ue(out, order->distance - 1); /* abs_diff_pic_num_minus1 */
    rbsp_write_ue(out, MODIFICATION_END);
}

/* The encoder's own way to its picture, which counts its pictures only. */
static void skip_references(struct rbsp *in)
{
    in->bad |= rbsp_read_bits(in, 1) != 0; /* num_ref_idx_active_override_flag */
    if (!rbsp_read_bits(in, 1))
        return;
    rbsp_skip_ue(in, 2);
    in->bad |= rbsp_read_ue(in) != MODIFICATION_END;
}

/* Everything before slice_qp_delta, with the new place. Whether it is the encoder's first slice. */
static bool move_head(const struct h264_stream *stream, const struct h264_slice_place *place, bool idr, struct rbsp *in,
                      struct rbsp *out)
{
    rbsp_write_bits(out, rbsp_read_bits(in, 8), 8);
    uint32_t first_mb = rbsp_read_ue(in);
    rbsp_write_ue(out, first_mb + place->first_mb);
    uint32_t slice_type = rbsp_read_ue(in) % 5;
    bool intra = slice_type == 2;
    rbsp_write_ue(out, slice_type);
    rbsp_write_ue(out, rbsp_read_ue(in)); /* pic_parameter_set_id */
    rbsp_read_bits(in, stream->frame_num_bits);
    rbsp_write_bits(out, place->order.frame_num, place->order.frame_num_bits);
    if (idr)
        rbsp_write_ue(out, rbsp_read_ue(in)); /* idr_pic_id */
    if (!intra) {
        skip_references(in);
        h264_slice_write_references(out, &place->order);
    }
    int marking = idr ? 2 : 1; /* no_output_of_prior_pics and long_term, or adaptive */
    in->bad |= rbsp_read_bits(in, marking) != 0;
    rbsp_write_bits(out, 0, marking);
    if (stream->cabac && !intra)
        rbsp_write_ue(out, rbsp_read_ue(in)); /* cabac_init_idc */
    in->bad |= slice_type != 0 && !intra;
    return first_mb == 0;
}

/* slice_qp_delta and the loop filter. */
static void move_tail(const struct h264_stream *stream, bool alone, struct rbsp *in, struct sink *out)
{
    uint8_t data[8];
    struct rbsp filter = {.data = data, .room = sizeof(data)};
    size_t from = in->at;
    rbsp_read_se(in);
    put_all(out, in, from, in->at);
    if (!stream->has_filter_control)
        return;
    uint32_t disable_idc = rbsp_read_ue(in);
    rbsp_write_ue(&filter, alone && disable_idc != FILTER_OFF ? FILTER_INSIDE : disable_idc);
    put_all(out, &filter, 0, filter.count);
    from = in->at;
    if (disable_idc != FILTER_OFF) {
        rbsp_read_se(in); /* alpha and beta */
        rbsp_read_se(in);
    }
    put_all(out, in, from, in->at);
}

/* Slice data from bit `begin` of the unescaped unit on. It ends with a stop bit, behind which bits are zero. */
static void put_data(struct sink *out, const uint8_t *nal, size_t size, size_t begin, bool aligned)
{
    size_t at = 0; /* byte in the unescaped unit */
    int zeros = 0;
    while (aligned && out->count)
        put(out, 1, 1); /* cabac_alignment_one_bit */
    while (size && !nal[size - 1])
        size--;
    for (size_t i = 0; i < size; i++) {
        bool guard = zeros >= 2 && nal[i] == 3;
        zeros = guard || nal[i] ? 0 : zeros + 1;
        if (guard)
            continue;
        if (at >= (begin + 7) / 8)
            put(out, nal[i], 8);
        else if (at == begin / 8)
            put(out, nal[i] & (0xFFU >> begin % 8), 8 - (int)(begin % 8));
        at++;
    }
    if (out->bits & ((1U << out->count) - 1)) /* else the stop bit is written */
        put(out, 0, 8 - out->count);
}

size_t h264_slice_move(const struct h264_stream *stream, const struct h264_slice_place *place, const uint8_t *nal,
                       size_t size, uint8_t *ret, size_t room)
{
    static const uint8_t start_code[] = {0, 0, 0, 1};
    uint8_t read[HEAD_BYTES], written[HEAD_BYTES];
    struct rbsp in = {.data = read, .room = sizeof(read)}, head = {.data = written, .room = sizeof(written)};
    struct sink out = {.at = ret + sizeof(start_code), .end = ret + room};
    int type = size ? nal[0] & 31 : 0;
    if ((type != ANNEXB_H264_SLICE && type != ANNEXB_H264_IDR_SLICE) || room < sizeof(start_code) ||
        !rbsp_open(&in, nal, size < sizeof(read) ? size : sizeof(read)))
        return 0;
    memcpy(ret, start_code, sizeof(start_code));
    bool is_first = move_head(stream, place, type == ANNEXB_H264_IDR_SLICE, &in, &head);
    if (in.bad || head.bad)
        return 0;
    put_all(&out, &head, 0, head.count);
    move_tail(stream, place->alone && is_first, &in, &out);
    size_t data = stream->cabac ? (in.at + 7) / 8 * 8 : in.at;
    put_data(&out, nal, size, data, stream->cabac);
    return in.bad || out.full ? 0 : (size_t)(out.at - ret);
}
