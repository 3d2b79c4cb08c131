/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/encoder.h"
#include "base/log.h"
#include "encode/backends.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In order of preference. */
static const struct encoder_ops *const backends[] = {
#ifdef HAVE_NVENC
    &encoder_nvenc,
#endif
#ifdef HAVE_LAVC
    &encoder_nvenc_lavc,
    &encoder_vaapi,
#endif
#ifdef HAVE_X264
    &encoder_x264,
#endif
#ifdef HAVE_LAVC
    &encoder_x265,
    &encoder_aom,
#endif
    NULL, /* the list may be empty */
};

static const struct encoder_ops *find_backend(const char *name)
{
    for (const struct encoder_ops *const *ops = backends; *ops; ops++)
        if (!strcmp((*ops)->name, name))
            return *ops;
    return NULL;
}

static bool takes_codec(const struct encoder_ops *ops, enum encoder_codec codec)
{
    for (int i = 0; i < ops->codec_count; i++)
        if (ops->codecs[i] == codec)
            return true;
    return false;
}

/* The protocol knows no H.264 of ten bits. */
static bool takes_format(const struct encoder_ops *ops, enum encoder_codec codec, enum frame_format format)
{
    if (codec == ENCODER_H264 && frame_shape_of(format)->bits > 8)
        return false;
    for (int i = 0; i < ops->other_count; i++)
        if (ops->others[i] == format)
            return true;
    return format == ops->format;
}

enum { SIDE_MIN = 16 };

/* The limits of the codecs and of the wire. */
static int side_max(enum encoder_codec codec)
{
    return codec == ENCODER_H264 ? 4096 : 8192;
}

/* What is wrong with the configuration, or NULL. */
static const char *config_fault(const struct encoder_ops *ops, const struct encoder_config *config)
{
    const struct frame_layout *layout = &config->layout;
    if (!takes_codec(ops, config->codec))
        return "does not make this codec";
    if (!takes_format(ops, config->codec, layout->format))
        return "takes another pixel format";
    int most = side_max(config->codec);
    if (layout->width < SIDE_MIN || layout->height < SIDE_MIN || layout->width > most || layout->height > most)
        return most == 4096 ? "width and height must be 16 to 4096" : "width and height must be 16 to 8192";
    if (layout->width % 2 || layout->height % 2)
        return "width and height must be even";
    if (config->fps_x100 < 100 || config->fps_x100 > 100000)
        return "the frame rate must be 1 to 1000";
    if (config->bitrate_kbps < 100 || config->bitrate_kbps > 1000000)
        return "the bitrate must be 100 to 1000000 kbit/s";
    if (config->slices < 1 || config->slices > 16)
        return "slices must be 1 to 16";
    if (config->max_reference_frames < 0 || config->threads < 0)
        return "reference frames and threads cannot be negative";
    return NULL;
}

static struct encoder *create(const struct encoder_ops *ops, const struct encoder_config *config, char *ret_reason,
                              size_t reason_size)
{
    const char *fault = config_fault(ops, config);
    if (fault) {
        snprintf(ret_reason, reason_size, "%s", fault);
        return NULL;
    }
    snprintf(ret_reason, reason_size, "no reason given");
    struct encoder *self = ops->create(config, ret_reason, reason_size);
    if (self)
        self->format = config->layout.format;
    return self;
}

/* Large enough for every hardware encoder (NVENC refuses less than 145 px). */
enum { PROBE_WIDTH = 640, PROBE_HEIGHT = 360 };

/* A grey picture in memory of our own: the probe needs no pool. free(planes[0]) gives it back. */
static bool make_grey_frame(enum frame_format format, struct frame *ret_frame)
{
    const struct frame_shape *shape = frame_shape_of(format);
    size_t stride = (size_t)PROBE_WIDTH * (size_t)shape->pixel_bytes, plane_bytes = stride * PROBE_HEIGHT;
    uint8_t *memory = aligned_alloc(64, plane_bytes * (size_t)shape->planes);
    if (!memory)
        return false;
    memset(memory, 128, plane_bytes * (size_t)shape->planes); /* of words this is the upper byte, too */
    *ret_frame = (struct frame){
        .layout = {.width = PROBE_WIDTH, .height = PROBE_HEIGHT, .format = format, .colour_space = FRAME_BT709},
        .number = 1,
    };
    for (int plane = 0; plane < shape->planes; plane++) {
        ret_frame->planes[plane] = memory + (size_t)plane * plane_bytes;
        ret_frame->strides[plane] = (int)stride;
    }
    return true;
}

static bool encodes(struct encoder *encoder, const struct frame *frame)
{
    struct au_part part;
    struct region nothing = {.count = 0};
    return encoder_encode(encoder, frame, &nothing, 1, true, &part) == ENCODE_OK && part.type == PART_IDR;
}

/* One picture of this format. `report`: its codec; on success the encoder's ways and limits are written. False:
 * `reason` is. */
static bool probe_format(const struct encoder_ops *ops, enum frame_format format, struct encoder_report *report,
                         char *reason, size_t reason_size)
{
    struct frame frame;
    snprintf(reason, reason_size, "out of memory");
    if (!make_grey_frame(format, &frame))
        return false;
    struct encoder_config config = {.codec = report->codec,
                                    .layout = frame.layout,
                                    .fps_x100 = 6000,
                                    .bitrate_kbps = 5000,
                                    .slices = 1,
                                    .threads = 1};
    struct encoder *encoder = create(ops, &config, reason, reason_size);
    bool works = encoder && encodes(encoder, &frame);
    if (encoder && !works)
        snprintf(reason, reason_size, "it opened but could not encode a picture");
    if (works) {
        report->invalidates = encoder_references(encoder) > 1;
        report->limits = encoder->limits;
    }
    encoder_destroy(encoder);
    free(frame.planes[0]);
    return works;
}

static bool opens(const struct encoder_ops *ops, enum encoder_codec codec, int width, int height)
{
    char reason[200];
    struct encoder_config config = {
        .codec = codec,
        .layout = {.width = width, .height = height, .format = ops->format, .colour_space = FRAME_BT709},
        .fps_x100 = 6000,
        .bitrate_kbps = 5000,
        .slices = 1,
    };
    struct encoder *encoder = create(ops, &config, reason, sizeof(reason));
    encoder_destroy(encoder);
    return encoder != NULL;
}

/* Hardware behind a library that does not tell its limits, only refuses: one long side at a time, as that takes little
 * memory. */
static void probe_limits(const struct encoder_ops *ops, struct encoder_report *report)
{
    static const int sides[] = {8192, 7680, 5120, 4352, 4096, 3840, 2304, 2160, 2048, 1920, 1088, 1024}; /* of GPUs */
    struct encoder_limits *limits = &report->limits;
    if (!ops->hardware || limits->width_max)
        return;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        if (sides[i] > side_max(report->codec))
            continue;
        if (!limits->width_max && opens(ops, report->codec, sides[i], PROBE_HEIGHT))
            limits->width_max = sides[i];
        if (!limits->height_max && opens(ops, report->codec, PROBE_WIDTH, sides[i]))
            limits->height_max = sides[i];
    }
}

/* `report`: usable. */
static void probe_others(const struct encoder_ops *ops, struct encoder_report *report)
{
    char reason[sizeof(report->reason)];
    struct encoder_report other = *report;
    for (int i = 0; i < ops->other_count; i++) {
        enum frame_format format = ops->others[i];
        if (!takes_format(ops, report->codec, format))
            continue;
        report->takes[format] = probe_format(ops, format, &other, reason, sizeof(reason));
        if (!report->takes[format])
            log_debug("encoder: probed %s for pictures of %d bit%s: %s", ops->name, frame_shape_of(format)->bits,
                      frame_shape_of(format)->half_rows ? "" : " 4:4:4", reason);
    }
}

static void probe(const struct encoder_ops *ops, enum encoder_codec codec, struct encoder_report *ret_report)
{
    *ret_report =
        (struct encoder_report){.name = ops->name, .hardware = ops->hardware, .codec = codec, .format = ops->format};
    ret_report->usable = probe_format(ops, ops->format, ret_report, ret_report->reason, sizeof(ret_report->reason));
    log_debug("encoder: probed %s: %s", ops->name, ret_report->usable ? "usable" : ret_report->reason);
    ret_report->final = !ret_report->usable && ops->is_final && ops->is_final(ret_report->reason);
    if (!ret_report->usable)
        return;
    ret_report->reason[0] = '\0';
    ret_report->takes[ops->format] = true;
    probe_others(ops, ret_report);
    probe_limits(ops, ret_report);
}

static bool is_wished(const struct encoder_ops *ops, const char *wish)
{
    return !strcmp(wish, "auto") || !strcmp(wish, ops->name) || (!ops->hardware && !strcmp(wish, "software")) ||
           (ops->stands_in_for && !strcmp(wish, ops->stands_in_for));
}

/* The other way to the same device works for this codec. */
static bool is_needless(const struct encoder_ops *ops, enum encoder_codec codec, const struct encoder_report *reports,
                        int count)
{
    for (int i = 0; i < count && ops->stands_in_for; i++)
        if (reports[i].usable && reports[i].codec == codec && !strcmp(reports[i].name, ops->stands_in_for))
            return true;
    return false;
}

static bool is_to_be_tried(const struct encoder_ops *ops, enum encoder_codec codec, const char *wish,
                           const struct encoder_report *reports, int count)
{
    return is_wished(ops, wish) && (!ops->knows || ops->knows(codec)) && !is_needless(ops, codec, reports, count);
}

/* A report of the same device, whose driver did not answer, or NULL. */
static const struct encoder_report *find_silent(const struct encoder_ops *ops, const struct encoder_report *reports,
                                                int count)
{
    for (int i = 0; i < count; i++) {
        bool same =
            !strcmp(reports[i].name, ops->name) || (ops->stands_in_for && !strcmp(reports[i].name, ops->stands_in_for));
        if (same && reports[i].silent)
            return &reports[i];
    }
    return NULL;
}

int encoder_probe_by(void (*probe_one)(void *ctx, struct encoder_report *report), void *ctx, const char *wish,
                     struct encoder_report ret_reports[ENCODER_REPORTS_MAX])
{
    int count = 0;
    for (const struct encoder_ops *const *ops = backends; *ops; ops++) {
        for (int i = 0; i < (*ops)->codec_count && count < ENCODER_REPORTS_MAX; i++) {
            if (!is_to_be_tried(*ops, (*ops)->codecs[i], wish, ret_reports, count))
                continue;
            const struct encoder_report *silent = find_silent(*ops, ret_reports, count);
            struct encoder_report *report = &ret_reports[count++];
            *report = silent ? *silent : (struct encoder_report){.reason = "not tried"};
            report->name = (*ops)->name;
            report->hardware = (*ops)->hardware;
            report->codec = (*ops)->codecs[i];
            report->format = (*ops)->format;
            if (!silent)
                probe_one(ctx, report);
        }
    }
    return count;
}

static void probe_here(void *ctx, struct encoder_report *report)
{
    (void)ctx;
    encoder_probe_again(report);
}

int encoder_probe(const char *wish, struct encoder_report ret_reports[ENCODER_REPORTS_MAX])
{
    return encoder_probe_by(probe_here, NULL, wish, ret_reports);
}

void encoder_probe_again(struct encoder_report *report)
{
    const struct encoder_ops *ops = find_backend(report->name);
    if (ops)
        probe(ops, report->codec, report);
}

bool encoder_fits(const struct encoder_report *report, int width, int height)
{
    const struct encoder_limits *limits = &report->limits;
    int most = side_max(report->codec), width_max = limits->width_max, height_max = limits->height_max;
    return width >= SIDE_MIN && height >= SIDE_MIN && width >= limits->width_min && height >= limits->height_min &&
           width <= most && height <= most && (!width_max || width <= width_max) &&
           (!height_max || height <= height_max);
}

const struct encoder_report *encoder_choose(const struct encoder_report *reports, int count, enum encoder_codec codec)
{
    for (int i = 0; i < count; i++)
        if (reports[i].usable && reports[i].codec == codec)
            return &reports[i];
    return NULL;
}

struct encoder *encoder_open(const char *name, const struct encoder_config *config, char *ret_reason,
                             size_t reason_size)
{
    const struct encoder_ops *ops = find_backend(name);
    if (ops)
        return create(ops, config, ret_reason, reason_size);
    snprintf(ret_reason, reason_size, "it is not in this build");
    return NULL;
}

struct encoder *encoder_create(const char *name, const struct encoder_config *config)
{
    char reason[200];
    struct encoder *self = encoder_open(name, config, reason, sizeof(reason));
    if (!self)
        log_error("encoder: %s cannot encode %dx%d at %d kbit/s: %s", name, config->layout.width, config->layout.height,
                  config->bitrate_kbps, reason);
    return self;
}

void encoder_destroy(struct encoder *self)
{
    if (self)
        self->ops->destroy(self);
}

enum encode_result encoder_encode(struct encoder *self, const struct frame *frame, const struct region *damage,
                                  int64_t now_ns, bool idr, struct au_part *ret_part)
{
    assert(frame->layout.format == self->format);
    struct au_part part = {
        .parts = 1, .last = true, .captured_ns = frame->captured_ns, .timestamp_ns = frame->captured_ns};
    enum encode_result result = self->ops->encode(self, frame, damage, now_ns, idr, &part);
    if (result == ENCODE_OK)
        *ret_part = part;
    return result;
}

enum encode_result encoder_next(struct encoder *self, struct au_part *part)
{
    assert(!part->last && self->ops->next);
    struct au_part next = *part;
    enum encode_result result = self->ops->next(self, &next);
    assert(result != ENCODE_OK || next.data == part->data + part->size);
    if (result == ENCODE_OK)
        *part = next;
    return result;
}

bool encoder_set_bitrate(struct encoder *self, int bitrate_kbps, int wire_kbps)
{
    return self->ops->set_bitrate && self->ops->set_bitrate(self, bitrate_kbps, wire_kbps);
}

int encoder_references(const struct encoder *self)
{
    return self->ops->invalidate ? self->references : 0;
}

bool encoder_invalidate(struct encoder *self, int count)
{
    assert(count > 0 && count < encoder_references(self));
    return self->ops->invalidate(self, count);
}

int encoder_long_terms(const struct encoder *self)
{
    return self->ops->keep ? self->long_terms : 0;
}

void encoder_keep(struct encoder *self, int place)
{
    assert(place >= 0 && place < encoder_long_terms(self));
    self->ops->keep(self, place);
}

bool encoder_return_to(struct encoder *self, int place, int count)
{
    assert(place >= 0 && place < encoder_long_terms(self) && count > 0);
    return self->ops->return_to(self, place, count);
}

const char *encoder_name(const struct encoder *self)
{
    return self->ops->name;
}
