/* SPDX-License-Identifier: Apache-2.0 */
/* Our own way: pictures that were lost are referred to no more. See nvenc_rig.h. */
#include "tests/fakegpu/rig.h"
#include "tests/unit/nvenc_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void lose(struct nvenc_rig *self, int lost, int found, bool tell)
{
    for (int i = 0; i <= found + 4; i++) {
        if (i == found && tell)
            assert_true(encoder_invalidate(self->encoder, found - lost));
        assert_int_equal(nvenc_rig_encode(self, false), ENCODE_OK);
        assert_int_equal(self->part.type, i ? PART_PREDICTED : PART_IDR);
        if (i < lost || i >= found)
            nvenc_rig_decode(self);
        if (i >= found)
            assert_int_equal(nvenc_rig_luma_psnr(self) > 20, tell);
        nv12_scene_step(&self->scene);
    }
}

static void pictures_after_an_invalidation_need_nothing_that_was_lost(void **state)
{
    (void)state;
    for (int lost = 1; lost <= 4; lost++) {
        struct nvenc_rig rig = {0};
        rig_script("");
        nvenc_rig_init(&rig);
        assert_int_equal(encoder_references(rig.encoder), 5);
        lose(&rig, 6, 6 + lost, true);
        assert_int_equal(rig_count("invalidate"), lost);
        assert_true(rig_has(rig_line("invalidate", 0), "n=6"));
        nvenc_rig_finish(&rig);
        nvenc_rig_init(&rig);
        lose(&rig, 6, 6 + lost, false);
        nvenc_rig_finish(&rig);
    }
}

static void a_picture_kept_for_long_is_gone_back_to(void **state)
{
    (void)state;
    for (int lost = 1; lost <= 9; lost += 4) {
        struct nvenc_rig rig = {0};
        rig_script("");
        nvenc_rig_init(&rig);
        assert_int_equal(encoder_long_terms(rig.encoder), 2);
        assert_true(rig_has(rig_line("initialize", 0), "ltr=1"));
        assert_true(rig_has(rig_line("initialize", 0), "ltr_frames=2"));
        for (int i = 0, found = 4 + lost; i <= found + 6; i++) {
            if (i == 3 || i == found)
                encoder_keep(rig.encoder, i == 3);
            if (i == found)
                assert_true(encoder_return_to(rig.encoder, 1, lost));
            assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
            assert_int_equal(rig.part.type, i ? PART_PREDICTED : PART_IDR);
            if (i < 4 || i >= found) {
                nvenc_rig_decode(&rig);
                assert_true(i < found || nvenc_rig_luma_psnr(&rig) > 20);
            }
            nv12_scene_step(&rig.scene);
        }
        assert_true(rig_has(rig_line("picture", 3), "ltr_mark=1"));
        assert_true(rig_has(rig_line("picture", 4), "ltr_mark=-1"));
        assert_true(rig_has(rig_line("picture", 4 + lost), "ltr_use=0x2"));
        assert_true(rig_has(rig_line("picture", 4 + lost), "ltr_mark=0"));
        assert_true(rig_has(rig_line("picture", 4 + lost), nvenc_is_hevc() ? "type=i" : "type=p")); /* the double's */
        assert_true(rig_has(rig_line("picture", 5 + lost), "ltr_use=0"));
        assert_int_equal(rig_count("invalidate"), lost < 7 ? lost : 7);
        nvenc_rig_finish(&rig);
    }
}

static void an_idr_needs_no_long_term_reference(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    for (int i = 0; i < 9; i++) {
        if (i == 3)
            encoder_keep(rig.encoder, 0);
        if (i == 8)
            assert_true(encoder_return_to(rig.encoder, 0, 2));
        assert_int_equal(nvenc_rig_encode(&rig, i == 8), ENCODE_OK);
    }
    assert_int_equal(rig.part.type, PART_IDR);
    assert_true(rig_has(rig_line("picture", 8), "ltr_use=0"));
    assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    assert_true(rig_has(rig_line("picture", 9), "ltr_use=0"));
    assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    rig_change("fail.InvalidateRefFrames=generic\n");
    assert_false(encoder_return_to(rig.encoder, 0, 1));
    nvenc_rig_finish(&rig);
}

static void what_cannot_be_forgotten_is_said(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("");
    nvenc_rig_init(&rig);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    rig_change("fail.InvalidateRefFrames=generic\n");
    assert_false(encoder_invalidate(rig.encoder, 1));
    rig_change("");
    assert_int_equal(nvenc_rig_encode(&rig, true), ENCODE_OK);
    assert_int_equal(rig.part.type, PART_IDR);
    nvenc_rig_finish(&rig);
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
    struct encoder_config config = nvenc_rig_config(&scene);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_script(cases[i].script);
        config.max_reference_frames = cases[i].wanted;
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].dpb));
        assert_true(rig_has(rig_line("initialize", 0), cases[i].list));
        assert_int_equal(encoder_references(encoder), cases[i].references);
        assert_int_equal(encoder_long_terms(encoder), cases[i].long_terms);
        encoder_destroy(encoder);
    }
    nv12_scene_finish(&scene);
    assert_true(nvenc_rig_probe("").invalidates);
    assert_false(nvenc_rig_probe("cap.invalidation=0\n").invalidates);
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
        struct encoder_config config = {.codec = nvenc_way()->codec,
                                        .layout = {.width = cases[i].width,
                                                   .height = cases[i].height,
                                                   .format = FRAME_NV12,
                                                   .colour_space = FRAME_BT709},
                                        .fps_x100 = 6000,
                                        .bitrate_kbps = 20000,
                                        .slices = 1};
        rig_script("");
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        assert_int_equal(encoder_references(encoder), cases[i].references[nvenc_is_hevc()]);
        assert_int_equal(encoder_long_terms(encoder), cases[i].long_terms[nvenc_is_hevc()]);
        encoder_destroy(encoder);
    }
}

static const struct CMUnitTest direct[] = {
    cmocka_unit_test(pictures_after_an_invalidation_need_nothing_that_was_lost),
    cmocka_unit_test(a_picture_kept_for_long_is_gone_back_to),
    cmocka_unit_test(an_idr_needs_no_long_term_reference),
    cmocka_unit_test(what_cannot_be_forgotten_is_said),
    cmocka_unit_test(references_are_kept_where_they_can_be_forgotten_and_are_wanted),
    cmocka_unit_test(a_decoder_of_level_52_has_room_for_the_references),
};

int main(int argc, char **argv)
{
    (void)argc;
    return nvenc_rig_main(
        argv, &(struct nvenc_rig_tests){.direct = direct, .direct_count = sizeof(direct) / sizeof(direct[0])});
}
