/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes real pictures with libx264 and lets libavcodec's H.264 decoder judge them. */
#include "encode/annexb.h"
#include "tests/unit/encode_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct encoder_config config_for(const struct nv12_scene *scene)
{
    return (struct encoder_config){.codec = ENCODER_H264,
                                   .layout = scene->frame.layout,
                                   .fps_x100 = 6000,
                                   .bitrate_kbps = 20000,
                                   .slices = 1,
                                   .threads = 1};
}

static void rig_open(struct encode_rig *self, const struct encoder_config *config)
{
    encode_rig_open(self, "x264", "h264", config);
}

static void rig_init(struct encode_rig *self, int width, int height, enum nv12_kind kind)
{
    nv12_scene_init(&self->scene, width, height, kind);
    struct encoder_config config = config_for(&self->scene);
    rig_open(self, &config);
}

static void every_picture_comes_out_at_once_and_looks_like_the_original(void **state)
{
    (void)state;
    for (enum nv12_kind kind = NV12_STATIC; kind <= NV12_SCROLL; kind++) {
        struct encode_rig rig = {0};
        double psnr = 0;
        rig_init(&rig, 1280, 722, kind);
        for (int i = 0; i < 20; i++) {
            encode_rig_encode(&rig, false);
            encode_rig_decode(&rig);
            psnr = encode_rig_luma_psnr(&rig);
            if (i == 0)
                print_message("kind %d: IDR %zu bytes, %.1f dB\n", (int)kind, rig.part.size, psnr);
            assert_true(psnr > 18); /* the first one has to fit the rate */
            nv12_scene_step(&rig.scene);
        }
        print_message("kind %d: %.1f dB after 20 pictures\n", (int)kind, psnr);
        assert_true(psnr > 35);
        encode_rig_finish(&rig);
    }
}

static void a_change_is_seen_only_through_its_damage_and_nothing_else_goes_stale(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    rig_init(&rig, 640, 360, NV12_TYPE);
    for (int i = 0; i < 90; i++) {
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        nv12_scene_step(&rig.scene);
    }
    rig.scene.kind = NV12_STATIC;
    for (int i = 0; i < 30; i++) {
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        nv12_scene_step(&rig.scene);
    }
    assert_true(encode_rig_luma_psnr(&rig) > 38);
    encode_rig_finish(&rig);
}

static void idr_comes_first_and_on_demand_only(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    rig_init(&rig, 640, 360, NV12_VIDEO);
    for (int i = 0; i < 400; i++) {
        bool demand = i == 37 || i == 38, idr = demand || i == 0;
        if (i == 200) /* a cut: everything changes */
            memset(rig.scene.frame.planes[0], 90, (size_t)rig.scene.frame.strides[0] * 360);
        encode_rig_encode(&rig, demand);
        assert_int_equal(rig.part.type, idr ? PART_IDR : PART_PREDICTED);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_IDR_SLICE) > 0, idr);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_SPS), idr);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_PPS), idr);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_SEI), 0);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_AUD), 0);
        assert_int_equal(h264_count_units(&rig.part, ANNEXB_H264_FILLER), 0);
        if (i < 60)
            encode_rig_decode(&rig);
        if (i % 8 == 0)
            nv12_scene_step(&rig.scene);
    }
    encode_rig_finish(&rig);
}

static void an_idr_begins_with_its_parameter_sets_and_its_slice_is_near(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    struct annexb_nal nal = {0};
    static const int types[] = {ANNEXB_H264_SPS, ANNEXB_H264_PPS, ANNEXB_H264_IDR_SLICE};
    rig_init(&rig, 1280, 720, NV12_STATIC);
    encode_rig_encode(&rig, false);
    for (int i = 0; i < 3; i++) {
        assert_true(annexb_next(rig.part.data, rig.part.size, nal.end, &nal));
        assert_int_equal(rig.part.data[nal.head] & 31, types[i]);
    }
    assert_true(nal.head <= ENCODE_RIG_FIRST_PACKET_BYTES);
    encode_rig_finish(&rig);
}

static void there_are_as_many_slices_as_asked(void **state)
{
    (void)state;
    static const int asked[][2] = {{1, 1}, {2, 1}, {4, 2}, {1, 2}, {3, 4}, {16, 1}}; /* slices, threads */
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct encode_rig rig = {0};
        nv12_scene_init(&rig.scene, 1280, 720, NV12_SCROLL);
        struct encoder_config config = config_for(&rig.scene);
        config.slices = asked[i][0], config.threads = asked[i][1];
        rig_open(&rig, &config);
        int slices = asked[i][0] > asked[i][1] ? asked[i][0] : asked[i][1];
        for (int n = 0; n < 3; n++) {
            encode_rig_encode(&rig, false);
            int type = n == 0 ? ANNEXB_H264_IDR_SLICE : ANNEXB_H264_SLICE;
            assert_true(h264_count_units(&rig.part, type) >= slices);
            encode_rig_decode(&rig);
            nv12_scene_step(&rig.scene);
        }
        encode_rig_finish(&rig);
    }
}

struct bits {
    uint8_t data[256];
    size_t size, at; /* bytes, bits */
};

static unsigned take_bits(struct bits *self, int count)
{
    unsigned value = 0;
    for (; count > 0; count--, self->at++) {
        assert_true(self->at / 8 < self->size);
        value = value << 1 | (self->data[self->at / 8] >> (7 - self->at % 8) & 1U);
    }
    return value;
}

static unsigned take_ue(struct bits *self)
{
    int zeros = 0;
    while (!take_bits(self, 1))
        zeros++;
    return (1U << zeros) - 1 + take_bits(self, zeros);
}

enum { BASELINE = 66, MAIN = 77, CONSTRAINT_SET1 = 0x40 }; /* without the tools that few can decode */

struct sps {
    unsigned profile, constraints, references, full_range, colour[3], restriction, reorder, buffering;
};

static void parse_vui(struct bits *bits, struct sps *ret_sps)
{
    if (take_bits(bits, 1) && take_bits(bits, 8) == 255) /* aspect_ratio */
        take_bits(bits, 32);
    if (take_bits(bits, 1)) /* overscan */
        take_bits(bits, 1);
    assert_int_equal(take_bits(bits, 1), 1); /* video_signal_type_present */
    take_bits(bits, 3);
    ret_sps->full_range = take_bits(bits, 1);
    assert_int_equal(take_bits(bits, 1), 1); /* colour_description_present */
    for (int i = 0; i < 3; i++)
        ret_sps->colour[i] = take_bits(bits, 8);
    if (take_bits(bits, 1)) { /* chroma_loc */
        assert_int_equal(take_ue(bits), 0);
        assert_int_equal(take_ue(bits), 0);
    }
    if (take_bits(bits, 1)) { /* timing */
        take_bits(bits, 32);
        take_bits(bits, 32);
        take_bits(bits, 1);
    }
    assert_int_equal(take_bits(bits, 2), 0); /* no HRD */
    take_bits(bits, 1);                      /* pic_struct */
    ret_sps->restriction = take_bits(bits, 1);
    assert_int_equal(ret_sps->restriction, 1);
    take_bits(bits, 1);
    for (int i = 0; i < 4; i++)
        take_ue(bits);
    ret_sps->reorder = take_ue(bits);
    ret_sps->buffering = take_ue(bits);
}

/* seq_parameter_set_data of a profile below High, H.264 7.3.2.1.1 and E.1.1. */
static struct sps parse_sps(const struct au_part *part)
{
    struct annexb_nal nal = {0};
    struct bits bits = {0};
    struct sps sps = {0};
    assert_true(annexb_next(part->data, part->size, 0, &nal));
    for (size_t i = nal.head + 1; i < nal.end && bits.size < sizeof(bits.data); i++)
        if (!(part->data[i] == 3 && part->data[i - 1] == 0 && part->data[i - 2] == 0))
            bits.data[bits.size++] = part->data[i];
    sps.profile = take_bits(&bits, 8);
    sps.constraints = take_bits(&bits, 8);
    take_bits(&bits, 8);     /* level */
    take_ue(&bits);          /* id */
    take_ue(&bits);          /* frame_num */
    if (take_ue(&bits) == 0) /* pic_order_cnt_type */
        take_ue(&bits);
    sps.references = take_ue(&bits);
    take_bits(&bits, 1);
    take_ue(&bits);
    take_ue(&bits);
    assert_int_equal(take_bits(&bits, 1), 1); /* frames only */
    take_bits(&bits, 1);
    if (take_bits(&bits, 1)) /* cropping */
        for (int i = 0; i < 4; i++)
            take_ue(&bits);
    assert_int_equal(take_bits(&bits, 1), 1); /* VUI */
    parse_vui(&bits, &sps);
    return sps;
}

static void the_parameter_set_promises_the_references_allowed_no_delay_and_the_colours(void **state)
{
    (void)state;
    static const struct {
        enum frame_colour_space space;
        bool full_range;
        unsigned code;
        int wish;
        unsigned references;
    } cases[] = {{FRAME_BT601, false, 6, 1, 1},
                 {FRAME_BT709, false, 1, 0, 4},
                 {FRAME_BT709, true, 1, 3, 3},
                 {FRAME_BT2020, false, 1, 16, 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encode_rig rig = {0};
        bool large = i % 2; /* both presets */
        nv12_scene_init(&rig.scene, large ? 2560 : 640, large ? 1440 : 360, NV12_STATIC);
        rig.scene.frame.layout.colour_space = cases[i].space;
        rig.scene.frame.layout.full_range = cases[i].full_range;
        struct encoder_config config = config_for(&rig.scene);
        config.max_reference_frames = cases[i].wish;
        rig_open(&rig, &config);
        encode_rig_encode(&rig, false);
        struct sps sps = parse_sps(&rig.part);
        assert_true(sps.profile == MAIN || (sps.profile == BASELINE && sps.constraints & CONSTRAINT_SET1));
        assert_int_equal(sps.references, cases[i].references);
        assert_int_equal(encoder_references(rig.encoder), cases[i].references);
        assert_int_equal(sps.reorder, 0);
        assert_int_equal(sps.buffering, sps.references);
        assert_int_equal(sps.full_range, cases[i].full_range);
        for (int n = 0; n < 3; n++)
            assert_int_equal(sps.colour[n], cases[i].code);
        encode_rig_decode(&rig);
        assert_int_equal(rig.eye.decoder->has_b_frames, 0);
        assert_int_equal(rig.eye.decoded->color_range, cases[i].full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG);
        encode_rig_finish(&rig);
    }
}

/* Colours of single pixels, which 4:2:0 cannot tell apart; a window of it moves. */
static void paint_444(struct frame *frame, int step)
{
    for (int plane = 0; plane < 3; plane++)
        for (int y = 0; y < frame->layout.height; y++)
            for (int x = 0; x < frame->layout.width; x++) {
                bool inside = x / 80 == 1 + step % 4 && y / 80 == 1;
                int stripe = x / (plane + 1) & 1;
                *frame_at(frame, plane, x, y) = (uint8_t)(inside ? (stripe ? 60 : 190) : 100 + 10 * plane);
            }
}

static double plane_error(const struct encode_rig *self, const struct frame *frame, int plane)
{
    double sum = 0;
    for (int y = 0; y < frame->layout.height; y++)
        for (int x = 0; x < frame->layout.width; x++) {
            int got = self->eye.decoded->data[plane][y * self->eye.decoded->linesize[plane] + x];
            int apart = got - *frame_at(frame, plane, x, y);
            sum += apart * apart;
        }
    return sum / frame->layout.width / frame->layout.height;
}

static void whole_chroma_is_encoded_whole(void **state)
{
    const struct frame_layout layout = {640, 362, FRAME_YUV444, FRAME_BT709, false};
    (void)state;
    for (int rate = ENCODER_RATE_QUANTISER; rate <= ENCODER_RATE_BITRATE; rate++) {
        struct encode_rig rig = {0};
        struct frame_pool *pool = frame_pool_create(&layout, 1);
        struct frame *frame = frame_pool_take(pool);
        rig.scene.frame.layout = layout;
        struct encoder_config config = config_for(&rig.scene);
        config.rate = (enum encoder_rate)rate;
        rig_open(&rig, &config);
        for (int i = 0; i < 40; i++) {
            struct region moved = {.count = 0};
            if (i < 20)
                paint_444(frame, i / 2);
            if (i < 20 && i % 2 == 0)
                region_add(&moved, (struct rect){80, 80, 320, 80});
            assert_int_equal(encoder_encode(rig.encoder, frame, &moved, rig.now_ns += 16666667, i == 10, &rig.part),
                             ENCODE_OK);
            assert_int_equal(rig.part.type, i == 0 || i == 10 ? PART_IDR : PART_PREDICTED);
            encode_rig_decode(&rig);
        }
        assert_int_equal(rig.eye.decoded->format, AV_PIX_FMT_YUV444P);
        assert_int_equal(rig.eye.decoder->profile, FF_PROFILE_H264_HIGH_444_PREDICTIVE);
        for (int plane = 0; plane < 3; plane++)
            assert_true(plane_error(&rig, frame, plane) < 6.5); /* 40 dB; stripes of 60 and 190 merged: over 100 */
        encoder_destroy(rig.encoder);
        h264_eye_close(&rig.eye);
        frame_unref(frame);
        frame_pool_unref(pool);
    }
}

static void moving_pictures_keep_to_the_rate_and_an_idr_to_100_ms_of_it(void **state)
{
    (void)state;
    enum { PICTURES = 180, WARM_UP = 30 };
    struct encode_rig rig = {0};
    size_t bytes = 0;
    nv12_scene_init(&rig.scene, 960, 540, NV12_VIDEO);
    struct encoder_config config = config_for(&rig.scene);
    config.bitrate_kbps = 10000;
    rig_open(&rig, &config);
    for (int i = 0; i < WARM_UP + PICTURES; i++) {
        encode_rig_encode(&rig, false);
        assert_true(rig.part.size <= 10000 * 100 / 8); /* bytes in 100 ms */
        bytes += i >= WARM_UP ? rig.part.size : 0;
        nv12_scene_step(&rig.scene);
    }
    double kbps = (double)bytes * 8 * 60 / PICTURES / 1000;
    print_message("%.0f kbit/s\n", kbps);
    assert_true(kbps > 7000 && kbps < 10200);
    encode_rig_finish(&rig);
}

static void a_new_rate_is_kept_to_without_an_idr(void **state)
{
    (void)state;
    enum { PICTURES = 60, WARM_UP = 30 };
    static const int rates[] = {10000, 3000, 8000};
    struct encode_rig rig = {0};
    nv12_scene_init(&rig.scene, 960, 540, NV12_VIDEO);
    struct encoder_config config = config_for(&rig.scene);
    config.bitrate_kbps = config.wire.kbps = rates[0];
    config.wire.packet_bytes = config.wire.payload_bytes = 1000;
    rig_open(&rig, &config);
    for (int i = 0; i < 3 * (WARM_UP + PICTURES); i++) {
        static size_t bytes;
        int kbps = rates[i / (WARM_UP + PICTURES)], at = i % (WARM_UP + PICTURES);
        if (i && !at)
            assert_true(encoder_set_bitrate(rig.encoder, kbps, kbps));
        encode_rig_encode(&rig, false);
        assert_int_equal(rig.part.type, i ? PART_PREDICTED : PART_IDR);
        bytes = at < WARM_UP ? 0 : bytes + rig.part.size;
        nv12_scene_step(&rig.scene);
        if (at == WARM_UP + PICTURES - 1)
            assert_in_range((long)(bytes * 8 * 60 / PICTURES / 1000), kbps * 4 / 10, kbps * 102 / 100);
    }
    encode_rig_finish(&rig);
    config.rate = ENCODER_RATE_BITRATE;
    nv12_scene_init(&rig.scene, 960, 540, NV12_VIDEO);
    rig_open(&rig, &config);
    assert_false(encoder_set_bitrate(rig.encoder, 3000, 3000));
    encode_rig_finish(&rig);
}

static void an_access_unit_keeps_to_the_burst_it_is_given(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    nv12_scene_init(&rig.scene, 960, 540, NV12_VIDEO);
    struct encoder_config config = config_for(&rig.scene);
    config.bitrate_kbps = 30000; /* 4 intervals of it would be 2000 kbit */
    config.burst_kbit = 800;
    rig_open(&rig, &config);
    for (int i = 0; i < 40; i++) {
        encode_rig_encode(&rig, i % 10 == 0);
        assert_true(rig.part.size <= 800 * 1000 / 8);
        nv12_scene_step(&rig.scene);
    }
    encode_rig_finish(&rig);
}

static void odd_and_largest_sizes_come_out_whole(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1366, 768}, {1280, 722}, {320, 240}, {130, 98}, {4096, 2160}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct encode_rig rig = {0};
        rig_init(&rig, sizes[i][0], sizes[i][1], NV12_STATIC);
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        assert_true(encode_rig_luma_psnr(&rig) > 18);
        encode_rig_encode(&rig, true);
        encode_rig_decode(&rig);
        encode_rig_finish(&rig);
    }
}

static void a_picture_of_another_size_is_a_failure(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    struct au_part part;
    rig_init(&rig, 320, 240, NV12_STATIC);
    rig.scene.frame.layout.width = 318;
    assert_int_equal(encoder_encode(rig.encoder, &rig.scene.frame, &rig.scene.frame.damage, 1, false, &part),
                     ENCODE_FAILED);
    encode_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_picture_comes_out_at_once_and_looks_like_the_original),
        cmocka_unit_test(a_change_is_seen_only_through_its_damage_and_nothing_else_goes_stale),
        cmocka_unit_test(idr_comes_first_and_on_demand_only),
        cmocka_unit_test(an_idr_begins_with_its_parameter_sets_and_its_slice_is_near),
        cmocka_unit_test(there_are_as_many_slices_as_asked),
        cmocka_unit_test(the_parameter_set_promises_the_references_allowed_no_delay_and_the_colours),
        cmocka_unit_test(whole_chroma_is_encoded_whole),
        cmocka_unit_test(moving_pictures_keep_to_the_rate_and_an_idr_to_100_ms_of_it),
        cmocka_unit_test(a_new_rate_is_kept_to_without_an_idr),
        cmocka_unit_test(an_access_unit_keeps_to_the_burst_it_is_given),
        cmocka_unit_test(odd_and_largest_sizes_come_out_whole),
        cmocka_unit_test(a_picture_of_another_size_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
