/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvenc_rig: both ways to NVENC, our own and the one through Debian's libavcodec, against the driver double of
 * tests/fakegpu: the same tests for both. They show what is asked of the driver and what becomes of its refusals, not
 * how NVIDIA's encoder behaves. Failures assert (cmocka).
 */
#pragma once

#include "encode/encoder.h"
#include "tests/unit/h264_eye.h"
#include "tests/unit/nv12_scene.h"

struct nvenc_way {
    const char *backend;
    enum encoder_codec codec;
    bool in_cuda_memory; /* pictures get there by it */
};

const struct nvenc_way *nvenc_way(void); /* of the group that runs */
bool nvenc_is_direct(void);
bool nvenc_is_hevc(void);

struct nvenc_rig {
    struct nv12_scene scene;
    struct encoder *encoder;
    struct h264_eye eye;
    struct au_part part; /* the last picture */
};

struct encoder_config nvenc_rig_config(const struct nv12_scene *scene);
void nvenc_rig_init(struct nvenc_rig *self); /* 640x360 that scrolls */
void nvenc_rig_finish(struct nvenc_rig *self);
enum encode_result nvenc_rig_encode(struct nvenc_rig *self, bool idr);
void nvenc_rig_decode(struct nvenc_rig *self);
double nvenc_rig_luma_psnr(const struct nvenc_rig *self);

/* What a probe says of this way with that script. */
struct encoder_report nvenc_rig_probe(const char *script);
/* NAL units of the codec's types `first` to `last`. */
int nvenc_count_units(const struct au_part *part, int first, int last);

struct CMUnitTest;
struct nvenc_rig_tests {
    const struct CMUnitTest *tests; /* each way's */
    size_t count;
    const struct CMUnitTest *direct; /* of our own way only */
    size_t direct_count;
};
/* All of main(): its result. */
int nvenc_rig_main(char **argv, const struct nvenc_rig_tests *all);
