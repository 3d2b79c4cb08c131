/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bands of rows, each made by a libx264 that does not know of the others: what each thinks it has sent is what a
 * decoder of the whole picture shows, to the sample, wherever the vectors point. Painted is what makes them long:
 * smooth waves that move by many rows at once, coded coarsely, so that most macroblocks inherit a vector and nothing
 * else.
 */
#include "encode/qp_control.h"
#include "encode/x264_bands.h"
#include "tests/unit/h264_eye.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 320, HEIGHT = 400, BANDS = 4, PICTURES = 120, QP = 30 };

struct rig {
    struct x264_bands bands;
    struct mb_map map;
    struct frame_pool *pool;
    struct frame *frame;
    struct h264_eye eye;
    uint32_t random;
    double x, y, speed_x, speed_y; /* of the waves, px a picture */
};

static int random_below(struct rig *self, int limit)
{
    self->random = self->random * 1664525U + 1013904223U;
    return (int)((uint64_t)(self->random >> 8) * (uint64_t)limit >> 24);
}

/* What encode/x264.c asks of libx264 that bears on its pictures. */
static x264_param_t param_for(enum frame_format format)
{
    x264_param_t param;
    assert_int_equal(x264_param_default_preset(&param, "ultrafast", "zerolatency"), 0);
    param.i_width = WIDTH;
    param.i_height = HEIGHT;
    param.i_csp = format == FRAME_NV12 ? X264_CSP_NV12 : X264_CSP_I444;
    param.i_log_level = X264_LOG_ERROR;
    param.i_threads = 1;
    param.i_keyint_max = X264_KEYINT_MAX_INFINITE;
    param.i_scenecut_threshold = 0;
    param.b_stitchable = 1;
    param.rc.i_rc_method = X264_RC_CQP;
    param.rc.i_qp_constant = QP;
    param.rc.f_ip_factor = exp2f((QP - QP_CONTROL_MIN) / 6.0F);
    param.rc.f_pb_factor = exp2f((QP_CONTROL_MAX - QP) / 6.0F);
    param.b_cabac = 1;
    param.b_deblocking_filter = 1;
    param.i_deblocking_filter_alphac0 = param.i_deblocking_filter_beta = -3;
    param.analyse.intra = param.analyse.inter = X264_ANALYSE_I4x4 | X264_ANALYSE_I8x8;
    param.analyse.b_transform_8x8 = 1;
    param.analyse.b_mb_info = 1;
    param.analyse.i_mv_range = 128;
    assert_int_equal(x264_param_apply_profile(&param, format == FRAME_NV12 ? "high" : "high444"), 0);
    return param;
}

static void rig_init(struct rig *self, enum frame_format format, uint32_t seed)
{
    const struct frame_layout layout = {WIDTH, HEIGHT, format, FRAME_BT709, false};
    x264_param_t param = param_for(format);
    *self = (struct rig){.random = seed, .pool = frame_pool_create(&layout, 1)};
    self->frame = frame_pool_take(self->pool);
    assert_true(mb_map_init(&self->map, WIDTH, HEIGHT));
    memset(self->map.constant, MB_MAP_CHANGED, (size_t)self->map.count);
    assert_true(x264_bands_open(&self->bands, &param, &self->map, BANDS, 2));
    h264_eye_open(&self->eye);
}

static void rig_finish(struct rig *self)
{
    x264_bands_close(&self->bands);
    mb_map_finish(&self->map);
    h264_eye_close(&self->eye);
    frame_unref(self->frame);
    frame_pool_unref(self->pool);
    free(self);
}

/* Where the waves are goes on smoothly, and now and then they turn. */
static void move(struct rig *self, int number)
{
    if (number % 8 == 0) {
        self->speed_x = random_below(self, 33) - 16;
        self->speed_y = random_below(self, 97) - 48;
    }
    self->x += self->speed_x;
    self->y += self->speed_y;
}

static void paint(struct rig *self)
{
    const struct frame_layout *layout = &self->frame->layout;
    const struct frame_shape *shape = frame_shape_of(layout->format);
    for (int plane = 0; plane < shape->planes; plane++) {
        int scale = plane && shape->half_rows ? 2 : 1;
        for (int y = 0; y < frame_rows(layout, plane); y++)
            for (int x = 0; x < layout->width; x++) {
                double at_x = (scale == 2 ? (x & ~1) : x) + self->x, at_y = y * scale + self->y;
                double wave = sin(at_x / 37) + sin(at_y / 29) + sin((at_x + 2 * at_y) / 61);
                self->frame->planes[plane][y * self->frame->strides[plane] + x] = (uint8_t)(128 + 35 * wave);
            }
    }
}

/* The sample of plane Y, Cb or Cr that a band refers to. */
static int known_sample(const struct x264_band *band, int component, int x, int y)
{
    const x264_image_t *image = &band->now.image;
    if (component && image->i_plane == 2)
        return image->plane[1][(y - band->first_row * MB_MAP_PX / 2) * image->i_stride[1] + 2 * x + component - 1];
    return image->plane[component][(y - band->first_row * MB_MAP_PX) * image->i_stride[component] + x];
}

static void check_band(const struct rig *self, const struct x264_band *band)
{
    const AVFrame *decoded = self->eye.decoded;
    for (int component = 0; component < 3; component++) {
        int scale = component && band->now.image.i_plane == 2 ? 2 : 1;
        int end = (band->first_row + band->rows) * MB_MAP_PX / scale;
        for (int y = band->first_row * MB_MAP_PX / scale; y < end && y < HEIGHT / scale; y++)
            for (int x = 0; x < WIDTH / scale; x++) {
                int shown = decoded->data[component][y * decoded->linesize[component] + x];
                if (shown != known_sample(band, component, x, y))
                    fail_msg("rows from %d, component %d, %d,%d: %d is shown, not %d", band->first_row, component, x, y,
                             shown, known_sample(band, component, x, y));
            }
    }
}

static void run(enum frame_format format, uint32_t seed)
{
    struct rig *rig = calloc(1, sizeof(*rig)); /* its threads outlive a failure */
    assert_non_null(rig);
    rig_init(rig, format, seed);
    assert_int_equal(rig->bands.count, BANDS);
    for (int i = 0; i < PICTURES; i++) {
        struct au_part part = {.type = i ? PART_PREDICTED : PART_IDR, .parts = 1, .last = true};
        move(rig, i);
        paint(rig);
        struct x264_band_job job = {
            .frame = rig->frame, .map = &rig->map, .idr = i == 0, .qp = 20 + random_below(rig, 24)};
        part.size = x264_bands_encode(&rig->bands, &job, &part.data);
        assert_true(part.size > 0);
        h264_eye_decode(&rig->eye, &part);
        for (int band = 0; band < BANDS; band++)
            check_band(rig, &rig->bands.bands[band]);
    }
    rig_finish(rig);
}

static void what_is_shown_is_what_the_next_picture_refers_to(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++)
        run(FRAME_NV12, seed);
}

static void so_it_is_with_whole_chroma(void **state)
{
    (void)state;
    run(FRAME_YUV444, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_is_what_the_next_picture_refers_to),
        cmocka_unit_test(so_it_is_with_whole_chroma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
