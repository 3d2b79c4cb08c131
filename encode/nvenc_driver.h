/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvenc_driver: NVIDIA's libraries, loaded while an encoder is open, and a session of the first GPU that gives one. Of
 * CUDA there is only the context that a session needs, and memory: no code of ours runs on the GPU.
 *
 * The structures are those of API 11.1, which drivers from 470.57.02 on take. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/nvEncodeAPI.h>

struct nvenc_cuda {
    tcuInit *init;
    tcuDeviceGetCount *device_get_count;
    tcuDeviceGet *device_get;
    tcuCtxCreate_v2 *context_create;
    tcuCtxDestroy_v2 *context_destroy;
    tcuCtxPushCurrent_v2 *context_push;
    tcuCtxPopCurrent_v2 *context_pop;
    tcuGetErrorString *error_string;
    tcuMemAllocPitch_v2 *mem_alloc_pitch;
    tcuMemFree_v2 *mem_free;
    tcuMemcpy2DAsync_v2 *memcpy_2d_async;
};

struct nvenc_driver {
    void *cuda_library, *nvenc_library;
    struct nvenc_cuda cuda;
    NV_ENCODE_API_FUNCTION_LIST api;
    CUcontext context; /* NULL: none; current only between enter and leave */
    void *session;     /* what the calls of `api` take; NULL: none */
};

/* A session that can make this codec, its context current: as after nvenc_driver_enter(). `name`: the codec's, for
 * people. False: close it all the same. */
bool nvenc_driver_open(struct nvenc_driver *self, const GUID *codec, const char *name, char *ret_reason,
                       size_t reason_size);
/* The session's buffers must be gone. Not between enter and leave. A half-opened or zeroed one is fine. */
void nvenc_driver_close(struct nvenc_driver *self);

/* Around every use of the session, on the same thread. False: the GPU is gone; nothing to leave. */
bool nvenc_driver_enter(struct nvenc_driver *self);
void nvenc_driver_leave(struct nvenc_driver *self);

/* Whether it is a success; else *ret_reason is "call failed: ..." in words for the operator. */
bool nvenc_driver_check(struct nvenc_driver *self, const char *call, NVENCSTATUS status, char *ret_reason,
                        size_t reason_size);
bool nvenc_driver_check_cuda(struct nvenc_driver *self, const char *call, CUresult error, char *ret_reason,
                             size_t reason_size);

/* The reason of a refusal, as written by nvenc_driver_open(): what the GPU or its driver cannot do at all. */
bool nvenc_driver_is_final(const char *reason);
