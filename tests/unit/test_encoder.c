/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef HAVE_X264
static const struct encoder_config good = {
    .codec = ENCODER_H264,
    .layout = {.width = 320, .height = 240, .format = FRAME_NV12, .colour_space = FRAME_BT709},
    .fps_x100 = 6000,
    .bitrate_kbps = 5000,
    .slices = 1,
};
#endif

static void an_unknown_name_gives_no_encoder_and_no_report(void **state)
{
    (void)state;
    struct encoder_config config = {0};
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    assert_null(encoder_create("abacus", &config));
    assert_null(encoder_create("auto", &config));
    assert_int_equal(encoder_probe("abacus", reports), 0);
    encoder_destroy(NULL);
}

static void choosing_takes_the_first_usable_of_the_codec(void **state)
{
    (void)state;
    const struct encoder_report reports[] = {
        {.name = "a", .usable = false, .codec = ENCODER_H264},
        {.name = "b", .usable = true, .codec = ENCODER_HEVC},
        {.name = "c", .usable = true, .codec = ENCODER_H264},
        {.name = "d", .usable = true, .codec = ENCODER_H264},
    };
    assert_string_equal(encoder_choose(reports, 4, ENCODER_H264)->name, "c");
    assert_null(encoder_choose(reports, 4, ENCODER_AV1));
    assert_null(encoder_choose(reports, 0, ENCODER_H264));
}

#if defined(HAVE_LAVC) || defined(HAVE_X264)
/* Of a backend and codec; NULL: it was not tried. */
static const struct encoder_report *find(const struct encoder_report *reports, int count, const char *name,
                                         enum encoder_codec codec)
{
    for (int i = 0; i < count; i++)
        if (reports[i].codec == codec && !strcmp(reports[i].name, name))
            return &reports[i];
    return NULL;
}
#endif

static void probing_explains_each_refusal(void **state)
{
    (void)state;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    int count = encoder_probe("auto", reports);
    for (int i = 0; i < count; i++) {
        assert_int_equal(reports[i].usable, reports[i].reason[0] == '\0');
        print_message("%s: %s\n", reports[i].name, reports[i].usable ? "usable" : reports[i].reason);
        assert_true(i == 0 || reports[i - 1].hardware || !reports[i].hardware); /* preferred */
    }
#ifdef HAVE_NVENC
    assert_string_equal(reports[0].name, "nvenc");
#endif
#ifdef HAVE_LAVC
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_HEVC; codec++) {
        const struct encoder_report *nvenc = find(reports, count, "nvenc", codec);
        assert_true((nvenc && nvenc->usable) || find(reports, count, "nvenc-lavc", codec));
        const struct encoder_report *vaapi = find(reports, count, "vaapi", codec);
        assert_non_null(vaapi);
        if (access("/dev/dri/renderD128", F_OK) != 0)
            assert_string_equal(vaapi->reason, "no /dev/dri/renderD128");
    }
    assert_true(find(reports, count, "x265", ENCODER_HEVC)->usable);
    assert_true(find(reports, count, "aom", ENCODER_AV1)->usable);
#endif
#ifdef HAVE_X264
    assert_true(find(reports, count, "x264", ENCODER_H264)->usable);
    const bool *takes = find(reports, count, "x264", ENCODER_H264)->takes;
    assert_true(takes[FRAME_NV12] && takes[FRAME_YUV444]);
    assert_false(takes[FRAME_BGR0] || takes[FRAME_P010] || takes[FRAME_YUV444_10]);
    assert_int_equal(encoder_probe("x264", reports), 1);
    assert_non_null(encoder_choose(reports, 1, ENCODER_H264));
#endif
}

#ifdef HAVE_X264
static void assert_refused(struct encoder_config config)
{
    assert_null(encoder_create("x264", &config));
}

static void settings_outside_the_limits_are_refused(void **state)
{
    (void)state;
    static const int sizes[][2] = {{0, 0},     {0, 240},   {320, 0},    {-2, 240},
                                   {321, 240}, {320, 241}, {4098, 240}, {320, 4098}};
    struct encoder_config config;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        config = good;
        config.layout.width = sizes[i][0], config.layout.height = sizes[i][1];
        assert_refused(config);
    }
#ifdef HAVE_LAVC
    config = good, config.codec = ENCODER_HEVC, config.layout.width = 8194;
    assert_null(encoder_create("x265", &config));
#endif
    config = good, config.layout.format = FRAME_BGR0, assert_refused(config);
    config = good, config.layout.format = FRAME_P010, assert_refused(config);
    config = good, config.codec = ENCODER_AV1, assert_refused(config);
    config = good, config.fps_x100 = 0, assert_refused(config);
    config = good, config.bitrate_kbps = 0, assert_refused(config);
    config = good, config.slices = 0, assert_refused(config);
    config = good, config.slices = 17, assert_refused(config);
    config = good, config.max_reference_frames = -1, assert_refused(config);
    config = good, config.threads = -1, assert_refused(config);
    struct encoder *encoder = encoder_create("x264", &good);
    assert_non_null(encoder);
    assert_string_equal(encoder_name(encoder), "x264");
    encoder_destroy(encoder);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_name_gives_no_encoder_and_no_report),
        cmocka_unit_test(choosing_takes_the_first_usable_of_the_codec),
        cmocka_unit_test(probing_explains_each_refusal),
#ifdef HAVE_X264
        cmocka_unit_test(settings_outside_the_limits_are_refused),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
