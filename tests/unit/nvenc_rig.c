/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/nvenc_rig.h"

#include "encode/annexb.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct nvenc_way way;

const struct nvenc_way *nvenc_way(void)
{
    return &way;
}

bool nvenc_is_direct(void)
{
    return !strcmp(way.backend, "nvenc");
}

bool nvenc_is_hevc(void)
{
    return way.codec == ENCODER_HEVC;
}

int nvenc_count_units(const struct au_part *part, int first, int last)
{
    struct annexb_nal nal = {0};
    int count = 0;
    while (annexb_next(part->data, part->size, nal.end, &nal)) {
        int type = nvenc_is_hevc() ? part->data[nal.head] >> 1 & 63 : part->data[nal.head] & 31;
        count += type >= first && type <= last;
    }
    return count;
}

struct encoder_config nvenc_rig_config(const struct nv12_scene *scene)
{
    return (struct encoder_config){
        .codec = way.codec, .layout = scene->frame.layout, .fps_x100 = 6000, .bitrate_kbps = 12000, .slices = 1};
}

void nvenc_rig_init(struct nvenc_rig *self)
{
    nv12_scene_init(&self->scene, 640, 360, NV12_SCROLL);
    struct encoder_config config = nvenc_rig_config(&self->scene);
    self->encoder = encoder_create(way.backend, &config);
    assert_non_null(self->encoder);
    h264_eye_open_decoder(&self->eye, avcodec_find_decoder(nvenc_is_hevc() ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264));
}

void nvenc_rig_finish(struct nvenc_rig *self)
{
    encoder_destroy(self->encoder);
    h264_eye_close(&self->eye);
    nv12_scene_finish(&self->scene);
}

enum encode_result nvenc_rig_encode(struct nvenc_rig *self, bool idr)
{
    return encoder_encode(self->encoder, &self->scene.frame, &self->scene.frame.damage, 1, idr, &self->part);
}

void nvenc_rig_decode(struct nvenc_rig *self)
{
    h264_eye_decode(&self->eye, &self->part);
}

double nvenc_rig_luma_psnr(const struct nvenc_rig *self)
{
    return h264_eye_luma_psnr(&self->eye, &self->scene.frame);
}

struct encoder_report nvenc_rig_probe(const char *script)
{
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    rig_script(script);
    int count = encoder_probe(way.backend, reports);
    assert_int_equal(rig_count("destroy"), rig_count("opened"));
    for (int i = 0; i < count; i++)
        if (reports[i].codec == way.codec && strcmp(reports[i].name, way.backend) == 0)
            return reports[i];
    fail_msg("no report");
    return reports[0];
}

static int run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return count ? _cmocka_run_group_tests(name, tests, count, NULL, NULL) : 0;
}

static int run_all(const struct nvenc_rig_tests *all, enum encoder_codec codec)
{
    int failures = 0;
    print_message("--- %s\n", codec == ENCODER_HEVC ? "HEVC" : "H.264");
#ifdef HAVE_NVENC
    way = (struct nvenc_way){"nvenc", codec, .in_cuda_memory = true};
    failures += run("direct, from CUDA memory", all->tests, all->count);
    failures += run("direct only", all->direct, all->direct_count);
    way.in_cuda_memory = false;
    rig_always("fail.cuMemAllocPitch=out_of_memory\n");
    failures += run("direct, through input buffers", all->tests, all->count);
    rig_always(NULL);
#endif
    way = (struct nvenc_way){.backend = "nvenc-lavc", .codec = codec};
    return failures + run("through libavcodec", all->tests, all->count);
}

int nvenc_rig_main(char **argv, const struct nvenc_rig_tests *all)
{
    rig_enter(argv);
    int failures = run_all(all, ENCODER_H264);
#ifdef HAVE_X265
    failures += run_all(all, ENCODER_HEVC);
#endif
    rig_leave();
    return failures;
}
