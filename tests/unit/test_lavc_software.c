/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes real pictures with the software encoders of libavcodec and lets its decoders judge them. */
#include "base/container_of.h"
#include "encode/annexb.h"
#include "encode/lavc.h"
#include "tests/unit/encode_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libavutil/opt.h>

static const struct software {
    const char *name;
    enum encoder_codec codec;
    const char *decoder;
    int profile;
} x265 = {"x265", ENCODER_HEVC, "hevc", FF_PROFILE_HEVC_MAIN},
  aom = {"aom", ENCODER_AV1, "libdav1d", FF_PROFILE_AV1_MAIN};
static const struct software *tested;

static struct encoder_config config_for(const struct nv12_scene *scene)
{
    return (struct encoder_config){.codec = tested->codec,
                                   .layout = scene->frame.layout,
                                   .fps_x100 = 6000,
                                   .bitrate_kbps = 20000,
                                   .slices = 1,
                                   .threads = 2};
}

static void rig_open(struct encode_rig *self, const struct encoder_config *config)
{
    encode_rig_open(self, tested->name, tested->decoder, config);
}

static void rig_init(struct encode_rig *self, int width, int height, enum nv12_kind kind)
{
    nv12_scene_init(&self->scene, width, height, kind);
    struct encoder_config config = config_for(&self->scene);
    rig_open(self, &config);
}

/* The largest mean difference of U and of V. */
static double chroma_error(const struct encode_rig *self)
{
    const struct frame *frame = &self->scene.frame;
    double sums[2] = {0};
    for (int plane = 0; plane < 2; plane++)
        for (int y = 0; y < frame->layout.height / 2; y++)
            for (int x = 0; x < frame->layout.width / 2; x++)
                sums[plane] += abs(frame->planes[1][y * frame->strides[1] + 2 * x + plane] -
                                   self->eye.decoded->data[1 + plane][y * self->eye.decoded->linesize[1 + plane] + x]);
    double larger = sums[0] > sums[1] ? sums[0] : sums[1];
    return larger * 4 / (frame->layout.width * frame->layout.height);
}

static int type_at(const struct encode_rig *self, size_t head)
{
    return self->part.data[head] >> 1 & 63;
}

static int count_units(const struct encode_rig *self, int first, int last)
{
    struct annexb_nal nal = {0};
    int count = 0;
    while (annexb_next(self->part.data, self->part.size, nal.end, &nal))
        count += type_at(self, nal.head) >= first && type_at(self, nal.head) <= last;
    return count;
}

static void every_picture_comes_out_at_once_and_looks_like_the_original(void **state)
{
    (void)state;
    for (enum nv12_kind kind = NV12_STATIC; kind <= NV12_VIDEO; kind++) {
        struct encode_rig rig = {0};
        rig_init(&rig, 854, 482, kind);
        for (int i = 0; i < 20; i++) {
            encode_rig_encode(&rig, false);
            encode_rig_decode(&rig);
            if (i == 0)
                print_message("kind %d: IDR %zu bytes, %.1f dB\n", (int)kind, rig.part.size,
                              encode_rig_luma_psnr(&rig));
            assert_true(encode_rig_luma_psnr(&rig) > 15); /* the first one has to fit the rate */
            assert_true(chroma_error(&rig) < 4);
            if (i < 19)
                nv12_scene_step(&rig.scene);
        }
        print_message("kind %d: %.1f dB, chroma off by %.2f, after 20 pictures\n", (int)kind,
                      encode_rig_luma_psnr(&rig), chroma_error(&rig));
        assert_true(encode_rig_luma_psnr(&rig) > 30);
        assert_true(chroma_error(&rig) < 1.5);
        encode_rig_finish(&rig);
    }
}

static void an_idr_comes_first_and_on_demand_only(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    rig_init(&rig, 640, 360, NV12_VIDEO);
    for (int i = 0; i < 100; i++) {
        bool demand = i == 37 || i == 38, idr = demand || i == 0;
        if (i == 70) { /* a cut: everything changes */
            memset(rig.scene.frame.planes[0], 90, (size_t)rig.scene.frame.strides[0] * 360);
            rig.scene.frame.damage = (struct region){.count = 1, .rects = {{0, 0, 640, 360}}};
        }
        encode_rig_encode(&rig, demand);
        assert_int_equal(rig.part.type, idr ? PART_IDR : PART_PREDICTED);
        encode_rig_decode(&rig);
        assert_int_equal(rig.eye.decoded->key_frame, idr);
        if (i % 8 == 0)
            nv12_scene_step(&rig.scene);
    }
    encode_rig_finish(&rig);
}

/* Who joins with it, or lost all before it, sees what the encoder made. */
static void an_idr_needs_nothing_before_it(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    rig_init(&rig, 640, 360, NV12_VIDEO);
    for (int i = 0; i < 5; i++) {
        encode_rig_encode(&rig, false);
        nv12_scene_step(&rig.scene);
    }
    encode_rig_encode(&rig, true);
    encode_rig_decode(&rig);
    for (int i = 0; i < 10; i++) {
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
    }
    assert_true(encode_rig_luma_psnr(&rig) > 30);
    encode_rig_finish(&rig);
}

static void nothing_but_parameter_sets_and_slices_is_sent(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    rig_init(&rig, 640, 360, NV12_VIDEO);
    for (int i = 0; i < 12; i++) {
        bool idr = i % 6 == 0;
        encode_rig_encode(&rig, idr);
        assert_int_equal(count_units(&rig, ANNEXB_HEVC_KEY_FIRST, ANNEXB_HEVC_KEY_LAST), idr);
        assert_int_equal(count_units(&rig, ANNEXB_HEVC_VPS, ANNEXB_HEVC_PPS), idr ? 3 : 0);
        assert_int_equal(count_units(&rig, 0, 63), idr ? 4 : 1);
        nv12_scene_step(&rig.scene);
    }
    encode_rig_finish(&rig);
}

static void an_idr_begins_with_its_parameter_sets_and_its_slice_is_near(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    struct annexb_nal nal = {0};
    rig_init(&rig, 1280, 720, NV12_STATIC);
    encode_rig_encode(&rig, false);
    for (int type = ANNEXB_HEVC_VPS; type <= ANNEXB_HEVC_PPS; type++) {
        assert_true(annexb_next(rig.part.data, rig.part.size, nal.end, &nal));
        assert_int_equal(type_at(&rig, nal.head), type);
    }
    assert_true(annexb_next(rig.part.data, rig.part.size, nal.end, &nal));
    assert_in_range(type_at(&rig, nal.head), 19, 20); /* IDR_W_RADL, IDR_N_LP */
    assert_true(nal.head <= ENCODE_RIG_FIRST_PACKET_BYTES);
    encode_rig_finish(&rig);
}

static void a_burst_bounds_the_buffer_of_one_and_a_half_pictures(void **state)
{
    static const struct {
        int burst_kbit, bits;
    } rows[] = {{0, 499999}, {400, 400000}, {600, 499999}}; /* at 20 Mbit/s and 60 pictures */
    (void)state;
    struct encode_rig rig = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        nv12_scene_init(&rig.scene, 320, 180, NV12_SCROLL);
        struct encoder_config config = config_for(&rig.scene);
        config.burst_kbit = rows[i].burst_kbit;
        rig_open(&rig, &config);
        assert_int_equal(container_of(rig.encoder, struct lavc, base)->context->rc_buffer_size, rows[i].bits);
        encode_rig_finish(&rig);
    }
}

static void an_odd_number_of_slices_is_as_many_tiles_at_least(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    int64_t tile_rows_log2;
    nv12_scene_init(&rig.scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = config_for(&rig.scene);
    config.slices = 3;
    rig_open(&rig, &config);
    AVCodecContext *context = container_of(rig.encoder, struct lavc, base)->context;
    assert_true(av_opt_get_int(context->priv_data, "tile-rows", 0, &tile_rows_log2) >= 0);
    assert_int_equal(tile_rows_log2, 2);
    encode_rig_finish(&rig);
}

static void a_wish_for_slices_delays_nothing(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    nv12_scene_init(&rig.scene, 1280, 720, NV12_SCROLL);
    struct encoder_config config = config_for(&rig.scene);
    config.slices = 4;
    rig_open(&rig, &config);
    for (int n = 0; n < 3; n++) {
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        assert_true(encode_rig_luma_psnr(&rig) > 15);
        nv12_scene_step(&rig.scene);
    }
    encode_rig_finish(&rig);
}

static void the_stream_is_main_profile_without_delay_and_names_its_colours(void **state)
{
    (void)state;
    static const struct {
        enum frame_colour_space space;
        bool full_range;
        unsigned code;
    } cases[] = {{FRAME_BT601, false, 6}, {FRAME_BT709, false, 1}, {FRAME_BT709, true, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encode_rig rig = {0};
        nv12_scene_init(&rig.scene, 640, 360, NV12_STATIC);
        rig.scene.frame.layout.colour_space = cases[i].space;
        rig.scene.frame.layout.full_range = cases[i].full_range;
        struct encoder_config config = config_for(&rig.scene);
        rig_open(&rig, &config);
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        const AVFrame *picture = rig.eye.decoded;
        assert_int_equal(rig.eye.decoder->profile, tested->profile);
        assert_int_equal(rig.eye.decoder->has_b_frames, 0);
        assert_int_equal(picture->color_primaries, cases[i].code);
        assert_int_equal(picture->color_trc, cases[i].code);
        assert_int_equal(picture->colorspace, cases[i].code);
        assert_int_equal(picture->color_range, cases[i].full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG);
        encode_rig_finish(&rig);
    }
}

/* The scene in another kind of picture: chroma doubled, words of ten bits. free(planes[0]) gives it back. */
static struct frame remake(const struct frame *from, enum frame_format format)
{
    const struct frame_shape *shape = frame_shape_of(format);
    int width = from->layout.width, height = from->layout.height, stride = width * shape->pixel_bytes;
    struct frame frame = *from;
    uint8_t *memory = calloc((size_t)shape->planes, (size_t)(stride * height));
    assert_non_null(memory);
    frame.layout.format = format;
    for (int plane = 0; plane < shape->planes; plane++) {
        frame.planes[plane] = memory + plane * stride * height;
        frame.strides[plane] = stride;
    }
    for (int component = 0; component < 3; component++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                bool chroma = component > 0;
                int plane = !chroma ? 0 : shape->half_rows ? 1 : component;
                int row = chroma && shape->half_rows ? y / 2 : y,
                    at = chroma && shape->half_rows ? (x & ~1) + component - 1 : x;
                uint8_t value = chroma ? from->planes[1][y / 2 * from->strides[1] + (x & ~1) + component - 1]
                                       : from->planes[0][y * from->strides[0] + x];
                uint8_t *to = frame.planes[plane] + row * stride + at * (shape->bits > 8 ? 2 : 1);
                to[shape->bits > 8 ? 1 : 0] = value; /* the upper byte */
            }
    return frame;
}

/* The mean difference of each component at most, in units of eight bits. */
static double largest_error(const AVFrame *picture, const struct frame *nv12, const struct frame_shape *shape)
{
    double largest = 0;
    for (int component = 0; component < 3; component++) {
        int step = component && shape->half_rows ? 2 : 1, width = nv12->layout.width / step,
            height = nv12->layout.height / step;
        double sum = 0;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const uint8_t *row = picture->data[component] + (ptrdiff_t)y * picture->linesize[component];
                double value = shape->bits > 8 ? ((const uint16_t *)(const void *)row)[x] / 4.0 : row[x];
                int wanted = component
                                 ? nv12->planes[1][y * step / 2 * nv12->strides[1] + (x * step & ~1) + component - 1]
                                 : nv12->planes[0][y * nv12->strides[0] + x];
                sum += value > wanted ? value - wanted : wanted - value;
            }
        double mean = sum / width / height;
        largest = mean > largest ? mean : largest;
    }
    return largest;
}

static void each_kind_of_picture_is_encoded_as_what_it_is(void **state)
{
    (void)state;
    static const struct {
        enum frame_format format;
        enum AVPixelFormat decoded;
        int profiles[3]; /* by codec */
    } cases[] = {
        {FRAME_P010, AV_PIX_FMT_YUV420P10, {0, FF_PROFILE_HEVC_MAIN_10, 0}},
        {FRAME_YUV444, AV_PIX_FMT_YUV444P, {0, FF_PROFILE_HEVC_REXT, FF_PROFILE_AV1_HIGH}},
        {FRAME_YUV444_10, AV_PIX_FMT_YUV444P10, {0, FF_PROFILE_HEVC_REXT, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encode_rig rig = {0};
        const struct frame_shape *shape = frame_shape_of(cases[i].format);
        if (shape->bits > 8 && tested == &aom)
            continue; /* encode/lavc_software.c says why */
        nv12_scene_init(&rig.scene, 640, 360, NV12_SCROLL);
        struct encoder_config config = config_for(&rig.scene);
        config.layout.format = cases[i].format;
        config.layout.colour_space = shape->bits > 8 ? FRAME_BT2020 : FRAME_BT709;
        rig_open(&rig, &config);
        double error = 0;
        for (int n = 0; n < 12; n++) {
            struct frame frame = remake(&rig.scene.frame, cases[i].format);
            assert_int_equal(encoder_encode(rig.encoder, &frame, &frame.damage, 1 + n, false, &rig.part), ENCODE_OK);
            free(frame.planes[0]);
            encode_rig_decode(&rig);
            error = largest_error(rig.eye.decoded, &rig.scene.frame, shape);
            nv12_scene_step(&rig.scene);
        }
        print_message("%d bit%s: off by %.2f\n", shape->bits, shape->half_rows ? "" : " 4:4:4", error);
        assert_true(error < 3);
        assert_int_equal(rig.eye.decoded->format, cases[i].decoded);
        assert_int_equal(rig.eye.decoder->profile, cases[i].profiles[tested->codec]);
        assert_int_equal(rig.eye.decoded->color_trc, shape->bits > 8 ? AVCOL_TRC_BT2020_10 : AVCOL_TRC_BT709);
        assert_int_equal(rig.eye.decoded->colorspace, shape->bits > 8 ? AVCOL_SPC_BT2020_NCL : AVCOL_SPC_BT709);
        encode_rig_finish(&rig);
    }
}

static void moving_pictures_keep_to_the_rate(void **state)
{
    (void)state;
    enum { PICTURES = 60, WARM_UP = 20 };
    struct encode_rig rig = {0};
    size_t bytes = 0, largest = 0;
    nv12_scene_init(&rig.scene, 640, 360, NV12_VIDEO);
    struct encoder_config config = config_for(&rig.scene);
    config.bitrate_kbps = 4000;
    rig_open(&rig, &config);
    for (int i = 0; i < WARM_UP + PICTURES; i++) {
        encode_rig_encode(&rig, false);
        largest = rig.part.size > largest ? rig.part.size : largest;
        bytes += i >= WARM_UP ? rig.part.size : 0;
        nv12_scene_step(&rig.scene);
    }
    double kbps = (double)bytes * 8 * 60 / PICTURES / 1000;
    print_message("%.0f of 4000 kbit/s, the largest picture %zu bytes\n", kbps, largest);
    assert_true(kbps > 2000 && kbps < 4200);
    assert_true(largest <= 4000 * 100 / 8); /* bytes in 100 ms */
    encode_rig_finish(&rig);
}

static void odd_and_largest_sizes_come_out_whole(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1366, 768}, {1280, 722}, {320, 240}, {130, 98}, {5120, 1440}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct encode_rig rig = {0};
        rig_init(&rig, sizes[i][0], sizes[i][1], NV12_STATIC);
        encode_rig_encode(&rig, false);
        encode_rig_decode(&rig);
        assert_true(encode_rig_luma_psnr(&rig) > 15);
        assert_true(chroma_error(&rig) < 4);
        encode_rig_finish(&rig);
    }
}

static void a_picture_of_another_size_is_a_failure(void **state)
{
    (void)state;
    struct encode_rig rig = {0};
    struct au_part part;
    rig_init(&rig, 320, 240, NV12_STATIC);
    rig.scene.frame.layout.width = 322;
    assert_int_equal(encoder_encode(rig.encoder, &rig.scene.frame, &rig.scene.frame.damage, 1, false, &part),
                     ENCODE_FAILED);
    encode_rig_finish(&rig);
}

static int test_x265(void **state)
{
    (void)state;
    tested = &x265;
    return 0;
}

static int test_aom(void **state)
{
    (void)state;
    tested = &aom;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_picture_comes_out_at_once_and_looks_like_the_original),
        cmocka_unit_test(an_idr_comes_first_and_on_demand_only),
        cmocka_unit_test(an_idr_needs_nothing_before_it),
        cmocka_unit_test(a_burst_bounds_the_buffer_of_one_and_a_half_pictures),
        cmocka_unit_test(a_wish_for_slices_delays_nothing),
        cmocka_unit_test(the_stream_is_main_profile_without_delay_and_names_its_colours),
        cmocka_unit_test(each_kind_of_picture_is_encoded_as_what_it_is),
        cmocka_unit_test(moving_pictures_keep_to_the_rate),
        cmocka_unit_test(odd_and_largest_sizes_come_out_whole),
        cmocka_unit_test(a_picture_of_another_size_is_a_failure),
    };
    const struct CMUnitTest hevc[] = {
        cmocka_unit_test(nothing_but_parameter_sets_and_slices_is_sent),
        cmocka_unit_test(an_idr_begins_with_its_parameter_sets_and_its_slice_is_near),
    };
    const struct CMUnitTest av1[] = {cmocka_unit_test(an_odd_number_of_slices_is_as_many_tiles_at_least)};
    int failures = cmocka_run_group_tests_name("HEVC", tests, test_x265, NULL);
    failures += cmocka_run_group_tests_name("HEVC only", hevc, test_x265, NULL);
    failures += cmocka_run_group_tests_name("AV1", tests, test_aom, NULL);
    failures += cmocka_run_group_tests_name("AV1 only", av1, test_aom, NULL);
    return failures;
}
