/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/lavc.h"

#include "base/container_of.h"
#include "base/log.h"
#include "encode/unit.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/hwcontext.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>

static_assert(AV_INPUT_BUFFER_PADDING_SIZE >= UNIT_GROWTH_MAX, "a packet has room for unit_finish()");

/* The instance behind a line of libavcodec, or NULL when it is about something else. */
static struct lavc *instance_of(void *object)
{
    const AVClass *class = object ? *(const AVClass **)object : NULL;
    if (!class || class != avcodec_get_class())
        return NULL;
    const AVCodecContext *context = object;
    return context->codec && av_codec_is_encoder(context->codec) ? context->opaque : NULL;
}

/* A line may come in pieces. */
static void append(struct lavc *self, const char *text)
{
    size_t used = strlen(self->message), length = strcspn(text, "\n");
    snprintf(self->message + used, sizeof(self->message) - used, "%.*s%s", (int)length, text, text[length] ? "; " : "");
}

/*
 * Errors make the message. What a GPU lacks is said at a lower level, by the line before "No capable devices found".
 */
static void take_message(void *object, int level, const char *format, va_list arguments)
{
    char text[sizeof(((struct lavc *)NULL)->message)];
    struct lavc *self = level <= AV_LOG_VERBOSE ? instance_of(object) : NULL;
    bool is_error = level <= AV_LOG_ERROR, may_be_hint = self && !self->opened;
    if (level > AV_LOG_WARNING && !may_be_hint)
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    if (self && is_error) {
        bool needs_hint = !self->message[0] && !strncmp(text, "No capable devices", 18);
        append(self, needs_hint ? self->hint : "");
        append(self, text);
        return;
    }
    if (may_be_hint)
        memcpy(self->hint, text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    log_debug("lavc: %s", text);
}

/* What libavcodec said about the last call, in one line; if it said nothing, what `error` means. */
static const char *explain(struct lavc *self, int error)
{
    size_t length = strlen(self->message);
    while (length > 0 && strchr(" ;", self->message[length - 1]))
        self->message[--length] = '\0';
    if (!length)
        av_strerror(error, self->message, sizeof(self->message));
    return self->message;
}

/* Codes of H.273, "colour" in docs/protocol.md; libavutil uses the same numbers. BT.2020 needs ten bits. */
static void set_colour(AVCodecContext *context, const struct frame_layout *layout)
{
    bool wide = layout->colour_space == FRAME_BT2020 && frame_shape_of(layout->format)->bits > 8;
    int code = wide ? 9 : layout->colour_space == FRAME_BT601 ? 6 : 1;
    context->color_primaries = (enum AVColorPrimaries)code;
    context->color_trc = wide ? AVCOL_TRC_BT2020_10 : (enum AVColorTransferCharacteristic)code;
    context->colorspace = (enum AVColorSpace)code;
    context->color_range = layout->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    context->chroma_sample_location = AVCHROMA_LOC_LEFT;
}

static int profile_of(const struct encoder_config *config)
{
    const struct frame_shape *shape = frame_shape_of(config->layout.format);
    if (config->codec == ENCODER_H264)
        return shape->half_rows ? FF_PROFILE_H264_HIGH : FF_PROFILE_H264_HIGH_444_PREDICTIVE;
    if (config->codec == ENCODER_AV1)
        return shape->half_rows ? FF_PROFILE_AV1_MAIN : FF_PROFILE_AV1_HIGH;
    if (!shape->half_rows)
        return FF_PROFILE_HEVC_REXT;
    return shape->bits > 8 ? FF_PROFILE_HEVC_MAIN_10 : FF_PROFILE_HEVC_MAIN;
}

static void set_common(AVCodecContext *context, const struct encoder_config *config)
{
    int64_t rate = (int64_t)config->bitrate_kbps * 1000;
    context->width = config->layout.width;
    context->height = config->layout.height;
    context->framerate = (AVRational){config->fps_x100, 100};
    context->time_base = (AVRational){100, config->fps_x100};
    context->bit_rate = context->rc_max_rate = rate;
    context->max_b_frames = 0;
    context->slices = config->slices;
    context->profile = profile_of(config);
    context->flags = AV_CODEC_FLAG_LOW_DELAY;
    set_colour(context, &config->layout);
}

void lavc_destroy(struct encoder *base)
{
    struct lavc *self = container_of(base, struct lavc, base);
    avcodec_free_context(&self->context);
    av_frame_free(&self->picture);
    av_frame_free(&self->surface);
    av_packet_free(&self->packet);
    av_buffer_unref(&self->surfaces);
    av_buffer_unref(&self->device);
    planar_finish(&self->planar);
    free(self);
}

struct lavc *lavc_alloc(const struct encoder_ops *ops, const char *codec_name, const struct encoder_config *config,
                        char *ret_reason, size_t reason_size)
{
    av_log_set_callback(take_message);
    const AVCodec *codec = avcodec_find_encoder_by_name(codec_name);
    if (!codec) {
        snprintf(ret_reason, reason_size, "this libavcodec has no %s", codec_name);
        return NULL;
    }
    struct lavc *self = calloc(1, sizeof(*self));
    if (self) {
        self->base.ops = ops;
        self->codec = config->codec;
        self->context = avcodec_alloc_context3(codec);
        self->picture = av_frame_alloc();
        self->surface = av_frame_alloc();
        self->packet = av_packet_alloc();
    }
    if (!self || !self->context || !self->picture || !self->surface || !self->packet) {
        snprintf(ret_reason, reason_size, "out of memory");
        if (self)
            lavc_destroy(&self->base);
        return NULL;
    }
    static const enum AVPixelFormat formats[FRAME_FORMATS] = {[FRAME_NV12] = AV_PIX_FMT_NV12,
                                                              [FRAME_BGR0] = AV_PIX_FMT_BGR0,
                                                              [FRAME_P010] = AV_PIX_FMT_P010,
                                                              [FRAME_YUV444] = AV_PIX_FMT_YUV444P,
                                                              [FRAME_YUV444_10] = AV_PIX_FMT_YUV444P16};
    self->pixels = self->context->pix_fmt = formats[config->layout.format];
    self->context->opaque = self;
    set_common(self->context, config);
    lavc_set_buffer(self, config, 2);
    return self;
}

void lavc_set_buffer(struct lavc *self, const struct encoder_config *config, int pictures_x2)
{
    int64_t bits = (int64_t)config->bitrate_kbps * 1000 * 100 / config->fps_x100 * pictures_x2 / 2;
    int64_t burst_bits = (int64_t)config->burst_kbit * 1000;
    bits = burst_bits && burst_bits < bits ? burst_bits : bits;
    self->context->rc_buffer_size = bits > INT_MAX ? INT_MAX : (int)bits;
}

bool lavc_has(const char *codec_name)
{
    return avcodec_find_encoder_by_name(codec_name);
}

void lavc_set_option(struct lavc *self, const char *name, const char *value)
{
    int error = av_opt_set(self->context->priv_data, name, value, 0);
    if (error < 0)
        log_debug("lavc: %s takes no %s=%s, left out", self->context->codec->name, name, value);
}

void lavc_set_options(struct lavc *self, const struct lavc_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lavc_set_option(self, options[i].name, options[i].value);
}

struct encoder *lavc_open(struct lavc *self, char *ret_reason, size_t reason_size)
{
    int error = avcodec_open2(self->context, NULL, NULL);
    if (error < 0) {
        snprintf(ret_reason, reason_size, "%s", explain(self, error));
        lavc_destroy(&self->base);
        return NULL;
    }
    self->opened = true;
    return &self->base;
}

static void leave_memory_alone(void *opaque, uint8_t *data)
{
    (void)opaque, (void)data; /* the planes are the caller's */
}

/* Describe the picture's planes to libavcodec. Without a buffer of its own it would copy the picture once more. */
static bool borrow_planes(struct lavc *self, const struct frame *frame)
{
    AVFrame *picture = self->picture;
    av_frame_unref(picture);
    size_t size = (size_t)frame->strides[0] * (size_t)frame->layout.height;
    picture->format = self->pixels;
    picture->width = frame->layout.width;
    picture->height = frame->layout.height;
    for (int i = 0; i < FRAME_PLANES_MAX; i++) {
        picture->data[i] = self->planar.planes[i] ? self->planar.planes[i] : frame->planes[i];
        picture->linesize[i] = self->planar.planes[i] ? self->planar.strides[i] : frame->strides[i];
    }
    picture->buf[0] = av_buffer_create(frame->planes[0], size, leave_memory_alone, NULL, AV_BUFFER_FLAG_READONLY);
    return picture->buf[0] != NULL;
}

static int upload(struct lavc *self)
{
    av_frame_unref(self->surface);
    int error = av_hwframe_get_buffer(self->surfaces, self->surface, 0);
    return error < 0 ? error : av_hwframe_transfer_data(self->surface, self->picture, 0);
}

/* One picture in, its packet out. 0 or an AVERROR. */
static int run(struct lavc *self, const struct frame *frame, const struct region *damage, bool idr)
{
    av_packet_unref(self->packet);
    self->message[0] = '\0';
    if (!borrow_planes(self, frame))
        return AVERROR(ENOMEM);
    if (self->planar.memory)
        planar_update(&self->planar, frame, damage);
    int error = self->surfaces ? upload(self) : 0;
    AVFrame *input = self->surfaces ? self->surface : self->picture;
    input->pts = self->pts++;
    input->pict_type = idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    if (error >= 0)
        error = avcodec_send_frame(self->context, input);
    if (error >= 0)
        error = avcodec_receive_packet(self->context, self->packet);
    if (error >= 0)
        error = av_packet_make_writable(self->packet);
    av_frame_unref(self->picture);
    av_frame_unref(self->surface);
    return error;
}

enum encode_result lavc_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                               int64_t now_ns, bool idr, struct au_part *ret_part)
{
    (void)now_ns;
    struct lavc *self = container_of(base, struct lavc, base);
    if (frame->layout.width != self->context->width || frame->layout.height != self->context->height) {
        log_error("lavc: the picture is %dx%d, not %dx%d", frame->layout.width, frame->layout.height,
                  self->context->width, self->context->height);
        return ENCODE_FAILED;
    }
    int error = run(self, frame, damage, idr); /* libavcodec has no way to pass the damage on */
    if (error < 0) {
        log_error("lavc: %s: %s", self->context->codec->name,
                  error == AVERROR(EAGAIN) && !self->message[0] ? "holds a picture back" : explain(self, error));
        return ENCODE_FAILED;
    }
    size_t size = (size_t)self->packet->size;
    if (!unit_finish(self->codec, self->packet->data, size, ret_part)) { /* its padding is the room */
        log_error("lavc: %s made no access unit of %zu bytes", self->context->codec->name, size);
        return ENCODE_FAILED;
    }
    return ENCODE_OK;
}
