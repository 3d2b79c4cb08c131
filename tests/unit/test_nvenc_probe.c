/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused, with which words, and what becomes of an encoder whose driver fails. See nvenc_rig.h. */
#include "tests/fakegpu/rig.h"
#include "tests/unit/nvenc_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void assert_refused(const char *script, const char *direct, const char *wrapped)
{
    const char *words = nvenc_is_direct() ? direct : wrapped;
    struct encoder_report report = nvenc_rig_probe(script);
    print_message("%.*s: %s\n", (int)strcspn(script, "\n"), script, report.reason);
    assert_false(report.usable);
    if (!strstr(report.reason, words))
        fail_msg("'%s' is not in the reason", words);
}

static void it_probes_as_usable_on_each_driver_branch(void **state)
{
    (void)state;
    static const char *const scripts[] = {"driver=R470\n", "driver=R535\n", "driver=R550\n", "driver=R570\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct encoder_report report = nvenc_rig_probe(scripts[i]);
        assert_string_equal(report.reason, "");
        assert_true(report.usable);
    }
}

static void a_gpu_without_what_we_do_not_use_is_good_enough(void **state)
{
    (void)state;
    assert_true(nvenc_rig_probe("cap.multiple_references=0\n").usable);
    assert_true(nvenc_rig_probe("cap.lookahead=0\ncap.temporal_aq=0\ncap.weighted=0\ncap.ltr=0\n").usable);
    assert_true(
        nvenc_rig_probe("cap.invalidation=0\ncap.intra_refresh=0\ncap.subframe=0\ncap.yuv444=0\ncap.10bit=0\n").usable);
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    assert_refused("driver=R450\n", "has API 10.0, 11.1 is needed", "Required: 11.1 Found: 10.0");
    assert_refused("driver=R450\n", "470.57.02", "470.57.02");
    assert_refused("api=11.0\n", "has API 11.0, 11.1 is needed", "Required: 11.1 Found: 11.0");
    assert_refused("gpu=none\n", "no CUDA-capable device", "no CUDA-capable device");
    assert_refused("cuda_error=999\n", "cuInit", "cuInit");
    assert_refused(nvenc_is_hevc() ? "codecs=h264\n" : "codecs=hevc\n", "not supported", "not supported");
    assert_refused("cap.width_max=600\n", "to 600x4096", "600");
    assert_refused("cap.height_min=400\n", "of 145x400 to", "InitializeEncoder");
    assert_refused("memory_mb=1\n", "out of memory", "out of memory");
    assert_refused("fail.CreateInputBuffer=out_of_memory\nfail.RegisterResource=generic\n",
                   "NvEncCreateInputBuffer failed", "CreateInputBuffer");
    assert_refused("fail.CreateBitstreamBuffer=generic\n", "BitstreamBuffer failed: unknown error", "Bitstream");
    assert_refused("fail.InitializeEncoder=generic\n", "InitializeEncoder", "InitializeEncoder");
    assert_refused("fail.GetEncodePresetConfigEx=unsupported_param\n", "the GPU cannot do what is asked", "preset");
    assert_refused("fail.GetEncodeGUIDs=device_not_exist\n", "the GPU is gone", "");
    assert_refused("fail.OpenEncodeSessionEx=no_encode_device\n", "the GPU has no encoder", "OpenEncodeSessionEx");
    assert_refused("fail.OpenEncodeSessionEx=unsupported_device\n", "not supported by its driver", "unsupported");
    assert_refused("fail.CreateInstance=generic\n", "NvEncodeAPICreateInstance failed", "");
    assert_refused("fail.picture.0=generic\n", "could not encode a picture", "could not encode a picture");
}

static void no_free_session_is_said_in_words_for_the_operator(void **state)
{
    (void)state;
    static const char words[] = "no further encoder session";
    assert_refused("sessions=0\n", words, words);
    assert_refused("sessions=0\nsession_error=incompatible_client_key\n", words, words);
    assert_refused("sessions=0\nlicence=none\n", words, words);
    assert_refused("sessions=0\nlicence=none\n", "(NvEncOpenEncodeSessionEx failed: out of memory", words);
}

static void a_vgpu_without_a_licence_is_told_from_other_refusals(void **state)
{
    (void)state;
    const char *scripts[] = {
        "licence=unlicensed\ncuda_error=801\n",
        "licence=unlicensed\nsessions=0\nsession_error=incompatible_client_key\n",
        "licence=unlicensed\nfail.OpenEncodeSessionEx=generic\n",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        assert_refused(scripts[i], "this vGPU has no licence (", "this vGPU has no licence (");
        const char *same_with_one = strchr(scripts[i], '\n') + 1;
        assert_null(strstr(nvenc_rig_probe(same_with_one).reason, "no licence"));
    }
    assert_null(strstr(nvenc_rig_probe("licence=unlicensed\ncodecs=hevc\n").reason, "no licence"));
    assert_true(nvenc_rig_probe("licence=unlicensed\n").usable); /* slow, perhaps, but not refused */
}

static void the_session_over_the_limit_is_refused_and_the_first_goes_on(void **state)
{
    (void)state;
    struct nvenc_rig rig = {0};
    rig_script("sessions=1\n");
    nvenc_rig_init(&rig);
    struct encoder_config config = nvenc_rig_config(&rig.scene);
    assert_null(encoder_create(nvenc_way()->backend, &config));
    assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
    nvenc_rig_finish(&rig);
    for (int i = 0; i < 3; i++) { /* each gives its session back */
        struct encoder *encoder = encoder_create(nvenc_way()->backend, &config);
        assert_non_null(encoder);
        encoder_destroy(encoder);
    }
}

static void they_are_taken_where_the_gpu_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        bool ten, whole;
    } gpus[] = {{"", true, true}, {"cap.10bit=0\n", false, true}, {"cap.yuv444=0\n", true, false}};
    for (size_t i = 0; i < sizeof(gpus) / sizeof(gpus[0]); i++) {
        struct encoder_report report = nvenc_rig_probe(gpus[i].script);
        assert_true(report.usable && report.takes[FRAME_NV12]);
        assert_int_equal(report.takes[FRAME_P010], nvenc_is_hevc() && gpus[i].ten);
        assert_int_equal(report.takes[FRAME_YUV444], gpus[i].whole);
        assert_int_equal(report.takes[FRAME_YUV444_10], nvenc_is_hevc() && gpus[i].ten && gpus[i].whole);
    }
}

static void an_error_of_the_driver_ends_the_encoder_only(void **state)
{
    (void)state;
    static const char *const scripts[] = {"fail.picture.5=generic\n", "fail.picture.5=out_of_memory\n",
                                          "fail.picture.5=device_not_exist\n", "fail.picture.5=encoder_busy\n"};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct nvenc_rig rig = {0};
        rig_script(scripts[i]);
        nvenc_rig_init(&rig);
        for (int n = 0; n < 5; n++)
            assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
        assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_FAILED);
        nvenc_rig_finish(&rig);
        assert_int_equal(rig_count("destroy"), 1);
    }
}

static void each_call_may_fail(void **state)
{
    (void)state;
    const char *const scripts[] = {
        "fail.LockBitstream=encoder_busy\n",
        "fail.UnlockBitstream=generic\n",
        "fail.LockBitstream=device_not_exist\n",
        nvenc_way()->in_cuda_memory ? "fail.MapInputResource=generic\n" : "fail.LockInputBuffer=generic\n",
        nvenc_way()->in_cuda_memory ? "fail.UnmapInputResource=generic\n" : "fail.UnlockInputBuffer=generic\n",
        nvenc_way()->in_cuda_memory ? "fail.cuMemcpy2D=generic\n" : "fail.LockInputBuffer=device_not_exist\n",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct nvenc_rig rig = {0};
        rig_script("");
        nvenc_rig_init(&rig);
        assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_OK);
        rig_change(scripts[i]);
        assert_int_equal(nvenc_rig_encode(&rig, false), ENCODE_FAILED);
        nvenc_rig_finish(&rig);
        assert_int_equal(rig_count("destroy"), 1);
    }
}

static bool has_report(const struct encoder_report *reports, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (reports[i].codec == nvenc_way()->codec && strcmp(reports[i].name, name) == 0)
            return true;
    return false;
}

static void who_asks_for_nvenc_gets_the_direct_one_and_else_the_other(void **state)
{
    (void)state;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    rig_script("");
    int count = encoder_probe("nvenc", reports);
    assert_string_equal(encoder_choose(reports, count, nvenc_way()->codec)->name, "nvenc");
    assert_false(has_report(reports, count, "nvenc-lavc"));
    rig_script("fail.picture.0=generic\n");
    count = encoder_probe("nvenc", reports);
    assert_true(has_report(reports, count, "nvenc") && has_report(reports, count, "nvenc-lavc"));
    assert_null(encoder_choose(reports, count, nvenc_way()->codec));
    rig_script("");
    count = encoder_probe("auto", reports);
    assert_true(has_report(reports, count, "nvenc") && has_report(reports, count, "vaapi"));
    assert_false(has_report(reports, count, "nvenc-lavc"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_probes_as_usable_on_each_driver_branch),
    cmocka_unit_test(a_gpu_without_what_we_do_not_use_is_good_enough),
    cmocka_unit_test(a_refusal_says_why),
    cmocka_unit_test(no_free_session_is_said_in_words_for_the_operator),
    cmocka_unit_test(a_vgpu_without_a_licence_is_told_from_other_refusals),
    cmocka_unit_test(the_session_over_the_limit_is_refused_and_the_first_goes_on),
    cmocka_unit_test(they_are_taken_where_the_gpu_has_them),
    cmocka_unit_test(an_error_of_the_driver_ends_the_encoder_only),
    cmocka_unit_test(each_call_may_fail),
};

static const struct CMUnitTest direct[] = {
    cmocka_unit_test(who_asks_for_nvenc_gets_the_direct_one_and_else_the_other),
};

int main(int argc, char **argv)
{
    (void)argc;
    return nvenc_rig_main(argv, &(struct nvenc_rig_tests){tests, sizeof(tests) / sizeof(tests[0]), direct,
                                                          sizeof(direct) / sizeof(direct[0])});
}
