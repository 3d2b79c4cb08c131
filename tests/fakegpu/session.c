/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fakegpu/session.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x4e564647 };

static atomic_int open_count, opened_ever;
static atomic_llong used_bytes;

NVENCSTATUS session_fail(struct session *self, NVENCSTATUS status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->error, sizeof(self->error), format, arguments);
    va_end(arguments);
    script_trace("error session=%d status=%d text=%s", self->id, (int)status, self->error);
    return status;
}

NVENCSTATUS session_enter(void *encoder, const char *call, struct session **ret)
{
    struct session *self = encoder;
    struct script script;
    if (!self)
        return NV_ENC_ERR_INVALID_PTR;
    if (self->magic != MAGIC)
        return NV_ENC_ERR_INVALID_ENCODERDEVICE;
    if (self->lost)
        return session_fail(self, self->lost, "%s: the device is lost", call);
    script_read(&script);
    int error = script_call_error(&script, call);
    if (error == NV_ENC_ERR_DEVICE_NOT_EXIST)
        self->lost = NV_ENC_ERR_DEVICE_NOT_EXIST;
    self->hindered |= error != 0;
    if (error)
        return session_fail(self, (NVENCSTATUS)error, "%s: so the script wants", call);
    *ret = self;
    return NV_ENC_SUCCESS;
}

bool session_knows_version(uint32_t word, uint32_t own)
{
    struct script script;
    script_read(&script);
    int major = (int)(word & 0xff), minor = (int)(word >> 24 & 0xf);
    bool new_enough = script.api_major > major || (script.api_major == major && script.api_minor >= minor);
    return word == own && new_enough;
}

NVENCSTATUS session_check_version(struct session *self, const char *what, uint32_t word, uint32_t own)
{
    if (session_knows_version(word, own))
        return NV_ENC_SUCCESS;
    return session_fail(self, NV_ENC_ERR_INVALID_VERSION, "%s has the version %#x, not %#x, or is too new", what, word,
                        own);
}

bool session_take_memory(struct session *self, int64_t bytes)
{
    struct script script;
    script_read(&script);
    if (atomic_fetch_add(&used_bytes, bytes) + bytes > script.memory_bytes) {
        atomic_fetch_sub(&used_bytes, bytes);
        return false;
    }
    self->memory_bytes += bytes;
    return true;
}

void session_give_memory(struct session *self, int64_t bytes)
{
    self->memory_bytes -= bytes;
    atomic_fetch_sub(&used_bytes, bytes);
}

static NVENCSTATUS check_open(const NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params, const struct script *script)
{
    int error = script_call_error(script, "OpenEncodeSessionEx");
    int major = (int)(params->apiVersion & 0xff), minor = (int)(params->apiVersion >> 24 & 0xf);
    if (error)
        return (NVENCSTATUS)error;
    if (!session_knows_version(params->version, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER) ||
        params->apiVersion != NVENCAPI_VERSION || major > script->api_major ||
        (major == script->api_major && minor > script->api_minor))
        return NV_ENC_ERR_INVALID_VERSION;
    if (script->no_device)
        return NV_ENC_ERR_NO_ENCODE_DEVICE;
    if (params->deviceType != NV_ENC_DEVICE_TYPE_CUDA || !params->device)
        return NV_ENC_ERR_UNSUPPORTED_DEVICE;
    return NV_ENC_SUCCESS;
}

NVENCSTATUS NVENCAPI session_open(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params, void **ret)
{
    struct script script;
    script_read(&script);
    *ret = NULL;
    NVENCSTATUS status = check_open(params, &script);
    struct session *self = status ? NULL : calloc(1, sizeof(*self));
    if (!status && !self)
        status = NV_ENC_ERR_OUT_OF_MEMORY;
    if (self && atomic_fetch_add(&open_count, 1) >= script.sessions) {
        atomic_fetch_sub(&open_count, 1);
        status = (NVENCSTATUS)script.session_error;
        free(self);
        self = NULL;
    }
    if (self) {
        self->magic = MAGIC;
        self->id = atomic_fetch_add(&opened_ever, 1) + 1;
        *ret = self;
    }
    script_trace("%s session=%d api=%d.%d status=%d", self ? "opened" : "refused", self ? self->id : 0,
                 (int)(params->apiVersion & 0xff), (int)(params->apiVersion >> 24 & 0xf), (int)status);
    return status;
}

NVENCSTATUS NVENCAPI session_destroy(void *encoder)
{
    struct session *self = encoder;
    if (!self)
        return NV_ENC_SUCCESS;
    if (self->magic != MAGIC)
        return NV_ENC_ERR_INVALID_ENCODERDEVICE;
    script_trace("destroy session=%d pictures=%d", self->id, self->pictures);
    if (self->coder)
        self->coder->ops->close(self->coder);
    buffers_free_all(self);
    atomic_fetch_sub(&used_bytes, self->memory_bytes);
    free(self->scratch);
    self->magic = 0;
    free(self);
    atomic_fetch_sub(&open_count, 1);
    return NV_ENC_SUCCESS;
}

const char *NVENCAPI session_last_error(void *encoder)
{
    struct session *self = encoder;
    return self && self->magic == MAGIC ? self->error : "";
}
