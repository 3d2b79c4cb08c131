/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoder: pictures to access units. One implementation per file; encoder.c holds the list of them and nothing that
 * knows an API. An encoder is used by one thread at a time. One picture in, one access unit out, no delay, no B-frames,
 * IDR only on demand (the first is one by itself).
 */
#pragma once

#include "capture/frame.h"
#include "encode/part.h"

#include <stdbool.h>
#include <stdint.h>

/* How libx264 is told its rate: a quantiser for each picture (encode/qp_control.h), or a bitrate and a VBV buffer. */
enum encoder_rate { ENCODER_RATE_QUANTISER = 0, ENCODER_RATE_BITRATE = 1 };

enum encoder_codec { ENCODER_H264 = 0, ENCODER_HEVC = 1, ENCODER_AV1 = 2 }; /* bitStreamFormat on the wire */

/* What the sender makes of an access unit: whole packets and parity, which for small ones is most of it. */
struct encoder_wire {
    int kbps; /* all of it, the rate that the client asked for; 0: not known, and the next do not count */
    int packet_bytes, payload_bytes; /* UDP payload of a packet, and what it holds of the access unit */
    int fec_percent, min_parity;
};

struct encoder_config {
    enum encoder_codec codec;
    struct frame_layout layout; /* format: one the encoder takes, see encoder_report; 10 bit and 4:4:4 come by it */
    int fps_x100;
    int bitrate_kbps;
    int slices;               /* at least this many per picture, 1..16 */
    int max_reference_frames; /* 0: the encoder's choice; 1: exactly one */
    int burst_kbit;           /* one access unit should not be larger; 0: no such limit */
    int threads;              /* software encoders; 0: their choice */
    bool parts;               /* access units may come in parts, see encoder_next */
    enum encoder_rate rate;   /* x264 only, as is the next */
    struct encoder_wire wire;
};

enum encode_result {
    ENCODE_OK,
    ENCODE_TORN,   /* of encoder_next only: what was given of this access unit is useless; the next must be an IDR */
    ENCODE_FAILED, /* cannot go on; logged: destroy it */
};

struct encoder;

struct encoder_ops {
    const char *name; /* the word used in the configuration: "x264", "nvenc", "vaapi" */
    /* Optional. The other way to the same device: who asks for that encoder gets this one where that does not work. */
    const char *stands_in_for;
    bool hardware;
    enum encoder_codec codecs[3];
    int codec_count;
    enum frame_format format; /* the first choice; `others` work, too (of ten bits not for H.264) */
    enum frame_format others[3];
    int other_count;
    /* Optional. False: the libraries of this process do not know the codec, whatever the GPU; it gets no report. */
    bool (*knows)(enum encoder_codec codec);
    /* Optional. What create() gave as reason does not change as long as this process runs: GPU or driver lack it. */
    bool (*is_final)(const char *reason);
    /* NULL on failure: `ret_reason` says why in words for the operator; not logged. */
    struct encoder *(*create)(const struct encoder_config *config, char *ret_reason, size_t reason_size);
    void (*destroy)(struct encoder *self);
    /* `damage` is what changed since the picture last given to *this* encoder (empty for a repeat); `now_ns`:
     * monotonic. Fills data, size, type of *ret_part. */
    enum encode_result (*encode)(struct encoder *self, const struct frame *frame, const struct region *damage,
                                 int64_t now_ns, bool idr, struct au_part *ret_part);
    /* Optional; see encoder_next. After one that is not the last; fills part, last, data and size of *ret_part. */
    enum encode_result (*next)(struct encoder *self, struct au_part *ret_part);
    /* Optional; see encoder_set_bitrate. */
    bool (*set_bitrate)(struct encoder *self, int bitrate_kbps, int wire_kbps);
    /* Optional; see encoder_invalidate. */
    bool (*invalidate)(struct encoder *self, int count);
    /* Optional, both or none; see encoder_keep and encoder_return_to. */
    void (*keep)(struct encoder *self, int place);
    bool (*return_to)(struct encoder *self, int place, int count);
};
/* Of pictures, in pixels. */
struct encoder_limits {
    int width_min, height_min, width_max, height_max;
};
struct encoder {
    const struct encoder_ops *ops;
    struct encoder_limits limits; /* of the device, set by create; 0: not known */
    enum frame_format format;     /* of the pictures given; set by encoder.c */
    int references;               /* see encoder_references; set by create */
    int long_terms;               /* see encoder_long_terms; set by create */
};

/* What probing found out about one backend and codec. */
struct encoder_report {
    const char *name;
    bool hardware, usable;
    bool worked; /* not usable now, but it was: `takes` is of then (host/encoders.c) */
    bool silent; /* not usable, as its driver did not answer */
    bool final;  /* not usable, and not while this process runs */
    enum encoder_codec codec;
    enum frame_format format;
    bool takes[FRAME_FORMATS];    /* what was proved: `format`, if usable, and others */
    struct encoder_limits limits; /* if usable; zeros: not known */
    bool invalidates;             /* encoder_references() is more than 1 when the stream may have as many as it likes */
    char reason[200];             /* why not, empty when usable */
    int64_t pixels_per_s; /* software, of HEVC and AV1, if the host measured it (host/encoder_speed.h); else 0 */
};
enum { ENCODER_REPORTS_MAX = 16 };

/*
 * Try every backend that `wish` ("auto", "software" or a name) allows, in order of preference NVENC, VAAPI, software,
 * by encoding one small picture each. One that stands in for another is left out where the other works: what fails
 * later on that device fails for both. May take a second: not on the main thread. Returns the number of reports
 * written.
 */
int encoder_probe(const char *wish, struct encoder_report ret_reports[ENCODER_REPORTS_MAX]);

/* The same for the backend and codec of one report alone, which it fills anew. */
void encoder_probe_again(struct encoder_report *report);
/* encoder_probe() with another one to fill each report, which may set `silent` and a reason instead. What goes to the
 * same device is not tried then. */
int encoder_probe_by(void (*probe_one)(void *ctx, struct encoder_report *report), void *ctx, const char *wish,
                     struct encoder_report ret_reports[ENCODER_REPORTS_MAX]);

bool encoder_fits(const struct encoder_report *report, int width, int height); /* as far as is known */
/* The first usable report for the codec, or NULL. */
const struct encoder_report *encoder_choose(const struct encoder_report *reports, int count, enum encoder_codec codec);

/* `name` as in a report. NULL: `ret_reason` says why in words for the operator; not logged. */
struct encoder *encoder_open(const char *name, const struct encoder_config *config, char *ret_reason,
                             size_t reason_size);
/* The same. NULL: failed, logged with the reason. */
struct encoder *encoder_create(const char *name, const struct encoder_config *config);
void encoder_destroy(struct encoder *self); /* NULL is fine */
/* On ENCODE_OK *ret_part is an access unit with the times of the frame: set them anew for a repeat. If it is not the
 * last, it is the first part of one, and encoder_next gives the others; only if config.parts was set. */
enum encode_result encoder_encode(struct encoder *self, const struct frame *frame, const struct region *damage,
                                  int64_t now_ns, bool idr, struct au_part *ret_part);
/* Waits for the next part, when *part was not the last, and puts it there: its bytes lie behind those of *part. */
enum encode_result encoder_next(struct encoder *self, struct au_part *part);
/* From the next picture on, and without an IDR: these two of encoder_config. False: it cannot, make another one. */
bool encoder_set_bitrate(struct encoder *self, int bitrate_kbps, int wire_kbps);
const char *encoder_name(const struct encoder *self);
/* Pictures that it keeps to refer to, the newest included, if it can forget single ones; else 0 or 1. */
int encoder_references(const struct encoder *self);
/* The newest `count` pictures, fewer than encoder_references(), are referred to no more. False: logged, and only an IDR
 * helps. */
bool encoder_invalidate(struct encoder *self, int count);
/* Places for pictures that it keeps however many come after; 0: it cannot. An IDR empties them. */
int encoder_long_terms(const struct encoder *self);
/* The next picture given, which is no IDR, is kept in this place instead of what was there. */
void encoder_keep(struct encoder *self, int place);
/* The next picture refers to the one in this place and to nothing else; the newest `count` (1 or more) are referred to
 * no more. False: logged, and only an IDR helps. */
bool encoder_return_to(struct encoder *self, int place, int count);
