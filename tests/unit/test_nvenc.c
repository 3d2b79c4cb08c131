/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ways to NVENC, our own and the one through Debian's libavcodec, against the driver double of tests/fakegpu: the
 * same tests for both. They show what is asked of the driver and what becomes of its refusals, not how NVIDIA's encoder
 * behaves.
 */
#include "encode/annexb.h"
#include "encode/encoder.h"
#include "encode/h264_sps.h"
#include "encode/hevc_sps.h"
#include "tests/fakegpu/rig.h"
#include "tests/unit/h264_eye.h"
#include "tests/unit/nv12_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *backend; /* of the group that runs, as are the next */
static enum encoder_codec codec;
static bool in_cuda_memory; /* pictures get there by it */

static bool is_direct(void)
{
    return !strcmp(backend, "nvenc");
}

static bool is_hevc(void)
{
    return codec == ENCODER_HEVC;
}

static int count_units(const struct au_part *part, int first, int last)
{
    struct annexb_nal nal = {0};
    int count = 0;
    while (annexb_next(part->data, part->size, nal.end, &nal)) {
        int type = is_hevc() ? part->data[nal.head] >> 1 & 63 : part->data[nal.head] & 31;
        count += type >= first && type <= last;
    }
    return count;
}

struct rig {
    struct nv12_scene scene;
    struct encoder *encoder;
    struct h264_eye eye;
    struct au_part part;
};

static struct encoder_config config_for(const struct nv12_scene *scene)
{
    return (struct encoder_config){
        .codec = codec, .layout = scene->frame.layout, .fps_x100 = 6000, .bitrate_kbps = 12000, .slices = 1};
}

static void rig_init(struct rig *self)
{
    nv12_scene_init(&self->scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = config_for(&self->scene);
    self->encoder = encoder_create(backend, &config);
    assert_non_null(self->encoder);
    h264_eye_open_decoder(&self->eye, avcodec_find_decoder(is_hevc() ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264));
}

static void rig_finish(struct rig *self)
{
    encoder_destroy(self->encoder);
    h264_eye_close(&self->eye);
    nv12_scene_finish(&self->scene);
}

static enum encode_result encode(struct rig *self, bool idr)
{
    return encoder_encode(self->encoder, &self->scene.frame, &self->scene.frame.damage, 1, idr, &self->part);
}

static void decode(struct rig *self)
{
    h264_eye_decode(&self->eye, &self->part);
}

static double luma_psnr(const struct rig *self)
{
    return h264_eye_luma_psnr(&self->eye, &self->scene.frame);
}

static struct encoder_report probe(const char *script)
{
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    rig_script(script);
    int count = encoder_probe(backend, reports);
    assert_int_equal(rig_count("destroy"), rig_count("opened"));
    for (int i = 0; i < count; i++)
        if (reports[i].codec == codec && strcmp(reports[i].name, backend) == 0)
            return reports[i];
    fail_msg("no report");
    return reports[0];
}

/* `direct`, `wrapped`: words of the reason that each of the two gives. */
static void assert_refused(const char *script, const char *direct, const char *wrapped)
{
    const char *words = is_direct() ? direct : wrapped;
    struct encoder_report report = probe(script);
    print_message("%.*s: %s\n", (int)strcspn(script, "\n"), script, report.reason);
    assert_false(report.usable);
    if (!strstr(report.reason, words))
        fail_msg("'%s' is not in the reason", words);
}

static void it_probes_as_usable_on_each_driver_branch(void **state)
{
    (void)state;
    static const char *const scripts[] = {"driver=R470\n", "driver=R535\n", "driver=R550\n", "driver=R570\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct encoder_report report = probe(scripts[i]);
        assert_string_equal(report.reason, "");
        assert_true(report.usable);
    }
}

static void a_gpu_without_what_we_do_not_use_is_good_enough(void **state)
{
    (void)state;
    assert_true(probe("cap.multiple_references=0\n").usable);
    assert_true(probe("cap.lookahead=0\ncap.temporal_aq=0\ncap.weighted=0\ncap.ltr=0\n").usable);
    assert_true(probe("cap.invalidation=0\ncap.intra_refresh=0\ncap.subframe=0\ncap.yuv444=0\ncap.10bit=0\n").usable);
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    assert_refused("driver=R450\n", "has API 10.0, 11.1 is needed", "Required: 11.1 Found: 10.0");
    assert_refused("driver=R450\n", "470.57.02", "470.57.02");
    assert_refused("api=11.0\n", "has API 11.0, 11.1 is needed", "Required: 11.1 Found: 11.0");
    assert_refused("gpu=none\n", "no CUDA-capable device", "no CUDA-capable device");
    assert_refused("cuda_error=999\n", "cuInit", "cuInit");
    assert_refused(is_hevc() ? "codecs=h264\n" : "codecs=hevc\n", "not supported", "not supported");
    assert_refused("cap.width_max=600\n", "to 600x4096", "600");
    assert_refused("cap.height_min=400\n", "of 145x400 to", "InitializeEncoder");
    assert_refused("memory_mb=1\n", "out of memory", "out of memory");
    assert_refused("fail.CreateInputBuffer=out_of_memory\nfail.RegisterResource=generic\n",
                   "NvEncCreateInputBuffer failed", "CreateInputBuffer");
    assert_refused("fail.CreateBitstreamBuffer=generic\n", "BitstreamBuffer failed: unknown error", "Bitstream");
    assert_refused("fail.InitializeEncoder=generic\n", "InitializeEncoder", "InitializeEncoder");
    assert_refused("fail.GetEncodePresetConfigEx=unsupported_param\n", "the GPU cannot do what is asked", "preset");
    assert_refused("fail.GetEncodeGUIDs=device_not_exist\n", "the GPU is gone", "");
    assert_refused("fail.OpenEncodeSessionEx=no_encode_device\n", "the GPU has no encoder", "OpenEncodeSessionEx");
    assert_refused("fail.OpenEncodeSessionEx=unsupported_device\n", "not supported by its driver", "unsupported");
    assert_refused("fail.CreateInstance=generic\n", "NvEncodeAPICreateInstance failed", "");
    assert_refused("fail.picture.0=generic\n", "could not encode a picture", "could not encode a picture");
}

static void no_free_session_is_said_in_words_for_the_operator(void **state)
{
    (void)state;
    static const char words[] = "no further encoder session";
    assert_refused("sessions=0\n", words, words);
    assert_refused("sessions=0\nsession_error=incompatible_client_key\n", words, words);
    assert_refused("sessions=0\nlicence=none\n", words, words);
    assert_refused("sessions=0\nlicence=none\n", "(NvEncOpenEncodeSessionEx failed: out of memory", words);
}

static void a_vgpu_without_a_licence_is_told_from_other_refusals(void **state)
{
    (void)state;
    const char *scripts[] = {
        "licence=unlicensed\ncuda_error=801\n",
        "licence=unlicensed\nsessions=0\nsession_error=incompatible_client_key\n",
        "licence=unlicensed\nfail.OpenEncodeSessionEx=generic\n",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        assert_refused(scripts[i], "this vGPU has no licence (", "this vGPU has no licence (");
        const char *same_with_one = strchr(scripts[i], '\n') + 1;
        assert_null(strstr(probe(same_with_one).reason, "no licence"));
    }
    assert_null(strstr(probe("licence=unlicensed\ncodecs=hevc\n").reason, "no licence"));
    assert_true(probe("licence=unlicensed\n").usable); /* slow, perhaps, but not refused */
}

static void the_session_over_the_limit_is_refused_and_the_first_goes_on(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("sessions=1\n");
    rig_init(&rig);
    struct encoder_config config = config_for(&rig.scene);
    assert_null(encoder_create(backend, &config));
    assert_int_equal(encode(&rig, false), ENCODE_OK);
    rig_finish(&rig);
    for (int i = 0; i < 3; i++) { /* each gives its session back */
        struct encoder *encoder = encoder_create(backend, &config);
        assert_non_null(encoder);
        encoder_destroy(encoder);
    }
}

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
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    const char *line = rig_line("initialize", 0);
    assert_true(rig_has(line, is_hevc() ? "codec=hevc" : "codec=h264"));
    assert_true(rig_has(line, is_hevc() ? "profile=main" : "profile=high"));
    assert_true(rig_has(line, is_direct() ? "dpb=7" : "dpb=1"));
    assert_true(rig_has(line, is_direct() ? "ref_l0=1" : "ref_l0=0"));
    assert_true(rig_has(line, is_direct() ? "restriction=1" : "restriction=0")); /* libavcodec cannot ask for it */
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        assert_true(rig_has(line, wanted[i]));
    assert_int_equal(encode(&rig, false), ENCODE_OK);
    assert_true(rig_has(rig_line("picture", 0), "format=nv12"));
    assert_int_equal(rig_sum("cuMemcpy2D", "bytes"), in_cuda_memory ? 640 * 360 * 3 / 2 : 0);
    rig_finish(&rig);
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
        struct encoder_config config = {.codec = codec,
                                        .layout = {.width = cases[i].width,
                                                   .height = cases[i].height,
                                                   .format = FRAME_NV12,
                                                   .colour_space = FRAME_BT709},
                                        .fps_x100 = cases[i].fps_x100,
                                        .bitrate_kbps = 20000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(backend, &config);
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

/* Something else in each plane, and steps that eight bits have not. */
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
    struct rig rig = {.scene.frame.layout = layout};
    struct encoder_config config = config_for(&rig.scene);
    struct region nothing = {.count = 0};
    rig_script("");
    rig.encoder = encoder_create(backend, &config);
    assert_non_null(rig.encoder);
    const char *line = rig_line("initialize", 0);
    assert_true(rig_has(line, row->profile) && rig_has(line, row->chroma) && rig_has(line, row->depth));
    assert_true(rig_has(line, frame_shape_of(row->format)->bits == 8 ? "matrix=1" : "matrix=9"));
    h264_eye_open_decoder(&rig.eye, avcodec_find_decoder(is_hevc() ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264));
    paint_finer(frame);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(encoder_encode(rig.encoder, frame, &nothing, 1, false, &rig.part), ENCODE_OK);
        assert_int_equal(rig.part.type, i == 0 ? PART_IDR : PART_PREDICTED);
        decode(&rig);
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
        if (finer[i].codec == codec)
            encode_finer(&finer[i]);
}

static void they_are_taken_where_the_gpu_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        bool ten, whole;
    } gpus[] = {{"", true, true}, {"cap.10bit=0\n", false, true}, {"cap.yuv444=0\n", true, false}};
    for (size_t i = 0; i < sizeof(gpus) / sizeof(gpus[0]); i++) {
        struct encoder_report report = probe(gpus[i].script);
        assert_true(report.usable && report.takes[FRAME_NV12]);
        assert_int_equal(report.takes[FRAME_P010], is_hevc() && gpus[i].ten);
        assert_int_equal(report.takes[FRAME_YUV444], gpus[i].whole);
        assert_int_equal(report.takes[FRAME_YUV444_10], is_hevc() && gpus[i].ten && gpus[i].whole);
    }
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
        struct encoder_config config = {.codec = codec,
                                        .layout = {.width = 640,
                                                   .height = 360,
                                                   .format = FRAME_NV12,
                                                   .colour_space = cases[i].space,
                                                   .full_range = cases[i].full},
                                        .fps_x100 = 6000,
                                        .bitrate_kbps = 5000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].matrix));
        assert_true(rig_has(rig_line("initialize", 0), cases[i].range));
        encoder_destroy(encoder);
    }
}

static void each_picture_comes_out_at_once_and_idr_only_on_demand(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    for (int i = 0; i < 300; i++) {
        bool demand = i == 37 || i == 38 || i == 290, idr = demand || i == 0;
        assert_int_equal(encode(&rig, demand), ENCODE_OK);
        assert_int_equal(rig.part.type, idr ? PART_IDR : PART_PREDICTED);
        int sets = is_hevc() ? count_units(&rig.part, ANNEXB_HEVC_VPS, ANNEXB_HEVC_PPS)
                             : count_units(&rig.part, ANNEXB_H264_SPS, ANNEXB_H264_PPS);
        assert_int_equal(sets, !idr ? 0 : is_hevc() ? 3 : 2);
        assert_int_equal(count_units(&rig.part, 0, 63), sets + 1);
        decode(&rig);
        if (i % 8 == 7)
            assert_true(luma_psnr(&rig) > 25);
        if (i < 60)
            nv12_scene_step(&rig.scene);
    }
    assert_int_equal(rig_count("picture"), 300);
    assert_true(rig_has(rig_line("picture", 38), "flags=idr") || rig_has(rig_line("picture", 38), "flags=idrheaders"));
    rig_finish(&rig);
    assert_int_equal(rig_count("destroy"), 1);
}

/* The first unit of a type, behind its start code. */
static struct annexb_nal find_unit(const struct au_part *part, int type)
{
    struct annexb_nal nal = {0};
    do
        assert_true(annexb_next(part->data, part->size, nal.end, &nal));
    while ((is_hevc() ? part->data[nal.head] >> 1 & 63 : part->data[nal.head] & 31) != type);
    return nal;
}

/* The double's SPS of H.264 has bitstream_restriction only for who asks, that of HEVC never. */
static void assert_restricted(const struct au_part *part)
{
    uint8_t h264[H264_SPS_MAX + H264_SPS_GROWTH_MAX], hevc[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX];
    struct annexb_nal sps = find_unit(part, is_hevc() ? ANNEXB_HEVC_SPS : ANNEXB_H264_SPS);
    const uint8_t *bytes = part->data + sps.head;
    size_t size = sps.end - sps.head;
    if (is_hevc()) {
        assert_int_equal(hevc_sps_restrict(bytes, size, hevc), 0);
        return;
    }
    assert_true(h264_sps_loosen(bytes, size, h264) > 0);
    assert_int_equal(h264_sps_restrict(bytes, size, h264), 0);
}

static void the_parameter_sets_forbid_reordering(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(encode(&rig, i == 1), ENCODE_OK);
        decode(&rig);
        assert_int_equal(rig.eye.decoder->has_b_frames, 0);
        if (i < 2)
            assert_restricted(&rig.part);
    }
    rig_finish(&rig);
}

static void a_picture_has_the_room_that_the_wire_has(void **state)
{
    (void)state;
    if (!is_direct()) /* libavcodec's has one interval of the rate */
        skip();
    struct nv12_scene scene;
    nv12_scene_init(&scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = config_for(&scene);
    static const struct {
        int burst_kbit;
        const char *vbv;
    } cases[] = {{0, "vbv=200000"}, {150, "vbv=150000"}, {900, "vbv=200000"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        config.burst_kbit = cases[i].burst_kbit;
        rig_script("");
        struct encoder *encoder = encoder_create(backend, &config);
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
    struct encoder_config config = config_for(&scene);
    config.slices = 4;
    struct au_part part;
    rig_script("");
    struct encoder *encoder = encoder_create(backend, &config);
    assert_non_null(encoder);
    assert_true(rig_has(rig_line("initialize", 0), "slice_mode=3"));
    assert_true(rig_has(rig_line("initialize", 0), "slices=4"));
    assert_int_equal(encoder_encode(encoder, &scene.frame, &scene.frame.damage, 1, true, &part), ENCODE_OK);
    if (!is_hevc()) /* of which the double makes one */
        assert_int_equal(count_units(&part, ANNEXB_H264_IDR_SLICE, ANNEXB_H264_IDR_SLICE), 4);
    encoder_destroy(encoder);
    nv12_scene_finish(&scene);
}

static void an_error_of_the_driver_ends_the_encoder_only(void **state)
{
    (void)state;
    static const char *const scripts[] = {"fail.picture.5=generic\n", "fail.picture.5=out_of_memory\n",
                                          "fail.picture.5=device_not_exist\n", "fail.picture.5=encoder_busy\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig rig = {0};
        rig_script(scripts[i]);
        rig_init(&rig);
        for (int n = 0; n < 5; n++)
            assert_int_equal(encode(&rig, false), ENCODE_OK);
        assert_int_equal(encode(&rig, false), ENCODE_FAILED);
        rig_finish(&rig);
        assert_int_equal(rig_count("destroy"), 1);
    }
}

static void each_call_may_fail(void **state)
{
    (void)state;
    const char *const scripts[] = {
        "fail.LockBitstream=encoder_busy\n",
        "fail.UnlockBitstream=generic\n",
        "fail.LockBitstream=device_not_exist\n",
        in_cuda_memory ? "fail.MapInputResource=generic\n" : "fail.LockInputBuffer=generic\n",
        in_cuda_memory ? "fail.UnmapInputResource=generic\n" : "fail.UnlockInputBuffer=generic\n",
        in_cuda_memory ? "fail.cuMemcpy2D=generic\n" : "fail.LockInputBuffer=device_not_exist\n",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig rig = {0};
        rig_script("");
        rig_init(&rig);
        assert_int_equal(encode(&rig, false), ENCODE_OK);
        rig_change(scripts[i]);
        assert_int_equal(encode(&rig, false), ENCODE_FAILED);
        rig_finish(&rig);
        assert_int_equal(rig_count("destroy"), 1);
    }
}

static size_t count_bytes(struct rig *self, int pictures)
{
    size_t bytes = 0;
    for (int i = 0; i < pictures; i++) {
        assert_int_equal(encode(self, false), ENCODE_OK);
        assert_int_equal(self->part.type, PART_PREDICTED);
        bytes += self->part.size;
        nv12_scene_step(&self->scene);
    }
    return bytes;
}

/* libavcodec would send an IDR along. */
static void the_rate_changes_without_an_idr_where_it_can(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    assert_int_equal(encode(&rig, false), ENCODE_OK);
    if (!is_direct()) {
        assert_false(encoder_set_bitrate(rig.encoder, 3000, 4000));
        rig_finish(&rig);
        return;
    }
    count_bytes(&rig, 30);
    size_t before = count_bytes(&rig, 60);
    assert_true(encoder_set_bitrate(rig.encoder, 3000, 4000));
    count_bytes(&rig, 30);
    size_t after = count_bytes(&rig, 60);
    print_message("%zu bytes of 60 pictures, then %zu\n", before, after);
    assert_true(is_hevc() || after * 2 < before); /* the double's HEVC does not heed it */
    const char *line = rig_line("reconfigure", 0);
    assert_true(rig_has(line, "average=3000000") && rig_has(line, "max=3000000") && rig_has(line, "vbv=50000"));
    assert_true(rig_has(line, "dpb=7") && rig_has(line, "ltr=1") && rig_has(line, "gop=-1"));
    assert_int_equal(rig_count("reconfigure_idr"), 0);
    rig_finish(&rig);
}

static void a_rate_that_cannot_be_changed_is_said_and_the_encoder_goes_on(void **state)
{
    (void)state;
    static const char *const scripts[] = {"cap.dynamic_bitrate=0\n", "fail.ReconfigureEncoder=generic\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig rig = {0};
        rig_script(scripts[i]);
        rig_init(&rig);
        assert_int_equal(encode(&rig, false), ENCODE_OK);
        assert_false(encoder_set_bitrate(rig.encoder, 3000, 4000));
        count_bytes(&rig, 3);
        rig_finish(&rig);
    }
}

#ifdef HAVE_NVENC
/* Pictures `lost` to `found` - 1 do not arrive, which the encoder hears before it makes `found`. */
static void lose(struct rig *self, int lost, int found, bool tell)
{
    for (int i = 0; i <= found + 4; i++) {
        if (i == found && tell)
            assert_true(encoder_invalidate(self->encoder, found - lost));
        assert_int_equal(encode(self, false), ENCODE_OK);
        assert_int_equal(self->part.type, i ? PART_PREDICTED : PART_IDR);
        if (i < lost || i >= found)
            decode(self);
        if (i >= found)
            assert_int_equal(luma_psnr(self) > 20, tell);
        nv12_scene_step(&self->scene);
    }
}

static void pictures_after_an_invalidation_need_nothing_that_was_lost(void **state)
{
    (void)state;
    for (int lost = 1; lost <= 4; lost++) {
        struct rig rig = {0};
        rig_script("");
        rig_init(&rig);
        assert_int_equal(encoder_references(rig.encoder), 5);
        lose(&rig, 6, 6 + lost, true);
        assert_int_equal(rig_count("invalidate"), lost);
        assert_true(rig_has(rig_line("invalidate", 0), "n=6"));
        rig_finish(&rig);
        rig_init(&rig);
        lose(&rig, 6, 6 + lost, false);
        rig_finish(&rig);
    }
}

/* One that is kept, then more lost ones than it keeps otherwise. */
static void a_picture_kept_for_long_is_gone_back_to(void **state)
{
    (void)state;
    for (int lost = 1; lost <= 9; lost += 4) {
        struct rig rig = {0};
        rig_script("");
        rig_init(&rig);
        assert_int_equal(encoder_long_terms(rig.encoder), 2);
        assert_true(rig_has(rig_line("initialize", 0), "ltr=1"));
        assert_true(rig_has(rig_line("initialize", 0), "ltr_frames=2"));
        for (int i = 0, found = 4 + lost; i <= found + 6; i++) {
            if (i == 3 || i == found)
                encoder_keep(rig.encoder, i == 3);
            if (i == found)
                assert_true(encoder_return_to(rig.encoder, 1, lost));
            assert_int_equal(encode(&rig, false), ENCODE_OK);
            assert_int_equal(rig.part.type, i ? PART_PREDICTED : PART_IDR);
            if (i < 4 || i >= found) {
                decode(&rig);
                assert_true(i < found || luma_psnr(&rig) > 20);
            }
            nv12_scene_step(&rig.scene);
        }
        assert_true(rig_has(rig_line("picture", 3), "ltr_mark=1"));
        assert_true(rig_has(rig_line("picture", 4), "ltr_mark=-1"));
        assert_true(rig_has(rig_line("picture", 4 + lost), "ltr_use=0x2"));
        assert_true(rig_has(rig_line("picture", 4 + lost), "ltr_mark=0"));
        assert_true(rig_has(rig_line("picture", 4 + lost), is_hevc() ? "type=i" : "type=p")); /* the double's */
        assert_true(rig_has(rig_line("picture", 5 + lost), "ltr_use=0"));
        assert_int_equal(rig_count("invalidate"), lost < 7 ? lost : 7);
        rig_finish(&rig);
    }
}

static void an_idr_needs_no_long_term_reference(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    for (int i = 0; i < 9; i++) {
        if (i == 3)
            encoder_keep(rig.encoder, 0);
        if (i == 8)
            assert_true(encoder_return_to(rig.encoder, 0, 2));
        assert_int_equal(encode(&rig, i == 8), ENCODE_OK);
    }
    assert_int_equal(rig.part.type, PART_IDR);
    assert_true(rig_has(rig_line("picture", 8), "ltr_use=0"));
    assert_int_equal(encode(&rig, false), ENCODE_OK);
    assert_true(rig_has(rig_line("picture", 9), "ltr_use=0"));
    assert_int_equal(encode(&rig, false), ENCODE_OK);
    rig_change("fail.InvalidateRefFrames=generic\n");
    assert_false(encoder_return_to(rig.encoder, 0, 1));
    rig_finish(&rig);
}

static void what_cannot_be_forgotten_is_said(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_script("");
    rig_init(&rig);
    for (int i = 0; i < 3; i++)
        assert_int_equal(encode(&rig, false), ENCODE_OK);
    rig_change("fail.InvalidateRefFrames=generic\n");
    assert_false(encoder_invalidate(rig.encoder, 1));
    rig_change("");
    assert_int_equal(encode(&rig, true), ENCODE_OK);
    assert_int_equal(rig.part.type, PART_IDR);
    rig_finish(&rig);
}

static void references_are_kept_where_they_can_be_forgotten_and_are_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int wanted;
        const char *dpb, *list;
        int references, long_terms;
    } cases[] = {
        {"", 0, "dpb=7", "ref_l0=1", 5, 2},
        {"", 16, "dpb=7", "ref_l0=1", 5, 2},
        {"", 4, "dpb=4", "ref_l0=1", 2, 2},
        {"", 3, "dpb=3", "ref_l0=1", 3, 0},
        {"", 1, "dpb=1", "ref_l0=0", 1, 0},
        {"cap.ltr=1\n", 0, "dpb=5", "ref_l0=1", 5, 0},
        {"cap.multiple_references=0\n", 0, "dpb=7", "ref_l0=0", 5, 2},
        {"cap.invalidation=0\n", 0, "dpb=1", "ref_l0=0", 1, 0},
    };
    struct nv12_scene scene;
    nv12_scene_init(&scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = config_for(&scene);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_script(cases[i].script);
        config.max_reference_frames = cases[i].wanted;
        struct encoder *encoder = encoder_create(backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].dpb));
        assert_true(rig_has(rig_line("initialize", 0), cases[i].list));
        assert_int_equal(encoder_references(encoder), cases[i].references);
        assert_int_equal(encoder_long_terms(encoder), cases[i].long_terms);
        encoder_destroy(encoder);
    }
    nv12_scene_finish(&scene);
    assert_true(probe("").invalidates);
    assert_false(probe("cap.invalidation=0\n").invalidates);
}

static bool has_report(const struct encoder_report *reports, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (reports[i].codec == codec && strcmp(reports[i].name, name) == 0)
            return true;
    return false;
}

static void a_decoder_of_level_52_has_room_for_the_references(void **state)
{
    (void)state;
    static const struct {
        int width, height, references[2], long_terms[2]; /* H.264, HEVC */
    } cases[] = {
        {1920, 1080, {5, 5}, {2, 2}}, {2560, 1440, {5, 5}, {2, 2}}, {3440, 1440, {5, 5}, {2, 2}},
        {3840, 2160, {3, 3}, {2, 2}}, {4096, 4096, {2, 3}, {0, 2}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encoder_config config = {.codec = codec,
                                        .layout = {.width = cases[i].width,
                                                   .height = cases[i].height,
                                                   .format = FRAME_NV12,
                                                   .colour_space = FRAME_BT709},
                                        .fps_x100 = 6000,
                                        .bitrate_kbps = 20000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(backend, &config);
        assert_non_null(encoder);
        assert_int_equal(encoder_references(encoder), cases[i].references[is_hevc()]);
        assert_int_equal(encoder_long_terms(encoder), cases[i].long_terms[is_hevc()]);
        encoder_destroy(encoder);
    }
}

static void who_asks_for_nvenc_gets_the_direct_one_and_else_the_other(void **state)
{
    (void)state;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    rig_script("");
    int count = encoder_probe("nvenc", reports);
    assert_string_equal(encoder_choose(reports, count, codec)->name, "nvenc");
    assert_false(has_report(reports, count, "nvenc-lavc"));
    rig_script("fail.picture.0=generic\n");
    count = encoder_probe("nvenc", reports);
    assert_true(has_report(reports, count, "nvenc") && has_report(reports, count, "nvenc-lavc"));
    assert_null(encoder_choose(reports, count, codec));
    rig_script("");
    count = encoder_probe("auto", reports);
    assert_true(has_report(reports, count, "nvenc") && has_report(reports, count, "vaapi"));
    assert_false(has_report(reports, count, "nvenc-lavc"));
}

#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_probes_as_usable_on_each_driver_branch),
    cmocka_unit_test(a_gpu_without_what_we_do_not_use_is_good_enough),
    cmocka_unit_test(a_refusal_says_why),
    cmocka_unit_test(no_free_session_is_said_in_words_for_the_operator),
    cmocka_unit_test(a_vgpu_without_a_licence_is_told_from_other_refusals),
    cmocka_unit_test(the_session_over_the_limit_is_refused_and_the_first_goes_on),
    cmocka_unit_test(low_latency_parameters_arrive),
    cmocka_unit_test(the_preset_follows_the_pixel_rate),
    cmocka_unit_test(ten_bits_and_whole_chroma_arrive),
    cmocka_unit_test(they_are_taken_where_the_gpu_has_them),
    cmocka_unit_test(colours_are_signalled_as_negotiated),
    cmocka_unit_test(each_picture_comes_out_at_once_and_idr_only_on_demand),
    cmocka_unit_test(the_parameter_sets_forbid_reordering),
    cmocka_unit_test(a_picture_has_the_room_that_the_wire_has),
    cmocka_unit_test(there_are_as_many_slices_as_asked),
    cmocka_unit_test(an_error_of_the_driver_ends_the_encoder_only),
    cmocka_unit_test(each_call_may_fail),
    cmocka_unit_test(the_rate_changes_without_an_idr_where_it_can),
    cmocka_unit_test(a_rate_that_cannot_be_changed_is_said_and_the_encoder_goes_on),
};

#ifdef HAVE_NVENC
static const struct CMUnitTest direct[] = {
    cmocka_unit_test(pictures_after_an_invalidation_need_nothing_that_was_lost),
    cmocka_unit_test(a_picture_kept_for_long_is_gone_back_to),
    cmocka_unit_test(an_idr_needs_no_long_term_reference),
    cmocka_unit_test(what_cannot_be_forgotten_is_said),
    cmocka_unit_test(references_are_kept_where_they_can_be_forgotten_and_are_wanted),
    cmocka_unit_test(a_decoder_of_level_52_has_room_for_the_references),
    cmocka_unit_test(who_asks_for_nvenc_gets_the_direct_one_and_else_the_other),
};
#endif

static int run_all(enum encoder_codec the_codec)
{
    int failures = 0;
    codec = the_codec;
    print_message("--- %s\n", is_hevc() ? "HEVC" : "H.264");
#ifdef HAVE_NVENC
    backend = "nvenc";
    in_cuda_memory = true;
    failures += cmocka_run_group_tests_name("direct, from CUDA memory", tests, NULL, NULL);
    failures += cmocka_run_group_tests_name("direct only", direct, NULL, NULL);
    in_cuda_memory = false;
    rig_always("fail.cuMemAllocPitch=out_of_memory\n");
    failures += cmocka_run_group_tests_name("direct, through input buffers", tests, NULL, NULL);
    rig_always(NULL);
#endif
    backend = "nvenc-lavc";
    return failures + cmocka_run_group_tests_name("through libavcodec", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    rig_enter(argv);
    int failures = run_all(ENCODER_H264);
#ifdef HAVE_X265
    failures += run_all(ENCODER_HEVC);
#endif
    rig_leave();
    return failures;
}
