/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvenc: NVIDIA's encoder without libavcodec in between. The driver's libraries are loaded at run time, so that a build
 * runs where there are none; where this does not work, lavc.c has the same encoder through libavcodec.
 *
 * A picture goes into the session's only input (nvenc_input.h), and its bitstream out of the session's only output
 * (nvenc_output.h) before the next one begins: synchronous, nothing is ever in flight between two calls. H.264 and
 * HEVC.
 *
 * No BGR0, as it would cost more. Of 2560x1440 pixels that all change, the copy takes 3.9 ms where the conversion takes
 * 3.2, and the four bytes a pixel take 2.0 ms to the driver's page-locked memory where one and a half take 0.75; of a
 * letter both are nothing. Also NVIDIA documents no matrix (FFmpeg takes it for BT.601 in limited range, whatever the
 * client asks for), and no encoder in software could stand in.
 *
 * Of a vGPU without a licence the API tells nothing by itself: CUDA or the session is refused, with a general error.
 * nvenc_driver.c then asks NVML.
 */
#include "base/container_of.h"
#include "base/log.h"
#include "encode/backends.h"
#include "encode/nvenc_config.h"
#include "encode/nvenc_driver.h"
#include "encode/nvenc_input.h"
#include "encode/nvenc_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFERENCES = 5, /* a loss that is known within four pictures needs no IDR */
    LONG_TERMS = 2, /* one that the client has confirmed, one that it may still confirm */
    NONE = -1,
};

struct nvenc {
    struct encoder base;
    struct nvenc_driver driver;
    struct frame_layout layout;
    struct encoder_config config;
    NV_ENC_CONFIG codec_config; /* `params` refers to it */
    NV_ENC_INITIALIZE_PARAMS params;
    struct nvenc_input input;
    struct nvenc_output output;
    uint64_t pictures;   /* given so far; the next one's time stamp */
    int keep, return_to; /* places that the next picture goes to, and the only one it refers to; NONE: neither */
};

/* False: *ret_reason says which call failed, and why. */
static bool check(struct nvenc *self, const char *call, NVENCSTATUS status, char *ret_reason, size_t reason_size)
{
    return nvenc_driver_check(&self->driver, call, status, ret_reason, reason_size);
}

static void destroy_buffers(struct nvenc *self)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver.api;
    NV_ENC_PIC_PARAMS end = {.version = NV_ENC_PIC_PARAMS_VER, .encodePicFlags = NV_ENC_PIC_FLAG_EOS};
    if (self->output.buffer)
        api->nvEncEncodePicture(self->driver.session, &end); /* or buffers must not be freed, says the header */
    nvenc_input_close(&self->input);
    nvenc_output_close(&self->output);
}

/* Also right for a half-made object, outside of the driver. */
static void nvenc_destroy(struct encoder *base)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    if (self->driver.session && nvenc_driver_enter(&self->driver)) {
        destroy_buffers(self);
        nvenc_driver_leave(&self->driver);
    }
    nvenc_driver_close(&self->driver);
    nvenc_output_free(&self->output);
    free(self);
}

static int read_cap(struct nvenc *self, NV_ENC_CAPS cap)
{
    NV_ENC_CAPS_PARAM param = {.version = NV_ENC_CAPS_PARAM_VER, .capsToQuery = cap};
    int value = 0;
    NVENCSTATUS status = self->driver.api.nvEncGetEncodeCaps(self->driver.session,
                                                             nvenc_config_codec(self->config.codec), &param, &value);
    return status ? 0 : value;
}

/* A refusal of the size says which would do. */
static bool size_fits(struct nvenc *self, char *ret_reason, size_t reason_size)
{
    int width_max = read_cap(self, NV_ENC_CAPS_WIDTH_MAX), height_max = read_cap(self, NV_ENC_CAPS_HEIGHT_MAX);
    int width_min = read_cap(self, NV_ENC_CAPS_WIDTH_MIN), height_min = read_cap(self, NV_ENC_CAPS_HEIGHT_MIN);
    self->base.limits = (struct encoder_limits){width_min, height_min, width_max, height_max};
    bool small_enough =
        (!width_max || self->layout.width <= width_max) && (!height_max || self->layout.height <= height_max);
    if (small_enough && self->layout.width >= width_min && self->layout.height >= height_min)
        return true;
    snprintf(ret_reason, reason_size, "the GPU encodes pictures of %dx%d to %dx%d", width_min, height_min, width_max,
             height_max);
    return false;
}

static bool format_fits(struct nvenc *self, char *ret_reason, size_t reason_size)
{
    const struct frame_shape *shape = frame_shape_of(self->layout.format);
    const char *missing = NULL;
    if (shape->bits > 8 && read_cap(self, NV_ENC_CAPS_SUPPORT_10BIT_ENCODE) <= 0)
        missing = "10 bit";
    if (!shape->half_rows && read_cap(self, NV_ENC_CAPS_SUPPORT_YUV444_ENCODE) <= 0)
        missing = "4:4:4";
    if (missing)
        snprintf(ret_reason, reason_size, "the GPU does not encode %s with this codec", missing);
    return !missing;
}

/* One unless the GPU can forget a single one, which is all that more are for. Long-term ones come on top, where two
 * others are left. */
static void choose_references(struct nvenc *self, const struct encoder_config *config)
{
    int most = nvenc_config_references_max(config), wish = config->max_reference_frames;
    self->base.references = 1;
    if (read_cap(self, NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION) <= 0 || most < 1)
        return;
    if (wish && wish < most)
        most = wish;
    if (most >= LONG_TERMS + 2 && read_cap(self, NV_ENC_CAPS_NUM_MAX_LTR_FRAMES) >= LONG_TERMS)
        self->base.long_terms = LONG_TERMS;
    most -= self->base.long_terms;
    self->base.references = most < REFERENCES ? most : REFERENCES;
}

static bool initialize(struct nvenc *self, const struct encoder_config *config, int *ret_parts, char *ret_reason,
                       size_t reason_size)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver.api;
    void *session = self->driver.session;
    NV_ENC_PRESET_CONFIG preset = {.version = NV_ENC_PRESET_CONFIG_VER, .presetCfg = {.version = NV_ENC_CONFIG_VER}};
    NVENCSTATUS status =
        api->nvEncGetEncodePresetConfigEx(session, nvenc_config_codec(config->codec), nvenc_config_preset(config),
                                          NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY, &preset);
    if (!check(self, "NvEncGetEncodePresetConfigEx", status, ret_reason, reason_size))
        return false;
    bool many = read_cap(self, NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES) > 0;
    choose_references(self, config);
    self->codec_config = preset.presetCfg;
    *ret_parts = read_cap(self, NV_ENC_CAPS_SUPPORT_SUBFRAME_READBACK) > 0 ? nvenc_config_parts(config) : 1;
    nvenc_config_fill(config, self->base.references, self->base.long_terms, many && self->base.references > 1,
                      *ret_parts, &self->codec_config, &self->params);
    return check(self, "NvEncInitializeEncoder", api->nvEncInitializeEncoder(session, &self->params), ret_reason,
                 reason_size);
}

static struct encoder *nvenc_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    struct nvenc *self = calloc(1, sizeof(*self));
    if (!self) {
        snprintf(ret_reason, reason_size, "out of memory");
        return NULL;
    }
    self->base.ops = &encoder_nvenc;
    self->layout = config->layout;
    self->config = *config;
    self->keep = self->return_to = NONE;
    GUID codec = nvenc_config_codec(config->codec);
    const char *name = config->codec == ENCODER_HEVC ? "HEVC" : "H.264";
    int parts;
    bool opened = nvenc_driver_open(&self->driver, &codec, name, ret_reason, reason_size);
    bool good = opened && size_fits(self, ret_reason, reason_size) && format_fits(self, ret_reason, reason_size) &&
                initialize(self, config, &parts, ret_reason, reason_size) &&
                nvenc_input_open(&self->input, &self->driver, &self->layout, ret_reason, reason_size) &&
                nvenc_output_open(&self->output, &self->driver, config, parts, ret_reason, reason_size);
    if (opened)
        nvenc_driver_leave(&self->driver);
    if (good)
        return &self->base;
    nvenc_destroy(&self->base);
    return NULL;
}

static void set_long_terms(const struct nvenc *self, NV_ENC_CODEC_PIC_PARAMS *codec)
{
    uint32_t place = self->keep != NONE ? (uint32_t)self->keep : 0;
    uint32_t use = self->return_to != NONE ? 1U << self->return_to : 0;
    if (self->config.codec == ENCODER_HEVC) {
        codec->hevcPicParams.ltrMarkFrame = self->keep != NONE;
        codec->hevcPicParams.ltrMarkFrameIdx = place;
        codec->hevcPicParams.ltrUseFrames = use != 0;
        codec->hevcPicParams.ltrUseFrameBitmap = use;
    } else {
        codec->h264PicParams.ltrMarkFrame = self->keep != NONE;
        codec->h264PicParams.ltrMarkFrameIdx = place;
        codec->h264PicParams.ltrUseFrames = use != 0;
        codec->h264PicParams.ltrUseFrameBitmap = use;
    }
}

static bool submit(struct nvenc *self, bool idr, char *ret_reason, size_t reason_size)
{
    NV_ENC_PIC_PARAMS params = {
        .version = NV_ENC_PIC_PARAMS_VER,
        .inputWidth = (uint32_t)self->layout.width,
        .inputHeight = (uint32_t)self->layout.height,
        .inputPitch = self->input.pitch,
        .encodePicFlags = idr ? NV_ENC_PIC_FLAG_FORCEIDR : 0,
        .inputTimeStamp = self->pictures,
        .inputDuration = 1,
        .inputBuffer = self->input.picture,
        .outputBitstream = self->output.buffer,
        .bufferFmt = nvenc_config_buffer_format(self->layout.format),
        .pictureStruct = NV_ENC_PIC_STRUCT_FRAME,
    };
    if (!idr)
        set_long_terms(self, &params.codecPicParams);
    self->keep = self->return_to = NONE;
    NVENCSTATUS status = self->driver.api.nvEncEncodePicture(self->driver.session, &params);
    self->pictures++;
    return check(self, "NvEncEncodePicture", status, ret_reason, reason_size);
}

/* Inside of the driver. */
static bool run(struct nvenc *self, const struct frame *frame, const struct region *damage, bool idr,
                struct au_part *ret_part, char *ret_reason, size_t reason_size)
{
    return nvenc_input_give(&self->input, frame, damage, ret_reason, reason_size) &&
           submit(self, idr, ret_reason, reason_size) &&
           nvenc_output_first(&self->output, ret_part, ret_reason, reason_size) &&
           (!ret_part->last || nvenc_input_take_back(&self->input, ret_reason, reason_size));
}

static enum encode_result nvenc_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                                       int64_t now_ns, bool idr, struct au_part *ret_part)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    char reason[200] = "the GPU is gone";
    (void)now_ns;
    bool good = false;
    if (nvenc_driver_enter(&self->driver)) {
        good = run(self, frame, damage, idr, ret_part, reason, sizeof(reason));
        nvenc_driver_leave(&self->driver);
    }
    if (!good)
        log_error("nvenc: %s", reason);
    return good ? ENCODE_OK : ENCODE_FAILED;
}

/* Inside of the driver. */
static enum encode_result go_on(struct nvenc *self, struct au_part *part, char *ret_reason, size_t reason_size)
{
    enum encode_result result = nvenc_output_next(&self->output, part, ret_reason, reason_size);
    bool complete = result == ENCODE_TORN || (result == ENCODE_OK && part->last);
    return complete && !nvenc_input_take_back(&self->input, ret_reason, reason_size) ? ENCODE_FAILED : result;
}

static enum encode_result nvenc_next(struct encoder *base, struct au_part *part)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    char reason[200] = "the GPU is gone";
    enum encode_result result = ENCODE_FAILED;
    if (nvenc_driver_enter(&self->driver)) {
        result = go_on(self, part, reason, sizeof(reason));
        nvenc_driver_leave(&self->driver);
    }
    if (result == ENCODE_FAILED)
        log_error("nvenc: %s", reason);
    return result;
}

/* Inside of the driver. Pictures are known to it by their time stamps. */
static bool forget(struct nvenc *self, int count, char *ret_reason, size_t reason_size)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver.api;
    for (uint64_t number = self->pictures - (uint64_t)count; number < self->pictures; number++) {
        NVENCSTATUS status = api->nvEncInvalidateRefFrames(self->driver.session, number);
        if (!check(self, "NvEncInvalidateRefFrames", status, ret_reason, reason_size))
            return false;
    }
    return true;
}

static bool nvenc_invalidate(struct encoder *base, int count)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    char reason[200] = "the GPU is gone";
    bool good = false;
    if (nvenc_driver_enter(&self->driver)) {
        good = forget(self, count, reason, sizeof(reason));
        nvenc_driver_leave(&self->driver);
    }
    if (!good)
        log_warn("nvenc: %s", reason);
    return good;
}

/* Inside of the driver. */
static bool reconfigure(struct nvenc *self, char *ret_reason, size_t reason_size)
{
    NV_ENC_RECONFIGURE_PARAMS change = {.version = NV_ENC_RECONFIGURE_PARAMS_VER, .reInitEncodeParams = self->params};
    nvenc_config_set_rate(&self->config, &self->codec_config);
    if (read_cap(self, NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE) <= 0) {
        snprintf(ret_reason, reason_size, "the GPU cannot change the rate of a stream");
        return false;
    }
    return check(self, "NvEncReconfigureEncoder",
                 self->driver.api.nvEncReconfigureEncoder(self->driver.session, &change), ret_reason, reason_size);
}

static bool nvenc_set_bitrate(struct encoder *base, int bitrate_kbps, int wire_kbps)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    char reason[200] = "the GPU is gone";
    bool good = false;
    self->config.bitrate_kbps = bitrate_kbps;
    self->config.wire.kbps = wire_kbps;
    if (nvenc_driver_enter(&self->driver)) {
        good = reconfigure(self, reason, sizeof(reason));
        nvenc_driver_leave(&self->driver);
    }
    if (!good)
        log_warn("nvenc: %s", reason);
    return good;
}

static void nvenc_keep(struct encoder *base, int place)
{
    container_of(base, struct nvenc, base)->keep = place;
}

/* That a picture may use no other one is said for that picture only; so these are forgotten, too, as far as they are
 * still there. */
static bool nvenc_return_to(struct encoder *base, int place, int count)
{
    struct nvenc *self = container_of(base, struct nvenc, base);
    int most = base->references + base->long_terms;
    bool good = nvenc_invalidate(base, count < most ? count : most);
    self->return_to = good ? place : NONE;
    return good;
}

const struct encoder_ops encoder_nvenc = {
    .name = "nvenc",
    .hardware = true,
    .codecs = {ENCODER_H264, ENCODER_HEVC},
    .codec_count = 2,
    .format = FRAME_NV12,
    .others = {FRAME_P010, FRAME_YUV444, FRAME_YUV444_10},
    .other_count = 3,
    .is_final = nvenc_driver_is_final,
    .create = nvenc_create,
    .destroy = nvenc_destroy,
    .encode = nvenc_encode,
    .next = nvenc_next,
    .set_bitrate = nvenc_set_bitrate,
    .invalidate = nvenc_invalidate,
    .keep = nvenc_keep,
    .return_to = nvenc_return_to,
};
