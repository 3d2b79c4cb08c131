/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode: pictures in, bitstreams out. The coding is done within EncodePicture; what the chip would take is added by
 * not showing the result before its time, slice by slice when the client wants sub-frames.
 *
 * Of a bitstream that is still being written, LockBitstream shows the finished slices: numSlices, the offset of each
 * and bitstreamSizeInBytes up to the end of the last. hwEncodeStatus is 1 until the picture is complete, then 2. The
 * first slice's bytes begin with the parameter sets. That a complete picture has status 2 is a public report of a real
 * driver; how one fills these fields while it writes has not been seen.
 *
 * An SPS has bitstream_restriction only if the VUI asks for it, which is what is said of NVIDIA's. GetSequenceParams
 * gives it always.
 */
#include "base/clock.h"
#include "encode/h264_sps.h"
#include "tests/fakegpu/session.h"

#include <stdlib.h>
#include <string.h>

enum { IN_PROGRESS = 1, COMPLETE = 2, POLL_MS = 2 };

/* The per-picture wishes that H.264 and HEVC share. */
struct wishes {
    bool idr, intra, headers;
    bool ltr_mark, ltr_use;
    uint32_t ltr_mark_index, ltr_bitmap, refresh_frames;
};

static struct wishes read_wishes(const struct session *self, const NV_ENC_PIC_PARAMS *params)
{
    const NV_ENC_PIC_PARAMS_H264 *h264 = &params->codecPicParams.h264PicParams;
    const NV_ENC_PIC_PARAMS_HEVC *hevc = &params->codecPicParams.hevcPicParams;
    bool decides = !self->init.enablePTD; /* the client */
    struct wishes wishes = {
        .idr = params->encodePicFlags & NV_ENC_PIC_FLAG_FORCEIDR ||
               (decides && params->pictureType == NV_ENC_PIC_TYPE_IDR),
        .intra = params->encodePicFlags & NV_ENC_PIC_FLAG_FORCEINTRA ||
                 (decides && params->pictureType == NV_ENC_PIC_TYPE_I),
        .headers = params->encodePicFlags & NV_ENC_PIC_FLAG_OUTPUT_SPSPPS,
    };
    bool is_hevc = query_is_hevc(&self->init.encodeGUID);
    wishes.ltr_mark = is_hevc ? hevc->ltrMarkFrame : h264->ltrMarkFrame;
    wishes.ltr_use = is_hevc ? hevc->ltrUseFrames : h264->ltrUseFrames;
    wishes.ltr_mark_index = is_hevc ? hevc->ltrMarkFrameIdx : h264->ltrMarkFrameIdx;
    wishes.ltr_bitmap = is_hevc ? hevc->ltrUseFrameBitmap : h264->ltrUseFrameBitmap;
    wishes.refresh_frames = is_hevc ? hevc->forceIntraRefreshWithFrameCnt : h264->forceIntraRefreshWithFrameCnt;
    return wishes;
}

static bool headers_are_wanted(const struct session *self, const struct wishes *wishes)
{
    bool is_hevc = query_is_hevc(&self->init.encodeGUID);
    const NV_ENC_CODEC_CONFIG *codec = &self->config.encodeCodecConfig;
    bool never = is_hevc ? codec->hevcConfig.disableSPSPPS : codec->h264Config.disableSPSPPS;
    bool always = is_hevc ? codec->hevcConfig.repeatSPSPPS : codec->h264Config.repeatSPSPPS;
    return !never && (always || wishes->headers || self->pictures == 0);
}

/* The newest marked picture that the client allows, or NO_LTR. */
static int find_ltr(const struct session *self, uint32_t bitmap)
{
    int found = NO_LTR;
    for (int i = 0; i < LTR_MAX; i++)
        if (bitmap >> i & 1 && self->ltr[i] > found)
            found = self->ltr[i];
    return found;
}

/* A picture that may use only long-term references is one for which all newer ones have been forgotten. False: there is
 * nothing in these places. */
static bool use_ltr(struct session *self, const struct wishes *wishes)
{
    int found = wishes->ltr_use ? find_ltr(self, wishes->ltr_bitmap) : NO_LTR;
    if (found != NO_LTR)
        self->coder->ops->forget_from(self->coder, found + 1);
    return found != NO_LTR || !wishes->ltr_use;
}

static bool append(struct bitstream *bitstream, const uint8_t *bytes, size_t size)
{
    size_t wanted = bitstream->size + size;
    if (wanted > bitstream->capacity) {
        uint8_t *grown = realloc(bitstream->bytes, wanted * 2);
        if (!grown)
            return false;
        bitstream->bytes = grown;
        bitstream->capacity = wanted * 2;
    }
    memcpy(bitstream->bytes + bitstream->size, bytes, size);
    bitstream->size = wanted;
    return true;
}

/* The start code at or behind `from`, with the zero byte before it; `size`: none. */
static size_t find_start(const uint8_t *bytes, size_t size, size_t from)
{
    for (size_t i = from; i + 3 < size; i++)
        if (!bytes[i] && !bytes[i + 1] && bytes[i + 2] == 1)
            return i > from && !bytes[i - 1] ? i - 1 : i;
    return size;
}

/* A parameter set; an SPS without bitstream_restriction, unless the client asks for it. */
static bool append_header(const struct session *self, const uint8_t *bytes, size_t size, size_t head,
                          struct bitstream *ret)
{
    uint8_t sps[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    bool restricts = query_is_hevc(&self->init.encodeGUID) ||
                     self->config.encodeCodecConfig.h264Config.h264VUIParameters.bitstreamRestrictionFlag;
    size_t loose = restricts ? 0 : h264_sps_loosen(bytes + head, size - head, sps);
    return loose ? append(ret, bytes, head) && append(ret, sps, loose) : append(ret, bytes, size);
}

/* Copies units, without parameter sets if they are not wanted, and notes where slices begin. */
static bool take_units(const struct session *self, const uint8_t *bytes, size_t size, bool headers,
                       struct bitstream *ret)
{
    const struct coder_ops *ops = self->coder->ops;
    for (size_t at = find_start(bytes, size, 0), next; at < size; at = next) {
        size_t head = at + (bytes[at + 2] == 1 ? 3 : 4);
        next = find_start(bytes, size, head);
        int mask = ops->nal_shift ? 63 : 31;
        bool slice = (bytes[head] >> ops->nal_shift & mask) <= ops->slice_nal_max;
        if (slice && ret->slice_count < SLICES_MAX)
            ret->slice_offsets[ret->slice_count++] = (uint32_t)ret->size;
        if (slice && !append(ret, bytes + at, next - at))
            return false;
        if (!slice && headers && !append_header(self, bytes + at, next - at, head - at, ret))
            return false;
    }
    return true;
}

static void set_times(struct session *self, int ms, struct bitstream *ret)
{
    int64_t now_ns = clock_now_ns();
    ret->begin_ns = now_ns > self->busy_until_ns ? now_ns : self->busy_until_ns;
    ret->ready_ns = self->busy_until_ns = ret->begin_ns + ms * CLOCK_MS_NS;
}

static void note_ltr(struct session *self, const struct wishes *wishes, bool idr, struct bitstream *ret)
{
    ret->ltr_index = NO_LTR;
    ret->ltr_bitmap = wishes->ltr_use && !idr ? wishes->ltr_bitmap : 0;
    for (int i = 0; i < LTR_MAX && idr; i++)
        self->ltr[i] = NO_LTR;
    if (!wishes->ltr_mark)
        return;
    ret->ltr_index = (int)wishes->ltr_mark_index;
    self->ltr[wishes->ltr_mark_index] = self->pictures;
}

static void trace(const struct session *self, const NV_ENC_PIC_PARAMS *params, const struct wishes *wishes,
                  const struct bitstream *made)
{
    script_trace("picture session=%d n=%d ts=%llu flags=%s%s%s format=%s ltr_mark=%d ltr_use=%#x refresh=%u type=%s "
                 "bytes=%zu slices=%u qp=%d",
                 self->id, self->pictures, (unsigned long long)params->inputTimeStamp, wishes->idr ? "idr" : "",
                 wishes->intra ? "intra" : "", wishes->headers ? "headers" : "", buffers_format_name(params->bufferFmt),
                 wishes->ltr_mark ? (int)wishes->ltr_mark_index : NO_LTR, wishes->ltr_use ? wishes->ltr_bitmap : 0,
                 wishes->refresh_frames,
                 made->type == NV_ENC_PIC_TYPE_IDR ? "idr"
                 : made->type == NV_ENC_PIC_TYPE_I ? "i"
                                                   : "p",
                 made->size, made->slice_count, made->qp);
}

static bool has_ltr_place(const struct session *self, const struct script *script, uint32_t index)
{
    bool is_hevc = query_is_hevc(&self->init.encodeGUID);
    const NV_ENC_CODEC_CONFIG *codec = &self->config.encodeCodecConfig;
    uint32_t places = is_hevc ? codec->hevcConfig.ltrNumFrames : codec->h264Config.ltrNumFrames;
    bool enabled = is_hevc ? codec->hevcConfig.enableLTR : codec->h264Config.enableLTR;
    return enabled && index < places && (int)index < script->caps[CAP_LTR];
}

static NVENCSTATUS code(struct session *self, const NV_ENC_PIC_PARAMS *params, const struct script *script,
                        struct coder_picture *picture, struct bitstream *ret)
{
    struct coder_output output;
    struct wishes wishes = read_wishes(self, params);
    if ((wishes.ltr_mark && !has_ltr_place(self, script, wishes.ltr_mark_index)) || !use_ltr(self, &wishes))
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "EncodePicture: no such long-term reference");
    picture->number = self->pictures;
    picture->idr = wishes.idr || self->idr_wanted;
    picture->intra = wishes.intra;
    picture->refresh = wishes.refresh_frames > 0;
    if (!self->coder->ops->encode(self->coder, picture, &output))
        return session_fail(self, NV_ENC_ERR_GENERIC, "EncodePicture: the software inside failed");
    bool headers = headers_are_wanted(self, &wishes);
    bool missing = wishes.headers && headers && !output.idr; /* the coder's come with an IDR only */
    ret->size = ret->slice_count = 0;
    if ((missing && !take_units(self, self->headers, self->headers_size, true, ret)) ||
        !take_units(self, output.bytes, output.size, headers && output.idr, ret))
        return session_fail(self, NV_ENC_ERR_OUT_OF_MEMORY, "EncodePicture: no memory");
    ret->type = output.idr ? NV_ENC_PIC_TYPE_IDR : output.intra ? NV_ENC_PIC_TYPE_I : NV_ENC_PIC_TYPE_P;
    ret->qp = output.qp;
    ret->number = self->pictures;
    ret->seen = false;
    ret->timestamp = params->inputTimeStamp;
    ret->duration = params->inputDuration;
    note_ltr(self, &wishes, output.idr, ret);
    set_times(self, script->ms, ret);
    trace(self, params, &wishes, ret);
    self->idr_wanted = false;
    return NV_ENC_SUCCESS;
}

static NVENCSTATUS check_picture(struct session *self, const NV_ENC_PIC_PARAMS *params, struct surface **ret_surface,
                                 struct bitstream **ret_bitstream)
{
    struct surface *surface = buffers_find_surface(self, params->inputBuffer);
    if (!surface)
        surface = buffers_find_mapping(self, params->inputBuffer);
    else if (surface->registered)
        return session_fail(self, NV_ENC_ERR_RESOURCE_NOT_MAPPED, "EncodePicture: the input is not a mapped one");
    struct bitstream *bitstream = buffers_find_bitstream(self, params->outputBitstream);
    if (!surface || !bitstream)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "EncodePicture: buffers of another session, or none");
    if (surface->locked)
        return session_fail(self, NV_ENC_ERR_INVALID_CALL, "EncodePicture: the input is locked");
    if (bitstream->state != BITSTREAM_EMPTY)
        return session_fail(self, NV_ENC_ERR_ENCODER_BUSY, "EncodePicture: the output has not been fetched");
    if (params->bufferFmt != surface->format || params->inputWidth != self->init.encodeWidth ||
        params->inputHeight != self->init.encodeHeight)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "EncodePicture: format or size");
    *ret_surface = surface;
    *ret_bitstream = bitstream;
    return NV_ENC_SUCCESS;
}

static NVENCSTATUS fail_by_script(struct session *self, const struct script *script)
{
    NVENCSTATUS status = (NVENCSTATUS)script_picture_error(script, self->pictures);
    if (status == NV_ENC_ERR_DEVICE_NOT_EXIST)
        self->lost = status;
    return status ? session_fail(self, status, "EncodePicture: picture %d, so the script wants", self->pictures)
                  : NV_ENC_SUCCESS;
}

/* Luma only. */
static void grey_out(const struct session *self, const struct coder_picture *picture)
{
    for (int y = 0; y < self->coder_config.height; y++)
        memset(picture->planes[0] + (ptrdiff_t)y * picture->strides[0], 128, (size_t)self->coder_config.width);
}

SESSION_CALL(encode, NV_ENC_PIC_PARAMS *params)
{
    struct session *self;
    struct script script;
    struct surface *surface = NULL;
    struct bitstream *bitstream = NULL;
    struct coder_picture picture = {0};
    NVENCSTATUS status = session_enter(encoder, "EncodePicture", &self);
    if (!status && !self->coder)
        return session_fail(self, NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "EncodePicture: not initialized");
    if (!status)
        status = session_check_version(self, "NV_ENC_PIC_PARAMS", params->version, NV_ENC_PIC_PARAMS_VER);
    if (status || params->encodePicFlags & NV_ENC_PIC_FLAG_EOS)
        return status;
    script_read(&script);
    status = fail_by_script(self, &script);
    if (!status)
        status = check_picture(self, params, &surface, &bitstream);
    if (status)
        return status;
    if (!pixels_convert(surface, &self->coder_config, script.rgb_matrix, self->scratch, &picture))
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "EncodePicture: the format is not that of the stream");
    if (script.grey != SCRIPT_NO_PICTURE && self->pictures >= script.grey)
        grey_out(self, &picture);
    status = code(self, params, &script, &picture, bitstream);
    if (status)
        return status;
    bitstream->state = BITSTREAM_FILLED;
    bitstream->source = surface;
    self->stamps[self->pictures % STAMPS_MAX] = (struct stamp){params->inputTimeStamp, self->pictures};
    self->pictures++;
    return NV_ENC_SUCCESS;
}

static bool hangs(const struct bitstream *bitstream)
{
    struct script script;
    script_read(&script);
    return script.hang != SCRIPT_NO_PICTURE && bitstream->number >= script.hang;
}

static void await(const struct bitstream *bitstream)
{
    while (hangs(bitstream))
        clock_sleep_until_ns(clock_now_ns() + POLL_MS * CLOCK_MS_NS);
    clock_sleep_until_ns(bitstream->ready_ns);
}

/* Slices that the chip has finished by now; all of them: the picture is complete. */
static uint32_t count_ready(const struct bitstream *bitstream)
{
    int64_t now_ns = clock_now_ns(), length_ns = bitstream->ready_ns - bitstream->begin_ns;
    if (hangs(bitstream) || now_ns < bitstream->begin_ns)
        return 0;
    if (now_ns >= bitstream->ready_ns)
        return bitstream->slice_count;
    uint32_t done = (uint32_t)((now_ns - bitstream->begin_ns) * bitstream->slice_count / length_ns);
    return done < bitstream->slice_count ? done : bitstream->slice_count - 1;
}

static void describe(const struct session *self, const struct bitstream *from, uint32_t slices,
                     NV_ENC_LOCK_BITSTREAM *ret)
{
    bool complete = slices == from->slice_count;
    ret->bitstreamBufferPtr = from->bytes;
    ret->bitstreamSizeInBytes = complete ? (uint32_t)from->size : slices ? from->slice_offsets[slices] : 0;
    ret->hwEncodeStatus = complete ? COMPLETE : IN_PROGRESS;
    ret->frameIdx = (uint32_t)from->number;
    ret->outputTimeStamp = from->timestamp;
    ret->outputDuration = from->duration;
    ret->pictureType = from->type;
    ret->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
    ret->frameAvgQP = (uint32_t)from->qp;
    ret->ltrFrame = from->ltr_index != NO_LTR;
    ret->ltrFrameIdx = from->ltr_index != NO_LTR ? (uint32_t)from->ltr_index : 0;
    ret->ltrFrameBitmap = from->ltr_bitmap;
    ret->numSlices = self->init.reportSliceOffsets ? slices : 0;
    for (uint32_t i = 0; ret->sliceOffsets && i < ret->numSlices; i++)
        ret->sliceOffsets[i] = from->slice_offsets[i];
}

/* What is shown to who does not wait: slices. */
static uint32_t count_shown(const struct bitstream *bitstream)
{
    struct script script;
    script_read(&script);
    uint32_t ready = count_ready(bitstream);
    return script.shows != SCRIPT_NO_PICTURE && ready > (uint32_t)script.shows ? (uint32_t)script.shows : ready;
}

/* A slice that is not there yet. */
static bool show_hastily(struct bitstream *bitstream, NV_ENC_LOCK_BITSTREAM *ret)
{
    struct script script;
    script_read(&script);
    if (script.hasty != bitstream->number || bitstream->seen)
        return false;
    bitstream->seen = true;
    ret->bitstreamSizeInBytes = 4; /* a start code */
    ret->numSlices = 1;
    return true;
}

/* The last byte but one of what is finished, which no start code follows, is another one as long as there is more. */
static void tear(struct bitstream *bitstream, uint32_t ready)
{
    struct script script;
    script_read(&script);
    if (bitstream->torn)
        bitstream->bytes[bitstream->torn] ^= 0x55;
    bitstream->torn = 0;
    if (script.torn != bitstream->number || ready == bitstream->slice_count || !ready)
        return;
    bitstream->torn = bitstream->slice_offsets[ready] - 2;
    bitstream->bytes[bitstream->torn] ^= 0x55;
}

SESSION_CALL(lock_bitstream, NV_ENC_LOCK_BITSTREAM *params)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "LockBitstream", &self);
    if (!status)
        status = session_check_version(self, "NV_ENC_LOCK_BITSTREAM", params->version, NV_ENC_LOCK_BITSTREAM_VER);
    if (status)
        return status;
    struct bitstream *bitstream = buffers_find_bitstream(self, params->outputBitstream);
    if (!bitstream || bitstream->state != BITSTREAM_FILLED)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "LockBitstream: nothing is in it, or it is locked");
    if (!params->doNotWait)
        await(bitstream);
    uint32_t ready = params->doNotWait ? count_shown(bitstream) : bitstream->slice_count;
    if (ready < bitstream->slice_count && !self->init.enableSubFrameWrite)
        return NV_ENC_ERR_LOCK_BUSY;
    tear(bitstream, ready);
    describe(self, bitstream, ready, params);
    bool hasty = params->doNotWait && ready < bitstream->slice_count && show_hastily(bitstream, params);
    if (!hasty && ready == bitstream->slice_count)
        bitstream->state = BITSTREAM_LOCKED;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(unlock_bitstream, NV_ENC_OUTPUT_PTR buffer)
{
    struct session *self;
    NVENCSTATUS status = session_enter(encoder, "UnlockBitstream", &self);
    struct bitstream *bitstream = status ? NULL : buffers_find_bitstream(self, buffer);
    if (status)
        return status;
    if (!bitstream || bitstream->state == BITSTREAM_EMPTY)
        return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "UnlockBitstream: not locked");
    if (bitstream->state == BITSTREAM_LOCKED) /* else it was locked before it was complete, and comes again */
        bitstream->state = BITSTREAM_EMPTY;
    return NV_ENC_SUCCESS;
}

SESSION_CALL(invalidate, uint64_t timestamp)
{
    struct session *self;
    struct script script;
    NVENCSTATUS status = session_enter(encoder, "InvalidateRefFrames", &self);
    if (status)
        return status;
    script_read(&script);
    if (!script.caps[CAP_INVALIDATION] || !self->coder)
        return session_fail(self, NV_ENC_ERR_UNSUPPORTED_PARAM, "InvalidateRefFrames: not on this device");
    for (int i = 0; i < STAMPS_MAX && i < self->pictures; i++) {
        const struct stamp *stamp = &self->stamps[i];
        if (stamp->timestamp != timestamp)
            continue;
        script_trace("invalidate session=%d ts=%llu n=%d", self->id, (unsigned long long)timestamp, stamp->number);
        self->coder->ops->forget_from(self->coder, stamp->number);
        return NV_ENC_SUCCESS;
    }
    return session_fail(self, NV_ENC_ERR_INVALID_PARAM, "InvalidateRefFrames: no picture of this time stamp");
}
