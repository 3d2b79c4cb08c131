/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_input.h"

#include "base/log.h"
#include "encode/nvenc_config.h"

#include <string.h>

enum { ELEMENT_BYTES = 16 }; /* of accesses that cuMemAllocPitch shall make fast: 4, 8 or 16 */
static const CUstream DEFAULT_STREAM = NULL;

static size_t row_bytes(const struct nvenc_input *self)
{
    return (size_t)self->layout.width * (size_t)frame_shape_of(self->layout.format)->pixel_bytes;
}

/* Of the planes before this one. */
static int rows_before(const struct nvenc_input *self, int plane)
{
    int rows = 0;
    for (int i = 0; i < plane; i++)
        rows += frame_rows(&self->layout, i);
    return rows;
}

static bool allocate(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    size_t pitch, rows = (size_t)rows_before(self, frame_shape_of(self->layout.format)->planes);
    CUresult error = self->driver->cuda.mem_alloc_pitch(&self->memory, &pitch, row_bytes(self), rows, ELEMENT_BYTES);
    if (!nvenc_driver_check_cuda(self->driver, "cuMemAllocPitch", error, ret_reason, reason_size)) {
        self->memory = 0;
        return false;
    }
    self->pitch = (uint32_t)pitch;
    return true;
}

static bool register_memory(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    NV_ENC_REGISTER_RESOURCE params = {
        .version = NV_ENC_REGISTER_RESOURCE_VER,
        .resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR,
        .width = (uint32_t)self->layout.width,
        .height = (uint32_t)self->layout.height,
        .pitch = self->pitch,
        .resourceToRegister = (void *)(uintptr_t)self->memory,
        .bufferFormat = nvenc_config_buffer_format(self->layout.format),
        .bufferUsage = NV_ENC_INPUT_IMAGE,
    };
    NVENCSTATUS status = self->driver->api.nvEncRegisterResource(self->driver->session, &params);
    if (!nvenc_driver_check(self->driver, "NvEncRegisterResource", status, ret_reason, reason_size))
        return false;
    self->resource = params.registeredResource;
    return true;
}

static bool map(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    NV_ENC_MAP_INPUT_RESOURCE params = {.version = NV_ENC_MAP_INPUT_RESOURCE_VER, .registeredResource = self->resource};
    NVENCSTATUS status = self->driver->api.nvEncMapInputResource(self->driver->session, &params);
    if (!nvenc_driver_check(self->driver, "NvEncMapInputResource", status, ret_reason, reason_size))
        return false;
    self->picture = params.mappedResource;
    return true;
}

static bool unmap(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    NVENCSTATUS status = self->driver->api.nvEncUnmapInputResource(self->driver->session, self->picture);
    self->picture = NULL;
    return nvenc_driver_check(self->driver, "NvEncUnmapInputResource", status, ret_reason, reason_size);
}

/* Mapped once, so that a driver which refuses that is known now. */
static bool open_cuda(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    return allocate(self, ret_reason, reason_size) && register_memory(self, ret_reason, reason_size) &&
           map(self, ret_reason, reason_size) && unmap(self, ret_reason, reason_size);
}

static void close_cuda(struct nvenc_input *self)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver->api;
    if (self->picture)
        api->nvEncUnmapInputResource(self->driver->session, self->picture);
    if (self->resource)
        api->nvEncUnregisterResource(self->driver->session, self->resource);
    if (self->memory)
        self->driver->cuda.mem_free(self->memory);
    self->picture = self->resource = NULL;
    self->memory = 0;
}

static bool open_buffer(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    NV_ENC_CREATE_INPUT_BUFFER params = {.version = NV_ENC_CREATE_INPUT_BUFFER_VER,
                                         .width = (uint32_t)self->layout.width,
                                         .height = (uint32_t)self->layout.height,
                                         .bufferFmt = nvenc_config_buffer_format(self->layout.format)};
    NVENCSTATUS status = self->driver->api.nvEncCreateInputBuffer(self->driver->session, &params);
    if (!nvenc_driver_check(self->driver, "NvEncCreateInputBuffer", status, ret_reason, reason_size))
        return false;
    self->buffer = params.inputBuffer;
    return true;
}

bool nvenc_input_open(struct nvenc_input *self, struct nvenc_driver *driver, const struct frame_layout *layout,
                      char *ret_reason, size_t reason_size)
{
    *self = (struct nvenc_input){.driver = driver, .layout = *layout};
    if (open_cuda(self, ret_reason, reason_size)) {
        log_debug("nvenc: what changes of pictures is uploaded to CUDA memory");
        return true;
    }
    log_debug("nvenc: pictures are uploaded whole, as there is no CUDA memory for them: %s", ret_reason);
    close_cuda(self);
    return open_buffer(self, ret_reason, reason_size);
}

void nvenc_input_close(struct nvenc_input *self)
{
    if (self->buffer)
        self->driver->api.nvEncDestroyInputBuffer(self->driver->session, self->buffer);
    else if (self->driver)
        close_cuda(self);
    self->buffer = NULL;
}

static void copy_rows(uint8_t *to, size_t pitch, const uint8_t *from, int stride, size_t bytes, int rows)
{
    for (int y = 0; y < rows; y++)
        memcpy(to + (size_t)y * pitch, from + (ptrdiff_t)y * stride, bytes);
}

static bool fill_buffer(struct nvenc_input *self, const struct frame *frame, char *ret_reason, size_t reason_size)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver->api;
    NV_ENC_LOCK_INPUT_BUFFER lock = {.version = NV_ENC_LOCK_INPUT_BUFFER_VER, .inputBuffer = self->buffer};
    NVENCSTATUS status = api->nvEncLockInputBuffer(self->driver->session, &lock);
    if (!nvenc_driver_check(self->driver, "NvEncLockInputBuffer", status, ret_reason, reason_size))
        return false;
    for (int plane = 0; plane < frame_shape_of(self->layout.format)->planes; plane++)
        copy_rows((uint8_t *)lock.bufferDataPtr + (size_t)lock.pitch * (size_t)rows_before(self, plane), lock.pitch,
                  frame->planes[plane], frame->strides[plane], row_bytes(self), frame_rows(&self->layout, plane));
    self->picture = self->buffer;
    self->pitch = lock.pitch;
    status = api->nvEncUnlockInputBuffer(self->driver->session, self->buffer);
    return nvenc_driver_check(self->driver, "NvEncUnlockInputBuffer", status, ret_reason, reason_size);
}

/* One rectangle of one plane, in samples of luma and even. NvEncMapInputResource waits for what is in the default
 * stream; cuMemcpy2D() would itself wait for the rectangle before, and sleep. */
static CUresult copy_plane(struct nvenc_input *self, const struct frame *frame, int plane, struct rect r)
{
    const struct frame_shape *shape = frame_shape_of(self->layout.format);
    size_t x_bytes = (size_t)r.x * (size_t)shape->pixel_bytes;
    int divisor = plane && shape->half_rows ? 2 : 1;
    CUDA_MEMCPY2D copy = {
        .srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = frame->planes[plane],
        .srcPitch = (size_t)frame->strides[plane],
        .srcXInBytes = x_bytes,
        .srcY = (size_t)(r.y / divisor),
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = self->memory,
        .dstPitch = self->pitch,
        .dstXInBytes = x_bytes,
        .dstY = (size_t)(rows_before(self, plane) + r.y / divisor),
        .WidthInBytes = (size_t)r.width * (size_t)shape->pixel_bytes,
        .Height = (size_t)(r.height / divisor),
    };
    return self->driver->cuda.memcpy_2d_async(&copy, DEFAULT_STREAM);
}

static bool upload(struct nvenc_input *self, const struct frame *frame, struct rect r, char *ret_reason,
                   size_t reason_size)
{
    int x = r.x & ~1, y = r.y & ~1;
    struct rect even = {x, y, (r.x + r.width + 1 - x) & ~1, (r.y + r.height + 1 - y) & ~1};
    for (int plane = 0; plane < frame_shape_of(self->layout.format)->planes; plane++) {
        CUresult error = copy_plane(self, frame, plane, even);
        if (!nvenc_driver_check_cuda(self->driver, "cuMemcpy2DAsync", error, ret_reason, reason_size))
            return false;
    }
    return true;
}

static bool update_memory(struct nvenc_input *self, const struct frame *frame, const struct region *damage,
                          char *ret_reason, size_t reason_size)
{
    const struct rect whole = {.width = self->layout.width, .height = self->layout.height};
    const struct rect *rects = self->filled ? damage->rects : &whole;
    int count = self->filled ? damage->count : 1;
    for (int i = 0; i < count; i++) {
        struct rect r = rect_intersect(rects[i], whole);
        if (!rect_is_empty(r) && !upload(self, frame, r, ret_reason, reason_size))
            return false;
    }
    self->filled = true;
    return true;
}

bool nvenc_input_give(struct nvenc_input *self, const struct frame *frame, const struct region *damage,
                      char *ret_reason, size_t reason_size)
{
    if (self->buffer)
        return fill_buffer(self, frame, ret_reason, reason_size);
    return update_memory(self, frame, damage, ret_reason, reason_size) && map(self, ret_reason, reason_size);
}

bool nvenc_input_take_back(struct nvenc_input *self, char *ret_reason, size_t reason_size)
{
    return self->buffer || unmap(self, ret_reason, reason_size);
}
