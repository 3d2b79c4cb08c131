/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures made without libx264 between its own: libavcodec's decoder must show them, and what refers to them. */
#include "encode/annexb.h"
#include "encode/encoder.h"
#include "encode/h264_stream.h"
#include "encode/mb_map.h"
#include "encode/rbsp.h"
#include "tests/unit/h264_eye.h"
#include "tests/unit/nv12_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    THREADS = 2, /* and slices at least */
    MB = MB_MAP_PX,
    SETTLED = 16, /* most that a sample may be off when the picture rests: as tests/e2e/test_damage.py */
    SETTLE_PICTURES = 60,
};

struct rig {
    struct nv12_scene scene;
    struct encoder *encoder;
    struct h264_eye eye;
    struct au_part part;
    AVFrame *before; /* decoded */
    struct h264_stream stream;
    int64_t now_ns;
    uint32_t random;
    int patches, others;
};

static int random_below(struct rig *self, int limit)
{
    self->random = self->random * 1664525U + 1013904223U;
    return (int)((uint64_t)(self->random >> 8) * (uint64_t)limit >> 24);
}

/* fps_x100: many make an encoder without time for CABAC. */
static void rig_init(struct rig *self, int width, int height, int fps_x100, int bitrate_kbps)
{
    *self = (struct rig){.random = 11, .before = av_frame_alloc()};
    nv12_scene_init(&self->scene, width, height, NV12_STATIC);
    struct encoder_config config = {.codec = ENCODER_H264,
                                    .layout = self->scene.frame.layout,
                                    .fps_x100 = fps_x100,
                                    .bitrate_kbps = bitrate_kbps,
                                    .slices = 1,
                                    .threads = THREADS};
    self->encoder = encoder_create("x264", &config);
    assert_non_null(self->encoder);
    assert_non_null(self->before);
    h264_eye_open(&self->eye);
}

static void rig_finish(struct rig *self)
{
    encoder_destroy(self->encoder);
    h264_eye_close(&self->eye);
    av_frame_free(&self->before);
    nv12_scene_finish(&self->scene);
}

static bool is_damaged(const struct rig *self, int x, int y)
{
    struct rect block = {x / MB * MB, y / MB * MB, MB, MB};
    for (int i = 0; i < self->scene.frame.damage.count; i++)
        if (!rect_is_empty(rect_intersect(block, self->scene.frame.damage.rects[i])))
            return true;
    return false;
}

static int sample(const struct rig *self, bool decoded, int plane, int x, int y)
{
    const AVFrame *picture = self->eye.decoded;
    const struct frame *frame = &self->scene.frame;
    if (decoded)
        return picture->data[plane][y * picture->linesize[plane] + x];
    if (plane == 0)
        return frame->planes[0][y * frame->strides[0] + x];
    return frame->planes[1][y * frame->strides[1] + x * 2 + plane - 1];
}

/* What changed is there without loss, and all else as it was. */
static void check_patch(const struct rig *self)
{
    for (int plane = 0; plane < 3; plane++) {
        int scale = plane ? 2 : 1, width = self->eye.decoded->width / scale, height = self->eye.decoded->height / scale;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                int before = self->before->data[plane][y * self->before->linesize[plane] + x];
                bool changed = is_damaged(self, x * scale, y * scale);
                assert_int_equal(sample(self, true, plane, x, y), changed ? sample(self, false, plane, x, y) : before);
            }
    }
}

/* Our own slices leave the quantiser as it is, 26, with the loop filter off; at that QP libx264 has it on. */
static bool is_ours(const struct rig *self, const uint8_t *nal, size_t size)
{
    uint8_t head[32];
    struct rbsp in = {.data = head, .room = sizeof(head)};
    assert_true(rbsp_open(&in, nal, size < sizeof(head) ? size : sizeof(head)));
    rbsp_read_bits(&in, 8);
    rbsp_skip_ue(&in, 3);
    rbsp_read_bits(&in, self->stream.frame_num_bits + 3);
    if (self->stream.cabac)
        rbsp_read_ue(&in);
    return rbsp_read_se(&in) == 0 && rbsp_read_ue(&in) == 1;
}

static bool is_patch(const struct rig *self)
{
    struct annexb_nal nal = {.end = 0};
    while (annexb_next(self->part.data, self->part.size, nal.end, &nal))
        if (!is_ours(self, self->part.data + nal.head, nal.end - nal.head))
            return false;
    return true;
}

static void step(struct rig *self, bool idr)
{
    assert_int_equal(encoder_encode(self->encoder, &self->scene.frame, &self->scene.frame.damage,
                                    self->now_ns += 16666667, idr, &self->part),
                     ENCODE_OK);
    h264_eye_decode(&self->eye, &self->part);
    assert_int_equal(self->eye.decoded->decode_error_flags, 0);
    if (self->part.type == PART_IDR)
        assert_true(h264_stream_read(&self->stream, self->part.data, self->part.size));
    else
        assert_true(h264_count_units(&self->part, ANNEXB_H264_SLICE) >= THREADS);
    bool patch = self->part.type != PART_IDR && is_patch(self);
    if (patch)
        check_patch(self);
    self->patches += patch;
    self->others += !patch;
    av_frame_unref(self->before);
    assert_int_equal(av_frame_ref(self->before, self->eye.decoded), 0);
    region_clear(&self->scene.frame.damage);
}

static void settle(struct rig *self)
{
    for (int i = 0; i < SETTLE_PICTURES; i++)
        step(self, false);
    for (int plane = 0; plane < 3; plane++) {
        int scale = plane ? 2 : 1;
        for (int y = 0; y < self->eye.decoded->height / scale; y++)
            for (int x = 0; x < self->eye.decoded->width / scale; x++)
                assert_in_range(sample(self, true, plane, x, y) - sample(self, false, plane, x, y) + SETTLED, 0,
                                2 * SETTLED);
    }
}

/* Bytes of all kinds: also those that must be guarded in the stream. */
static void draw(struct rig *self)
{
    const struct frame_layout *layout = &self->scene.frame.layout;
    struct rect r = {random_below(self, layout->width / 8) * 8 & ~1, random_below(self, layout->height) & ~1, 0, 0};
    r.x = random_below(self, 3) ? r.x : random_below(self, 2) ? 0 : layout->width - 8;
    r.y = random_below(self, 3) ? r.y : random_below(self, 2) ? 0 : layout->height - 8;
    r.width = 2 + random_below(self, 24);
    r.height = 2 + random_below(self, 24);
    r = rect_intersect(r, (struct rect){0, 0, layout->width, layout->height});
    int most = random_below(self, 4) ? 256 : 3;
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            self->scene.frame.planes[0][y * self->scene.frame.strides[0] + x] = (uint8_t)random_below(self, most);
            self->scene.frame.planes[1][y / 2 * self->scene.frame.strides[1] + x] = (uint8_t)random_below(self, most);
        }
    region_add(&self->scene.frame.damage, r);
}

/* All moves, so that libx264 refers to what lies beyond the edges. */
static void shift(struct rig *self)
{
    struct frame *frame = &self->scene.frame;
    int lines = 2 + random_below(self, 6) * 2, pixels = random_below(self, 6) * 2;
    bool back = random_below(self, 2);
    for (int plane = 0; plane < 2; plane++) {
        int count = plane ? lines / 2 : lines, height = frame->layout.height / (plane ? 2 : 1);
        size_t stride = (size_t)frame->strides[plane], size = stride * (size_t)(height - count) - (size_t)pixels;
        uint8_t *start = frame->planes[plane], *moved = start + (size_t)count * stride + pixels;
        memmove(back ? start : moved, back ? moved : start, size);
    }
    region_add(&frame->damage, (struct rect){0, 0, frame->layout.width, frame->layout.height});
}

static void run(int width, int height, int fps_x100)
{
    struct rig rig;
    rig_init(&rig, width, height, fps_x100, fps_x100 * 4);
    step(&rig, false);
    settle(&rig);
    for (int i = 0; i < 200; i++) {
        int what = random_below(&rig, 25);
        for (int n = what > 4 ? 1 + random_below(&rig, 2) : 0; n > 0; n--)
            draw(&rig);
        for (int n = what == 0 ? 3 : 0; n > 0; n--) {
            shift(&rig);
            step(&rig, false);
        }
        step(&rig, what == 1);
        if (what == 0)
            settle(&rig);
    }
    settle(&rig);
    print_message("%dx%d: %d pictures without libx264, %d with\n", width, height, rig.patches, rig.others);
    assert_true(rig.patches > 150);
    assert_true(rig.others > 25);
    rig_finish(&rig);
}

static void small_changes_come_without_loss_and_what_follows_builds_on_them(void **state)
{
    (void)state;
    run(480, 272, 6000);   /* with CABAC */
    run(346, 258, 6000);   /* the last macroblocks are partly outside */
    run(500, 362, 100000); /* CAVLC */
    run(208, 976, 6000);   /* four bands */
}

static size_t patch_size(int macroblocks, int bitrate_kbps)
{
    struct rig rig;
    rig_init(&rig, 480, 272, 6000, bitrate_kbps);
    step(&rig, false);
    for (int i = 0; i < 5; i++)
        settle(&rig);
    region_add(&rig.scene.frame.damage, (struct rect){0, 64, macroblocks * MB, MB});
    int before = rig.patches;
    step(&rig, false);
    size_t size = rig.patches > before ? rig.part.size : 0;
    rig_finish(&rig);
    return size;
}

static void what_takes_too_much_of_the_rate_goes_through_libx264(void **state)
{
    (void)state;
    assert_in_range(patch_size(0, 5000), 1, 100);
    assert_in_range(patch_size(1, 5000), 384, 384 + 200);
    assert_in_range(patch_size(6, 5000), 2304, 2304 + 300);
    assert_int_equal(patch_size(10, 5000), 0); /* a picture has 10 kB */
    assert_in_range(patch_size(14, 10000), 5376, 5376 + 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_changes_come_without_loss_and_what_follows_builds_on_them),
        cmocka_unit_test(what_takes_too_much_of_the_rate_goes_through_libx264),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
