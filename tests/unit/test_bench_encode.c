/* SPDX-License-Identifier: Apache-2.0 */
/* `earthshine bench encode`: what it says of libx264, and of encoders whose pictures are wrong. */
#include "host/bench_encode_options.h"
#include "host/bench_encode_row.h"
#include "host/bench_eye.h"
#include "host/bench_source.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

enum { WIDTH = 640, HEIGHT = 360 };

static const struct encoder_report x264 = {.name = "x264", .usable = true, .codec = ENCODER_H264, .format = FRAME_NV12};

/* --- the eye --- */

struct rig {
    struct bench_source source;
    struct encoder *encoder;
    struct bench_eye *eye;
    struct au_part part;
};

static void rig_init(struct rig *self)
{
    const struct frame_layout layout = {
        .width = WIDTH, .height = HEIGHT, .format = FRAME_NV12, .colour_space = FRAME_BT709};
    const struct encoder_config config = {
        .layout = layout, .fps_x100 = 6000, .bitrate_kbps = 20000, .slices = 1, .threads = 1};
    assert_true(bench_source_init(&self->source, BENCH_SCENE_VIDEO, &layout, 60, CLOCK_SECOND_NS));
    self->encoder = encoder_create("x264", &config);
    self->eye = bench_eye_create(ENCODER_H264);
    assert_non_null(self->encoder);
    assert_non_null(self->eye);
}

static void rig_finish(struct rig *self)
{
    bench_eye_destroy(self->eye);
    encoder_destroy(self->encoder);
    bench_source_finish(&self->source);
}

static void rig_encode(struct rig *self)
{
    const struct frame *frame = self->source.frame;
    assert_int_equal(encoder_encode(self->encoder, frame, &frame->damage, frame->captured_ns, false, &self->part),
                     ENCODE_OK);
}

static void rig_step(struct rig *self)
{
    bench_source_step(&self->source, self->source.frame->captured_ns + CLOCK_SECOND_NS / 60);
}

static void the_eye_sees_what_was_painted(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    for (int i = 0; i < 10; i++) {
        double psnr = 0;
        rig_encode(&rig);
        assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_SEEN);
        assert_true(psnr > 25 && psnr < BENCH_EYE_PSNR_MAX);
        rig_step(&rig);
    }
    rig_finish(&rig);
}

static void another_picture_is_wrong(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    for (int i = 0; i < 10; i++) {
        double psnr = 0;
        rig_encode(&rig);
        for (int j = 0; j < 20; j++) /* what is painted is another one now */
            rig_step(&rig);
        assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_WRONG);
        assert_true(psnr > 4 && psnr < 15);
    }
    rig_finish(&rig);
}

static void a_grey_picture_is_wrong(void **state)
{
    (void)state;
    struct rig rig;
    double psnr = 0;
    rig_init(&rig);
    struct frame grey = *rig.source.frame;
    size_t size = (size_t)grey.strides[0] * HEIGHT;
    assert_non_null(grey.planes[0] = malloc(size));
    memset(grey.planes[0], 128, size);
    assert_int_equal(encoder_encode(rig.encoder, &grey, &grey.damage, grey.captured_ns, false, &rig.part), ENCODE_OK);
    assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_WRONG);
    free(grey.planes[0]);
    rig_finish(&rig);
}

/* Ten bits of a P010 picture as libavcodec's encoders take them: luma as it is, chroma grey. */
static AVFrame *ten_bits_of(const struct frame *painted)
{
    AVFrame *picture = av_frame_alloc();
    assert_non_null(picture);
    picture->width = WIDTH, picture->height = HEIGHT, picture->format = AV_PIX_FMT_YUV420P10;
    assert_int_equal(av_frame_get_buffer(picture, 0), 0);
    for (int plane = 0; plane < 3; plane++)
        for (int y = 0; y < (plane ? HEIGHT / 2 : HEIGHT); y++) {
            uint16_t *row = (uint16_t *)(void *)(picture->data[plane] + (ptrdiff_t)y * picture->linesize[plane]);
            const uint8_t *from = painted->planes[0] + (ptrdiff_t)y * painted->strides[0];
            for (int x = 0; x < (plane ? WIDTH / 2 : WIDTH); x++)
                row[x] = plane ? 512 : ((const uint16_t *)(const void *)from)[x] >> 6;
        }
    return picture;
}

/* One picture of HEVC Main 10. */
static AVPacket *encode_ten_bits(const AVCodec *codec, AVFrame *picture)
{
    AVCodecContext *context = avcodec_alloc_context3(codec);
    AVPacket *packet = av_packet_alloc();
    assert_true(context && packet);
    context->width = WIDTH, context->height = HEIGHT, context->pix_fmt = AV_PIX_FMT_YUV420P10;
    context->time_base = (AVRational){1, 60};
    context->bit_rate = 50000000;
    av_opt_set(context->priv_data, "preset", "ultrafast", 0);
    av_opt_set(context->priv_data, "tune", "zerolatency", 0);
    av_opt_set(context->priv_data, "x265-params", "log-level=none", 0);
    assert_int_equal(avcodec_open2(context, codec, NULL), 0);
    assert_int_equal(avcodec_send_frame(context, picture), 0);
    assert_int_equal(avcodec_receive_packet(context, packet), 0);
    avcodec_free_context(&context);
    return packet;
}

static void ten_bits_are_seen_as_such(void **state)
{
    (void)state;
    const struct frame_layout layout = {
        .width = WIDTH, .height = HEIGHT, .format = FRAME_P010, .colour_space = FRAME_BT709};
    const AVCodec *codec = avcodec_find_encoder_by_name("libx265");
    struct bench_source source;
    double psnr = 0;
    if (!codec)
        skip();
    assert_true(bench_source_init(&source, BENCH_SCENE_VIDEO, &layout, 60, CLOCK_SECOND_NS));
    AVFrame *picture = ten_bits_of(source.frame);
    AVPacket *packet = encode_ten_bits(codec, picture);
    const struct au_part part = {.data = packet->data, .size = (size_t)packet->size};
    struct bench_eye *eye = bench_eye_create(ENCODER_HEVC);
    assert_int_equal(bench_eye_see(eye, &part, source.frame, &psnr), BENCH_EYE_SEEN);
    assert_true(psnr > 35 && psnr < BENCH_EYE_PSNR_MAX);
    bench_eye_destroy(eye);

    eye = bench_eye_create(ENCODER_HEVC);
    source.frame->layout.format = FRAME_NV12; /* eight bits are expected */
    assert_int_equal(bench_eye_see(eye, &part, source.frame, &psnr), BENCH_EYE_SIZE);
    source.frame->layout.format = FRAME_P010;
    for (int i = 0; i < 20; i++)
        bench_source_step(&source, source.frame->captured_ns + CLOCK_SECOND_NS / 60);
    assert_int_equal(bench_eye_see(eye, &part, source.frame, &psnr), BENCH_EYE_WRONG);
    bench_eye_destroy(eye);
    av_packet_free(&packet);
    av_frame_free(&picture);
    bench_source_finish(&source);
}

static void a_coarse_picture_is_not_wrong(void **state)
{
    (void)state;
    const struct encoder_config config = {
        .layout = {.width = WIDTH, .height = HEIGHT, .format = FRAME_NV12, .colour_space = FRAME_BT709},
        .fps_x100 = 6000,
        .bitrate_kbps = 100,
        .slices = 1,
        .threads = 1};
    struct rig rig;
    double psnr = 0;
    rig_init(&rig);
    encoder_destroy(rig.encoder);
    assert_non_null(rig.encoder = encoder_create("x264", &config));
    for (int i = 0; i < 10; i++) {
        rig_encode(&rig);
        assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_SEEN);
        rig_step(&rig);
    }
    assert_true(psnr < 30);
    rig_finish(&rig);
}

static void a_broken_access_unit_shows_nothing(void **state)
{
    (void)state;
    struct rig rig;
    double psnr = 7;
    rig_init(&rig);
    rig_encode(&rig);
    uint8_t *bytes = malloc(rig.part.size);
    assert_non_null(bytes);
    memcpy(bytes, rig.part.data, rig.part.size);
    memset(bytes + rig.part.size / 2, 0x55, rig.part.size / 4);
    rig.part.data = bytes;
    assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_NOTHING);
    rig.part.size = 0;
    assert_int_equal(bench_eye_see(rig.eye, &rig.part, rig.source.frame, &psnr), BENCH_EYE_NOTHING);
    assert_true(psnr == 7);
    free(bytes);
    rig_finish(&rig);
}

static void a_picture_of_another_size_is_told_apart(void **state)
{
    (void)state;
    struct rig rig;
    double psnr = 7;
    rig_init(&rig);
    rig_encode(&rig);
    struct frame larger = *rig.source.frame;
    larger.layout.height += 2;
    assert_int_equal(bench_eye_see(rig.eye, &rig.part, &larger, &psnr), BENCH_EYE_SIZE);
    assert_true(psnr == 7);
    rig_finish(&rig);
}

/* --- a row --- */

static struct bench_encode_row measure(const struct encoder_report *report, struct bench_size size, int pictures,
                                       int64_t enough_ns)
{
    struct config config;
    struct bench_encode_row row;
    config_init(&config);
    const struct bench_encode_job job = {.report = report,
                                         .format = report->format,
                                         .scene = BENCH_SCENE_VIDEO,
                                         .size = size,
                                         .bitrate_kbps = 10000,
                                         .pictures = pictures,
                                         .enough_ns = enough_ns,
                                         .config = &config};
    bench_encode_measure(&job, &row);
    config_finish(&config);
    return row;
}

static void figures_are_plausible(void **state)
{
    (void)state;
    struct bench_encode_row row = measure(&x264, (struct bench_size){WIDTH, HEIGHT}, 31, INT64_MAX);
    assert_int_equal(row.outcome, BENCH_ENCODE_FINE);
    assert_string_equal(row.note, "");
    assert_int_equal(row.pictures, 31);
    assert_true(row.asked_kbps > 5000 && row.asked_kbps < 10000);
    assert_true(row.first_ms > 0 && row.p50_ms > 0 && row.p50_ms <= row.p95_ms && row.p95_ms <= row.p99_ms);
    assert_true(row.fps >= 1000 / row.p99_ms / 2 && row.fps < 100000);
    assert_true(row.kbps > row.asked_kbps / 4.0 && row.kbps < row.asked_kbps * 1.5);
    assert_true(row.psnr > 30 && row.psnr < 60);
    assert_true(row.psnr_min > 14 && row.psnr_min <= row.psnr);
}

static void time_that_is_up_leaves_a_few_pictures(void **state)
{
    (void)state;
    struct bench_encode_row row = measure(&x264, (struct bench_size){WIDTH, HEIGHT}, 121, 0);
    assert_int_equal(row.outcome, BENCH_ENCODE_FINE);
    assert_int_equal(row.pictures, BENCH_ENCODE_PICTURES_MIN);
    assert_false(isnan(row.p50_ms) || isnan(row.kbps) || isnan(row.psnr));
}

static void a_refusal_is_told_and_nothing_measured(void **state)
{
    (void)state;
    const struct encoder_report none = {.name = "cinepak", .usable = true, .format = FRAME_NV12};
    const struct encoder_report hevc = {.name = "x264", .usable = true, .codec = ENCODER_HEVC, .format = FRAME_NV12};
    const struct {
        const struct encoder_report *report;
        const char *words;
    } rows[] = {{&none, "not in this build"}, {&hevc, "does not make this codec"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench_encode_row row = measure(rows[i].report, (struct bench_size){WIDTH, HEIGHT}, 31, INT64_MAX);
        assert_int_equal(row.outcome, BENCH_ENCODE_LEFT_OUT);
        assert_non_null(strstr(row.note, rows[i].words));
        assert_int_equal(row.pictures, 0);
        assert_true(isnan(row.p50_ms) && isnan(row.kbps) && isnan(row.psnr) && isnan(row.psnr_min));
    }
}

/* --- options --- */

static enum bench_words_result parse(struct bench_encode_options *ret_options, const char *option, const char *value)
{
    char command[] = "encode", *words[3] = {command, strdup(option), value ? strdup(value) : NULL};
    enum bench_words_result result = bench_encode_options_parse(value ? 3 : 2, words, ret_options);
    free(words[1]);
    free(words[2]);
    return result;
}

static void options_are_read(void **state)
{
    (void)state;
    struct bench_encode_options options;
    const struct bench_size sizes[] = {{1280, 720}, {1920, 1080}, {2560, 1440}, {3840, 2160}};
    const int suggested[] = {10000, 20000, 40000, 80000};
    assert_int_equal(parse(&options, "--codec", "hevc,h264"), BENCH_WORDS_OK);
    assert_true(options.codecs[ENCODER_H264] && options.codecs[ENCODER_HEVC] && !options.codecs[ENCODER_AV1]);
    assert_string_equal(options.encoder, "auto");
    assert_int_equal(options.size_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(&options.sizes[i], &sizes[i], sizeof(sizes[i]));
        assert_int_equal(bench_encode_bitrate_kbps(&options, &sizes[i]), suggested[i]);
    }
    assert_int_equal(parse(&options, "--size", "640x480,800x600"), BENCH_WORDS_OK);
    assert_int_equal(options.size_count, 2);
    assert_int_equal(options.sizes[1].height, 600);
    assert_int_equal(parse(&options, "--bitrate", "500"), BENCH_WORDS_OK);
    assert_int_equal(bench_encode_bitrate_kbps(&options, &sizes[3]), 500);
}

static void formats_are_those_that_are_taken(void **state)
{
    (void)state;
    struct encoder_report report = {.name = "x264", .usable = true, .format = FRAME_NV12};
    struct bench_encode_options options;
    report.takes[FRAME_NV12] = report.takes[FRAME_YUV444] = true;
    assert_int_equal(parse(&options, "--codec", "h264"), BENCH_WORDS_OK);
    for (int i = 0; i < FRAME_FORMATS; i++)
        assert_int_equal(bench_encode_wants(&options, &report, (enum frame_format)i), i == FRAME_NV12);
    assert_int_equal(parse(&options, "--format", "444,444-10"), BENCH_WORDS_OK);
    for (int i = 0; i < FRAME_FORMATS; i++)
        assert_int_equal(bench_encode_wants(&options, &report, (enum frame_format)i), i == FRAME_YUV444);
    assert_int_equal(parse(&options, "--format", "bgr"), BENCH_WORDS_WRONG);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"--codec", "h265"},    {"--codec", ""},       {"--codec", "h264,"}, {"--size", "640"},   {"--size", "641x480"},
        {"--size", "5000x480"}, {"--size", "1x1,1x1"}, {"--seconds", "0"},   {"--seconds", "16"}, {"--bitrate", "499"},
        {"--encoder", ""},      {"--json", ""},        {"--json", NULL},     {"--compare", "x"},  {"x264", "y"},
    };
    struct bench_encode_options options;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_int_equal(parse(&options, words[i][0], words[i][1]), BENCH_WORDS_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_eye_sees_what_was_painted),
        cmocka_unit_test(another_picture_is_wrong),
        cmocka_unit_test(a_grey_picture_is_wrong),
        cmocka_unit_test(ten_bits_are_seen_as_such),
        cmocka_unit_test(a_coarse_picture_is_not_wrong),
        cmocka_unit_test(a_broken_access_unit_shows_nothing),
        cmocka_unit_test(a_picture_of_another_size_is_told_apart),
        cmocka_unit_test(figures_are_plausible),
        cmocka_unit_test(time_that_is_up_leaves_a_few_pictures),
        cmocka_unit_test(a_refusal_is_told_and_nothing_measured),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(formats_are_those_that_are_taken),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
