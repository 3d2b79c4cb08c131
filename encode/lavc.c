/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lavc: hardware encoders through libavcodec: NVENC from NV12 in system memory (of RGB it would
 * choose the colour matrix itself), VAAPI from NV12 uploaded to a surface.
 *
 * Both load their driver at run time, so a build without either is the same build. NVENC lags two pictures behind
 * unless delay=0 and zerolatency=1 are both set. Options this libavcodec does not know are left out with a debug line.
 * A refusal is explained with libavcodec's own error lines: its log callback is process-wide, but the lines of an
 * encoder carry its AVCodecContext, and that leads to our instance.
 */
#include "base/container_of.h"
#include "base/log.h"
#include "encode/backends.h"
#include "encode/h264_unit.h"
#include "encode/nvenc_preset.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>

static_assert(AV_INPUT_BUFFER_PADDING_SIZE >= H264_SPS_GROWTH_MAX, "a packet has room for h264_unit_finish()");

#define RENDER_NODE "/dev/dri/renderD128"

struct lavc {
    struct encoder base;
    AVCodecContext *context;
    AVBufferRef *device, *surfaces; /* VAAPI only */
    AVFrame *picture;               /* refers to the caller's planes during encode */
    AVFrame *surface;               /* VAAPI only */
    AVPacket *packet;               /* the access unit handed out last */
    int64_t pts;
    bool opened;
    char message[160]; /* libavcodec's errors during the call that is going on */
    char hint[160];    /* while opening: its last line below an error */
};

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

static void set_option(AVCodecContext *context, const char *name, const char *value)
{
    int error = av_opt_set(context->priv_data, name, value, 0);
    if (error < 0)
        log_debug("lavc: %s takes no %s=%s, left out", context->codec->name, name, value);
}

/* Codes of H.273, "colour" in docs/protocol.md; libavutil uses the same numbers. */
static void set_colour(AVCodecContext *context, const struct frame_layout *layout)
{
    int code = layout->colour_space == FRAME_BT601 ? 6 : 1;
    context->color_primaries = (enum AVColorPrimaries)code;
    context->color_trc = (enum AVColorTransferCharacteristic)code;
    context->colorspace = (enum AVColorSpace)code;
    context->color_range = layout->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    context->chroma_sample_location = AVCHROMA_LOC_LEFT;
}

static void set_common(AVCodecContext *context, const struct encoder_config *config)
{
    int64_t rate = (int64_t)config->bitrate_kbps * 1000;
    context->width = config->layout.width;
    context->height = config->layout.height;
    context->framerate = (AVRational){config->fps_x100, 100};
    context->time_base = (AVRational){100, config->fps_x100};
    context->bit_rate = context->rc_max_rate = rate;
    context->rc_buffer_size = (int)(rate * 100 / config->fps_x100); /* one picture */
    context->max_b_frames = 0;
    context->slices = config->slices;
    context->profile = FF_PROFILE_H264_HIGH;
    context->flags = AV_CODEC_FLAG_LOW_DELAY;
    set_colour(context, &config->layout);
}

static void lavc_destroy(struct encoder *base)
{
    struct lavc *self = container_of(base, struct lavc, base);
    avcodec_free_context(&self->context);
    av_frame_free(&self->picture);
    av_frame_free(&self->surface);
    av_packet_free(&self->packet);
    av_buffer_unref(&self->surfaces);
    av_buffer_unref(&self->device);
    free(self);
}

/* Everything but the options of one codec. NULL: *ret_reason is written. */
static struct lavc *lavc_alloc(const struct encoder_ops *ops, const char *codec_name,
                               const struct encoder_config *config, char *ret_reason, size_t reason_size)
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
    self->context->opaque = self;
    set_common(self->context, config);
    return self;
}

/* Opens the codec; on failure the object is gone and *ret_reason is written. */
static struct encoder *lavc_open(struct lavc *self, char *ret_reason, size_t reason_size)
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

/* The two errors by which drivers tell that the limit of sessions is reached, the newer ones by the second. */
static void put_sessions_first(char *reason, size_t reason_size)
{
    char detail[160];
    bool refused = strstr(reason, "OpenEncodeSessionEx failed") &&
                   (strstr(reason, "out of memory") || strstr(reason, "incompatible client key"));
    if (!refused)
        return;
    snprintf(detail, sizeof(detail), "%s", reason);
    snprintf(reason, reason_size,
             "the GPU gives no further encoder session, their limit or its memory is used up (%.*s)",
             (int)strcspn(detail, ";"), detail);
}

static bool library_is_installed(const char *name)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (library)
        dlclose(library);
    return library != NULL;
}

/* NULL, or what is missing, in words. */
static const char *find_missing_library(void)
{
    if (!library_is_installed("libcuda.so.1"))
        return "libcuda.so.1 is not installed: no NVIDIA driver in this guest";
    if (!library_is_installed("libnvidia-encode.so.1"))
        return "libnvidia-encode.so.1 is not installed: the NVIDIA driver is there without its encoder library";
    return NULL;
}

/* `refs` stays unset, as older GPUs then refuse: dpb_size is what makes it one reference. */
static struct encoder *nvenc_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    const char *missing = find_missing_library();
    if (missing) {
        snprintf(ret_reason, reason_size, "%s", missing);
        return NULL;
    }
    struct lavc *self = lavc_alloc(&encoder_nvenc_lavc, "h264_nvenc", config, ret_reason, reason_size);
    if (!self)
        return NULL;
    self->context->pix_fmt = AV_PIX_FMT_NV12;
    self->context->gop_size = -1; /* infinite */
    static const char *const options[][2] = {
        {"tune", "ull"}, {"profile", "high"}, {"rc", "cbr"},     {"zerolatency", "1"},  {"delay", "0"},
        {"aud", "0"},    {"forced-idr", "1"}, {"dpb_size", "1"}, {"rc-lookahead", "0"},
    };
    char preset[4];
    snprintf(preset, sizeof(preset), "p%d", nvenc_preset(config));
    set_option(self->context, "preset", preset);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        set_option(self->context, options[i][0], options[i][1]);
    struct encoder *encoder = lavc_open(self, ret_reason, reason_size);
    if (!encoder)
        put_sessions_first(ret_reason, reason_size);
    return encoder;
}

/* The device and the surfaces that pictures are uploaded to. 0 or an AVERROR. */
static int vaapi_make_surfaces(struct lavc *self)
{
    int error = av_hwdevice_ctx_create(&self->device, AV_HWDEVICE_TYPE_VAAPI, RENDER_NODE, NULL, 0);
    if (error < 0)
        return error;
    self->surfaces = av_hwframe_ctx_alloc(self->device);
    if (!self->surfaces)
        return AVERROR(ENOMEM);
    AVHWFramesContext *frames = (AVHWFramesContext *)(void *)self->surfaces->data;
    frames->format = AV_PIX_FMT_VAAPI;
    frames->sw_format = AV_PIX_FMT_NV12;
    frames->width = self->context->width;
    frames->height = self->context->height;
    frames->initial_pool_size = 4;
    error = av_hwframe_ctx_init(self->surfaces);
    if (error < 0)
        return error;
    self->context->pix_fmt = AV_PIX_FMT_VAAPI;
    self->context->hw_frames_ctx = av_buffer_ref(self->surfaces);
    return self->context->hw_frames_ctx ? 0 : AVERROR(ENOMEM);
}

/* Some GPUs encode in the low-power block only, others only outside of it. */
static struct encoder *vaapi_try(const struct encoder_config *config, const char *low_power, char *ret_reason,
                                 size_t reason_size)
{
    struct lavc *self = lavc_alloc(&encoder_vaapi, "h264_vaapi", config, ret_reason, reason_size);
    if (!self)
        return NULL;
    int error = vaapi_make_surfaces(self);
    if (error < 0) {
        snprintf(ret_reason, reason_size, "VAAPI on " RENDER_NODE " failed: %s", av_err2str(error));
        lavc_destroy(&self->base);
        return NULL;
    }
    self->context->gop_size = INT_MAX;
    self->context->refs = 1;
    static const char *const options[][2] = {{"rc_mode", "CBR"}, {"async_depth", "1"}, {"aud", "0"}, {"sei", "0"}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        set_option(self->context, options[i][0], options[i][1]);
    set_option(self->context, "low_power", low_power);
    return lavc_open(self, ret_reason, reason_size);
}

static struct encoder *vaapi_create(const struct encoder_config *config, char *ret_reason, size_t reason_size)
{
    if (access(RENDER_NODE, R_OK | W_OK) != 0) {
        snprintf(ret_reason, reason_size, errno == EACCES ? "no permission for %s" : "no %s", RENDER_NODE);
        return NULL;
    }
    struct encoder *encoder = vaapi_try(config, "1", ret_reason, reason_size);
    return encoder ? encoder : vaapi_try(config, "0", ret_reason, reason_size);
}

static void leave_memory_alone(void *opaque, uint8_t *data)
{
    (void)opaque, (void)data; /* the planes are the caller's */
}

/* Describe the caller's planes to libavcodec. Without a buffer of its own it would copy the picture once more. */
static bool borrow_planes(struct lavc *self, const struct frame *frame)
{
    AVFrame *picture = self->picture;
    av_frame_unref(picture);
    size_t size = (size_t)frame->strides[0] * (size_t)frame->layout.height;
    picture->format = AV_PIX_FMT_NV12;
    picture->width = frame->layout.width;
    picture->height = frame->layout.height;
    for (int i = 0; i < (frame->layout.format == FRAME_NV12 ? 2 : 1); i++) {
        picture->data[i] = frame->planes[i];
        picture->linesize[i] = frame->strides[i];
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
static int run(struct lavc *self, const struct frame *frame, bool idr)
{
    av_packet_unref(self->packet);
    self->message[0] = '\0';
    if (!borrow_planes(self, frame))
        return AVERROR(ENOMEM);
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

static enum encode_result lavc_encode(struct encoder *base, const struct frame *frame, const struct region *damage,
                                      int64_t now_ns, bool idr, struct au_part *ret_part)
{
    (void)now_ns;
    struct lavc *self = container_of(base, struct lavc, base);
    (void)damage; /* libavcodec has no way to pass it on */
    int error = run(self, frame, idr);
    if (error < 0) {
        log_error("lavc: %s: %s", self->context->codec->name,
                  error == AVERROR(EAGAIN) && !self->message[0] ? "holds a picture back" : explain(self, error));
        return ENCODE_FAILED;
    }
    size_t size = (size_t)self->packet->size;
    if (!h264_unit_finish(self->packet->data, size, ret_part)) { /* its padding is the room */
        log_error("lavc: %s made no access unit of %zu bytes", self->context->codec->name, size);
        return ENCODE_FAILED;
    }
    return ENCODE_OK;
}

const struct encoder_ops encoder_nvenc_lavc = {
    .name = "nvenc-lavc",
    .stands_in_for = "nvenc",
    .hardware = true,
    .codecs = {ENCODER_H264},
    .codec_count = 1,
    .format = FRAME_NV12,
    .create = nvenc_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};

const struct encoder_ops encoder_vaapi = {
    .name = "vaapi",
    .hardware = true,
    .codecs = {ENCODER_H264},
    .codec_count = 1,
    .format = FRAME_NV12,
    .create = vaapi_create,
    .destroy = lavc_destroy,
    .encode = lavc_encode,
};
