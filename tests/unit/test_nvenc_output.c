/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVENC's pictures in parts, by way of the driver double (tests/fakegpu), which shows slices as its imagined chip
 * finishes them. It makes one slice of HEVC, so that comes as a whole.
 */
#include "encode/nvenc_output.h"

#include "encode/annexb.h"
#include "h264_eye.h"
#include "nv12_scene.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { PAYLOAD = 40, SLICES = 4 }; /* a picture is of many such packets */

struct rig {
    struct nv12_scene scene;
    struct encoder_config config;
    struct encoder *encoder;
    struct h264_eye eye;
    struct au_part whole; /* the last access unit, in one piece */
    int parts;            /* it came in */
};

static void rig_open(struct rig *self, const char *script)
{
    *self = (struct rig){.parts = 0};
    nv12_scene_init(&self->scene, 640, 360, NV12_VIDEO);
    self->config = (struct encoder_config){.codec = ENCODER_H264,
                                           .layout = self->scene.frame.layout,
                                           .fps_x100 = 6000,
                                           .bitrate_kbps = 12000,
                                           .slices = 1,
                                           .parts = true,
                                           .wire.payload_bytes = PAYLOAD};
    rig_script(script);
    h264_eye_open(&self->eye);
}

static void create(struct rig *self)
{
    self->encoder = encoder_create("nvenc", &self->config);
    assert_non_null(self->encoder);
}

static void rig_close(struct rig *self)
{
    encoder_destroy(self->encoder);
    h264_eye_close(&self->eye);
    nv12_scene_finish(&self->scene);
}

/* A whole picture. `before_next` is called when the first part is there. */
static enum encode_result encode(struct rig *self, bool idr, void (*before_next)(void))
{
    struct au_part part;
    nv12_scene_step(&self->scene);
    enum encode_result result =
        encoder_encode(self->encoder, &self->scene.frame, &self->scene.frame.damage, 1, idr, &part);
    self->whole = part;
    for (self->parts = 1; result == ENCODE_OK && !part.last; self->parts++) {
        int before = part.part;
        if (before_next)
            before_next();
        result = encoder_next(self->encoder, &part);
        assert_in_range(part.part, before + (result == ENCODE_OK), SLICES - 1);
        self->whole.size += result == ENCODE_OK ? part.size : 0;
    }
    return result;
}

static void assert_good_picture(struct rig *self, int slices)
{
    assert_int_equal(self->whole.type == PART_IDR ? h264_count_units(&self->whole, ANNEXB_H264_IDR_SLICE)
                                                  : h264_count_units(&self->whole, ANNEXB_H264_SLICE),
                     slices);
    h264_eye_decode(&self->eye, &self->whole);
    assert_true(h264_eye_luma_psnr(&self->eye, &self->scene.frame) > 25);
}

static void slices_come_one_by_one_and_make_the_picture(void **state)
{
    (void)state;
    struct rig rig;
    int parts = 0;
    rig_open(&rig, "ms=60\n");
    create(&rig);
    assert_true(rig_has(rig_line("initialize", 0), "slices=4"));
    assert_true(rig_has(rig_line("initialize", 0), "subframe=1"));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(encode(&rig, i == 0 || i == 5, NULL), ENCODE_OK);
        assert_int_equal(rig.whole.type, i == 0 || i == 5 ? PART_IDR : PART_PREDICTED);
        assert_good_picture(&rig, SLICES);
        parts += rig.parts;
    }
    assert_in_range(parts, 2 * 8, SLICES * 8); /* all four of each on an idle machine */
    rig_close(&rig);
}

static void assert_whole(struct rig *self, const char *slices)
{
    create(self);
    assert_true(rig_has(rig_line("initialize", -1), slices));
    assert_true(rig_has(rig_line("initialize", -1), "subframe=0"));
    assert_int_equal(encode(self, true, NULL), ENCODE_OK);
    assert_int_equal(self->parts, 1);
    assert_int_equal(self->whole.parts, 1);
    rig_close(self);
}

static void pictures_come_as_a_whole_where_parts_do_not_pay_or_are_not_wanted(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "ms=20\n");
    rig.config.parts = false;
    assert_whole(&rig, "slices=1");
    rig_open(&rig, "ms=20\n");
    rig.config.bitrate_kbps = 350; /* 18 packets a picture */
    assert_whole(&rig, "slices=1");
    rig_open(&rig, "ms=20\ncap.subframe=0\n");
    assert_whole(&rig, "slices=1");
    rig_open(&rig, "ms=20\ncap.subframe=0\n");
    rig.config.slices = 3;
    assert_whole(&rig, "slices=3");
}

static void there_are_as_many_slices_as_the_rate_is_worth_but_not_fewer_than_asked(void **state)
{
    (void)state;
    static const struct {
        int kbps, slices;
        const char *made;
    } cases[] = {{400, 1, "slices=2"}, {600, 1, "slices=3"}, {12000, 2, "slices=4"}, {400, 4, "slices=4"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_open(&rig, "");
        rig.config.bitrate_kbps = cases[i].kbps;
        rig.config.slices = cases[i].slices;
        create(&rig);
        assert_true(rig_has(rig_line("initialize", 0), cases[i].made));
        rig_close(&rig);
    }
}

/* What no GPU has shown us yet must do no harm if it is otherwise than we think. */
static void a_gpu_that_shows_something_else_is_found_out(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "ms=60\ntorn=2\n");
    create(&rig);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(encode(&rig, false, NULL), ENCODE_OK);
        assert_good_picture(&rig, SLICES);
        assert_true(rig.parts > 1);
    }
    assert_int_equal(encode(&rig, false, NULL), ENCODE_TORN);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(encode(&rig, i == 0, NULL), ENCODE_OK);
        assert_int_equal(rig.parts, 1);
        assert_good_picture(&rig, SLICES);
    }
    rig_close(&rig);
}

static void let_locking_fail(void)
{
    rig_change("ms=60\nfail.LockBitstream=generic\n");
}

static void let_unlocking_fail(void)
{
    rig_change("ms=60\nfail.UnlockBitstream=generic\n");
}

static void let_unmapping_fail(void)
{
    rig_change("ms=60\nfail.UnmapInputResource=generic\n");
}

static void a_driver_that_fails_in_a_picture_ends_the_encoder_only(void **state)
{
    (void)state;
    void (*const ways[])(void) = {let_locking_fail, let_unlocking_fail, let_unmapping_fail};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct rig rig;
        rig_open(&rig, "ms=60\n");
        create(&rig);
        assert_int_equal(encode(&rig, true, NULL), ENCODE_OK);
        assert_int_equal(encode(&rig, false, ways[i]), ENCODE_FAILED);
        rig_change("");
        rig_close(&rig);
        assert_int_equal(rig_count("destroy"), 1);
    }
}

/* Nothing is to be seen of a slice in 100 ms: then the driver is waited for, after three such pictures at once. */
static void a_slow_gpu_is_waited_for_in_the_driver(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "ms=900\n");
    create(&rig);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(encode(&rig, false, NULL), ENCODE_OK);
        assert_int_equal(rig.parts, 1);
        assert_good_picture(&rig, SLICES);
    }
    rig_change("ms=60\n");
    assert_int_equal(encode(&rig, false, NULL), ENCODE_OK);
    assert_int_equal(rig.parts, 1);
    rig_close(&rig);
}

/* Of each picture its beginning is shown, and no more before it is complete: the same. */
static void a_gpu_that_stops_showing_slices_is_waited_for_in_the_driver(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "ms=8\nshows=1\n");
    create(&rig);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(encode(&rig, false, NULL), ENCODE_OK);
        assert_int_equal(rig.parts, i < 3 ? 2 : 1);
        assert_good_picture(&rig, SLICES);
    }
    rig_close(&rig);
}

static void a_slice_that_is_shown_too_early_is_looked_at_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "ms=40\nhasty=1\n");
    create(&rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(encode(&rig, false, NULL), ENCODE_OK);
        assert_good_picture(&rig, SLICES);
    }
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_come_one_by_one_and_make_the_picture),
        cmocka_unit_test(pictures_come_as_a_whole_where_parts_do_not_pay_or_are_not_wanted),
        cmocka_unit_test(there_are_as_many_slices_as_the_rate_is_worth_but_not_fewer_than_asked),
        cmocka_unit_test(a_gpu_that_shows_something_else_is_found_out),
        cmocka_unit_test(a_driver_that_fails_in_a_picture_ends_the_encoder_only),
        cmocka_unit_test(a_slow_gpu_is_waited_for_in_the_driver),
        cmocka_unit_test(a_gpu_that_stops_showing_slices_is_waited_for_in_the_driver),
        cmocka_unit_test(a_slice_that_is_shown_too_early_is_looked_at_again),
    };
    (void)argc;
    rig_enter(argv);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failures;
}
