/* SPDX-License-Identifier: Apache-2.0 */
/* Sets written out here, and those of libx264 for all that it can put into one. */
#include "encode/h264_sps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#ifdef HAVE_X264
#include <x264.h>
#endif

enum { ROOM = H264_SPS_MAX + H264_SPS_GROWTH_MAX };

/* 320x240, Baseline, level 3, one reference, no VUI. */
static const uint8_t without_vui[] = {
    0x67, 0x42, 0x00, 0x1E, /* SPS, profile_idc 66, level_idc 30 */
    0xDA,                   /* ids 0, log2_max_frame_num 4, pic_order_cnt_type 2, max_num_ref_frames 1 */
    0x05, 0x07,             /* no gaps, 20 macroblocks wide, 15 ... */
    0xE4,                   /* ... high; frames only, direct_8x8, no cropping, no VUI; stop bit */
};
static const uint8_t restricted[] = {
    0x67, 0x42, 0x00, 0x1E, 0xDA, 0x05, 0x07, 0xE8, /* VUI, and four of its eight flags, all 0 */
    0x07, 0x84, 0x42, 0x35, /* the rest; 1: restriction, 1: vectors over borders, 0, 0, 16, 16, 0, 1; stop bit */
};

static void a_set_without_vui_gets_one(void **state)
{
    (void)state;
    uint8_t ret[ROOM];
    assert_int_equal(h264_sps_restrict(without_vui, sizeof(without_vui), ret), sizeof(restricted));
    assert_memory_equal(ret, restricted, sizeof(restricted));
}

static void a_set_that_says_it_is_left_alone(void **state)
{
    (void)state;
    uint8_t ret[ROOM];
    assert_int_equal(h264_sps_restrict(restricted, sizeof(restricted), ret), 0);
    assert_int_equal(h264_sps_loosen(without_vui, sizeof(without_vui), ret), 0);
}

static void frame_numbers_get_wide(void **state)
{
    (void)state;
    static const uint8_t wide[] = {
        0x67, 0x42, 0x00, 0x1E, 0x8D, /* log2_max_frame_num 16 */
        0x68, 0x14, 0x1F, 0x90,       /* as before, 6 bits later */
    };
    uint8_t ret[ROOM];
    assert_int_equal(h264_sps_widen(without_vui, sizeof(without_vui), ret), sizeof(wide));
    assert_memory_equal(ret, wide, sizeof(wide));
    assert_int_equal(h264_sps_widen(wide, sizeof(wide), ret), 0);
    for (size_t size = 0; size < sizeof(without_vui) - 1; size++)
        assert_int_equal(h264_sps_widen(without_vui, size, ret), 0);
}

static void what_is_no_whole_set_is_refused(void **state)
{
    (void)state;
    uint8_t ret[ROOM], large[H264_SPS_MAX + 1] = {0x67, 0x42, 0x00, 0x1E, 0xDA, 0x05, 0x07, 0xE4};
    uint8_t pps[] = {0x68, 0xCE, 0x3C, 0x80};
    for (size_t size = 0; size < sizeof(without_vui) - 1; size++)
        assert_int_equal(h264_sps_restrict(without_vui, size, ret), 0);
    assert_int_equal(h264_sps_restrict(pps, sizeof(pps), ret), 0);
    assert_int_equal(h264_sps_restrict(large, sizeof(large), ret), 0);
}

#ifdef HAVE_X264
struct made {
    uint8_t bytes[H264_SPS_MAX];
    size_t size;
};

static struct made make(const x264_param_t *wanted)
{
    struct made made = {.size = 0};
    x264_nal_t *nals;
    int count;
    x264_param_t param = *wanted;
    x264_t *x264 = x264_encoder_open(&param);
    assert_non_null(x264);
    assert_true(x264_encoder_headers(x264, &nals, &count) > 0);
    for (int i = 0; i < count; i++) {
        if (nals[i].i_type != NAL_SPS)
            continue;
        made.size = (size_t)nals[i].i_payload - 4;
        assert_true(made.size <= sizeof(made.bytes));
        memcpy(made.bytes, nals[i].p_payload + 4, made.size);
    }
    x264_encoder_close(x264);
    return made;
}

/* All that comes before the flag stays, bit by bit. */
static void assert_there_and_back(const struct made *made)
{
    uint8_t loose[ROOM], strict[ROOM], again[ROOM];
    size_t loose_size = h264_sps_loosen(made->bytes, made->size, loose);
    assert_true(loose_size > 0 && loose_size < made->size);
    size_t strict_size = h264_sps_restrict(loose, loose_size, strict);
    assert_true(strict_size > loose_size && strict_size <= loose_size + H264_SPS_GROWTH_MAX);
    assert_int_equal(h264_sps_restrict(strict, strict_size, again), 0);
    assert_int_equal(h264_sps_loosen(strict, strict_size, again), loose_size);
    assert_memory_equal(again, loose, loose_size);
    assert_memory_equal(loose, made->bytes, loose_size - 4); /* the last bytes hold the flag, or guard it */
}

static x264_param_t preset(int width, int height)
{
    x264_param_t param;
    x264_param_default_preset(&param, "ultrafast", "zerolatency");
    param.i_width = width, param.i_height = height;
    param.i_csp = X264_CSP_I420;
    param.i_threads = 1;
    param.i_log_level = X264_LOG_ERROR;
    return param;
}

static void sets_of_an_encoder_keep_all_else(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {1920, 1080}, {640, 360}, {4096, 2304}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int what = 0; what < 8; what++) {
            x264_param_t param = preset(sizes[i][0], sizes[i][1]);
            param.i_fps_num = what % 2 ? 60000 : 256, param.i_fps_den = what % 2 ? 1001 : 1; /* zero bytes: guards */
            param.vui.i_sar_width = what == 1 ? 7 : 0, param.vui.i_sar_height = what == 1 ? 11 : 0;
            param.vui.i_overscan = what == 2 ? 2 : 0;
            param.vui.i_colorprim = param.vui.i_transfer = param.vui.i_colmatrix = what == 3 ? 1 : 2;
            param.vui.i_chroma_loc = what == 4 ? 3 : 0;
            param.i_cqm_preset = what == 5 ? X264_CQM_JVT : X264_CQM_FLAT;
            param.i_nal_hrd = what == 6 ? X264_NAL_HRD_VBR : X264_NAL_HRD_NONE;
            param.rc.i_bitrate = param.rc.i_vbv_max_bitrate = param.rc.i_vbv_buffer_size = what == 6 ? 5000 : 0;
            param.rc.i_rc_method = what == 6 ? X264_RC_ABR : X264_RC_CRF;
            param.i_csp = what == 7 ? X264_CSP_I444 : X264_CSP_I420;
            param.analyse.b_transform_8x8 = what >= 5;
            param.i_dpb_size = 1 + what;
            struct made made = make(&param);
            assert_there_and_back(&made);
        }
    }
}

static void damage_does_no_harm(void **state)
{
    (void)state;
    uint8_t ret[ROOM];
    x264_param_t param = preset(1920, 1080);
    param.i_cqm_preset = X264_CQM_JVT;
    param.analyse.b_transform_8x8 = 1;
    struct made made = make(&param);
    for (size_t bit = 0; bit < made.size * 8; bit++) {
        struct made damaged = made;
        damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        for (size_t size = 0; size <= made.size; size++) {
            uint8_t *exact = malloc(size ? size : 1); /* what is read beyond is seen by a sanitizer */
            memcpy(exact, damaged.bytes, size);
            assert_true(h264_sps_restrict(exact, size, ret) <= ROOM);
            assert_true(h264_sps_loosen(exact, size, ret) <= ROOM);
            free(exact);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_without_vui_gets_one),       cmocka_unit_test(a_set_that_says_it_is_left_alone),
        cmocka_unit_test(frame_numbers_get_wide),           cmocka_unit_test(what_is_no_whole_set_is_refused),
#ifdef HAVE_X264
        cmocka_unit_test(sets_of_an_encoder_keep_all_else), cmocka_unit_test(damage_does_no_harm),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
