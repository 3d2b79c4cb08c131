/* SPDX-License-Identifier: Apache-2.0 */
/* buffers: the memory of pictures and bitstreams. CUDA memory is this process's, so a mapped resource is its pointer.
 */
#include "tests/fakegpu/session.h"

#include <stdio.h>
#include <stdlib.h>

enum { PITCH = 256, BITSTREAM_BYTES = 1 << 20 };

const char *buffers_format_name(NV_ENC_BUFFER_FORMAT format)
{
    switch (format) {
    case NV_ENC_BUFFER_FORMAT_NV12:
        return "nv12";
    case NV_ENC_BUFFER_FORMAT_YUV444:
        return "yuv444";
    case NV_ENC_BUFFER_FORMAT_YUV420_10BIT:
        return "p010";
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
        return "yuv444-10";
    case NV_ENC_BUFFER_FORMAT_ARGB:
        return "argb";
    case NV_ENC_BUFFER_FORMAT_ABGR:
        return "abgr";
    default:
        return NULL;
    }
}

/* Bytes of a row of the first plane, and rows of all planes for two rows of the picture. */
static void measure(NV_ENC_BUFFER_FORMAT format, uint32_t width, uint32_t *ret_row_bytes, uint32_t *ret_rows_by_two)
{
    *ret_row_bytes = width;
    *ret_rows_by_two = 3;
    if (format == NV_ENC_BUFFER_FORMAT_YUV420_10BIT || format == NV_ENC_BUFFER_FORMAT_YUV444_10BIT)
        *ret_row_bytes = width * 2;
    if (format == NV_ENC_BUFFER_FORMAT_YUV444 || format == NV_ENC_BUFFER_FORMAT_YUV444_10BIT)
        *ret_rows_by_two = 6;
    if (format == NV_ENC_BUFFER_FORMAT_ARGB || format == NV_ENC_BUFFER_FORMAT_ABGR) {
        *ret_row_bytes = width * 4;
        *ret_rows_by_two = 2;
    }
}

struct surface *buffers_find_surface(struct session *self, const void *handle)
{
    struct surface *surface = self->surfaces;
    while (surface && surface != handle)
        surface = surface->next;
    return surface;
}

struct surface *buffers_find_mapping(struct session *self, const void *handle)
{
    struct surface *surface = self->surfaces;
    while (surface && !(surface->mapped && &surface->mapping == handle))
        surface = surface->next;
    return surface;
}

struct bitstream *buffers_find_bitstream(struct session *self, const void *handle)
{
    struct bitstream *bitstream = self->bitstreams;
    while (bitstream && bitstream != handle)
        bitstream = bitstream->next;
    return bitstream;
}

static void free_surface(struct session *self, struct surface *surface)
{
    struct surface **link = &self->surfaces;
    while (*link != surface)
        link = &(*link)->next;
    *link = surface->next;
    if (!surface->registered) {
        session_give_memory(self, (int64_t)surface->size);
        free(surface->bytes);
    }
    free(surface);
}

static void free_bitstream(struct session *self, struct bitstream *bitstream)
{
    struct bitstream **link = &self->bitstreams;
    while (*link != bitstream)
        link = &(*link)->next;
    *link = bitstream->next;
    session_give_memory(self, BITSTREAM_BYTES);
    free(bitstream->bytes);
    free(bitstream);
}

static void abort_if_resources_are_left(const struct session *self)
{
    for (const struct surface *surface = self->surfaces; surface; surface = surface->next) {
        if (!surface->registered || self->lost || self->hindered)
            continue;
        fprintf(stderr, "fakegpu: DestroyEncoder: a resource is still %s\n", surface->mapped ? "mapped" : "registered");
        abort();
    }
}

void buffers_free_all(struct session *self)
{
    abort_if_resources_are_left(self);
    while (self->surfaces)
        free_surface(self, self->surfaces);
    while (self->bitstreams)
        free_bitstream(self, self->bitstreams);
}

static NVENCSTATUS enter_initialized(void *encoder, const char *call, struct session **ret)
{
    NVENCSTATUS status = session_enter(encoder, call, ret);
    if (!status && !(*ret)->coder)
        return session_fail(*ret, NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "%s: not initialized", call);
    return status;
}

SESSION_CALL(create_input, NV_ENC_CREATE_INPUT_BUFFER *params)
{
    struct session *self;
    uint32_t row_bytes, rows;
    NVENCSTATUS status = enter_initialized(encoder, "CreateInputBuffer", &self);
    if (!status)
        status =
            session_check_version(self, "NV_ENC_CREATE_INPUT_BUFFER", params->version, NV_ENC_CREATE_INPUT_BUFFER_VER);
    if (status)
        return status;
    if (!buffers_format_name(params->bufferFmt) || !params->width || !params->height)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "CreateInputBuffer: format or size");
    measure(params->bufferFmt, params->width, &row_bytes, &rows);
    uint32_t pitch = (row_bytes + PITCH - 1) / PITCH * PITCH;
    size_t size = (size_t)pitch * ((params->height + 1) / 2) * rows;
    struct surface *surface = calloc(1, sizeof(*surface));
    uint8_t *bytes = surface && session_take_memory(self, (int64_t)size) ? calloc(1, size) : NULL;
    if (!bytes) {
        free(surface);
        return session_fail(self, NV_ENC_ERR_OUT_OF_MEMORY, "CreateInputBuffer: no memory");
    }
    *surface = (struct surface){.next = self->surfaces,
                                .width = params->width,
                                .height = params->height,
                                .pitch = pitch,
                                .format = params->bufferFmt,
                                .bytes = bytes,
                                .size = size};
    self->surfaces = surface;
    params->inputBuffer = surface;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(destroy_input, NV_ENC_INPUT_PTR buffer)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "DestroyInputBuffer", &self);
    struct surface *surface = status ? NULL : buffers_find_surface(self, buffer);
    if (status)
        return status;
    if (!surface || surface->registered)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "DestroyInputBuffer: not one of this session");
    free_surface(self, surface);
    return NV_ENC_SUCCESS;
}

SESSION_CALL(lock_input, NV_ENC_LOCK_INPUT_BUFFER *params)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "LockInputBuffer", &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_LOCK_INPUT_BUFFER", params->version, NV_ENC_LOCK_INPUT_BUFFER_VER);
    if (status)
        return status;
    struct surface *surface = buffers_find_surface(self, params->inputBuffer);
    if (!surface || surface->registered || surface->locked)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "LockInputBuffer: not one of this session, or locked");
    surface->locked = true;
    params->bufferDataPtr = surface->bytes;
    params->pitch = surface->pitch;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(unlock_input, NV_ENC_INPUT_PTR buffer)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "UnlockInputBuffer", &self);
    struct surface *surface = status ? NULL : buffers_find_surface(self, buffer);
    if (status)
        return status;
    if (!surface || !surface->locked)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "UnlockInputBuffer: not locked");
    surface->locked = false;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(create_bitstream, NV_ENC_CREATE_BITSTREAM_BUFFER *params)
{
    struct session *self;
    NVENCSTATUS status = enter_initialized(encoder, "CreateBitstreamBuffer", &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_CREATE_BITSTREAM_BUFFER", params->version,
                                       NV_ENC_CREATE_BITSTREAM_BUFFER_VER);
    if (status)
        return status;
    struct bitstream *bitstream = calloc(1, sizeof(*bitstream));
    if (!bitstream || !session_take_memory(self, BITSTREAM_BYTES)) {
        free(bitstream);
        return session_fail(self, NV_ENC_ERR_OUT_OF_MEMORY, "CreateBitstreamBuffer: no memory");
    }
    bitstream->next = self->bitstreams;
    self->bitstreams = bitstream;
    params->bitstreamBuffer = bitstream;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(destroy_bitstream, NV_ENC_OUTPUT_PTR buffer)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "DestroyBitstreamBuffer", &self);
    struct bitstream *bitstream = status ? NULL : buffers_find_bitstream(self, buffer);
    if (status)
        return status;
    if (!bitstream)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "DestroyBitstreamBuffer: not one of this session");
    free_bitstream(self, bitstream);
    return NV_ENC_SUCCESS;
}

SESSION_CALL(register_resource, NV_ENC_REGISTER_RESOURCE *params)
{
    struct session *self;
    uint32_t row_bytes, rows;
    NVENCSTATUS status = enter_initialized(encoder, "RegisterResource", &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_REGISTER_RESOURCE", params->version, NV_ENC_REGISTER_RESOURCE_VER);
    if (status)
        return status;
    if (params->resourceType != NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR)
        return session_fail(self, NV_ENC_ERR_UNIMPLEMENTED, "RegisterResource: CUDA pointers only");
    measure(params->bufferFormat, params->width, &row_bytes, &rows);
    if (!buffers_format_name(params->bufferFormat) || params->pitch < row_bytes || params->pitch % 4 ||
        !params->resourceToRegister)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "RegisterResource: format, pitch or pointer");
    struct surface *surface = calloc(1, sizeof(*surface));
    if (!surface)
        return NV_ENC_ERR_OUT_OF_MEMORY;
    *surface = (struct surface){.next = self->surfaces,
                                .width = params->width,
                                .height = params->height,
                                .pitch = params->pitch,
                                .format = params->bufferFormat,
                                .bytes = params->resourceToRegister,
                                .registered = true};
    self->surfaces = surface;
    params->registeredResource = surface;
    script_trace("register session=%d format=%s width=%u height=%u pitch=%u", self->id,
                 buffers_format_name(params->bufferFormat), params->width, params->height, params->pitch);
    return NV_ENC_SUCCESS;
}

SESSION_CALL(unregister_resource, NV_ENC_REGISTERED_PTR resource)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "UnregisterResource", &self);
    struct surface *surface = status ? NULL : buffers_find_surface(self, resource);
    if (status)
        return status;
    if (!surface || !surface->registered)
        return session_fail(self, NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "UnregisterResource: not registered");
    if (surface->mapped)
        return session_fail(self, NV_ENC_ERR_INVALID_CALL, "UnregisterResource: still mapped");
    free_surface(self, surface);
    return NV_ENC_SUCCESS;
}

SESSION_CALL(map_resource, NV_ENC_MAP_INPUT_RESOURCE *params)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "MapInputResource", &self);
    if (!status)
        status =
            session_check_version(self, "NV_ENC_MAP_INPUT_RESOURCE", params->version, NV_ENC_MAP_INPUT_RESOURCE_VER);
    if (status)
        return status;
    struct surface *surface = buffers_find_surface(self, params->registeredResource);
    if (!surface || !surface->registered)
        return session_fail(self, NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "MapInputResource: not registered");
    if (surface->mapped)
        return session_fail(self, NV_ENC_ERR_MAP_FAILED, "MapInputResource: mapped already");
    surface->mapped = true;
    params->mappedResource = &surface->mapping;
    params->mappedBufferFmt = surface->format;
    return NV_ENC_SUCCESS;
}

/* Until LockBitstream has shown the whole of it. */
static bool is_being_encoded(const struct session *self, const struct surface *surface)
{
    const struct bitstream *bitstream = self->bitstreams;
    while (bitstream && !(bitstream->state == BITSTREAM_FILLED && bitstream->source == surface))
        bitstream = bitstream->next;
    return bitstream;
}

SESSION_CALL(unmap_resource, NV_ENC_INPUT_PTR resource)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "UnmapInputResource", &self);
    struct surface *surface = status ? NULL : buffers_find_mapping(self, resource);
    if (status)
        return status;
    if (!surface)
        return session_fail(self, NV_ENC_ERR_RESOURCE_NOT_MAPPED, "UnmapInputResource: not mapped");
    if (is_being_encoded(self, surface))
        return session_fail(self, NV_ENC_ERR_INVALID_CALL, "UnmapInputResource: its picture is not ready");
    surface->mapped = false;
    return NV_ENC_SUCCESS;
}
