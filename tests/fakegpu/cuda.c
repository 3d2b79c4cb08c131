/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuda: a libcuda.so.1 whose device memory is this process's. Copies and streams are done at once. Every call that CUDA
 * wants a current context for is refused without one, and copies are held against the allocations.
 *
 * Kernels, textures, OpenGL and external memory are there for programs that load all symbols; they say "not supported".
 */
#include "tests/fakegpu/script.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/nvEncodeAPI.h>

#define EXPORT __attribute__((visibility("default")))

/* Numbers of CUresult as in NVIDIA's public cuda.h. */
enum {
    ERROR_INVALID_VALUE = 1,
    ERROR_OUT_OF_MEMORY = 2,
    ERROR_NOT_INITIALIZED = 3,
    ERROR_NO_DEVICE = 100,
    ERROR_INVALID_DEVICE = 101,
    ERROR_INVALID_CONTEXT = 201,
    ERROR_NOT_SUPPORTED = 801,
    ERROR_UNKNOWN = 999
};
#define FAIL(number) ((CUresult)(number))

enum { ALLOCATIONS_MAX = 256, STACK_MAX = 16, PITCH = 512 };

struct allocation {
    CUcontext context;
    uint8_t *bytes;
    size_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next three */
static struct allocation allocations[ALLOCATIONS_MAX];
static size_t allocated_bytes;
static bool initialized;

static char primary_context;
static _Thread_local CUcontext stack[STACK_MAX];
static _Thread_local int stack_depth;

static CUcontext current_context(void)
{
    return stack_depth ? stack[stack_depth - 1] : NULL;
}

/* What the script wants for this call. */
static CUresult scripted_error(const char *call)
{
    struct script script;
    script_read(&script);
    int error = script_call_error(&script, call);
    return FAIL(!error ? 0 : error == NV_ENC_ERR_OUT_OF_MEMORY ? ERROR_OUT_OF_MEMORY : ERROR_UNKNOWN);
}

static CUresult push(CUcontext context)
{
    if (stack_depth == STACK_MAX)
        return FAIL(ERROR_INVALID_CONTEXT);
    stack[stack_depth++] = context;
    return CUDA_SUCCESS;
}

EXPORT tcuInit cuInit;
CUresult cuInit(unsigned int flags)
{
    script_hang("cuInit");
    struct script script;
    script_read(&script);
    int error = flags ? ERROR_INVALID_VALUE : script.cuda_error;
    if (!error && script.no_device)
        error = ERROR_NO_DEVICE;
    pthread_mutex_lock(&lock);
    initialized = !error;
    pthread_mutex_unlock(&lock);
    script_trace("cuInit -> %d", error);
    return FAIL(error);
}

EXPORT CUresult cuDriverGetVersion(int *version);
CUresult cuDriverGetVersion(int *version)
{
    struct script script;
    script_read(&script);
    /* R470: 11.4, R535: 12.2, R550: 12.4, R570: 12.8 */
    *version = script.api_major < 12 ? 11040 : script.api_major > 12 ? 12080 : script.api_minor < 2 ? 12020 : 12040;
    return CUDA_SUCCESS;
}

static CUresult check_device(CUdevice device)
{
    pthread_mutex_lock(&lock);
    bool ready = initialized;
    pthread_mutex_unlock(&lock);
    return ready ? device == 0 ? CUDA_SUCCESS : FAIL(ERROR_INVALID_DEVICE) : FAIL(ERROR_NOT_INITIALIZED);
}

EXPORT tcuDeviceGetCount cuDeviceGetCount;
CUresult cuDeviceGetCount(int *count)
{
    *count = 1;
    return check_device(0);
}

EXPORT tcuDeviceGet cuDeviceGet;
CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    *device = ordinal;
    return check_device(ordinal);
}

EXPORT tcuDeviceGetAttribute cuDeviceGetAttribute;
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
    (void)attribute;
    *value = PITCH; /* the only one that anybody asks for here is the alignment of textures */
    return check_device(device);
}

EXPORT tcuDeviceGetName cuDeviceGetName;
CUresult cuDeviceGetName(char *name, int length, CUdevice device)
{
    struct script script;
    script_read(&script);
    snprintf(name, (size_t)length, "%s", script.gpu);
    return check_device(device);
}

EXPORT tcuDeviceComputeCapability cuDeviceComputeCapability;
CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
    struct script script;
    script_read(&script);
    *major = script.compute / 10;
    *minor = script.compute % 10;
    return check_device(device);
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device);
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    struct script script;
    script_read(&script);
    *bytes = (size_t)script.memory_bytes;
    return check_device(device);
}

EXPORT tcuCtxCreate_v2 cuCtxCreate_v2;
CUresult cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice device)
{
    (void)flags;
    CUresult error = check_device(device);
    if (error)
        return error;
    void *made = calloc(1, 1);
    if (!made)
        return FAIL(ERROR_OUT_OF_MEMORY);
    *context = made;
    return push(*context);
}

/* The driver would free it. Whoever forgets that he has it may also go on using it. */
static void abort_if_memory_is_left(CUcontext context)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < ALLOCATIONS_MAX; i++) {
        if (!allocations[i].bytes || allocations[i].context != context)
            continue;
        fprintf(stderr, "fakegpu: cuCtxDestroy: %zu bytes of memory were not freed\n", allocations[i].size);
        abort();
    }
    pthread_mutex_unlock(&lock);
}

EXPORT tcuCtxDestroy_v2 cuCtxDestroy_v2;
CUresult cuCtxDestroy_v2(CUcontext context)
{
    if (!context)
        return FAIL(ERROR_INVALID_CONTEXT);
    abort_if_memory_is_left(context);
    if (current_context() == context)
        stack_depth--;
    free(context);
    return CUDA_SUCCESS;
}

EXPORT tcuCtxPushCurrent_v2 cuCtxPushCurrent_v2;
CUresult cuCtxPushCurrent_v2(CUcontext context)
{
    return context ? push(context) : FAIL(ERROR_INVALID_CONTEXT);
}

EXPORT tcuCtxPopCurrent_v2 cuCtxPopCurrent_v2;
CUresult cuCtxPopCurrent_v2(CUcontext *context)
{
    if (!stack_depth)
        return FAIL(ERROR_INVALID_CONTEXT);
    CUcontext popped = stack[--stack_depth];
    if (context)
        *context = popped;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context);
CUresult cuCtxSetCurrent(CUcontext context)
{
    stack_depth -= stack_depth > 0;
    return context ? push(context) : CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext *context);
CUresult cuCtxGetCurrent(CUcontext *context)
{
    *context = current_context();
    return CUDA_SUCCESS;
}

EXPORT tcuCtxGetDevice cuCtxGetDevice;
CUresult cuCtxGetDevice(CUdevice *device)
{
    *device = 0;
    return current_context() ? CUDA_SUCCESS : FAIL(ERROR_INVALID_CONTEXT);
}

EXPORT CUresult cuCtxSynchronize(void);
CUresult cuCtxSynchronize(void)
{
    return current_context() ? CUDA_SUCCESS : FAIL(ERROR_INVALID_CONTEXT);
}

EXPORT tcuCtxSetLimit cuCtxSetLimit;
CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
    (void)limit, (void)value;
    return CUDA_SUCCESS;
}

EXPORT tcuDevicePrimaryCtxRetain cuDevicePrimaryCtxRetain;
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    *context = (CUcontext)(void *)&primary_context;
    return check_device(device);
}

#define PRIMARY(type, name, ...)                                                                                       \
    EXPORT type name;                                                                                                  \
    CUresult name(__VA_ARGS__)

PRIMARY(tcuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease, CUdevice device)
{
    return check_device(device);
}

PRIMARY(tcuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset, CUdevice device)
{
    return check_device(device);
}

PRIMARY(tcuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags, CUdevice device, unsigned int flags)
{
    (void)flags;
    return check_device(device);
}

PRIMARY(tcuDevicePrimaryCtxGetState, cuDevicePrimaryCtxGetState, CUdevice device, unsigned int *flags, int *active)
{
    *flags = 0;
    *active = 0;
    return check_device(device);
}

/* The free place, and the memory, or NULL. Under the lock. */
static struct allocation *find_place(const uint8_t *bytes)
{
    for (int i = 0; i < ALLOCATIONS_MAX; i++)
        if (allocations[i].bytes == bytes)
            return &allocations[i];
    return NULL;
}

static CUresult allocate(CUdeviceptr *ret, size_t size)
{
    struct script script;
    script_read(&script);
    if (!current_context())
        return FAIL(ERROR_INVALID_CONTEXT);
    pthread_mutex_lock(&lock);
    struct allocation *place = find_place(NULL);
    bool fits = place && size && allocated_bytes + size <= (size_t)script.memory_bytes;
    uint8_t *bytes = fits ? aligned_alloc(PITCH, (size + PITCH - 1) / PITCH * PITCH) : NULL;
    if (bytes) {
        *place = (struct allocation){current_context(), bytes, size};
        allocated_bytes += size;
        *ret = (CUdeviceptr)(uintptr_t)bytes;
    }
    pthread_mutex_unlock(&lock);
    script_trace("cuMemAlloc bytes=%zu -> %d", size, bytes ? 0 : ERROR_OUT_OF_MEMORY);
    return bytes ? CUDA_SUCCESS : FAIL(ERROR_OUT_OF_MEMORY);
}

EXPORT tcuMemAlloc_v2 cuMemAlloc_v2;
CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size)
{
    return allocate(pointer, size);
}

EXPORT tcuMemAllocPitch_v2 cuMemAllocPitch_v2;
CUresult cuMemAllocPitch_v2(CUdeviceptr *pointer, size_t *pitch, size_t width, size_t height, unsigned int element)
{
    if (element != 4 && element != 8 && element != 16)
        return FAIL(ERROR_INVALID_VALUE);
    CUresult error = scripted_error("cuMemAllocPitch");
    *pitch = (width + PITCH - 1) / PITCH * PITCH;
    return error ? error : allocate(pointer, *pitch * height);
}

EXPORT tcuMemFree_v2 cuMemFree_v2;
CUresult cuMemFree_v2(CUdeviceptr pointer)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)pointer;
    if (!current_context())
        return FAIL(ERROR_INVALID_CONTEXT);
    pthread_mutex_lock(&lock);
    struct allocation *place = bytes ? find_place(bytes) : NULL;
    if (place) {
        allocated_bytes -= place->size;
        *place = (struct allocation){0};
        free(bytes);
    }
    pthread_mutex_unlock(&lock);
    return place ? CUDA_SUCCESS : FAIL(ERROR_INVALID_VALUE);
}

EXPORT CUresult cuMemGetInfo_v2(size_t *available, size_t *total);
CUresult cuMemGetInfo_v2(size_t *available, size_t *total)
{
    struct script script;
    script_read(&script);
    pthread_mutex_lock(&lock);
    *total = (size_t)script.memory_bytes;
    *available = *total > allocated_bytes ? *total - allocated_bytes : 0;
    pthread_mutex_unlock(&lock);
    return current_context() ? CUDA_SUCCESS : FAIL(ERROR_INVALID_CONTEXT);
}

/* Whether these bytes lie within one allocation. */
static bool is_ours(CUdeviceptr pointer, size_t size)
{
    uintptr_t from = (uintptr_t)pointer;
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < ALLOCATIONS_MAX && !found; i++) {
        uintptr_t begin = (uintptr_t)allocations[i].bytes;
        found = begin && from >= begin && from + size <= begin + allocations[i].size;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

struct plane {
    uint8_t *bytes;
    size_t pitch;
    bool device;
};

static CUresult copy_rows(struct plane to, struct plane from, size_t width, size_t height)
{
    if (!current_context())
        return FAIL(ERROR_INVALID_CONTEXT);
    if (!width || !height)
        return CUDA_SUCCESS;
    size_t to_size = to.pitch * (height - 1) + width, from_size = from.pitch * (height - 1) + width;
    if (to.device && !is_ours((CUdeviceptr)(uintptr_t)to.bytes, to_size))
        return FAIL(ERROR_INVALID_VALUE);
    if (from.device && !is_ours((CUdeviceptr)(uintptr_t)from.bytes, from_size))
        return FAIL(ERROR_INVALID_VALUE);
    for (size_t y = 0; y < height; y++)
        memcpy(to.bytes + y * to.pitch, from.bytes + y * from.pitch, width);
    return CUDA_SUCCESS;
}

static struct plane device_plane(CUdeviceptr pointer)
{
    return (struct plane){(uint8_t *)(uintptr_t)pointer, 0, true};
}

EXPORT tcuMemcpy2D_v2 cuMemcpy2D_v2;
CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy)
{
    bool from_host = copy->srcMemoryType == CU_MEMORYTYPE_HOST, to_host = copy->dstMemoryType == CU_MEMORYTYPE_HOST;
    if (copy->srcMemoryType == CU_MEMORYTYPE_ARRAY || copy->dstMemoryType == CU_MEMORYTYPE_ARRAY)
        return FAIL(ERROR_NOT_SUPPORTED);
    CUresult error = scripted_error("cuMemcpy2D");
    script_trace("cuMemcpy2D bytes=%zu status=%d", copy->WidthInBytes * copy->Height, (int)error);
    if (error)
        return error;
    if ((from_host ? 0 : copy->srcXInBytes + copy->WidthInBytes > copy->srcPitch) ||
        (to_host ? 0 : copy->dstXInBytes + copy->WidthInBytes > copy->dstPitch))
        return FAIL(ERROR_INVALID_VALUE);
    struct plane from = device_plane(copy->srcDevice), to = device_plane(copy->dstDevice);
    if (from_host)
        from = (struct plane){(uint8_t *)(uintptr_t)copy->srcHost, 0, false};
    if (to_host)
        to = (struct plane){copy->dstHost, 0, false};
    from.pitch = copy->srcPitch;
    to.pitch = copy->dstPitch;
    from.bytes += copy->srcY * from.pitch + copy->srcXInBytes;
    to.bytes += copy->dstY * to.pitch + copy->dstXInBytes;
    return copy_rows(to, from, copy->WidthInBytes, copy->Height);
}

EXPORT tcuMemcpy2DAsync_v2 cuMemcpy2DAsync_v2;
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream)
{
    (void)stream;
    return cuMemcpy2D_v2(copy);
}

#define COPY(name, to_type, from_type, to_plane, from_plane)                                                           \
    EXPORT tcuMemcpy##name cuMemcpy##name;                                                                             \
    CUresult cuMemcpy##name(to_type to, from_type from, size_t size)                                                   \
    {                                                                                                                  \
        return copy_rows(to_plane, from_plane, size, 1);                                                               \
    }
#define COPY_ASYNC(name, sync, to_type, from_type)                                                                     \
    EXPORT tcuMemcpy##name cuMemcpy##name;                                                                             \
    CUresult cuMemcpy##name(to_type to, from_type from, size_t size, CUstream stream)                                  \
    {                                                                                                                  \
        (void)stream;                                                                                                  \
        return cuMemcpy##sync(to, from, size);                                                                         \
    }
#define HOST(pointer) ((struct plane){(uint8_t *)(uintptr_t)(pointer), 0, false})

COPY(HtoD_v2, CUdeviceptr, const void *, device_plane(to), HOST(from))
COPY(DtoH_v2, void *, CUdeviceptr, HOST(to), device_plane(from))
COPY(DtoD_v2, CUdeviceptr, CUdeviceptr, device_plane(to), device_plane(from))
COPY_ASYNC(HtoDAsync_v2, HtoD_v2, CUdeviceptr, const void *)
COPY_ASYNC(DtoHAsync_v2, DtoH_v2, void *, CUdeviceptr)
COPY_ASYNC(DtoDAsync_v2, DtoD_v2, CUdeviceptr, CUdeviceptr)

EXPORT tcuMemsetD8Async cuMemsetD8Async;
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream)
{
    (void)stream;
    if (!is_ours(to, size))
        return FAIL(ERROR_INVALID_VALUE);
    memset((void *)(uintptr_t)to, value, size);
    return CUDA_SUCCESS;
}

/* Page-locked memory of the host. */
EXPORT CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned int flags);
CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned int flags)
{
    (void)flags;
    *pointer = current_context() ? aligned_alloc(4096, (size + 4095) / 4096 * 4096) : NULL;
    return *pointer ? CUDA_SUCCESS : FAIL(ERROR_OUT_OF_MEMORY);
}

EXPORT CUresult cuMemFreeHost(void *pointer);
CUresult cuMemFreeHost(void *pointer)
{
    free(pointer);
    return CUDA_SUCCESS;
}

/* Streams and events: everything before them is done when they are asked. */
EXPORT tcuStreamCreate cuStreamCreate;
CUresult cuStreamCreate(CUstream *stream, unsigned int flags)
{
    (void)flags;
    *stream = (CUstream)(void *)&primary_context;
    return current_context() ? CUDA_SUCCESS : FAIL(ERROR_INVALID_CONTEXT);
}

EXPORT tcuEventCreate cuEventCreate;
CUresult cuEventCreate(CUevent *event, unsigned int flags)
{
    (void)flags;
    *event = (CUevent)(void *)&primary_context;
    return current_context() ? CUDA_SUCCESS : FAIL(ERROR_INVALID_CONTEXT);
}

EXPORT tcuEventRecord cuEventRecord;
CUresult cuEventRecord(CUevent event, CUstream stream)
{
    (void)event, (void)stream;
    return CUDA_SUCCESS;
}

EXPORT tcuStreamAddCallback cuStreamAddCallback;
CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback *callback, void *data, unsigned int flags)
{
    (void)flags;
    callback(stream, CUDA_SUCCESS, data);
    return CUDA_SUCCESS;
}

#define DONE(name, type)                                                                                               \
    EXPORT CUresult name(type object);                                                                                 \
    CUresult name(type object)                                                                                         \
    {                                                                                                                  \
        (void)object;                                                                                                  \
        return CUDA_SUCCESS;                                                                                           \
    }

DONE(cuStreamQuery, CUstream)
DONE(cuStreamSynchronize, CUstream)
DONE(cuStreamDestroy_v2, CUstream)
DONE(cuEventQuery, CUevent)
DONE(cuEventSynchronize, CUevent)
DONE(cuEventDestroy_v2, CUevent)

EXPORT tcuGetErrorName cuGetErrorName;
CUresult cuGetErrorName(CUresult error, const char **text)
{
    switch ((int)error) {
    case ERROR_INVALID_VALUE:
        *text = "CUDA_ERROR_INVALID_VALUE";
        break;
    case ERROR_OUT_OF_MEMORY:
        *text = "CUDA_ERROR_OUT_OF_MEMORY";
        break;
    case ERROR_NO_DEVICE:
        *text = "CUDA_ERROR_NO_DEVICE";
        break;
    case ERROR_INVALID_CONTEXT:
        *text = "CUDA_ERROR_INVALID_CONTEXT";
        break;
    default:
        *text = "CUDA_ERROR_UNKNOWN";
    }
    return CUDA_SUCCESS;
}

EXPORT tcuGetErrorString cuGetErrorString;
CUresult cuGetErrorString(CUresult error, const char **text)
{
    *text = error == FAIL(ERROR_NO_DEVICE) ? "no CUDA-capable device is detected" : "an error of the imagined driver";
    return CUDA_SUCCESS;
}

#define MISSING(name)                                                                                                  \
    EXPORT int name(void);                                                                                             \
    int name(void)                                                                                                     \
    {                                                                                                                  \
        return ERROR_NOT_SUPPORTED;                                                                                    \
    }

MISSING(cuMemAllocManaged)
MISSING(cuMemcpy)
MISSING(cuMemcpyAsync)
MISSING(cuLaunchKernel)
MISSING(cuLinkCreate)
MISSING(cuLinkAddData)
MISSING(cuLinkComplete)
MISSING(cuLinkDestroy)
MISSING(cuModuleLoadData)
MISSING(cuModuleUnload)
MISSING(cuModuleGetFunction)
MISSING(cuModuleGetGlobal)
MISSING(cuTexObjectCreate)
MISSING(cuTexObjectDestroy)
MISSING(cuGLGetDevices_v2)
MISSING(cuGraphicsGLRegisterImage)
MISSING(cuGraphicsUnregisterResource)
MISSING(cuGraphicsMapResources)
MISSING(cuGraphicsUnmapResources)
MISSING(cuGraphicsSubResourceGetMappedArray)
MISSING(cuGraphicsResourceGetMappedPointer_v2)
MISSING(cuArray3DCreate_v2)
MISSING(cuArrayDestroy)
MISSING(cuD3D11GetDevice)
MISSING(cuD3D11GetDevices)
MISSING(cuGraphicsD3D11RegisterResource)
