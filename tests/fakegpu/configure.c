/* SPDX-License-Identifier: Apache-2.0 */
/* configure: a client's wishes are checked, logged, and become a coder's. */
#include "tests/fakegpu/session.h"

#include <stdlib.h>
#include <string.h>

enum { DPB_PRESET = 4, DPB_LTR = 16, SURFACES_OF_THE_CHIP = 4 };

/* The few fields that H.264 and HEVC have both, in one place. */
struct codec_view {
    uint32_t idr_period, dpb, slice_mode, slice_data, chroma, depth, ltr_frames, ref_l0;
    bool repeat, no_headers, intra_refresh, ltr, aud;
    const NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui;
};

static struct codec_view view_codec(const struct session *self)
{
    if (query_is_hevc(&self->init.encodeGUID)) {
        const NV_ENC_CONFIG_HEVC *c = &self->config.encodeCodecConfig.hevcConfig;
        return (struct codec_view){
            c->idrPeriod,       c->maxNumRefFramesInDPB,    c->sliceMode,          c->sliceModeData,
            c->chromaFormatIDC, c->pixelBitDepthMinus8 + 8, c->ltrNumFrames,       c->numRefL0,
            c->repeatSPSPPS,    c->disableSPSPPS,           c->enableIntraRefresh, c->enableLTR,
            c->outputAUD,       &c->hevcVUIParameters};
    }
    const NV_ENC_CONFIG_H264 *c = &self->config.encodeCodecConfig.h264Config;
    return (struct codec_view){
        c->idrPeriod,    c->maxNumRefFrames,   c->sliceMode,    c->sliceModeData, c->chromaFormatIDC,    8,
        c->ltrNumFrames, c->numRefL0,          c->repeatSPSPPS, c->disableSPSPPS, c->enableIntraRefresh, c->enableLTR,
        c->outputAUD,    &c->h264VUIParameters};
}

static const char *tuning_name(NV_ENC_TUNING_INFO tuning)
{
    static const char *const names[] = {"none", "hq", "ll", "ull", "lossless"};
    return tuning < NV_ENC_TUNING_INFO_COUNT ? names[tuning] : "?";
}

static void trace(const char *word, const struct session *self)
{
    const NV_ENC_INITIALIZE_PARAMS *init = &self->init;
    const NV_ENC_RC_PARAMS *rc = &self->config.rcParams;
    struct codec_view codec = view_codec(self);
    const char *preset = query_preset_name(&init->presetGUID);
    const char *mode = rc->rateControlMode == NV_ENC_PARAMS_RC_CBR       ? "cbr"
                       : rc->rateControlMode == NV_ENC_PARAMS_RC_CONSTQP ? "constqp"
                                                                         : "vbr";
    script_trace("%s session=%d codec=%s preset=%s tuning=%s profile=%s width=%u height=%u fps=%u/%u ptd=%u async=%u "
                 "gop=%d idr_period=%d interval_p=%d rc=%s average=%u max=%u vbv=%u vbv_initial=%u multipass=%d "
                 "zero_reorder=%u lookahead=%u aq=%u key_scale=%u dpb=%u ref_l0=%u slice_mode=%u slices=%u "
                 "subframe=%u slice_offsets=%u repeat=%d no_headers=%d aud=%d intra_refresh=%d ltr=%d ltr_frames=%u "
                 "chroma=%u depth=%u full_range=%u primaries=%u transfer=%u matrix=%u restriction=%u weighted=%u",
                 word, self->id, query_is_hevc(&init->encodeGUID) ? "hevc" : "h264", preset ? preset : "?",
                 tuning_name(init->tuningInfo), query_profile_name(&self->config.profileGUID), init->encodeWidth,
                 init->encodeHeight, init->frameRateNum, init->frameRateDen, init->enablePTD, init->enableEncodeAsync,
                 (int)self->config.gopLength, (int)codec.idr_period, self->config.frameIntervalP, mode,
                 rc->averageBitRate, rc->maxBitRate, rc->vbvBufferSize, rc->vbvInitialDelay, (int)rc->multiPass,
                 rc->zeroReorderDelay, rc->enableLookahead, rc->enableAQ, rc->lowDelayKeyFrameScale, codec.dpb,
                 codec.ref_l0, codec.slice_mode, codec.slice_data, init->enableSubFrameWrite, init->reportSliceOffsets,
                 codec.repeat, codec.no_headers, codec.aud, codec.intra_refresh, codec.ltr, codec.ltr_frames,
                 codec.chroma, codec.depth, codec.vui->videoFullRangeFlag, codec.vui->colourPrimaries,
                 codec.vui->transferCharacteristics, codec.vui->colourMatrix, codec.vui->bitstreamRestrictionFlag,
                 init->enableWeightedPrediction);
}

/* What this device refuses, in words, or NULL. */
static const char *find_fault(const struct session *self, const struct script *script)
{
    const NV_ENC_INITIALIZE_PARAMS *init = &self->init;
    const int *caps = script->caps;
    struct codec_view codec = view_codec(self);
    if (!query_has_codec(script, &init->encodeGUID))
        return "no such codec";
    if (!query_preset_name(&init->presetGUID) || init->tuningInfo == NV_ENC_TUNING_INFO_UNDEFINED)
        return "preset without tuning, or no such preset";
    if ((int)init->encodeWidth < caps[CAP_WIDTH_MIN] || (int)init->encodeWidth > caps[CAP_WIDTH_MAX] ||
        (int)init->encodeHeight < caps[CAP_HEIGHT_MIN] || (int)init->encodeHeight > caps[CAP_HEIGHT_MAX])
        return "size out of range";
    if (!init->frameRateNum || !init->frameRateDen)
        return "no frame rate";
    if (init->enableEncodeAsync && !caps[CAP_ASYNC])
        return "asynchronous mode is for Windows";
    if (self->config.frameIntervalP > 1 + caps[CAP_BFRAMES])
        return "too many B frames";
    if (self->config.rcParams.enableLookahead && !caps[CAP_LOOKAHEAD])
        return "no look-ahead";
    if (init->enableSubFrameWrite && !caps[CAP_SUBFRAME])
        return "no sub-frame output";
    if (codec.ref_l0 > 1 && !caps[CAP_MULTIPLE_REFERENCES])
        return "one reference only";
    if (self->config.rcParams.vbvBufferSize && !caps[CAP_CUSTOM_VBV])
        return "no VBV buffer of one's own";
    if (codec.intra_refresh && !caps[CAP_INTRA_REFRESH])
        return "no intra refresh";
    if (codec.ltr && (int)codec.ltr_frames > caps[CAP_LTR])
        return "too many long-term references";
    if (codec.chroma == 3 && !caps[CAP_YUV444])
        return "no 4:4:4";
    if (codec.depth == 10 && !caps[CAP_10BIT])
        return "no 10 bit";
    return NULL;
}

static const char *x264_profile(const struct session *self, enum coder_format format)
{
    const char *name = query_profile_name(&self->config.profileGUID);
    if (format == CODER_YUV444)
        return "high444";
    return strcmp(name, "auto") != 0 && strcmp(name, "high444") != 0 ? name : "high";
}

static struct coder_config wanted(const struct session *self)
{
    const NV_ENC_RC_PARAMS *rc = &self->config.rcParams;
    const NV_ENC_CONFIG_H264 *h264 = &self->config.encodeCodecConfig.h264Config;
    struct codec_view codec = view_codec(self);
    static const enum coder_format formats[2][2] = {{CODER_NV12, CODER_I010}, {CODER_YUV444, CODER_I410}};
    enum coder_format format = formats[codec.chroma == 3][codec.depth == 10];
    bool signalled = codec.vui->videoSignalTypePresentFlag && codec.vui->colourDescriptionPresentFlag;
    uint32_t bitrate = rc->averageBitRate, vbv = rc->vbvBufferSize ? rc->vbvBufferSize : bitrate;
    return (struct coder_config){
        .width = (int)self->init.encodeWidth,
        .height = (int)self->init.encodeHeight,
        .fps_num = self->init.frameRateNum,
        .fps_den = self->init.frameRateDen,
        .format = format,
        .profile = x264_profile(self, format),
        .bitrate_kbps = (int)(bitrate / 1000),
        .vbv_kbit = vbv < 1000 ? 1 : (int)(vbv / 1000),
        .qp = rc->rateControlMode == NV_ENC_PARAMS_RC_CONSTQP ? (int)rc->constQP.qpInterP : 0,
        .slices = codec.slice_mode == 3 && codec.slice_data ? (int)codec.slice_data : 1,
        .dpb = codec.ltr   ? DPB_LTR
               : codec.dpb ? (int)codec.dpb
                           : DPB_PRESET,
        .intra_refresh = codec.intra_refresh,
        .cabac = h264->entropyCodingMode != NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC,
        .colour = {.primaries = signalled ? (int)codec.vui->colourPrimaries : 0,
                   .transfer = (int)codec.vui->transferCharacteristics,
                   .matrix = (int)codec.vui->colourMatrix,
                   .full_range = codec.vui->videoFullRangeFlag},
    };
}

static const struct coder_ops *choose_coder(const struct session *self)
{
    if (!query_is_hevc(&self->init.encodeGUID))
        return &coder_x264;
#ifdef HAVE_X265
    return &coder_x265;
#else
    return NULL;
#endif
}

static bool keep_headers(struct session *self)
{
    const uint8_t *bytes;
    if (!self->coder->ops->headers(self->coder, &bytes, &self->headers_size) || self->headers_size > HEADERS_MAX)
        return false;
    memcpy(self->headers, bytes, self->headers_size);
    return true;
}

static NVENCSTATUS open_coder(struct session *self)
{
    self->coder_config = wanted(self);
    const struct coder_ops *ops = choose_coder(self);
    int64_t bytes = (int64_t)self->coder_config.width * self->coder_config.height * 3 / 2 *
                    (self->coder_config.dpb + SURFACES_OF_THE_CHIP);
    if (!session_take_memory(self, bytes))
        return session_fail(self, NV_ENC_ERR_OUT_OF_MEMORY, "no memory for the encoder");
    free(self->scratch);
    self->scratch = malloc(pixels_scratch_bytes(&self->coder_config));
    self->coder = ops && self->scratch ? ops->open(&self->coder_config) : NULL;
    if (self->coder && keep_headers(self)) {
        self->idr_wanted = true;
        return NV_ENC_SUCCESS;
    }
    if (self->coder)
        self->coder->ops->close(self->coder);
    self->coder = NULL;
    session_give_memory(self, bytes);
    return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "the software inside refuses");
}

static NVENCSTATUS check_versions(struct session *self, const NV_ENC_INITIALIZE_PARAMS *params)
{
    NVENCSTATUS status =
        session_check_version(self, "NV_ENC_INITIALIZE_PARAMS", params->version, NV_ENC_INITIALIZE_PARAMS_VER);
    if (!status && params->encodeConfig)
        status = session_check_version(self, "NV_ENC_CONFIG", params->encodeConfig->version, NV_ENC_CONFIG_VER);
    return status;
}

static void take_params(struct session *self, const NV_ENC_INITIALIZE_PARAMS *params)
{
    bool had_none = !self->coder;
    self->init = *params;
    self->init.encodeConfig = NULL;
    if (params->encodeConfig)
        self->config = *params->encodeConfig;
    else if (had_none)
        query_fill_config(&self->config, &params->encodeGUID);
}

SESSION_CALL(initialize, NV_ENC_INITIALIZE_PARAMS *params)
{
    struct session *self;
    struct script script;
    NVENCSTATUS status = session_enter(encoder, "InitializeEncoder", &self);
    if (!status && self->coder)
        return session_fail(self, NV_ENC_ERR_INVALID_CALL, "InitializeEncoder: a second time");
    if (!status)
        status = check_versions(self, params);
    if (status)
        return status;
    script_read(&script);
    take_params(self, params);
    trace("initialize", self);
    const char *fault = find_fault(self, &script);
    if (fault)
        return session_fail(self, NV_ENC_ERR_UNSUPPORTED_PARAM, "InitializeEncoder: %s", fault);
    for (int i = 0; i < LTR_MAX; i++)
        self->ltr[i] = NO_LTR;
    return open_coder(self);
}

static bool only_rate_differs(const struct coder_config *a, const struct coder_config *b)
{
    return a->width == b->width && a->height == b->height && a->fps_num == b->fps_num && a->fps_den == b->fps_den &&
           a->format == b->format && a->slices == b->slices && a->dpb == b->dpb && a->qp == b->qp;
}

static NVENCSTATUS apply(struct session *self, const struct script *script, bool reset)
{
    struct coder_config next = wanted(self);
    bool rate = next.bitrate_kbps != self->coder_config.bitrate_kbps || next.vbv_kbit != self->coder_config.vbv_kbit;
    if (rate && !script->caps[CAP_DYNAMIC_BITRATE])
        return session_fail(self, NV_ENC_ERR_UNSUPPORTED_PARAM, "ReconfigureEncoder: no change of rate");
    if (!only_rate_differs(&next, &self->coder_config)) {
        if (!reset)
            return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "ReconfigureEncoder: this needs resetEncoder");
        self->coder->ops->close(self->coder);
        self->coder = NULL;
        return open_coder(self);
    }
    self->coder_config = next;
    if (rate && !self->coder->ops->set_rate(self->coder, next.bitrate_kbps, next.vbv_kbit))
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "ReconfigureEncoder: the software inside refuses");
    return NV_ENC_SUCCESS;
}

SESSION_CALL(reconfigure, NV_ENC_RECONFIGURE_PARAMS *params)
{
    struct session *self;
    struct script script;
    const NV_ENC_INITIALIZE_PARAMS *next = &params->reInitEncodeParams;
    NVENCSTATUS status = session_enter(encoder, "ReconfigureEncoder", &self);
    if (!status && !self->coder)
        return session_fail(self, NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "ReconfigureEncoder: not initialized");
    if (!status)
        status =
            session_check_version(self, "NV_ENC_RECONFIGURE_PARAMS", params->version, NV_ENC_RECONFIGURE_PARAMS_VER);
    if (!status)
        status = check_versions(self, next);
    if (status)
        return status;
    bool resized = next->encodeWidth != self->init.encodeWidth || next->encodeHeight != self->init.encodeHeight;
    if (resized && (next->encodeWidth > self->init.maxEncodeWidth || next->encodeHeight > self->init.maxEncodeHeight))
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "ReconfigureEncoder: above the largest size");
    script_read(&script);
    NV_ENC_INITIALIZE_PARAMS old_init = self->init;
    NV_ENC_CONFIG old_config = self->config;
    take_params(self, next);
    trace(params->forceIDR || params->resetEncoder ? "reconfigure_idr" : "reconfigure", self);
    const char *fault = find_fault(self, &script);
    status = fault ? session_fail(self, NV_ENC_ERR_UNSUPPORTED_PARAM, "ReconfigureEncoder: %s", fault)
                   : apply(self, &script, params->resetEncoder);
    if (status) {
        self->init = old_init;
        self->config = old_config;
    } else {
        self->idr_wanted |= params->forceIDR || params->resetEncoder;
    }
    return status;
}

SESSION_CALL(sequence_params, NV_ENC_SEQUENCE_PARAM_PAYLOAD *payload)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "GetSequenceParams", &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_SEQUENCE_PARAM_PAYLOAD", payload->version,
                                       NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER);
    if (status)
        return status;
    if (!self->coder)
        return session_fail(self, NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "GetSequenceParams: not initialized");
    if (self->headers_size > payload->inBufferSize)
        return session_fail(self, NV_ENC_ERR_NOT_ENOUGH_BUFFER, "GetSequenceParams: too small");
    memcpy(payload->spsppsBuffer, self->headers, self->headers_size);
    *payload->outSPSPPSPayloadSize = (uint32_t)self->headers_size;
    return NV_ENC_SUCCESS;
}
