/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures on their way into a session of the driver double, whose CUDA memory is this process's and can be looked at.
 * It ends the process when memory or a resource is left behind.
 */
#include "capture/frame.h"
#include "encode/nvenc_config.h"
#include "encode/nvenc_input.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WIDTH = 640, HEIGHT = 362, ROUNDS = 60 };

struct rig {
    struct frame_pool *pool;
    struct frame *frame;
    struct nvenc_driver driver;
    NV_ENC_CONFIG config;
    NV_ENC_INITIALIZE_PARAMS params;
    struct nvenc_input input;
    char reason[200];
    uint32_t seed;
};

/* `script`: while the input is opened. */
static void rig_open(struct rig *self, enum frame_format format, const char *script)
{
    struct encoder_config config = {.codec = ENCODER_H264,
                                    .layout = {WIDTH, HEIGHT, format, FRAME_BT709, false},
                                    .fps_x100 = 6000,
                                    .bitrate_kbps = 10000,
                                    .slices = 1};
    if (frame_shape_of(format)->bits > 8)
        config.codec = ENCODER_HEVC;
    *self = (struct rig){.config.version = NV_ENC_CONFIG_VER, .seed = 1};
    rig_script("");
    self->pool = frame_pool_create(&config.layout, 1);
    self->frame = frame_pool_take(self->pool);
    GUID codec = nvenc_config_codec(config.codec);
    assert_true(nvenc_driver_open(&self->driver, &codec, "it", self->reason, sizeof(self->reason)));
    nvenc_config_fill(&config, 1, 0, false, 1, &self->config, &self->params);
    assert_int_equal(self->driver.api.nvEncInitializeEncoder(self->driver.session, &self->params), NV_ENC_SUCCESS);
    rig_script(script);
    assert_true(nvenc_input_open(&self->input, &self->driver, &config.layout, self->reason, sizeof(self->reason)));
}

static void rig_close(struct rig *self)
{
    nvenc_input_close(&self->input);
    nvenc_driver_leave(&self->driver);
    nvenc_driver_close(&self->driver);
    frame_unref(self->frame);
    frame_pool_unref(self->pool);
}

static uint32_t draw(struct rig *self, int below)
{
    self->seed = self->seed * 1664525 + 1013904223;
    return (self->seed >> 8) % (uint32_t)below;
}

/* As the bytes of a rectangle of one plane, even coordinates. */
struct span {
    int x_bytes, y, width_bytes, height;
};

static struct span span_of(const struct frame *frame, int plane, struct rect r)
{
    const struct frame_shape *shape = frame_shape_of(frame->layout.format);
    int divisor = plane && shape->half_rows ? 2 : 1;
    return (struct span){r.x * shape->pixel_bytes, r.y / divisor, r.width * shape->pixel_bytes, r.height / divisor};
}

static void scribble(struct rig *self, struct rect r)
{
    for (int plane = 0; plane < frame_shape_of(self->frame->layout.format)->planes; plane++) {
        struct span span = span_of(self->frame, plane, r);
        for (int y = span.y; y < span.y + span.height; y++)
            for (int x = span.x_bytes; x < span.x_bytes + span.width_bytes; x++)
                self->frame->planes[plane][y * self->frame->strides[plane] + x] = (uint8_t)draw(self, 256);
    }
}

static struct rect whole(void)
{
    return (struct rect){0, 0, WIDTH, HEIGHT};
}

static void give(struct rig *self, const struct region *damage)
{
    assert_true(nvenc_input_give(&self->input, self->frame, damage, self->reason, sizeof(self->reason)));
    assert_non_null(self->input.picture);
    assert_true(nvenc_input_take_back(&self->input, self->reason, sizeof(self->reason)));
}

/* The GPU has the picture, plane by plane. */
static void assert_arrived(const struct rig *self)
{
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)self->input.memory;
    for (int plane = 0; plane < frame_shape_of(self->frame->layout.format)->planes; plane++) {
        struct span span = span_of(self->frame, plane, whole());
        for (int y = 0; y < span.height; y++, bytes += self->input.pitch)
            assert_memory_equal(bytes, self->frame->planes[plane] + y * self->frame->strides[plane],
                                (size_t)span.width_bytes);
    }
}

static long bytes_of(const struct frame *frame, struct rect r)
{
    long bytes = 0;
    for (int plane = 0; plane < frame_shape_of(frame->layout.format)->planes; plane++) {
        struct span span = span_of(frame, plane, r);
        bytes += (long)span.width_bytes * span.height;
    }
    return bytes;
}

static struct rect random_even_rect(struct rig *self)
{
    int width = 4 + 2 * (int)draw(self, 60), height = 4 + 2 * (int)draw(self, 40);
    return (struct rect){2 * (int)draw(self, (WIDTH - width) / 2 + 1), 2 * (int)draw(self, (HEIGHT - height) / 2 + 1),
                         width, height};
}

/* What covers it and no more when grown to even coordinates, as damage may be told. */
static struct rect told(struct rig *self, struct rect r)
{
    int left = (int)draw(self, 2), top = (int)draw(self, 2), right = (int)draw(self, 2), bottom = (int)draw(self, 2);
    return (struct rect){r.x + left, r.y + top, r.width - left - right, r.height - top - bottom};
}

static void what_changed_is_uploaded_and_nothing_else(enum frame_format format)
{
    struct rig rig;
    struct region damage = {.count = 0};
    rig_open(&rig, format, "");
    assert_null(rig.input.buffer);
    scribble(&rig, whole());
    give(&rig, &damage);
    assert_arrived(&rig);
    assert_int_equal(rig_sum("cuMemcpy2D", "bytes"), bytes_of(rig.frame, whole()));
    for (int round = 0; round < ROUNDS; round++) {
        long bytes = 0;
        damage.count = (int)draw(&rig, 4);
        for (int i = 0; i < damage.count; i++) {
            struct rect r = random_even_rect(&rig);
            scribble(&rig, r);
            damage.rects[i] = told(&rig, r);
            bytes += bytes_of(rig.frame, r);
        }
        rig_script("");
        give(&rig, &damage);
        assert_arrived(&rig);
        assert_int_equal(rig_sum("cuMemcpy2D", "bytes"), bytes);
    }
    rig_close(&rig);
}

static void what_changed_is_uploaded_and_nothing_else_in_each_format(void **state)
{
    (void)state;
    what_changed_is_uploaded_and_nothing_else(FRAME_NV12);
    what_changed_is_uploaded_and_nothing_else(FRAME_YUV444);
#ifdef HAVE_X265
    what_changed_is_uploaded_and_nothing_else(FRAME_P010);
    what_changed_is_uploaded_and_nothing_else(FRAME_YUV444_10);
#endif
}

static void damage_beyond_the_picture_does_no_harm(void **state)
{
    (void)state;
    struct rig rig;
    struct region damage = {.count = 0};
    rig_open(&rig, FRAME_NV12, "");
    give(&rig, &damage);
    scribble(&rig, whole());
    damage = (struct region){
        .count = 4,
        .rects = {{-9, -9, WIDTH + 99, HEIGHT + 99}, {WIDTH, 3, 5, 5}, {3, 3, 0, 7}, {-9, -9, 3, 3}},
    };
    rig_script("");
    give(&rig, &damage);
    assert_arrived(&rig);
    assert_int_equal(rig_sum("cuMemcpy2D", "bytes"), bytes_of(rig.frame, whole()));
    rig_close(&rig);
}

static void without_cuda_memory_the_session_has_a_buffer(void **state)
{
    (void)state;
    static const char *const scripts[] = {"fail.cuMemAllocPitch=out_of_memory\n", "fail.RegisterResource=generic\n",
                                          "fail.MapInputResource=generic\n", "fail.UnmapInputResource=generic\n"};
    struct region nothing = {.count = 0};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig rig;
        rig_open(&rig, FRAME_NV12, scripts[i]);
        assert_non_null(rig.input.buffer);
        give(&rig, &nothing);
        assert_int_equal(rig_count("cuMemcpy2D"), 0);
        rig_close(&rig);
    }
}

static void what_fails_later_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *script, *reason;
    } cases[] = {
        {"fail.cuMemcpy2D=generic\n", "cuMemcpy2DAsync failed: "},
        {"fail.MapInputResource=generic\n", "NvEncMapInputResource failed: unknown error"},
    };
    struct region nothing = {.count = 0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_open(&rig, FRAME_NV12, "");
        assert_null(rig.input.buffer);
        rig_change(cases[i].script);
        assert_false(nvenc_input_give(&rig.input, rig.frame, &nothing, rig.reason, sizeof(rig.reason)));
        assert_non_null(strstr(rig.reason, cases[i].reason));
        rig_close(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changed_is_uploaded_and_nothing_else_in_each_format),
        cmocka_unit_test(damage_beyond_the_picture_does_no_harm),
        cmocka_unit_test(without_cuda_memory_the_session_has_a_buffer),
        cmocka_unit_test(what_fails_later_is_said),
    };
    (void)argc;
    rig_enter(argv);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failures;
}
