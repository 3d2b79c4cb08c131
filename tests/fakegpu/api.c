/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api: the two symbols of libnvidia-encode.so.1 and the table behind them. The table is that of API 11.1
 * (libffmpeg-nvenc-dev), which all drivers since R470 take; newer structures are refused, as their layout is not here.
 */
#include "tests/fakegpu/session.h"

#define EXPORT __attribute__((visibility("default")))

static NVENCSTATUS NVENCAPI open_old(void *device, uint32_t type, void **ret)
{
    (void)device, (void)type;
    *ret = NULL;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

static NVENCSTATUS NVENCAPI get_stats(void *encoder, NV_ENC_STAT *stat)
{
    (void)encoder, (void)stat;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

static NVENCSTATUS NVENCAPI event(void *encoder, NV_ENC_EVENT_PARAMS *params)
{
    (void)encoder, (void)params;
    return NV_ENC_ERR_UNIMPLEMENTED; /* Windows only */
}

static NVENCSTATUS NVENCAPI create_mv_buffer(void *encoder, NV_ENC_CREATE_MV_BUFFER *params)
{
    (void)encoder, (void)params;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

static NVENCSTATUS NVENCAPI destroy_mv_buffer(void *encoder, NV_ENC_OUTPUT_PTR buffer)
{
    (void)encoder, (void)buffer;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

static NVENCSTATUS NVENCAPI run_motion_estimation(void *encoder, NV_ENC_MEONLY_PARAMS *params)
{
    (void)encoder, (void)params;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

static NVENCSTATUS NVENCAPI sequence_param_ex(void *encoder, NV_ENC_INITIALIZE_PARAMS *init,
                                              NV_ENC_SEQUENCE_PARAM_PAYLOAD *payload)
{
    (void)encoder, (void)init, (void)payload;
    return NV_ENC_ERR_UNIMPLEMENTED;
}

/* All copies are done when their call returns, so it does not matter in which stream. */
static NVENCSTATUS NVENCAPI set_streams(void *encoder, NV_ENC_CUSTREAM_PTR input, NV_ENC_CUSTREAM_PTR output)
{
    struct session *self;
    (void)input, (void)output;
    return session_enter(encoder, "SetIOCudaStreams", &self);
}

static const NV_ENCODE_API_FUNCTION_LIST table = {
    .nvEncOpenEncodeSession = open_old,
    .nvEncGetEncodeGUIDCount = session_guid_count,
    .nvEncGetEncodeProfileGUIDCount = session_profile_count,
    .nvEncGetEncodeProfileGUIDs = session_profiles,
    .nvEncGetEncodeGUIDs = session_guids,
    .nvEncGetInputFormatCount = session_format_count,
    .nvEncGetInputFormats = session_formats,
    .nvEncGetEncodeCaps = session_caps,
    .nvEncGetEncodePresetCount = session_preset_count,
    .nvEncGetEncodePresetGUIDs = session_presets,
    .nvEncGetEncodePresetConfig = session_preset_config,
    .nvEncInitializeEncoder = session_initialize,
    .nvEncCreateInputBuffer = session_create_input,
    .nvEncDestroyInputBuffer = session_destroy_input,
    .nvEncCreateBitstreamBuffer = session_create_bitstream,
    .nvEncDestroyBitstreamBuffer = session_destroy_bitstream,
    .nvEncEncodePicture = session_encode,
    .nvEncLockBitstream = session_lock_bitstream,
    .nvEncUnlockBitstream = session_unlock_bitstream,
    .nvEncLockInputBuffer = session_lock_input,
    .nvEncUnlockInputBuffer = session_unlock_input,
    .nvEncGetEncodeStats = get_stats,
    .nvEncGetSequenceParams = session_sequence_params,
    .nvEncRegisterAsyncEvent = event,
    .nvEncUnregisterAsyncEvent = event,
    .nvEncMapInputResource = session_map_resource,
    .nvEncUnmapInputResource = session_unmap_resource,
    .nvEncDestroyEncoder = session_destroy,
    .nvEncInvalidateRefFrames = session_invalidate,
    .nvEncOpenEncodeSessionEx = session_open,
    .nvEncRegisterResource = session_register_resource,
    .nvEncUnregisterResource = session_unregister_resource,
    .nvEncReconfigureEncoder = session_reconfigure,
    .nvEncCreateMVBuffer = create_mv_buffer,
    .nvEncDestroyMVBuffer = destroy_mv_buffer,
    .nvEncRunMotionEstimationOnly = run_motion_estimation,
    .nvEncGetLastErrorString = session_last_error,
    .nvEncSetIOCudaStreams = set_streams,
    .nvEncGetEncodePresetConfigEx = session_preset_config_ex,
    .nvEncGetSequenceParamEx = sequence_param_ex,
};

EXPORT NVENCSTATUS NVENCAPI NvEncodeAPIGetMaxSupportedVersion(uint32_t *version);
NVENCSTATUS NVENCAPI NvEncodeAPIGetMaxSupportedVersion(uint32_t *version)
{
    struct script script;
    if (!version)
        return NV_ENC_ERR_INVALID_PTR;
    script_read(&script);
    *version = (uint32_t)(script.api_major << 4 | script.api_minor);
    return NV_ENC_SUCCESS;
}

EXPORT NVENCSTATUS NVENCAPI NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list);
NVENCSTATUS NVENCAPI NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list)
{
    struct script script;
    if (!list)
        return NV_ENC_ERR_INVALID_PTR;
    script_read(&script);
    int error = script_call_error(&script, "CreateInstance");
    if (!error && !session_knows_version(list->version, NV_ENCODE_API_FUNCTION_LIST_VER))
        error = NV_ENC_ERR_INVALID_VERSION;
    script_trace("instance version=%#x status=%d", list->version, error);
    if (error)
        return (NVENCSTATUS)error;
    uint32_t version = list->version;
    *list = table;
    list->version = version;
    return NV_ENC_SUCCESS;
}
