/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_config.h"

#include "encode/nvenc_preset.h"

enum { SLICES_BY_COUNT = 3 /* sliceMode */, VIDEO_FORMAT_UNSPECIFIED = 5 };

GUID nvenc_config_preset(const struct encoder_config *config)
{
    switch (nvenc_preset(config)) {
    case 4:
        return NV_ENC_PRESET_P4_GUID;
    case 3:
        return NV_ENC_PRESET_P3_GUID;
    case 2:
        return NV_ENC_PRESET_P2_GUID;
    default:
        return NV_ENC_PRESET_P1_GUID;
    }
}

/* Constant, with room for one picture. */
void nvenc_config_set_rate(const struct encoder_config *config, NV_ENC_CONFIG *codec_config)
{
    NV_ENC_RC_PARAMS *rc = &codec_config->rcParams;
    int64_t bits_per_s = (int64_t)config->bitrate_kbps * 1000, picture_bits = bits_per_s * 100 / config->fps_x100;
    int64_t burst_bits = (int64_t)config->burst_kbit * 1000;
    if (burst_bits && burst_bits < picture_bits)
        picture_bits = burst_bits;
    rc->version = NV_ENC_RC_PARAMS_VER;
    rc->rateControlMode = NV_ENC_PARAMS_RC_CBR;
    rc->averageBitRate = rc->maxBitRate = (uint32_t)bits_per_s;
    rc->vbvBufferSize = rc->vbvInitialDelay = (uint32_t)picture_bits;
    rc->multiPass = NV_ENC_MULTI_PASS_DISABLED;
    rc->zeroReorderDelay = 1;
    rc->enableLookahead = 0;
    rc->enableNonRefP = 0;
}

/* Codes of H.273, "colour" in docs/protocol.md. */
static void set_colour(const struct frame_layout *layout, NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui)
{
    uint32_t code = layout->colour_space == FRAME_BT601 ? 6 : 1;
    vui->videoSignalTypePresentFlag = 1;
    vui->videoFormat = VIDEO_FORMAT_UNSPECIFIED;
    vui->videoFullRangeFlag = layout->full_range;
    vui->colourDescriptionPresentFlag = 1;
    vui->colourPrimaries = vui->transferCharacteristics = vui->colourMatrix = code;
    vui->chromaSampleLocationFlag = 1;
    vui->chromaSampleLocationTop = vui->chromaSampleLocationBot = 0; /* left */
}

static void set_references(int references, int long_terms, bool one_of_many, NV_ENC_CONFIG_H264 *h264)
{
    h264->maxNumRefFrames = (uint32_t)(references + long_terms);
    h264->enableLTR = long_terms > 0;
    h264->ltrNumFrames = (uint32_t)long_terms;
    h264->ltrTrustMode = 0; /* marked picture by picture */
    if (one_of_many)
        h264->numRefL0 = NV_ENC_NUM_REF_FRAMES_1;
}

static void set_h264(const struct encoder_config *config, NV_ENC_CONFIG_H264 *h264)
{
    h264->idrPeriod = NVENC_INFINITE_GOPLENGTH;
    h264->level = NV_ENC_LEVEL_AUTOSELECT;
    h264->chromaFormatIDC = 1;
    h264->repeatSPSPPS = 1; /* with each IDR */
    h264->disableSPSPPS = 0;
    h264->outputAUD = 0;
    h264->outputBufferingPeriodSEI = h264->outputPictureTimingSEI = h264->outputRecoveryPointSEI = 0;
    h264->enableFillerDataInsertion = 0;
    h264->enableIntraRefresh = 0;
    h264->sliceMode = SLICES_BY_COUNT;
    h264->sliceModeData = (uint32_t)config->slices;
    set_colour(&config->layout, &h264->h264VUIParameters);
    h264->h264VUIParameters.bitstreamRestrictionFlag = 1;
}

void nvenc_config_fill(const struct encoder_config *config, int references, int long_terms, bool one_of_many,
                       NV_ENC_CONFIG *preset_config, NV_ENC_INITIALIZE_PARAMS *ret_params)
{
    preset_config->version = NV_ENC_CONFIG_VER;
    preset_config->profileGUID = NV_ENC_H264_PROFILE_HIGH_GUID;
    preset_config->gopLength = NVENC_INFINITE_GOPLENGTH;
    preset_config->frameIntervalP = 1; /* no B pictures */
    nvenc_config_set_rate(config, preset_config);
    set_h264(config, &preset_config->encodeCodecConfig.h264Config);
    set_references(references, long_terms, one_of_many, &preset_config->encodeCodecConfig.h264Config);
    *ret_params = (NV_ENC_INITIALIZE_PARAMS){
        .version = NV_ENC_INITIALIZE_PARAMS_VER,
        .encodeGUID = NV_ENC_CODEC_H264_GUID,
        .presetGUID = nvenc_config_preset(config),
        .tuningInfo = NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY,
        .encodeWidth = (uint32_t)config->layout.width,
        .encodeHeight = (uint32_t)config->layout.height,
        .darWidth = (uint32_t)config->layout.width,
        .darHeight = (uint32_t)config->layout.height,
        .frameRateNum = (uint32_t)config->fps_x100,
        .frameRateDen = 100,
        .enablePTD = 1,
        .encodeConfig = preset_config,
    };
}
