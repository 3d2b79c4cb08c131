/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures get lost and are forgotten. libavcodec's decoder, once with all pictures and once with those that a client
 * gets, must show from the picture after forgetting on, sample for sample, what the encoder refers to.
 */
#include "encode/h264_sps.h"
#include "encode/x264_bands.h"
#include "tests/unit/encode_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MB = MB_MAP_PX, QP_FINE = 12, QP_COARSE = 40, PICTURES = 500, LATE_MOST = 7, FRESH = 20 };

struct rig {
    struct nv12_scene scene;
    struct mb_map map;
    struct x264_bands bands;
    struct h264_eye all, client;
    struct au_part part;
    uint32_t random;
    uint32_t usable; /* bit i: the picture i before the newest may be referred to */
    int unseen;      /* by the client: the newest pictures, from the first lost one on */
    bool broken;     /* and only an IDR helps */
    int recovered, idrs, patches;
};

static int random_below(struct rig *self, int limit)
{
    self->random = self->random * 1664525U + 1013904223U;
    return (int)((uint64_t)(self->random >> 8) * (uint64_t)limit >> 24);
}

/* As encode/x264.c has them. */
static x264_param_t param_for(const struct nv12_scene *scene, int references, bool cabac)
{
    x264_param_t param;
    assert_int_equal(x264_param_default_preset(&param, "ultrafast", "zerolatency"), 0);
    param.i_width = scene->frame.layout.width;
    param.i_height = scene->frame.layout.height;
    param.i_csp = X264_CSP_NV12;
    param.i_log_level = X264_LOG_NONE;
    param.i_threads = 1;
    param.b_sliced_threads = 0;
    param.i_frame_reference = 1;
    param.i_dpb_size = references;
    param.i_keyint_max = X264_KEYINT_MAX_INFINITE;
    param.b_vfr_input = 0;
    param.b_repeat_headers = 0;
    param.b_stitchable = 1;
    param.b_cabac = cabac;
    param.b_deblocking_filter = 1;
    param.analyse.intra = param.analyse.inter = X264_ANALYSE_I4x4 | X264_ANALYSE_I8x8;
    param.analyse.i_weighted_pred = X264_WEIGHTP_NONE;
    param.analyse.b_transform_8x8 = 1;
    param.analyse.b_mb_info = 1;
    param.rc.i_rc_method = X264_RC_CQP;
    param.rc.i_qp_constant = 30;
    param.rc.f_ip_factor = exp2f((30 - QP_FINE) / 6.0F);
    param.rc.f_pb_factor = exp2f((QP_COARSE - 30) / 6.0F);
    return param;
}

static struct rig *rig_create(int width, int height, int bands, int references, bool cabac)
{
    struct rig *self = malloc(sizeof(*self)); /* its threads outlive a failure */
    assert_non_null(self);
    *self = (struct rig){.random = (uint32_t)(width + bands * 7 + references), .broken = true};
    nv12_scene_init(&self->scene, width, height, NV12_STATIC);
    assert_true(mb_map_init(&self->map, width, height));
    x264_param_t param = param_for(&self->scene, references, cabac);
    assert_true(x264_bands_open(&self->bands, &param, &self->map, bands, 2));
    assert_int_equal(self->bands.count, bands);
    h264_eye_open(&self->all);
    h264_eye_open(&self->client);
    return self;
}

static void rig_destroy(struct rig *self)
{
    x264_bands_close(&self->bands);
    mb_map_finish(&self->map);
    h264_eye_close(&self->all);
    h264_eye_close(&self->client);
    nv12_scene_finish(&self->scene);
    free(self);
}

static void draw(struct rig *self)
{
    struct frame *frame = &self->scene.frame;
    int width = frame->layout.width, height = frame->layout.height;
    struct rect r = {random_below(self, width) & ~1, random_below(self, height) & ~1, 2 + random_below(self, 40),
                     2 + random_below(self, 40)};
    r = rect_intersect(r, (struct rect){0, 0, width, height});
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            frame->planes[0][y * frame->strides[0] + x] = (uint8_t)random_below(self, 256);
            frame->planes[1][y / 2 * frame->strides[1] + x] = (uint8_t)random_below(self, 256);
        }
    region_add(&frame->damage, r);
}

/* A part of the rows moves, so that vectors reach over the edges of bands. */
static void shift(struct rig *self)
{
    struct frame *frame = &self->scene.frame;
    int height = frame->layout.height / 2, rows = height / 4 + random_below(self, height * 3 / 4), lines = 2,
        top = random_below(self, height - rows + 1), pixels = random_below(self, 6) * 2;
    for (int plane = 0; plane < 2; plane++) {
        size_t stride = (size_t)frame->strides[plane], scale = plane ? 1 : 2, size = stride * (size_t)(rows - lines);
        uint8_t *start = frame->planes[plane] + (size_t)top * scale * stride;
        memmove(start + (size_t)lines * stride + pixels, start, size * scale - (size_t)pixels);
    }
    region_add(&frame->damage, (struct rect){0, top * 2, frame->layout.width, rows * 2});
}

static void change(struct rig *self)
{
    int what = random_below(self, 10);
    if (what == 0)
        shift(self);
    for (int n = what > 3 ? random_below(self, 3) : 0; n > 0; n--)
        draw(self);
}

static void check_plane(const uint8_t *a, ptrdiff_t a_step, const uint8_t *b, ptrdiff_t b_step, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i * a_step] != b[i * b_step])
            fail_msg("sample %d of a row is %d and not %d", i, a[i * a_step], b[i * b_step]);
}

/* What is shown is what each libx264 refers to. */
static void check_reconstruction(const struct rig *self)
{
    const AVFrame *shown = self->all.decoded;
    for (int y = 0; y < shown->height; y++) {
        const struct x264_band *band = self->bands.bands;
        while (y / MB >= band->first_row + band->rows)
            band++;
        const x264_image_t *made = &band->now.image;
        int row = y - band->first_row * MB;
        check_plane(shown->data[0] + y * shown->linesize[0], 1, made->plane[0] + row * made->i_stride[0], 1,
                    shown->width);
        for (int i = 0; i < 2; i++)
            check_plane(shown->data[1 + i] + y / 2 * shown->linesize[1 + i], 1,
                        made->plane[1] + row / 2 * made->i_stride[1] + i, 2, shown->width / 2);
    }
}

static int luma_error(const struct rig *self, int x, int y)
{
    const struct frame *frame = &self->scene.frame;
    const AVFrame *shown = self->all.decoded;
    return abs(frame->planes[0][y * frame->strides[0] + x] - shown->data[0][y * shown->linesize[0] + x]);
}

/* Nothing is left as it was before what got lost. */
static void check_freshness(const struct rig *self)
{
    for (int y = 0; y + MB <= self->all.decoded->height; y += MB)
        for (int x = 0; x + MB <= self->all.decoded->width; x += MB) {
            int sum = 0;
            for (int i = 0; i < MB * MB; i++)
                sum += luma_error(self, x + i % MB, y + i / MB);
            assert_true(sum < FRESH * MB * MB);
        }
}

static void check_same(const struct h264_eye *a, const struct h264_eye *b)
{
    assert_int_equal(b->decoded->decode_error_flags, 0);
    for (int plane = 0; plane < 3; plane++)
        for (int y = 0; y < a->decoded->height >> (plane > 0); y++)
            check_plane(a->decoded->data[plane] + y * a->decoded->linesize[plane], 1,
                        b->decoded->data[plane] + y * b->decoded->linesize[plane], 1, a->decoded->width >> (plane > 0));
}

static void encode(struct rig *self, bool idr)
{
    struct frame *frame = &self->scene.frame;
    struct mb_map_change seen = mb_map_mark(&self->map, frame, &frame->damage, idr);
    int qp = QP_FINE + random_below(self, 3) * 10;
    bool patch = !idr && random_below(self, 3) && x264_bands_can_patch(&self->bands, seen.count);
    if (patch) {
        self->part.size = x264_bands_patch(&self->bands, frame, &self->map, &self->part.data);
        mb_map_coded_raw(&self->map);
    } else {
        struct x264_band_job job = {.frame = frame, .map = &self->map, .idr = idr, .qp = qp};
        self->part.size = x264_bands_encode(&self->bands, &job, &self->part.data);
        mb_map_coded(&self->map, qp);
    }
    assert_true(self->part.size > 0);
    self->patches += patch;
    self->idrs += idr;
    self->usable = idr ? 1 : self->usable << 1 | 1;
    region_clear(&frame->damage);
    h264_eye_decode(&self->all, &self->part);
    check_reconstruction(self);
    check_freshness(self);
}

/* The newest `count` are lost, or refer to what is. Whether the next picture can do without them. */
static bool forget(struct rig *self, int count)
{
    int references = self->bands.references;
    if (count >= references)
        return false;
    uint32_t left = self->usable & ~((1U << count) - 1);
    bool can = left & ((1U << references) - 1);
    /* A later loss may be told first. */
    if (can && count > 1 && random_below(self, 2)) {
        int later = 1 + random_below(self, count - 1);
        assert_true(x264_bands_forget(&self->bands, later));
        mb_map_forget(&self->map, later);
    }
    assert_int_equal(x264_bands_forget(&self->bands, count), can);
    if (!can)
        return false;
    mb_map_forget(&self->map, count);
    self->usable = left;
    assert_false(x264_bands_can_patch(&self->bands, 0));
    return true;
}

/* One picture, after which the client may have lost it. */
static void step(struct rig *self)
{
    bool told = self->unseen && !random_below(self, 3);
    bool recovers = !self->broken && told && forget(self, self->unseen);
    bool idr = self->broken || (told && !recovers) || !random_below(self, 100);
    change(self);
    encode(self, idr);
    bool lost = !random_below(self, 4);
    if ((self->unseen && !recovers && !idr) || lost) {
        self->unseen = recovers || idr ? 1 : self->unseen + 1;
        self->broken = idr || self->unseen > LATE_MOST;
        return;
    }
    self->recovered += recovers && !idr;
    self->unseen = 0;
    self->broken = false;
    h264_eye_decode(&self->client, &self->part);
    check_same(&self->all, &self->client);
}

static void run(int width, int height, int bands, int references, bool cabac)
{
    struct rig *rig = rig_create(width, height, bands, references, cabac);
    for (int i = 0; i < PICTURES; i++)
        step(rig);
    print_message("%dx%d, %d bands, %d references: %d losses recovered, %d IDRs, %d pictures without libx264\n", width,
                  height, bands, references, rig->recovered, rig->idrs, rig->patches);
    assert_true(references == 1 ? rig->recovered == 0 : rig->recovered > 15);
    assert_true(rig->patches > 200);
    rig_destroy(rig);
}

static void the_client_shows_what_the_encoder_refers_to_after_a_loss(void **state)
{
    (void)state;
    run(480, 272, 3, X264_BAND_REFERENCES, true);
    run(346, 258, 2, X264_BAND_REFERENCES, true); /* the last macroblocks are partly outside */
    run(500, 362, 4, X264_BAND_REFERENCES, false);
    run(208, 976, 9, 3, true);
    run(320, 240, 1, X264_BAND_REFERENCES, true);
    run(320, 240, 3, 2, false);
    run(320, 240, 3, 1, true);
}

/* A repeat, which the client may get. */
static void repeat(struct rig *self, bool got)
{
    region_clear(&self->scene.frame.damage);
    mb_map_mark(&self->map, &self->scene.frame, &self->scene.frame.damage, false);
    struct x264_band_job job = {.frame = &self->scene.frame, .map = &self->map, .qp = QP_COARSE};
    self->part.size = x264_bands_encode(&self->bands, &job, &self->part.data);
    assert_true(self->part.size > 0);
    if (got)
        h264_eye_decode(&self->client, &self->part);
}

/* Otherwise libavcodec shows nothing from there on. */
static void frame_numbers_do_not_begin_anew_between_a_picture_and_the_one_it_refers_to(void **state)
{
    enum { NUMBERS = 1 << H264_SPS_WIDE_BITS, LOST = 2 };
    (void)state;
    struct rig *rig = rig_create(64, 64, 2, X264_BAND_REFERENCES, true);
    encode(rig, true);
    h264_eye_decode(&rig->client, &rig->part);
    for (int loss = 0; loss < 2; loss++) {
        while (rig->bands.frame_num < (unsigned)NUMBERS - (loss ? 2 : 4))
            repeat(rig, true);
        for (int i = 0; i < LOST; i++)
            repeat(rig, false);
        assert_int_equal(x264_bands_forget(&rig->bands, LOST), loss == 0);
        if (loss)
            encode(rig, true);
        else
            repeat(rig, false);
        h264_eye_decode(&rig->client, &rig->part);
    }
    repeat(rig, true);
    rig_destroy(rig);
}

static void run_encoder(enum encoder_rate rate, int threads)
{
    struct encode_rig rig = {.now_ns = 0};
    struct h264_eye client;
    nv12_scene_init(&rig.scene, 640, 360, NV12_SCROLL);
    encode_rig_open(&rig, "x264", "h264",
                    &(struct encoder_config){.codec = ENCODER_H264,
                                             .layout = rig.scene.frame.layout,
                                             .fps_x100 = 6000,
                                             .bitrate_kbps = 8000,
                                             .slices = 1,
                                             .threads = threads,
                                             .rate = rate});
    h264_eye_open(&client);
    for (int i = 0; i < 120; i++) {
        int lost = 1 + i / 10 % (X264_BAND_REFERENCES - 1), at = i % 10;
        if (at == 4 + lost)
            assert_true(encoder_invalidate(rig.encoder, lost));
        encode_rig_encode(&rig, false);
        assert_int_equal(rig.part.type, i ? PART_PREDICTED : PART_IDR);
        encode_rig_decode(&rig);
        assert_true(encode_rig_luma_psnr(&rig) > 30);
        if (at < 4 || at >= 4 + lost) {
            h264_eye_decode(&client, &rig.part);
            check_same(&rig.eye, &client);
        }
        nv12_scene_step(&rig.scene);
    }
    h264_eye_close(&client);
    encode_rig_finish(&rig);
}

static void each_way_of_running_libx264_forgets(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        run_encoder(ENCODER_RATE_QUANTISER, threads);
        run_encoder(ENCODER_RATE_BITRATE, threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_shows_what_the_encoder_refers_to_after_a_loss),
        cmocka_unit_test(frame_numbers_do_not_begin_anew_between_a_picture_and_the_one_it_refers_to),
        cmocka_unit_test(each_way_of_running_libx264_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
