/* SPDX-License-Identifier: Apache-2.0 */
/* Refusal and parameter mapping only: no machine that built this had a device, so nothing is encoded here. */
#include "encode/lavc.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include <cmocka.h>

#define RENDER_NODE "/dev/dri/renderD128"

static const struct encoder_config wish = {
    .layout = {.width = 1920, .height = 1080, .format = FRAME_NV12, .colour_space = FRAME_BT709},
    .fps_x100 = 6000,
    .bitrate_kbps = 12000,
    .slices = 4,
};

static struct lavc *prepare(enum encoder_codec codec, bool low_power)
{
    char reason[200] = "";
    struct encoder_config config = wish;
    config.codec = codec;
    struct lavc *self = lavc_vaapi_prepare(&config, low_power, reason, sizeof(reason));
    if (!self)
        fail_msg("%s", reason);
    return self;
}

static void assert_option(struct lavc *self, const char *name, const char *value)
{
    uint8_t *found = NULL;
    assert_true(av_opt_get(self->context->priv_data, name, 0, &found) >= 0);
    if (strcmp((char *)found, value) != 0)
        fail_msg("%s: %s is %s, not %s", self->context->codec->name, name, (char *)found, value);
    av_free(found);
}

static void each_codec_gets_its_encoder_and_profile(void **state)
{
    (void)state;
    struct lavc *h264 = prepare(ENCODER_H264, true), *hevc = prepare(ENCODER_HEVC, true);
    assert_string_equal(h264->context->codec->name, "h264_vaapi");
    assert_int_equal(h264->context->profile, FF_PROFILE_H264_HIGH);
    assert_string_equal(hevc->context->codec->name, "hevc_vaapi");
    assert_int_equal(hevc->context->profile, FF_PROFILE_HEVC_MAIN);
    lavc_destroy(&h264->base);
    lavc_destroy(&hevc->base);
}

static void ten_bits_are_asked_for_by_profile_and_pixels(void **state)
{
    (void)state;
    char reason[200] = "";
    struct encoder_config config = wish;
    config.codec = ENCODER_HEVC;
    config.layout.format = FRAME_P010;
    config.layout.colour_space = FRAME_BT2020;
    struct lavc *self = lavc_vaapi_prepare(&config, true, reason, sizeof(reason));
    assert_non_null(self);
    assert_int_equal(self->context->profile, FF_PROFILE_HEVC_MAIN_10);
    assert_int_equal(self->pixels, AV_PIX_FMT_P010);
    assert_int_equal(self->context->color_trc, AVCOL_TRC_BT2020_10);
    lavc_destroy(&self->base);
}

static void nothing_waits_for_a_later_picture(void **state)
{
    (void)state;
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_HEVC; codec++) {
        struct lavc *self = prepare(codec, true);
        assert_option(self, "async_depth", "1");
        assert_int_equal(self->context->max_b_frames, 0);
        assert_int_equal(self->context->refs, 1);
        assert_int_equal(self->context->gop_size, INT_MAX); /* an IDR on demand only */
        lavc_destroy(&self->base);
    }
}

static void the_rate_is_constant_and_a_picture_has_one_interval_of_it(void **state)
{
    (void)state;
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_HEVC; codec++) {
        struct lavc *self = prepare(codec, true);
        assert_option(self, "rc_mode", "2"); /* CBR */
        assert_int_equal(self->context->bit_rate, 12000000);
        assert_int_equal(self->context->rc_max_rate, 12000000);
        assert_int_equal(self->context->rc_buffer_size, 200000);
        lavc_destroy(&self->base);
    }
}

static void a_picture_is_no_larger_than_a_burst_may_be(void **state)
{
    (void)state;
    char reason[200];
    struct encoder_config config = wish;
    config.burst_kbit = 150;
    struct lavc *self = lavc_vaapi_prepare(&config, true, reason, sizeof(reason));
    assert_non_null(self);
    assert_int_equal(self->context->rc_buffer_size, 150000);
    lavc_destroy(&self->base);
}

static void nothing_stands_in_front_of_the_first_slice(void **state)
{
    (void)state;
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_HEVC; codec++) {
        struct lavc *self = prepare(codec, true);
        assert_option(self, "aud", "false");
        assert_option(self, "sei", "0x00000000");
        assert_int_equal(self->context->slices, 4);
        assert_int_equal(self->context->colorspace, AVCOL_SPC_BT709);
        assert_int_equal(self->context->color_range, AVCOL_RANGE_MPEG);
        lavc_destroy(&self->base);
    }
}

static void low_power_is_tried_and_left(void **state)
{
    (void)state;
    for (int low_power = 0; low_power < 2; low_power++) {
        struct lavc *self = prepare(ENCODER_HEVC, low_power);
        assert_option(self, "low_power", low_power ? "true" : "false");
        lavc_destroy(&self->base);
    }
}

static void an_option_that_is_missing_is_left_out(void **state)
{
    (void)state;
    struct lavc *self = prepare(ENCODER_H264, true);
    lavc_set_option(self, "hovercraft", "1");
    assert_option(self, "async_depth", "1");
    lavc_destroy(&self->base);
}

static void without_a_device_it_is_refused_by_its_name(void **state)
{
    (void)state;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    if (access(RENDER_NODE, F_OK) == 0)
        skip();
    int count = encoder_probe("vaapi", reports);
    assert_int_equal(count, lavc_has("av1_vaapi") ? 3 : 2); /* what libavcodec does not know gets no report */
    for (int i = 0; i < count; i++) {
        assert_false(reports[i].usable);
        assert_string_equal(reports[i].reason, "no " RENDER_NODE);
        encoder_probe_again(&reports[i]);
        assert_string_equal(reports[i].name, "vaapi");
        assert_int_equal(reports[i].codec, i);
        assert_string_equal(reports[i].reason, "no " RENDER_NODE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_codec_gets_its_encoder_and_profile),
        cmocka_unit_test(ten_bits_are_asked_for_by_profile_and_pixels),
        cmocka_unit_test(nothing_waits_for_a_later_picture),
        cmocka_unit_test(the_rate_is_constant_and_a_picture_has_one_interval_of_it),
        cmocka_unit_test(a_picture_is_no_larger_than_a_burst_may_be),
        cmocka_unit_test(nothing_stands_in_front_of_the_first_slice),
        cmocka_unit_test(low_power_is_tried_and_left),
        cmocka_unit_test(an_option_that_is_missing_is_left_out),
        cmocka_unit_test(without_a_device_it_is_refused_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
