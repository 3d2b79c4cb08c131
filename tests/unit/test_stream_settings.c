/* SPDX-License-Identifier: Apache-2.0 */
#include "host/stream_settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sdp_announce make_wish(void)
{
    return (struct sdp_announce){.width = 2560,
                                 .height = 1440,
                                 .fps_x100 = 5994,
                                 .packet_size = 1392,
                                 .bitrate_kbps = 20000,
                                 .codec = SDP_HEVC,
                                 .full_range = true,
                                 .colour_space = 1,
                                 .max_reference_frames = 1,
                                 .slices = 4,
                                 .min_fec_packets = 2,
                                 .video_qos = true,
                                 .audio_channels = 2};
}

static struct config make_config(int fec_percent, int bitrate_max_kbps)
{
    struct config config;
    config_init(&config);
    config.fec_percent = fec_percent;
    config.bitrate_max_kbps = bitrate_max_kbps;
    return config;
}

static void a_stream_is_what_the_client_asked_for(void **state)
{
    (void)state;
    struct config config = make_config(20, 0);
    struct sdp_announce wish = make_wish();
    struct stream_config stream = stream_settings(&config, &wish);
    assert_int_equal(stream.view.layout.width, 2560);
    assert_int_equal(stream.view.layout.height, 1440);
    assert_int_equal(stream.view.layout.colour_space, FRAME_BT709);
    assert_true(stream.view.layout.full_range);
    assert_int_equal(stream.view.fps_x100, 5994);
    assert_int_equal(stream.encoder.codec, ENCODER_HEVC);
    assert_int_equal(stream.encoder.slices, 4);
    assert_int_equal(stream.encoder.max_reference_frames, 1);
    assert_int_equal(stream.sender.packet_size, 1392);
    assert_int_equal(stream.sender.min_parity, 2);
    assert_true(stream.sender.dscp);
    assert_int_equal(stream.sender.bitrate_kbps, 20000);
    assert_int_equal(stream.encoder.bitrate_kbps, sdp_encoder_bitrate_kbps(20000, 20, 2, false));
}

static void pictures_are_of_the_kind_asked_for(void **state)
{
    static const enum frame_format formats[2][2] = {{FRAME_NV12, FRAME_P010}, {FRAME_YUV444, FRAME_YUV444_10}};
    (void)state;
    struct config config = make_config(20, 0);
    struct sdp_announce wish = make_wish();
    for (int i = 0; i < 4; i++) {
        wish.chroma444 = i / 2, wish.ten_bit = i % 2;
        wish.colour_space = 2;
        struct frame_layout layout = stream_settings(&config, &wish).view.layout;
        assert_int_equal(layout.format, formats[i / 2][i % 2]);
        assert_int_equal(layout.colour_space, wish.ten_bit ? FRAME_BT2020 : FRAME_BT709); /* eight bits are too few */
        wish.colour_space = 0;
        assert_int_equal(stream_settings(&config, &wish).view.layout.colour_space, FRAME_BT601);
    }
}

static void what_is_not_asked_for_stays_off(void **state)
{
    (void)state;
    struct config config = make_config(20, 0);
    struct sdp_announce wish = make_wish();
    wish.full_range = wish.video_qos = false;
    struct stream_config stream = stream_settings(&config, &wish);
    assert_false(stream.view.layout.full_range);
    assert_false(stream.sender.dscp);
    assert_null(stream.sender.key);
    assert_null(stream.display);
    assert_int_equal(stream.encoder_count, 0);
}

static void the_operators_settings_are_taken_over(void **state)
{
    (void)state;
    struct config config = make_config(35, 0);
    struct sdp_announce wish = make_wish();
    config.idle_fps = 7;
    for (int rate = 0; rate < 2; rate++) {
        config.rate_control = rate;
        assert_int_equal(stream_settings(&config, &wish).encoder.rate, rate);
    }
    assert_int_equal(stream_settings(&config, &wish).idle_fps, 7);
    assert_int_equal(stream_settings(&config, &wish).sender.fec_percent, 35);
}

static void the_operators_limit_holds_for_sender_and_encoder(void **state)
{
    (void)state;
    struct sdp_announce wish = make_wish();
    static const int limits_kbps[] = {0, 8000, 19999, 20000, 20001};
    static const int wanted_kbps[] = {20000, 8000, 19999, 20000, 20000};
    for (int i = 0; i < 5; i++) {
        struct config config = make_config(20, limits_kbps[i]);
        struct stream_config stream = stream_settings(&config, &wish);
        assert_int_equal(stream.sender.bitrate_kbps, wanted_kbps[i]);
        assert_int_equal(stream.encoder.bitrate_kbps, sdp_encoder_bitrate_kbps(wanted_kbps[i], 20, 2, false));
    }
}

/* Worked out by hand: (packets of 4 blocks that are data) * (packet without its header of 16) * 8 bits. */
static void a_burst_fits_four_blocks_with_their_parity(void **state)
{
    (void)state;
    static const int cases[][3] = {{1392, 0, 11228}, {1392, 20, 9334}, {1392, 255, 3126}, {1024, 20, 6838}};
    for (int i = 0; i < 4; i++) {
        struct config config = make_config(cases[i][1], 0);
        struct sdp_announce wish = make_wish();
        wish.packet_size = cases[i][0];
        assert_int_equal(stream_settings(&config, &wish).encoder.burst_kbit, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_what_the_client_asked_for),
        cmocka_unit_test(pictures_are_of_the_kind_asked_for),
        cmocka_unit_test(what_is_not_asked_for_stays_off),
        cmocka_unit_test(the_operators_settings_are_taken_over),
        cmocka_unit_test(the_operators_limit_holds_for_sender_and_encoder),
        cmocka_unit_test(a_burst_fits_four_blocks_with_their_parity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
