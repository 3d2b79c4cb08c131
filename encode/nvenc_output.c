/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_output.h"

#include "base/clock.h"
#include "base/log.h"
#include "encode/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNIT_EXTRA_BYTES = 65536,
    SETS_BYTES = 512,    /* parameter sets at most: unit_finish() changes these only */
    STATUS_COMPLETE = 2, /* hwEncodeStatus */
    LATE_MAX = 3,
};
#define POLL_NS       (200 * CLOCK_US_NS)
#define POLL_LIMIT_NS (100 * CLOCK_MS_NS)

static bool reserve(struct nvenc_output *self, const struct frame_layout *layout)
{
    /* H.264 takes at most 400 bytes for a macroblock of 4:2:0, and HEVC not much more than the samples; 4:4:4 has twice
     * as many. Pages that no picture ever fills cost nothing. */
    size_t pixels = (size_t)layout->width * (size_t)layout->height;
    self->capacity = pixels * (frame_shape_of(layout->format)->half_rows ? 2 : 4) + UNIT_EXTRA_BYTES;
    self->unit = malloc(self->capacity);
    if (self->parts > 1) /* one for each macroblock, says nvEncodeAPI.h */
        self->slice_offsets =
            calloc((size_t)((layout->width + 15) / 16) * (size_t)((layout->height + 15) / 16), sizeof(uint32_t));
    return self->unit && (self->slice_offsets || self->parts == 1);
}

bool nvenc_output_open(struct nvenc_output *self, struct nvenc_driver *driver, const struct encoder_config *config,
                       int parts, char *ret_reason, size_t reason_size)
{
    *self = (struct nvenc_output){.driver = driver, .codec = config->codec, .parts = parts};
    if (!reserve(self, &config->layout)) {
        snprintf(ret_reason, reason_size, "out of memory");
        return false;
    }
    NV_ENC_CREATE_BITSTREAM_BUFFER params = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER};
    NVENCSTATUS status = driver->api.nvEncCreateBitstreamBuffer(driver->session, &params);
    if (!nvenc_driver_check(driver, "NvEncCreateBitstreamBuffer", status, ret_reason, reason_size))
        return false;
    self->buffer = params.bitstreamBuffer;
    return true;
}

void nvenc_output_close(struct nvenc_output *self)
{
    if (self->buffer)
        self->driver->api.nvEncDestroyBitstreamBuffer(self->driver->session, self->buffer);
    self->buffer = NULL;
}

void nvenc_output_free(struct nvenc_output *self)
{
    free(self->slice_offsets);
    free(self->unit);
    self->slice_offsets = NULL;
    self->unit = NULL;
}

/* The beginning of an access unit becomes what the stream must carry. */
static bool take_first(struct nvenc_output *self, const uint8_t *bytes, size_t size, struct au_part *part)
{
    memcpy(self->unit, bytes, size);
    if (!unit_finish(self->codec, self->unit, size, part))
        return false;
    size_t same = part->type == PART_IDR ? (part->size > SETS_BYTES ? part->size - SETS_BYTES : 0) : part->size;
    self->kept = size > same ? size - same : 0;
    self->moved = part->data + part->size - (self->unit + size);
    return true;
}

/* What has come since, up to `size`. */
static bool take(struct nvenc_output *self, const uint8_t *bytes, size_t size, struct au_part *part, char *ret_reason,
                 size_t reason_size)
{
    if (size + UNIT_GROWTH_MAX > self->capacity) {
        snprintf(ret_reason, reason_size, "it made an access unit of %zu bytes", size);
        return false;
    }
    if (self->fetched) {
        part->data += part->size;
        part->size = size - self->fetched;
        memcpy(self->unit + self->moved + self->fetched, bytes + self->fetched, part->size);
    } else if (!take_first(self, bytes, size, part)) {
        snprintf(ret_reason, reason_size, "it made no access unit of %zu bytes", size);
        return false;
    }
    self->fetched = size;
    return true;
}

/* Whether all that was given while it was being made is what it is now. */
static bool is_as_given(const struct nvenc_output *self, const NV_ENC_LOCK_BITSTREAM *lock)
{
    const uint8_t *bytes = lock->bitstreamBufferPtr;
    return lock->bitstreamSizeInBytes >= self->fetched &&
           (self->kept >= self->fetched ||
            !memcmp(bytes + self->kept, self->unit + self->moved + self->kept, self->fetched - self->kept));
}

enum fetched { NOTHING_NEW, FETCHED, TORN, BROKEN };

/* Of a bitstream that is locked. `wanted`: the first slice that would be news. */
static enum fetched look(struct nvenc_output *self, const NV_ENC_LOCK_BITSTREAM *lock, bool complete, int wanted,
                         struct au_part *part, char *ret_reason, size_t reason_size)
{
    int newest = complete ? self->parts - 1 : (int)lock->numSlices - 1;
    if (!complete && newest > self->parts - 2) /* the last one is news when the picture is complete */
        newest = self->parts - 2;
    if (!complete && (newest < wanted || lock->bitstreamSizeInBytes <= self->fetched))
        return NOTHING_NEW;
    if (complete && self->fetched && !is_as_given(self, lock))
        return TORN;
    if (!take(self, lock->bitstreamBufferPtr, lock->bitstreamSizeInBytes, part, ret_reason, reason_size))
        return complete || self->fetched ? BROKEN : NOTHING_NEW; /* the beginning may not be there yet */
    part->part = newest;
    part->last = complete;
    return FETCHED;
}

static enum fetched fetch(struct nvenc_output *self, bool wait, int wanted, struct au_part *part, char *ret_reason,
                          size_t reason_size)
{
    const NV_ENCODE_API_FUNCTION_LIST *api = &self->driver->api;
    NV_ENC_LOCK_BITSTREAM lock = {.version = NV_ENC_LOCK_BITSTREAM_VER,
                                  .doNotWait = !wait,
                                  .outputBitstream = self->buffer,
                                  .sliceOffsets = self->slice_offsets};
    NVENCSTATUS status = api->nvEncLockBitstream(self->driver->session, &lock);
    if (status == NV_ENC_ERR_LOCK_BUSY && !wait)
        return NOTHING_NEW;
    if (!nvenc_driver_check(self->driver, "NvEncLockBitstream", status, ret_reason, reason_size))
        return BROKEN;
    bool complete = wait || lock.hwEncodeStatus == STATUS_COMPLETE;
    enum fetched result = look(self, &lock, complete, wanted, part, ret_reason, reason_size);
    status = api->nvEncUnlockBitstream(self->driver->session, self->buffer);
    if (result == BROKEN || nvenc_driver_check(self->driver, "NvEncUnlockBitstream", status, ret_reason, reason_size))
        return result;
    return BROKEN;
}

/* A session that never tells of slices, nor that it is done, must not keep each picture waiting. */
static void note_lateness(struct nvenc_output *self, bool late)
{
    self->late = late ? self->late + 1 : 0;
    if (self->late < LATE_MAX)
        return;
    log_info("nvenc: the GPU does not show the slices of a picture before it is complete");
    self->parts = 1;
}

static enum fetched fetch_next(struct nvenc_output *self, struct au_part *part, char *ret_reason, size_t reason_size)
{
    int64_t limit_ns = clock_now_ns() + POLL_LIMIT_NS;
    int wanted = self->fetched ? part->part + 1 : 0;
    for (;;) {
        bool is_last = wanted >= self->parts - 1, late = !is_last && clock_now_ns() >= limit_ns;
        enum fetched result = fetch(self, is_last || late, wanted, part, ret_reason, reason_size);
        if (result != NOTHING_NEW) {
            if (part->last)
                note_lateness(self, late);
            return result;
        }
        clock_sleep_until_ns(clock_now_ns() + POLL_NS);
    }
}

bool nvenc_output_first(struct nvenc_output *self, struct au_part *ret_part, char *ret_reason, size_t reason_size)
{
    self->fetched = 0;
    struct au_part part = {.parts = self->parts};
    if (fetch_next(self, &part, ret_reason, reason_size) != FETCHED)
        return false;
    ret_part->data = part.data;
    ret_part->size = part.size;
    ret_part->type = part.type;
    ret_part->part = part.part;
    ret_part->parts = part.parts;
    ret_part->last = part.last;
    return true;
}

enum encode_result nvenc_output_next(struct nvenc_output *self, struct au_part *part, char *ret_reason,
                                     size_t reason_size)
{
    switch (fetch_next(self, part, ret_reason, reason_size)) {
    case FETCHED:
        return ENCODE_OK;
    case TORN:
        log_warn("nvenc: what the GPU showed of a picture was not what it made of it; whole pictures from now on");
        self->parts = 1;
        return ENCODE_TORN;
    default:
        return ENCODE_FAILED;
    }
}
