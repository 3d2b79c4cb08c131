/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_driver.h"

#include "encode/nvml.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OLDEST_DRIVER "470.57.02" /* that takes API 11.1 */

typedef NVENCSTATUS NVENCAPI create_instance(NV_ENCODE_API_FUNCTION_LIST *list);
typedef NVENCSTATUS NVENCAPI get_max_version(uint32_t *version);

static const char *status_text(NVENCSTATUS status)
{
    static const char *const texts[] = {
        [NV_ENC_ERR_NO_ENCODE_DEVICE] = "the GPU has no encoder",
        [NV_ENC_ERR_UNSUPPORTED_DEVICE] = "the GPU's encoder is not supported by its driver",
        [NV_ENC_ERR_INVALID_ENCODERDEVICE] = "the encoder is not valid",
        [NV_ENC_ERR_INVALID_DEVICE] = "the device is not valid",
        [NV_ENC_ERR_DEVICE_NOT_EXIST] = "the GPU is gone",
        [NV_ENC_ERR_INVALID_PTR] = "invalid pointer",
        [NV_ENC_ERR_INVALID_EVENT] = "invalid event",
        [NV_ENC_ERR_INVALID_PARAM] = "invalid parameter",
        [NV_ENC_ERR_INVALID_CALL] = "call out of order",
        [NV_ENC_ERR_OUT_OF_MEMORY] = "out of memory",
        [NV_ENC_ERR_ENCODER_NOT_INITIALIZED] = "not initialized",
        [NV_ENC_ERR_UNSUPPORTED_PARAM] = "the GPU cannot do what is asked",
        [NV_ENC_ERR_LOCK_BUSY] = "busy",
        [NV_ENC_ERR_NOT_ENOUGH_BUFFER] = "buffer too small",
        [NV_ENC_ERR_INVALID_VERSION] = "the driver has another NVENC API than 11.1, which " OLDEST_DRIVER " brought",
        [NV_ENC_ERR_MAP_FAILED] = "mapping failed",
        [NV_ENC_ERR_NEED_MORE_INPUT] = "it holds a picture back",
        [NV_ENC_ERR_ENCODER_BUSY] = "busy",
        [NV_ENC_ERR_GENERIC] = "unknown error",
        [NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY] = "not allowed by the licence",
        [NV_ENC_ERR_UNIMPLEMENTED] = "the driver has no such call",
    };
    const char *text = (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : NULL;
    return text ? text : "an error this host does not know";
}

bool nvenc_driver_check(struct nvenc_driver *self, const char *call, NVENCSTATUS status, char *ret_reason,
                        size_t reason_size)
{
    if (!status)
        return true;
    const char *detail = self->session ? self->api.nvEncGetLastErrorString(self->session) : NULL;
    bool has_detail = detail && detail[0];
    snprintf(ret_reason, reason_size, "%s failed: %s (%d)%s%s", call, status_text(status), (int)status,
             has_detail ? ": " : "", has_detail ? detail : "");
    return false;
}

bool nvenc_driver_check_cuda(struct nvenc_driver *self, const char *call, CUresult error, char *ret_reason,
                             size_t reason_size)
{
    const char *text = NULL;
    if (!error)
        return true;
    if (self->cuda.error_string(error, &text) || !text)
        text = "unknown error";
    snprintf(ret_reason, reason_size, "%s failed: %s (%d)", call, text, (int)error);
    return false;
}

/* It stays mapped once it was loaded: the driver has threads of its own, and the next session opens sooner. */
static void *load(const char *name)
{
    return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static bool load_cuda(struct nvenc_driver *self, char *ret_reason, size_t reason_size)
{
    struct nvenc_cuda *cuda = &self->cuda;
    const struct {
        const char *name;
        void *slot;
    } symbols[] = {
        {"cuInit", &cuda->init},
        {"cuDeviceGetCount", &cuda->device_get_count},
        {"cuDeviceGet", &cuda->device_get},
        {"cuCtxCreate_v2", &cuda->context_create},
        {"cuCtxDestroy_v2", &cuda->context_destroy},
        {"cuCtxPushCurrent_v2", &cuda->context_push},
        {"cuCtxPopCurrent_v2", &cuda->context_pop},
        {"cuGetErrorString", &cuda->error_string},
        {"cuMemAllocPitch_v2", &cuda->mem_alloc_pitch},
        {"cuMemFree_v2", &cuda->mem_free},
        {"cuMemcpy2DAsync_v2", &cuda->memcpy_2d_async},
    };
    self->cuda_library = load("libcuda.so.1");
    if (!self->cuda_library) {
        snprintf(ret_reason, reason_size, "libcuda.so.1 is not installed: no NVIDIA driver in this guest");
        return false;
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *found = dlsym(self->cuda_library, symbols[i].name);
        memcpy(symbols[i].slot, &found, sizeof(found));
        if (!found) {
            snprintf(ret_reason, reason_size, "libcuda.so.1 has no %s: the NVIDIA driver is too old", symbols[i].name);
            return false;
        }
    }
    return true;
}

/* From 3.1 on this is what the call's word means. */
static bool is_new_enough(uint32_t version)
{
    uint32_t major = version >> 4, minor = version & 15;
    return major > NVENCAPI_MAJOR_VERSION || (major == NVENCAPI_MAJOR_VERSION && minor >= NVENCAPI_MINOR_VERSION);
}

static bool load_nvenc(struct nvenc_driver *self, char *ret_reason, size_t reason_size)
{
    get_max_version *max_version = NULL;
    create_instance *create = NULL;
    uint32_t version = 0;
    self->nvenc_library = load("libnvidia-encode.so.1");
    if (!self->nvenc_library) {
        snprintf(ret_reason, reason_size,
                 "libnvidia-encode.so.1 is not installed: the NVIDIA driver is there without its encoder library");
        return false;
    }
    *(void **)&max_version = dlsym(self->nvenc_library, "NvEncodeAPIGetMaxSupportedVersion");
    *(void **)&create = dlsym(self->nvenc_library, "NvEncodeAPICreateInstance");
    if (!max_version || !create || max_version(&version) != NV_ENC_SUCCESS || !is_new_enough(version)) {
        snprintf(ret_reason, reason_size,
                 "the NVIDIA driver is too old: its NVENC has API %u.%u, %d.%d is needed, which %s and newer have",
                 version >> 4, version & 15, NVENCAPI_MAJOR_VERSION, NVENCAPI_MINOR_VERSION, OLDEST_DRIVER);
        return false;
    }
    self->api = (NV_ENCODE_API_FUNCTION_LIST){.version = NV_ENCODE_API_FUNCTION_LIST_VER};
    return nvenc_driver_check(self, "NvEncodeAPICreateInstance", create(&self->api), ret_reason, reason_size);
}

/* The two errors by which drivers tell that the limit of sessions is reached, the newer ones by the second. */
static void explain_open(struct nvenc_driver *self, NVENCSTATUS status, char *ret_reason, size_t reason_size)
{
    char detail[160];
    nvenc_driver_check(self, "NvEncOpenEncodeSessionEx", status, detail, sizeof(detail));
    if (status == NV_ENC_ERR_OUT_OF_MEMORY)
        snprintf(ret_reason, reason_size,
                 "the GPU gives no further encoder session, their limit or its memory is used up (%s)", detail);
    else if (status == NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY)
        snprintf(ret_reason, reason_size, "the GPU gives no further encoder session: their limit is reached (%s)",
                 detail);
    else
        snprintf(ret_reason, reason_size, "%s", detail);
}

static bool open_session(struct nvenc_driver *self, char *ret_reason, size_t reason_size)
{
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS params = {
        .version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
        .deviceType = NV_ENC_DEVICE_TYPE_CUDA,
        .device = self->context,
        .apiVersion = NVENCAPI_VERSION,
    };
    void *session = NULL;
    NVENCSTATUS status = self->api.nvEncOpenEncodeSessionEx(&params, &session);
    if (status) {
        explain_open(self, status, ret_reason, reason_size);
        if (session) /* as the documentation asks for */
            self->api.nvEncDestroyEncoder(session);
        return false;
    }
    self->session = session;
    return true;
}

static bool has_codec(struct nvenc_driver *self, const GUID *codec, const char *name, char *ret_reason,
                      size_t reason_size)
{
    enum { CODECS_MAX = 16 };
    GUID codecs[CODECS_MAX];
    uint32_t count = 0;
    NVENCSTATUS status = self->api.nvEncGetEncodeGUIDs(self->session, codecs, CODECS_MAX, &count);
    if (!nvenc_driver_check(self, "NvEncGetEncodeGUIDs", status, ret_reason, reason_size))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!memcmp(&codecs[i], codec, sizeof(GUID)))
            return true;
    snprintf(ret_reason, reason_size, "%s is not supported by the encoder of this GPU", name);
    return false;
}

/* With its context current, which is none any more afterwards. Leaves nothing behind but the libraries. */
static void close_device(struct nvenc_driver *self)
{
    if (self->session)
        self->api.nvEncDestroyEncoder(self->session);
    self->session = NULL;
    if (self->context)
        self->cuda.context_destroy(self->context);
    self->context = NULL;
}

static bool open_device(struct nvenc_driver *self, int ordinal, char *ret_reason, size_t reason_size)
{
    CUdevice device;
    CUresult error = self->cuda.device_get(&device, ordinal);
    if (!nvenc_driver_check_cuda(self, "cuDeviceGet", error, ret_reason, reason_size))
        return false;
    error = self->cuda.context_create(&self->context, CU_CTX_SCHED_BLOCKING_SYNC, device);
    if (!nvenc_driver_check_cuda(self, "cuCtxCreate", error, ret_reason, reason_size)) {
        self->context = NULL;
        return false;
    }
    return open_session(self, ret_reason, reason_size);
}

/* *ret_opened: a session was opened, though perhaps of an encoder without the codec. */
static bool open_first_device(struct nvenc_driver *self, const GUID *codec, const char *name, bool *ret_opened,
                              char *ret_reason, size_t reason_size)
{
    int count = 0;
    if (!nvenc_driver_check_cuda(self, "cuInit", self->cuda.init(0), ret_reason, reason_size) ||
        !nvenc_driver_check_cuda(self, "cuDeviceGetCount", self->cuda.device_get_count(&count), ret_reason,
                                 reason_size))
        return false;
    snprintf(ret_reason, reason_size, "CUDA finds no GPU");
    for (int i = 0; i < count; i++) {
        bool opened = open_device(self, i, ret_reason, reason_size);
        *ret_opened |= opened;
        if (opened && has_codec(self, codec, name, ret_reason, reason_size))
            return true;
        close_device(self);
    }
    return false;
}

bool nvenc_driver_open(struct nvenc_driver *self, const GUID *codec, const char *name, char *ret_reason,
                       size_t reason_size)
{
    *self = (struct nvenc_driver){.session = NULL};
    if (!load_cuda(self, ret_reason, reason_size) || !load_nvenc(self, ret_reason, reason_size))
        return false;
    bool opened = false;
    bool good = open_first_device(self, codec, name, &opened, ret_reason, reason_size);
    if (!opened)
        nvml_explain_refusal(ret_reason, reason_size);
    return good;
}

void nvenc_driver_close(struct nvenc_driver *self)
{
    if (self->context)
        nvenc_driver_enter(self); /* or the GPU is gone, and the rest has to do without */
    close_device(self);
    if (self->nvenc_library)
        dlclose(self->nvenc_library);
    if (self->cuda_library)
        dlclose(self->cuda_library);
    self->nvenc_library = self->cuda_library = NULL;
}

bool nvenc_driver_enter(struct nvenc_driver *self)
{
    return self->cuda.context_push(self->context) == CUDA_SUCCESS;
}

void nvenc_driver_leave(struct nvenc_driver *self)
{
    CUcontext popped;
    self->cuda.context_pop(&popped);
}

/* Without a licence a driver gives any error. */
bool nvenc_driver_is_final(const char *reason)
{
    static const char *const texts[] = {"is not supported by the encoder of this GPU", "the NVIDIA driver is too old",
                                        "the GPU has no encoder", "is not supported by its driver"};
    bool final = false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        final |= strstr(reason, texts[i]) != NULL;
    return final && !strstr(reason, NVML_NO_LICENCE);
}
