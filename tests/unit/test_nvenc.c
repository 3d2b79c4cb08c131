/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the driver, and what comes out. See nvenc_rig.h. */
#include "encode/annexb.h"
#include "encode/h264_sps.h"
#include "encode/hevc_sps.h"
#include "tests/fakegpu/rig.h"
#include "tests/unit/nvenc_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void low_latency_parameters_arrive(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "tuning=ull",   "width=640",    "height=360",       "fps=6000/100",
        "depth=8",      "ptd=1",        "async=0",          "gop=-1",
        "interval_p=1", "rc=cbr",       "average=12000000", "max=12000000",
        "vbv=200000",   "multipass=0",  "zero_reorder=1",   "lookahead=0",
        "aq=0",         "slice_mode=3", "slices=1",         "repeat=1",
        "no_headers=0", "aud=0",        "intra_refresh=0",  "chroma=1",
        "weighted=0",
    };
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    const char *line = rig_line("initialize", 0);
    assert_true(rig_has(line, nvenc_is_hevc() ? "codec=hevc" : "codec=h264"));
    assert_true(rig_has(line, nvenc_is_hevc() ? "profile=main" : "profile=high"));
    assert_true(rig_has(line, nvenc_is_direct() ? "dpb=7" : "dpb=1"));
    assert_true(rig_has(line, nvenc_is_direct() ? "ref_l0=1" : "ref_l0=0"));
    assert_true(
        rig_has(line, nvenc_is_direct() ? "restriction=1" : "restriction=0")); /* libavcodec cannot ask for it */
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        assert_true(rig_has(line, wanted[i]));
    assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    assert_true(rig_has(rig_line("picture", 0), "format=nv12"));
    assert_int_equal(rig_sum("cuMemcpy2D", "bytes"), nvenc_way()->in_cuda_memory ? 640 * 360 * 3 / 2 : 0);
    nvenc_rig_finish(&rig);
}

static void the_preset_follows_the_pixel_rate(void **state)
{
    (void)state;
    static const struct {
        int width, height, fps_x100;
        const char *preset;
    } cases[] = {
        {1280, 720, 6000, "preset=p4"},   {1920, 1080, 6000, "preset=p4"}, {2560, 1440, 6000, "preset=p3"},
        {1920, 1080, 12000, "preset=p2"}, {3840, 2160, 6000, "preset=p1"}, {2560, 1440, 14400, "preset=p1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encoder_config config = {.codec = nvenc_way()->codec,
                                        .layout = {.width = cases[i].width,
                                                   .height = cases[i].height,
                                                   .format = FRAME_NV12,
                                                   .colour_space = FRAME_BT709},
                                        .fps_x100 = cases[i].fps_x100,
                                        .bitrate_kbps = 20000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].preset));
        encoder_destroy(encoder);
    }
}

static const struct finer {
    enum encoder_codec codec;
    enum frame_format format;
    const char *profile, *chroma, *depth, *picture;
    enum AVPixelFormat decoded;
} finer[] = {
    {ENCODER_H264, FRAME_YUV444, "profile=high444", "chroma=3", "depth=8", "format=yuv444", AV_PIX_FMT_YUV444P},
    {ENCODER_HEVC, FRAME_YUV444, "profile=rext", "chroma=3", "depth=8", "format=yuv444", AV_PIX_FMT_YUV444P},
    {ENCODER_HEVC, FRAME_P010, "profile=main10", "chroma=1", "depth=10", "format=p010", AV_PIX_FMT_YUV420P10},
    {ENCODER_HEVC, FRAME_YUV444_10, "profile=rext", "chroma=3", "depth=10", "format=yuv444-10", AV_PIX_FMT_YUV444P10},
};

static int finer_sample(const struct frame *frame, int component, int x, int y)
{
    bool half = frame_shape_of(frame->layout.format)->half_rows;
    int interleaved = component == 2 && half ? 2 : 0, plane = half && component ? 1 : component;
    const uint8_t *p = frame_at(frame, plane, x, y) + interleaved;
    return frame_shape_of(frame->layout.format)->bits == 8 ? *p : (p[0] | p[1] << 8) >> 6;
}

static void paint_finer(struct frame *frame)
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    for (int plane = 0; plane < shape->planes; plane++)
        for (int y = 0; y < frame_rows(&frame->layout, plane); y++)
            for (int x = 0; x < frame->layout.width; x++) {
                uint8_t *p = frame->planes[plane] + (ptrdiff_t)y * frame->strides[plane] + x * shape->pixel_bytes;
                int pair = shape->half_rows && plane ? x % 2 : 0;
                uint16_t word = (uint16_t)(((100 + 60 * (plane + pair)) * 4 + x / 8 + y / 4) << 6);
                if (shape->bits == 8)
                    *p = (uint8_t)(word >> 8);
                else
                    memcpy(p, &word, sizeof(word));
            }
}

static double finer_error(const AVFrame *decoded, const struct frame *frame)
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    int step = shape->half_rows ? 2 : 1, bytes = shape->bits == 8 ? 1 : 2;
    double sum = 0, count = 0;
    for (int component = 0; component < 3; component++)
        for (int y = 0; y < frame->layout.height; y += step)
            for (int x = 0; x < frame->layout.width; x += step, count++) {
                int shift = component ? step - 1 : 0;
                const uint8_t *p = decoded->data[component] + (ptrdiff_t)(y >> shift) * decoded->linesize[component] +
                                   (x >> shift) * bytes;
                sum += abs((bytes == 1 ? *p : p[0] | p[1] << 8) - finer_sample(frame, component, x, y));
            }
    return sum / count;
}

static void encode_finer(const struct finer *row)
{
    struct frame_layout layout = {640, 360, row->format, FRAME_BT2020, false};
    struct frame_pool *pool = frame_pool_create(&layout, 1);
    struct frame *frame = frame_pool_take(pool);
    struct nvenc_rig rig = {.scene.frame.layout = layout};
    struct encoder_config config = nvenc_rig_config(&rig.scene);
    struct region nothing = {.count = 0};
    rig_script("");
    rig.encoder = encoder_create(nvenc_way()->backend, &config);
    assert_non_null(rig.encoder);
    const char *line = rig_line("initialize", 0);
    assert_true(rig_has(line, row->profile) && rig_has(line, row->chroma) && rig_has(line, row->depth));
    assert_true(rig_has(line, frame_shape_of(row->format)->bits == 8 ? "matrix=1" : "matrix=9"));
    h264_eye_open_decoder(&rig.eye, avcodec_find_decoder(nvenc_is_hevc() ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264));
    paint_finer(frame);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(encoder_encode(rig.encoder, frame, &nothing, 1, false, &rig.part), ENCODE_OK);
        assert_int_equal(rig.part.type, i == 0 ? PART_IDR : PART_PREDICTED);
        nvenc_rig_decode(&rig);
    }
    assert_true(rig_has(rig_line("picture", 0), row->picture));
    assert_int_equal(rig.eye.decoded->format, row->decoded);
    double error = finer_error(rig.eye.decoded, frame);
    print_message("%s: %.2f steps off\n", row->picture, error);
    assert_true(error < 2);
    encoder_destroy(rig.encoder);
    h264_eye_close(&rig.eye);
    frame_unref(frame);
    frame_pool_unref(pool);
}

static void ten_bits_and_whole_chroma_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(finer) / sizeof(finer[0]); i++)
        if (finer[i].codec == nvenc_way()->codec)
            encode_finer(&finer[i]);
}

static void colours_are_signalled_as_negotiated(void **state)
{
    (void)state;
    static const struct {
        enum frame_colour_space space;
        bool full;
        const char *matrix, *range;
    } cases[] = {{FRAME_BT601, false, "matrix=6", "full_range=0"},
                 {FRAME_BT601, true, "matrix=6", "full_range=1"},
                 {FRAME_BT709, false, "matrix=1", "full_range=0"},
                 {FRAME_BT709, true, "matrix=1", "full_range=1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encoder_config config = {.codec = nvenc_way()->codec,
                                        .layout = {.width = 640,
                                                   .height = 360,
                                                   .format = FRAME_NV12,
                                                   .colour_space = cases[i].space,
                                                   .full_range = cases[i].full},
                                        .fps_x100 = 6000,
                                        .bitrate_kbps = 5000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].matrix));
        assert_true(rig_has(rig_line("initialize", 0), cases[i].range));
        encoder_destroy(encoder);
    }
}

static void each_picture_comes_out_at_once_and_idr_only_on_demand(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    for (int i = 0; i < 300; i++) {
        bool demand = i == 37 || i == 38 || i == 290, idr = demand || i == 0;
        assert_int_equal(nvenc_rig_encode(&rig, demand), ENCODE_OK);
        assert_int_equal(rig.part.type, idr ? PART_IDR : PART_PREDICTED);
        int sets = nvenc_is_hevc() ? nvenc_count_units(&rig.part, ANNEXB_HEVC_VPS, ANNEXB_HEVC_PPS)
                                   : nvenc_count_units(&rig.part, ANNEXB_H264_SPS, ANNEXB_H264_PPS);
        assert_int_equal(sets, !idr ? 0 : nvenc_is_hevc() ? 3 : 2);
        assert_int_equal(nvenc_count_units(&rig.part, 0, 63), sets + 1);
        nvenc_rig_decode(&rig);
        if (i % 8 == 7)
            assert_true(nvenc_rig_luma_psnr(&rig) > 25);
        if (i < 60)
            nv12_scene_step(&rig.scene);
    }
    assert_int_equal(rig_count("picture"), 300);
    assert_true(rig_has(rig_line("picture", 38), "flags=idr") || rig_has(rig_line("picture", 38), "flags=idrheaders"));
    nvenc_rig_finish(&rig);
    assert_int_equal(rig_count("destroy"), 1);
}

static struct annexb_nal find_unit(const struct au_part *part, int type)
{
    struct annexb_nal nal = {0};
    do
        assert_true(annexb_next(part->data, part->size, nal.end, &nal));
    while ((nvenc_is_hevc() ? part->data[nal.head] >> 1 & 63 : part->data[nal.head] & 31) != type);
    return nal;
}

static void assert_restricted(const struct au_part *part)
{
    uint8_t h264[H264_SPS_MAX + H264_SPS_GROWTH_MAX], hevc[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX];
    struct annexb_nal sps = find_unit(part, nvenc_is_hevc() ? ANNEXB_HEVC_SPS : ANNEXB_H264_SPS);
    const uint8_t *bytes = part->data + sps.head;
    size_t size = sps.end - sps.head;
    if (nvenc_is_hevc()) {
        assert_int_equal(hevc_sps_restrict(bytes, size, hevc), 0);
        return;
    }
    assert_true(h264_sps_loosen(bytes, size, h264) > 0);
    assert_int_equal(h264_sps_restrict(bytes, size, h264), 0);
}

static void the_parameter_sets_forbid_reordering(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nvenc_rig_encode(&rig, i == 1), ENCODE_OK);
        nvenc_rig_decode(&rig);
        assert_int_equal(rig.eye.decoder->has_b_frames, 0);
        if (i < 2)
            assert_restricted(&rig.part);
    }
    nvenc_rig_finish(&rig);
}

static void a_picture_has_the_room_that_the_wire_has(void **state)
{
    (void)state;
    if (!nvenc_is_direct()) /* libavcodec's has one interval of the rate */
        skip();
    struct nv12_scene scene;
    nv12_scene_init(&scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = nvenc_rig_config(&scene);
    static const struct {
        int burst_kbit;
        const char *vbv;
    } cases[] = {{0, "vbv=200000"}, {150, "vbv=150000"}, {900, "vbv=200000"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        config.burst_kbit = cases[i].burst_kbit;
        rig_script("");
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].vbv));
        encoder_destroy(encoder);
    }
    nv12_scene_finish(&scene);
}

static void there_are_as_many_slices_as_asked(void **state)
{
    (void)state;
    struct nv12_scene scene;
    nv12_scene_init(&scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = nvenc_rig_config(&scene);
    config.slices = 4;
    struct au_part part;
    rig_script("");
    struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
    assert_non_null(encoder);
    assert_true(rig_has(rig_line("initialize", 0), "slice_mode=3"));
    assert_true(rig_has(rig_line("initialize", 0), "slices=4"));
    assert_int_equal(encoder_encode(encoder, &scene.frame, &scene.frame.damage, 1, true, &part), ENCODE_OK);
    if (!nvenc_is_hevc()) /* of which the double makes one */
        assert_int_equal(nvenc_count_units(&part, ANNEXB_H264_IDR_SLICE, ANNEXB_H264_IDR_SLICE), 4);
    encoder_destroy(encoder);
    nv12_scene_finish(&scene);
}

static size_t count_bytes(struct nvenc_rig *self, int pictures)
{
    size_t bytes = 0;
    for (int i = 0; i < pictures; i++) {
        assert_int_equal(nvenc_rig_encode(self, false), ENCODE_OK);
        assert_int_equal(self->part.type, PART_PREDICTED);
        bytes += self->part.size;
        nv12_scene_step(&self->scene);
    }
    return bytes;
}

static void the_rate_changes_without_an_idr_where_it_can(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    if (!nvenc_is_direct()) {
        assert_false(encoder_set_bitrate(rig.encoder, 3000, 4000));
        nvenc_rig_finish(&rig);
        return;
    }
    count_bytes(&rig, 30);
    size_t before = count_bytes(&rig, 60);
    assert_true(encoder_set_bitrate(rig.encoder, 3000, 4000));
    count_bytes(&rig, 30);
    size_t after = count_bytes(&rig, 60);
    print_message("%zu bytes of 60 pictures, then %zu\n", before, after);
    assert_true(nvenc_is_hevc() || after * 2 < before); /* the double's HEVC does not heed it */
    const char *line = rig_line("reconfigure", 0);
    assert_true(rig_has(line, "average=3000000") && rig_has(line, "max=3000000") && rig_has(line, "vbv=50000"));
    assert_true(rig_has(line, "dpb=7") && rig_has(line, "ltr=1") && rig_has(line, "gop=-1"));
    assert_int_equal(rig_count("reconfigure_idr"), 0);
    nvenc_rig_finish(&rig);
}

static void a_rate_that_cannot_be_changed_is_said_and_the_encoder_goes_on(void **state)
{
    (void)state;
    static const char *const scripts[] = {"cap.dynamic_bitrate=0\n", "fail.ReconfigureEncoder=generic\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct nvenc_rig rig = {0};
        rig_script(scripts[i]);
        nvenc_rig_init(&rig);
        assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
        assert_false(encoder_set_bitrate(rig.encoder, 3000, 4000));
        count_bytes(&rig, 3);
        nvenc_rig_finish(&rig);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(low_latency_parameters_arrive),
    cmocka_unit_test(the_preset_follows_the_pixel_rate),
    cmocka_unit_test(ten_bits_and_whole_chroma_arrive),
    cmocka_unit_test(colours_are_signalled_as_negotiated),
    cmocka_unit_test(each_picture_comes_out_at_once_and_idr_only_on_demand),
    cmocka_unit_test(the_parameter_sets_forbid_reordering),
    cmocka_unit_test(a_picture_has_the_room_that_the_wire_has),
    cmocka_unit_test(there_are_as_many_slices_as_asked),
    cmocka_unit_test(the_rate_changes_without_an_idr_where_it_can),
    cmocka_unit_test(a_rate_that_cannot_be_changed_is_said_and_the_encoder_goes_on),
};

int main(int argc, char **argv)
{
    (void)argc;
    return nvenc_rig_main(argv, &(struct nvenc_rig_tests){.tests = tests, .count = sizeof(tests) / sizeof(tests[0])});
}
