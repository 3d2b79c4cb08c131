/* SPDX-License-Identifier: Apache-2.0 */
/* Names are those of H.264, 7.3.2.2 (PPS). */
#include "encode/h264_stream.h"

#include "encode/annexb.h"
#include "encode/h264_sps.h"
#include "encode/rbsp.h"

static bool read_pps(struct h264_stream *ret, const uint8_t *nal, size_t size)
{
    uint8_t read[H264_SPS_MAX];
    struct rbsp in = {.data = read, .room = sizeof(read)};
    if (!rbsp_open(&in, nal, size))
        return false;
    rbsp_read_bits(&in, 8);
    ret->pps_id = rbsp_read_ue(&in);
    rbsp_read_ue(&in); /* seq_parameter_set_id */
    ret->cabac = rbsp_read_bits(&in, 1);
    rbsp_read_bits(&in, 1);              /* bottom_field_pic_order: not with pic_order_cnt_type 2 */
    bool plain = rbsp_read_ue(&in) == 0; /* num_slice_groups_minus1 */
    plain &= rbsp_read_ue(&in) == 0;     /* num_ref_idx_l0_default_active_minus1 */
    rbsp_read_ue(&in);
    plain &= !rbsp_read_bits(&in, 1); /* weighted_pred */
    rbsp_read_bits(&in, 2);
    ret->init_qp = 26 + rbsp_read_se(&in);
    rbsp_read_se(&in);
    rbsp_read_se(&in);
    ret->has_filter_control = rbsp_read_bits(&in, 1);
    rbsp_read_bits(&in, 1);
    plain &= !rbsp_read_bits(&in, 1); /* redundant_pic_cnt_present */
    return plain && !in.bad && ret->init_qp >= 0 && ret->init_qp <= 51;
}

bool h264_stream_read(struct h264_stream *ret, const uint8_t *headers, size_t size)
{
    struct annexb_nal unit = {.end = 0};
    bool has_pps = false;
    *ret = (struct h264_stream){.cabac = false};
    while (annexb_next(headers, size, unit.end, &unit)) {
        int type = headers[unit.head] & 31;
        if (type == ANNEXB_H264_SPS)
            ret->frame_num_bits = h264_sps_frame_num_bits(headers + unit.head, unit.end - unit.head, &ret->is_420);
        if (type == ANNEXB_H264_PPS)
            has_pps = read_pps(ret, headers + unit.head, unit.end - unit.head);
    }
    return ret->frame_num_bits && has_pps;
}

bool h264_stream_is_same(const struct h264_stream *a, const struct h264_stream *b)
{
    return a->pps_id == b->pps_id && a->init_qp == b->init_qp && a->cabac == b->cabac &&
           a->has_filter_control == b->has_filter_control && a->is_420 == b->is_420;
}
