/* SPDX-License-Identifier: Apache-2.0 */
#include "host/codec_offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { H264 = 0x1, HEVC = 0x100, AV1 = 0x10000 }; /* of ServerCodecModeSupport, docs/protocol.md */

static const struct encoder_report gpu[] = {
    {.name = "gpu", .hardware = true, .usable = true, .codec = ENCODER_H264},
    {.name = "gpu", .hardware = true, .usable = true, .codec = ENCODER_HEVC},
    {.name = "gpu", .hardware = true, .usable = true, .codec = ENCODER_AV1},
};

static uint32_t bits(enum config_codecs codecs, const struct encoder_report *reports, int count)
{
    struct config config;
    config_init(&config);
    config.codecs = codecs;
    return codec_offer_bits(&config, reports, count);
}

static void what_works_is_offered(void **state)
{
    (void)state;
    struct encoder_report reports[] = {gpu[0], gpu[1], gpu[2]};
    assert_int_equal(bits(CONFIG_CODECS_AUTO, reports, 3), H264 | HEVC | AV1);
    reports[1].usable = false;
    assert_int_equal(bits(CONFIG_CODECS_AUTO, reports, 3), H264 | AV1);
    reports[0].usable = false;
    assert_int_equal(bits(CONFIG_CODECS_AUTO, reports, 3), AV1);
}

/* With `encoder = nvenc` nothing else is there; it may have a session to give again. */
static void what_failed_in_a_session_is_asked_for_h264_when_there_is_nothing_else(void **state)
{
    (void)state;
    struct encoder_report reports[] = {gpu[0], gpu[1], {.name = "x264", .usable = true, .codec = ENCODER_H264}};
    reports[0].usable = reports[1].usable = false;
    reports[0].worked = reports[1].worked = true;
    assert_ptr_equal(codec_offer_encoder(reports, 2, ENCODER_H264, NULL), &reports[0]);
    assert_null(codec_offer_encoder(reports, 2, ENCODER_HEVC, NULL));
    assert_string_equal(codec_offer_encoder(reports, 3, ENCODER_H264, NULL)->name, "x264");
    reports[0].silent = true;
    assert_null(codec_offer_encoder(reports, 2, ENCODER_H264, NULL));
}

static void the_operator_may_leave_codecs_out_but_not_h264(void **state)
{
    (void)state;
    assert_int_equal(bits(CONFIG_CODECS_H264, gpu, 3), H264);
    assert_int_equal(bits(CONFIG_CODECS_HEVC, gpu, 3), H264 | HEVC);
    assert_int_equal(bits(CONFIG_CODECS_AV1, gpu, 3), H264 | AV1);
    assert_int_equal(bits(CONFIG_CODECS_HEVC, gpu, 1), H264);
}

static void software_is_offered_beyond_h264_only_where_the_operator_says_so(void **state)
{
    (void)state;
    const struct encoder_report software[] = {
        {.name = "x264", .usable = true, .codec = ENCODER_H264},
        {.name = "x265", .usable = true, .codec = ENCODER_HEVC, .pixels_per_s = 100},
    };
    assert_int_equal(bits(CONFIG_CODECS_AUTO, software, 2), H264);
    assert_int_equal(bits(CONFIG_CODECS_H264, software, 2), H264);
    assert_int_equal(bits(CONFIG_CODECS_AV1, software, 2), H264);
    assert_int_equal(bits(CONFIG_CODECS_HEVC, software, 2), H264 | HEVC);
}

/* Of two reports. */
static bool offers(const struct config *config, const struct encoder_report *reports, enum encoder_codec codec,
                   int64_t pixels_per_s)
{
    return codec_offer_has(config, reports, 2, codec, &(struct codec_wish){.pixels_per_s = pixels_per_s});
}

static void software_is_offered_up_to_half_of_what_it_makes(void **state)
{
    (void)state;
    struct encoder_report reports[] = {
        {.name = "x264", .usable = true, .codec = ENCODER_H264},
        {.name = "x265", .usable = true, .codec = ENCODER_HEVC, .pixels_per_s = 200},
    };
    struct config config;
    config_init(&config);
    config.codecs = CONFIG_CODECS_HEVC;
    assert_true(offers(&config, reports, ENCODER_HEVC, 100));
    assert_false(offers(&config, reports, ENCODER_HEVC, 101));
    assert_false(offers(&config, reports, ENCODER_HEVC, 0)); /* it has not said how many */
    assert_true(offers(&config, reports, ENCODER_H264, INT64_MAX));
    assert_int_equal(codec_offer_held_fps_x100(&reports[1], 2), 5000); /* the same half */
    assert_int_equal(codec_offer_held_fps_x100(&reports[0], 2), 0);
    reports[1].hardware = true;
    assert_true(offers(&config, reports, ENCODER_HEVC, INT64_MAX));
    reports[1].hardware = false;
    reports[1].pixels_per_s = 0; /* measuring failed */
    assert_false(offers(&config, reports, ENCODER_HEVC, 1));
    assert_int_equal(codec_offer_bits(&config, reports, 2), H264);
}

static bool offers_size(const struct encoder_report *reports, int count, enum encoder_codec codec, int width,
                        int height)
{
    struct config config;
    config_init(&config);
    return codec_offer_has(&config, reports, count, codec,
                           &(struct codec_wish){.width = width, .height = height, .pixels_per_s = 1});
}

static void only_sizes_that_are_made_are_offered(void **state)
{
    (void)state;
    struct encoder_report reports[] = {gpu[0], gpu[1], {.name = "x264", .usable = true, .codec = ENCODER_H264}};
    reports[0].limits = reports[1].limits = (struct encoder_limits){145, 49, 2048, 1024};
    assert_true(offers_size(reports, 3, ENCODER_HEVC, 2048, 1024));
    assert_false(offers_size(reports, 3, ENCODER_HEVC, 2050, 1024));
    assert_false(offers_size(reports, 3, ENCODER_HEVC, 2048, 1026));
    assert_false(offers_size(reports, 3, ENCODER_HEVC, 144, 1024));
    assert_false(offers_size(reports, 3, ENCODER_HEVC, 2048, 48));
    assert_true(offers_size(reports, 3, ENCODER_H264, 2560, 1440)); /* by the next one */
    struct codec_wish wish = {.width = 2560, .height = 1440, .pixels_per_s = 1};
    assert_string_equal(codec_offer_encoder(reports, 3, ENCODER_H264, &wish)->name, "x264");
    assert_string_equal(codec_offer_encoder(reports, 3, ENCODER_H264, NULL)->name, "gpu");
    assert_true(offers_size(gpu, 3, ENCODER_HEVC, 7680, 4320));  /* a GPU that does not tell */
    assert_false(offers_size(gpu, 3, ENCODER_H264, 5120, 1440)); /* nobody makes that */
    assert_false(offers_size(gpu, 3, ENCODER_HEVC, 8194, 1440));
    struct config config;
    config_init(&config);
    wish = (struct codec_wish){.width = 5120, .height = 1440, .pixels_per_s = 1};
    assert_true(codec_offer_is_empty(&config, reports, 3, &wish));
    assert_false(codec_offer_is_empty(&config, gpu, 3, &wish));
}

static void only_what_may_be_offered_is_measured(void **state)
{
    (void)state;
    const struct encoder_report x265 = {.name = "x265", .usable = true, .codec = ENCODER_HEVC};
    const struct encoder_report x264 = {.name = "x264", .usable = true, .codec = ENCODER_H264};
    const struct encoder_report broken = {.name = "x265", .codec = ENCODER_HEVC};
    assert_true(codec_offer_depends_on_speed(CONFIG_CODECS_HEVC, &x265));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_AUTO, &x265));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_AV1, &x265));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_HEVC, &x264));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_H264, &x264));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_HEVC, &broken));
    assert_false(codec_offer_depends_on_speed(CONFIG_CODECS_HEVC, &gpu[1]));
}

/* Bits of docs/protocol.md. */
static void finer_pictures_are_offered_as_they_were_proved(void **state)
{
    static const struct {
        enum encoder_codec codec;
        enum frame_format format;
        uint32_t bit;
    } rows[] = {
        {ENCODER_H264, FRAME_YUV444, 0x40000},    {ENCODER_HEVC, FRAME_P010, 0x200},
        {ENCODER_HEVC, FRAME_YUV444, 0x80000},    {ENCODER_HEVC, FRAME_YUV444_10, 0x100000},
        {ENCODER_AV1, FRAME_P010, 0x20000},       {ENCODER_AV1, FRAME_YUV444, 0x200000},
        {ENCODER_AV1, FRAME_YUV444_10, 0x400000},
    };
    (void)state;
    struct config config;
    config_init(&config);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct encoder_report reports[] = {gpu[0], gpu[1], gpu[2], gpu[0], gpu[1], gpu[2]};
        reports[rows[i].codec].takes[FRAME_NV12] = true;
        reports[rows[i].codec].takes[rows[i].format] = true;
        assert_int_equal(bits(CONFIG_CODECS_AUTO, reports, 6), H264 | HEVC | AV1 | rows[i].bit);
        assert_true(codec_offer_takes(&config, reports, 6, rows[i].codec, rows[i].format, NULL));
        assert_false(codec_offer_takes(&config, reports, 6, (rows[i].codec + 1) % 3, rows[i].format, NULL));
        config.codecs = CONFIG_CODECS_H264;
        assert_int_equal(codec_offer_takes(&config, reports, 6, rows[i].codec, rows[i].format, NULL),
                         rows[i].codec == ENCODER_H264);
        config.codecs = CONFIG_CODECS_AUTO;
        reports[rows[i].codec].usable = false; /* the next of the codec takes the plain ones only */
        assert_int_equal(bits(CONFIG_CODECS_AUTO, reports, 6), H264 | HEVC | AV1);
        reports[rows[i].codec].usable = true;
    }
    struct encoder_report second[] = {gpu[0], gpu[0]};
    second[1].takes[FRAME_YUV444] = true; /* it is not the one that is tried first */
    assert_int_equal(bits(CONFIG_CODECS_AUTO, second, 2), H264);
}

static void without_an_encoder_clients_still_get_an_answer(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    assert_true(codec_offer_is_empty(&config, gpu, 0, NULL));
    assert_int_equal(codec_offer_bits(&config, gpu, 0), H264);
    config.codecs = CONFIG_CODECS_H264;
    assert_true(codec_offer_is_empty(&config, gpu + 1, 2, NULL));
    assert_false(codec_offer_is_empty(&config, gpu, 3, NULL));
    assert_false(codec_offer_has(&config, gpu, 3, ENCODER_HEVC, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_works_is_offered),
        cmocka_unit_test(what_failed_in_a_session_is_asked_for_h264_when_there_is_nothing_else),
        cmocka_unit_test(the_operator_may_leave_codecs_out_but_not_h264),
        cmocka_unit_test(software_is_offered_beyond_h264_only_where_the_operator_says_so),
        cmocka_unit_test(software_is_offered_up_to_half_of_what_it_makes),
        cmocka_unit_test(only_sizes_that_are_made_are_offered),
        cmocka_unit_test(only_what_may_be_offered_is_measured),
        cmocka_unit_test(finer_pictures_are_offered_as_they_were_proved),
        cmocka_unit_test(without_an_encoder_clients_still_get_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
