/* SPDX-License-Identifier: Apache-2.0 */
/* encode_rig: a scene, an encoder, and the eye that looks at what it makes of it. Failures assert (cmocka). */
#pragma once

#include "encode/encoder.h"
#include "tests/unit/h264_eye.h"
#include "tests/unit/nv12_scene.h"

enum { ENCODE_RIG_FIRST_PACKET_BYTES = 1000 }; /* Y - 8 of the smallest usual packet size, docs/protocol.md */

struct encode_rig {
    struct nv12_scene scene; /* the test's to make */
    struct encoder *encoder;
    struct h264_eye eye;
    struct au_part part; /* the last picture */
    int64_t now_ns;
};

/* `decoder`: libavcodec's name of one. */
void encode_rig_open(struct encode_rig *self, const char *encoder, const char *decoder,
                     const struct encoder_config *config);
void encode_rig_finish(struct encode_rig *self); /* the scene too */
/* One interval of 60 Hz later; the picture comes whole. */
void encode_rig_encode(struct encode_rig *self, bool idr);
void encode_rig_decode(struct encode_rig *self);
double encode_rig_luma_psnr(const struct encode_rig *self);
