/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lavc_nvenc: NVENC through libavcodec, from NV12 in system memory (of RGB it would choose the colour matrix itself).
 * It lags two pictures behind unless delay=0 and zerolatency=1 are both set.
 */
#include "encode/backends.h"
#include "encode/lavc.h"
#include "encode/nvenc_preset.h"
#include "encode/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"h264_nvenc", "hevc_nvenc", "av1_nvenc"}; /* by codec */

static bool nvenc_knows(enum encoder_codec codec)
{
    return lavc_has(names[codec]);
}

/* The two errors by which drivers tell that the limit of sessions is reached, the newer ones by the second. */
static void put_sessions_first(char *reason, size_t reason_size)
{
    char detail[160];
    bool refused = strstr(reason, "OpenEncodeSessionEx failed") &&
                   (strstr(reason, "out of memory") || strstr(reason, "incompatible client key"));
    if (!refused)
        return;
    snprintf(detail, sizeof(detail), "%s", reason);
    snprintf(reason, reason_size,
             "the GPU gives no further encoder session, their limit or its memory is used up (%.*s)",
             (int)strcspn(detail, ";"), detail);
}

/* The encoder of a GPU without the codec has opened its session: that is no matter of a licence. */
static void explain_refusal(char *reason, size_t reason_size)
{
    bool by_driver = strstr(reason, "OpenEncodeSessionEx failed") || strstr(reason, "cuInit");
    put_sessions_first(reason, reason_size);
    if (by_driver)
        nvml_explain_refusal(reason, reason_size);
}

static bool library_is_installed(const char *name)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (library)
        dlclose(library);
    return library != NULL;
}

/* NULL, or what is missing, in words. */
static const char *find_missing_library(void)
{
    if (!library_is_installed("libcuda.so.1"))
        return "libcuda.so.1 is not installed: no NVIDIA driver in this guest";
    if (!library_is_installed("libnvidia-encode.so.1"))
        return "libnvidia-encode.so.1 is not installed: the NVIDIA driver is there without its encoder library";
    return NULL;
}

/* `refs` stays unset, as older GPUs then refuse: dpb_size is what makes it one reference. */
static struct encoder *nvenc_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    static const struct lavc_option options[] = {
        {"tune", "ull"}, {"rc", "cbr"},       {"zerolatency", "1"}, {"delay", "0"},
        {"aud", "0"},    {"forced-idr", "1"}, {"dpb_size", "1"},    {"rc-lookahead", "0"},
    };
    static const char *const profiles[][FRAME_FORMATS] = {
        {[FRAME_NV12] = "high", [FRAME_YUV444] = "high444p"},
        {[FRAME_NV12] = "main", [FRAME_P010] = "main10", [FRAME_YUV444] = "rext", [FRAME_YUV444_10] = "rext"},
        {[FRAME_NV12] = "main", [FRAME_P010] = "main", [FRAME_YUV444] = "high", [FRAME_YUV444_10] = "high"},
    };
    const char *missing = find_missing_library();
    if (missing) {
        snprintf(ret_reason, reason_size, "%s", missing);
        return NULL;
    }
    struct lavc *self = lavc_alloc(&encoder_nvenc_lavc, names[config->codec], config, ret_reason, reason_size);
    if (!self)
        return NULL;
    self->context->gop_size = -1; /* infinite */
    char preset[4];
    snprintf(preset, sizeof(preset), "p%d", nvenc_preset(config));
    lavc_set_option(self, "preset", preset);
    lavc_set_option(self, "profile", profiles[config->codec][config->layout.format]);
    lavc_set_options(self, options, sizeof(options) / sizeof(options[0]));
    struct encoder *encoder = lavc_open(self, ret_reason, reason_size);
    if (!encoder)
        explain_refusal(ret_reason, reason_size);
    return encoder;
}

/* By libavcodec's words; without a licence a driver gives any error. */
static bool nvenc_is_final(const char *reason)
{
    static const char *const texts[] = {"Codec not supported", "required nvenc API version", "unsupported device",
                                        "no encode device"};
    bool final = false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        final |= strstr(reason, texts[i]) != NULL;
    return final && !strstr(reason, NVML_NO_LICENCE);
}

const struct encoder_ops encoder_nvenc_lavc = {
    .name = "nvenc-lavc",
    .stands_in_for = "nvenc",
    .hardware = true,
    .codecs = {ENCODER_H264, ENCODER_HEVC, ENCODER_AV1}, /* libavcodec 5.1 does not know the last */
    .codec_count = 3,
    .format = FRAME_NV12,
    .others = {FRAME_P010, FRAME_YUV444, FRAME_YUV444_10},
    .other_count = 3,
    .knows = nvenc_knows,
    .is_final = nvenc_is_final,
    .create = nvenc_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};
