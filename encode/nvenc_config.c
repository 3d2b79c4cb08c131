/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_config.h"

#include "encode/nvenc_preset.h"

enum {
    SLICES_BY_COUNT = 3, /* sliceMode */
    VIDEO_FORMAT_UNSPECIFIED = 5,
    H264_DPB_MBS = 184320, /* of level 5.2, H.264 table A-1: 5 pictures of 4096x2304 */
    PARTS_MAX = 4,         /* FEC blocks of a frame */
    PART_PACKETS = 10,     /* that one should have, see protocol/video_packet.h */
    HEVC_PIXELS = 8912896, /* of level 5.2, HEVC table A.8: 6 buffers, more for smaller pictures, one in hand */
};

GUID nvenc_config_codec(enum encoder_codec codec)
{
    return codec == ENCODER_HEVC ? NV_ENC_CODEC_HEVC_GUID : NV_ENC_CODEC_H264_GUID;
}

int nvenc_config_references_max(const struct encoder_config *config)
{
    int width = config->layout.width, height = config->layout.height, pixels = width * height;
    if (config->codec != ENCODER_HEVC)
        return H264_DPB_MBS / ((width + 15) / 16 * ((height + 15) / 16));
    return (pixels <= HEVC_PIXELS / 4       ? 16
            : pixels <= HEVC_PIXELS / 2     ? 12
            : pixels <= HEVC_PIXELS / 4 * 3 ? 8
                                            : 6) -
           1;
}

int nvenc_config_parts(const struct encoder_config *config)
{
    int64_t payload = config->wire.payload_bytes, bytes = (int64_t)config->bitrate_kbps * 12500 / config->fps_x100;
    int64_t parts = config->parts && payload ? bytes / payload / PART_PACKETS : 1;
    parts = parts > PARTS_MAX ? PARTS_MAX : parts;
    return parts < 2 ? 1 : parts > config->slices ? (int)parts : config->slices;
}

NV_ENC_BUFFER_FORMAT nvenc_config_buffer_format(enum frame_format format)
{
    static const NV_ENC_BUFFER_FORMAT formats[FRAME_FORMATS] = {
        [FRAME_NV12] = NV_ENC_BUFFER_FORMAT_NV12,
        [FRAME_P010] = NV_ENC_BUFFER_FORMAT_YUV420_10BIT,
        [FRAME_YUV444] = NV_ENC_BUFFER_FORMAT_YUV444,
        [FRAME_YUV444_10] = NV_ENC_BUFFER_FORMAT_YUV444_10BIT,
    };
    return formats[format];
}

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

/* Codes of H.273, "colour" in docs/protocol.md. BT.2020 needs ten bits: eight-bit streams fall back to BT.709. */
static void set_colour(const struct frame_layout *layout, NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui)
{
    bool wide = layout->colour_space == FRAME_BT2020 && frame_shape_of(layout->format)->bits > 8;
    uint32_t code = layout->colour_space == FRAME_BT601 ? 6 : 1;
    vui->videoSignalTypePresentFlag = 1;
    vui->videoFormat = VIDEO_FORMAT_UNSPECIFIED;
    vui->videoFullRangeFlag = layout->full_range;
    vui->colourDescriptionPresentFlag = 1;
    vui->colourPrimaries = vui->colourMatrix = wide ? 9 : code;
    vui->transferCharacteristics = wide ? 14 : code;
    vui->chromaSampleLocationFlag = 1;
    vui->chromaSampleLocationTop = vui->chromaSampleLocationBot = 0; /* left */
}

static void set_h264_references(int references, int long_terms, bool one_of_many, NV_ENC_CONFIG_H264 *h264)
{
    h264->maxNumRefFrames = (uint32_t)(references + long_terms);
    h264->enableLTR = long_terms > 0;
    h264->ltrNumFrames = (uint32_t)long_terms;
    h264->ltrTrustMode = 0; /* marked picture by picture */
    if (one_of_many)
        h264->numRefL0 = NV_ENC_NUM_REF_FRAMES_1;
}

static uint32_t chroma_format(const struct frame_layout *layout)
{
    return frame_shape_of(layout->format)->half_rows ? 1 : 3;
}

static void set_h264(const struct encoder_config *config, int slices, NV_ENC_CONFIG_H264 *h264)
{
    h264->idrPeriod = NVENC_INFINITE_GOPLENGTH;
    h264->level = NV_ENC_LEVEL_AUTOSELECT;
    h264->chromaFormatIDC = chroma_format(&config->layout);
    h264->repeatSPSPPS = 1; /* with each IDR */
    h264->disableSPSPPS = 0;
    h264->outputAUD = 0;
    h264->outputBufferingPeriodSEI = h264->outputPictureTimingSEI = h264->outputRecoveryPointSEI = 0;
    h264->enableFillerDataInsertion = 0;
    h264->enableIntraRefresh = 0;
    h264->sliceMode = SLICES_BY_COUNT;
    h264->sliceModeData = (uint32_t)slices;
    set_colour(&config->layout, &h264->h264VUIParameters);
    h264->h264VUIParameters.bitstreamRestrictionFlag = 1;
}

/* Of HEVC as of H.264. */
static void set_hevc(const struct encoder_config *config, int slices, NV_ENC_CONFIG_HEVC *hevc)
{
    hevc->idrPeriod = NVENC_INFINITE_GOPLENGTH;
    hevc->level = NV_ENC_LEVEL_AUTOSELECT;
    hevc->tier = NV_ENC_TIER_HEVC_MAIN;
    hevc->chromaFormatIDC = chroma_format(&config->layout);
    hevc->pixelBitDepthMinus8 = (uint32_t)frame_shape_of(config->layout.format)->bits - 8;
    hevc->repeatSPSPPS = 1;
    hevc->disableSPSPPS = 0;
    hevc->outputAUD = 0;
    hevc->outputBufferingPeriodSEI = hevc->outputPictureTimingSEI = 0;
    hevc->enableFillerDataInsertion = 0;
    hevc->enableIntraRefresh = 0;
    hevc->sliceMode = SLICES_BY_COUNT;
    hevc->sliceModeData = (uint32_t)slices;
    set_colour(&config->layout, &hevc->hevcVUIParameters);
    hevc->hevcVUIParameters.bitstreamRestrictionFlag = 1;
}

static void set_hevc_references(int references, int long_terms, bool one_of_many, NV_ENC_CONFIG_HEVC *hevc)
{
    hevc->maxNumRefFramesInDPB = (uint32_t)(references + long_terms);
    hevc->enableLTR = long_terms > 0;
    hevc->ltrNumFrames = (uint32_t)long_terms;
    hevc->ltrTrustMode = 0;
    if (one_of_many)
        hevc->numRefL0 = NV_ENC_NUM_REF_FRAMES_1;
}

static GUID profile_of(const struct encoder_config *config)
{
    bool whole = chroma_format(&config->layout) == 3;
    if (config->codec != ENCODER_HEVC)
        return whole ? NV_ENC_H264_PROFILE_HIGH_444_GUID : NV_ENC_H264_PROFILE_HIGH_GUID;
    if (whole)
        return NV_ENC_HEVC_PROFILE_FREXT_GUID;
    return config->layout.format == FRAME_P010 ? NV_ENC_HEVC_PROFILE_MAIN10_GUID : NV_ENC_HEVC_PROFILE_MAIN_GUID;
}

void nvenc_config_fill(const struct encoder_config *config, int references, int long_terms, bool one_of_many, int parts,
                       NV_ENC_CONFIG *preset_config, NV_ENC_INITIALIZE_PARAMS *ret_params)
{
    preset_config->version = NV_ENC_CONFIG_VER;
    bool is_hevc = config->codec == ENCODER_HEVC;
    int slices = parts > 1 ? parts : config->slices;
    preset_config->profileGUID = profile_of(config);
    preset_config->gopLength = NVENC_INFINITE_GOPLENGTH;
    preset_config->frameIntervalP = 1; /* no B pictures */
    nvenc_config_set_rate(config, preset_config);
    if (is_hevc) {
        set_hevc(config, slices, &preset_config->encodeCodecConfig.hevcConfig);
        set_hevc_references(references, long_terms, one_of_many, &preset_config->encodeCodecConfig.hevcConfig);
    } else {
        set_h264(config, slices, &preset_config->encodeCodecConfig.h264Config);
        set_h264_references(references, long_terms, one_of_many, &preset_config->encodeCodecConfig.h264Config);
    }
    *ret_params = (NV_ENC_INITIALIZE_PARAMS){
        .version = NV_ENC_INITIALIZE_PARAMS_VER,
        .encodeGUID = nvenc_config_codec(config->codec),
        .presetGUID = nvenc_config_preset(config),
        .tuningInfo = NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY,
        .encodeWidth = (uint32_t)config->layout.width,
        .encodeHeight = (uint32_t)config->layout.height,
        .darWidth = (uint32_t)config->layout.width,
        .darHeight = (uint32_t)config->layout.height,
        .frameRateNum = (uint32_t)config->fps_x100,
        .frameRateDen = 100,
        .enablePTD = 1,
        .reportSliceOffsets = parts > 1,
        .enableSubFrameWrite = parts > 1,
        .encodeConfig = preset_config,
    };
}
