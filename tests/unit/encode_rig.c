/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/encode_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { INTERVAL_NS = 16666667 };

void encode_rig_open(struct encode_rig *self, const char *encoder, const char *decoder,
                     const struct encoder_config *config)
{
    self->encoder = encoder_create(encoder, config);
    assert_non_null(self->encoder);
    h264_eye_open_decoder(&self->eye, avcodec_find_decoder_by_name(decoder));
}

void encode_rig_finish(struct encode_rig *self)
{
    encoder_destroy(self->encoder);
    h264_eye_close(&self->eye);
    nv12_scene_finish(&self->scene);
}

void encode_rig_encode(struct encode_rig *self, bool idr)
{
    assert_int_equal(encoder_encode(self->encoder, &self->scene.frame, &self->scene.frame.damage,
                                    self->now_ns += INTERVAL_NS, idr, &self->part),
                     ENCODE_OK);
    assert_int_equal(self->part.part, 0);
    assert_int_equal(self->part.parts, 1);
    assert_true(self->part.last);
}

void encode_rig_decode(struct encode_rig *self)
{
    h264_eye_decode(&self->eye, &self->part);
}

double encode_rig_luma_psnr(const struct encode_rig *self)
{
    return h264_eye_luma_psnr(&self->eye, &self->scene.frame);
}
