/* SPDX-License-Identifier: Apache-2.0 */
/* query: what a client may ask before it initializes. What NVIDIA's presets really hold is not known here. */
#include "tests/fakegpu/session.h"

#include <string.h>

/* From the public header of API 12.0 and later; ours is 11.1. */
static const GUID codec_av1 = {0x0a352289, 0x0aa7, 0x4759, {0x86, 0x2d, 0x5d, 0x15, 0xcd, 0x16, 0xd2, 0x54}};

enum { CODECS = 3, DEFAULT_BITRATE = 5000000, LEVEL_MAX = 62 };

static bool same(const GUID *a, const GUID *b)
{
    return !memcmp(a, b, sizeof(*a));
}

bool query_is_hevc(const GUID *codec)
{
    return same(codec, &NV_ENC_CODEC_HEVC_GUID);
}

static uint32_t list_codecs(const struct script *script, GUID ret[CODECS])
{
    uint32_t count = 0;
    if (script->h264)
        ret[count++] = NV_ENC_CODEC_H264_GUID;
    if (script->hevc)
        ret[count++] = NV_ENC_CODEC_HEVC_GUID;
    if (script->av1)
        ret[count++] = codec_av1;
    return count;
}

bool query_has_codec(const struct script *script, const GUID *codec)
{
    GUID codecs[CODECS];
    uint32_t count = list_codecs(script, codecs);
    for (uint32_t i = 0; i < count; i++)
        if (same(&codecs[i], codec))
            return true;
    return false;
}

static const struct {
    const char *name;
    const GUID *guid;
} presets[] = {
    {"p1", &NV_ENC_PRESET_P1_GUID}, {"p2", &NV_ENC_PRESET_P2_GUID}, {"p3", &NV_ENC_PRESET_P3_GUID},
    {"p4", &NV_ENC_PRESET_P4_GUID}, {"p5", &NV_ENC_PRESET_P5_GUID}, {"p6", &NV_ENC_PRESET_P6_GUID},
    {"p7", &NV_ENC_PRESET_P7_GUID},
};
enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

const char *query_preset_name(const GUID *preset)
{
    for (int i = 0; i < PRESETS; i++)
        if (same(presets[i].guid, preset))
            return presets[i].name;
    return NULL;
}

static const struct {
    const char *name;
    const GUID *guid;
    bool hevc;
} profiles[] = {
    {"baseline", &NV_ENC_H264_PROFILE_BASELINE_GUID, false}, {"main", &NV_ENC_H264_PROFILE_MAIN_GUID, false},
    {"high", &NV_ENC_H264_PROFILE_HIGH_GUID, false},         {"high444", &NV_ENC_H264_PROFILE_HIGH_444_GUID, false},
    {"main", &NV_ENC_HEVC_PROFILE_MAIN_GUID, true},          {"main10", &NV_ENC_HEVC_PROFILE_MAIN10_GUID, true},
    {"rext", &NV_ENC_HEVC_PROFILE_FREXT_GUID, true},
};
enum { PROFILES = sizeof(profiles) / sizeof(profiles[0]) };

const char *query_profile_name(const GUID *profile)
{
    for (int i = 0; i < PROFILES; i++)
        if (same(profiles[i].guid, profile))
            return profiles[i].name;
    return "auto";
}

SESSION_CALL(guid_count, uint32_t *count)
{
    struct session *self;
    struct script script;
    GUID codecs[CODECS];
    NVENCSTATUS status = session_enter(encoder, "GetEncodeGUIDCount", &self);
    script_read(&script);
    if (!status)
        *count = list_codecs(&script, codecs);
    return status;
}

static void give(GUID *guids, uint32_t room, uint32_t *count, const GUID *guid)
{
    if (*count < room)
        guids[(*count)++] = *guid;
}

SESSION_CALL(guids, GUID *guids, uint32_t room, uint32_t *count)
{
    struct session *self;
    struct script script;
    GUID codecs[CODECS];
    NVENCSTATUS status = session_enter(encoder, "GetEncodeGUIDs", &self);
    if (status)
        return status;
    script_read(&script);
    uint32_t known = list_codecs(&script, codecs);
    *count = 0;
    for (uint32_t i = 0; i < known; i++)
        give(guids, room, count, &codecs[i]);
    return status;
}

static NVENCSTATUS enter_codec(void *encoder, const char *call, const GUID *codec, struct session **ret)
{
    struct script script;
    NVENCSTATUS status = session_enter(encoder, call, ret);
    script_read(&script);
    if (!status && !query_has_codec(&script, codec))
        return session_fail(*ret, NV_ENC_ERR_INVALID_PARAM, "%s: no such codec", call);
    return status;
}

SESSION_CALL(profiles, GUID codec, GUID *guids, uint32_t room, uint32_t *count)
{
    struct session *self;
    NVENCSTATUS status = enter_codec(encoder, "GetEncodeProfileGUIDs", &codec, &self);
    *count = 0;
    for (int i = 0; i < PROFILES && !status; i++)
        if (profiles[i].hevc == query_is_hevc(&codec))
            give(guids, room, count, profiles[i].guid);
    return status;
}

SESSION_CALL(profile_count, GUID codec, uint32_t *count)
{
    GUID guids[PROFILES];
    return session_profiles(encoder, codec, guids, PROFILES, count);
}

SESSION_CALL(formats, GUID codec, NV_ENC_BUFFER_FORMAT *formats, uint32_t room, uint32_t *count)
{
    static const NV_ENC_BUFFER_FORMAT known[] = {NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_BUFFER_FORMAT_YUV444,
                                                 NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_ABGR,
                                                 NV_ENC_BUFFER_FORMAT_YUV420_10BIT};
    struct session *self;
    NVENCSTATUS status = enter_codec(encoder, "GetInputFormats", &codec, &self);
    uint32_t all = query_is_hevc(&codec) ? 5 : 4;
    *count = 0;
    for (uint32_t i = 0; i < all && *count < room && !status; i++)
        formats[(*count)++] = known[i];
    return status;
}

SESSION_CALL(format_count, GUID codec, uint32_t *count)
{
    NV_ENC_BUFFER_FORMAT formats[8];
    return session_formats(encoder, codec, formats, 8, count);
}

static int cap_value(const struct script *script, const GUID *codec, NV_ENC_CAPS cap)
{
    static const struct {
        NV_ENC_CAPS cap;
        enum script_cap from;
    } scripted[] = {
        {NV_ENC_CAPS_WIDTH_MAX, CAP_WIDTH_MAX},
        {NV_ENC_CAPS_HEIGHT_MAX, CAP_HEIGHT_MAX},
        {NV_ENC_CAPS_WIDTH_MIN, CAP_WIDTH_MIN},
        {NV_ENC_CAPS_HEIGHT_MIN, CAP_HEIGHT_MIN},
        {NV_ENC_CAPS_NUM_MAX_BFRAMES, CAP_BFRAMES},
        {NV_ENC_CAPS_SUPPORT_YUV444_ENCODE, CAP_YUV444},
        {NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION, CAP_INVALIDATION},
        {NV_ENC_CAPS_NUM_MAX_LTR_FRAMES, CAP_LTR},
        {NV_ENC_CAPS_SUPPORT_INTRA_REFRESH, CAP_INTRA_REFRESH},
        {NV_ENC_CAPS_SUPPORT_SUBFRAME_READBACK, CAP_SUBFRAME},
        {NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE, CAP_CUSTOM_VBV},
        {NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE, CAP_DYNAMIC_BITRATE},
        {NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES, CAP_MULTIPLE_REFERENCES},
        {NV_ENC_CAPS_SUPPORT_LOOKAHEAD, CAP_LOOKAHEAD},
        {NV_ENC_CAPS_SUPPORT_TEMPORAL_AQ, CAP_TEMPORAL_AQ},
        {NV_ENC_CAPS_ASYNC_ENCODE_SUPPORT, CAP_ASYNC},
        {NV_ENC_CAPS_SUPPORT_WEIGHTED_PREDICTION, CAP_WEIGHTED},
    };
    for (size_t i = 0; i < sizeof(scripted) / sizeof(scripted[0]); i++)
        if (scripted[i].cap == cap)
            return script->caps[scripted[i].from];
    switch (cap) {
    case NV_ENC_CAPS_SUPPORT_10BIT_ENCODE:
        return query_is_hevc(codec) && script->caps[CAP_10BIT];
    case NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES:
        return NV_ENC_PARAMS_RC_VBR | NV_ENC_PARAMS_RC_CBR;
    case NV_ENC_CAPS_LEVEL_MAX:
        return query_is_hevc(codec) ? NV_ENC_LEVEL_HEVC_62 : LEVEL_MAX;
    case NV_ENC_CAPS_LEVEL_MIN:
        return query_is_hevc(codec) ? NV_ENC_LEVEL_HEVC_1 : NV_ENC_LEVEL_H264_1;
    case NV_ENC_CAPS_MB_NUM_MAX:
        return script->caps[CAP_WIDTH_MAX] * script->caps[CAP_HEIGHT_MAX] / 256;
    case NV_ENC_CAPS_SUPPORT_CABAC:
    case NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM:
    case NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE:
    case NV_ENC_CAPS_NUM_ENCODER_ENGINES:
        return 1;
    case NV_ENC_CAPS_DYNAMIC_QUERY_ENCODER_CAPACITY:
        return 100;
    default:
        return 0;
    }
}

SESSION_CALL(caps, GUID codec, NV_ENC_CAPS_PARAM *param, int *value)
{
    struct session *self;
    struct script script;
    NVENCSTATUS status = enter_codec(encoder, "GetEncodeCaps", &codec, &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_CAPS_PARAM", param->version, NV_ENC_CAPS_PARAM_VER);
    script_read(&script);
    if (!status)
        *value = cap_value(&script, &codec, param->capsToQuery);
    return status;
}

SESSION_CALL(presets, GUID codec, GUID *guids, uint32_t room, uint32_t *count)
{
    struct session *self;
    NVENCSTATUS status = enter_codec(encoder, "GetEncodePresetGUIDs", &codec, &self);
    *count = 0;
    for (int i = 0; i < PRESETS && !status; i++)
        give(guids, room, count, presets[i].guid);
    return status;
}

SESSION_CALL(preset_count, GUID codec, uint32_t *count)
{
    GUID guids[PRESETS];
    return session_presets(encoder, codec, guids, PRESETS, count);
}

void query_fill_config(NV_ENC_CONFIG *ret, const GUID *codec)
{
    *ret = (NV_ENC_CONFIG){.version = NV_ENC_CONFIG_VER, .gopLength = NVENC_INFINITE_GOPLENGTH, .frameIntervalP = 1};
    ret->frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
    ret->rcParams.version = NV_ENC_RC_PARAMS_VER;
    ret->rcParams.rateControlMode = NV_ENC_PARAMS_RC_CBR;
    ret->rcParams.averageBitRate = DEFAULT_BITRATE;
    ret->rcParams.lowDelayKeyFrameScale = 1;
    if (query_is_hevc(codec)) {
        ret->profileGUID = NV_ENC_HEVC_PROFILE_MAIN_GUID;
        ret->encodeCodecConfig.hevcConfig.chromaFormatIDC = 1;
        ret->encodeCodecConfig.hevcConfig.idrPeriod = NVENC_INFINITE_GOPLENGTH;
    } else {
        ret->profileGUID = NV_ENC_H264_PROFILE_HIGH_GUID;
        ret->encodeCodecConfig.h264Config.chromaFormatIDC = 1;
        ret->encodeCodecConfig.h264Config.idrPeriod = NVENC_INFINITE_GOPLENGTH;
    }
}

SESSION_CALL(preset_config_ex, GUID codec, GUID preset, NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG *config)
{
    struct session *self;
    NVENCSTATUS status = enter_codec(encoder, "GetEncodePresetConfigEx", &codec, &self);
    if (status)
        return status;
    if (!query_preset_name(&preset))
        return session_fail(self, NV_ENC_ERR_UNSUPPORTED_PARAM, "GetEncodePresetConfigEx: no such preset");
    if (tuning <= NV_ENC_TUNING_INFO_UNDEFINED || tuning >= NV_ENC_TUNING_INFO_COUNT)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "GetEncodePresetConfigEx: no such tuning");
    status = session_check_version(self, "NV_ENC_PRESET_CONFIG", config->version, NV_ENC_PRESET_CONFIG_VER);
    if (!status)
        status = session_check_version(self, "NV_ENC_CONFIG", config->presetCfg.version, NV_ENC_CONFIG_VER);
    if (!status)
        query_fill_config(&config->presetCfg, &codec);
    return status;
}

SESSION_CALL(preset_config, GUID codec, GUID preset, NV_ENC_PRESET_CONFIG *config)
{
    return session_preset_config_ex(encoder, codec, preset, NV_ENC_TUNING_INFO_HIGH_QUALITY, config);
}
