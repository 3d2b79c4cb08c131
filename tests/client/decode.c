/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time code (tests/bench/scene.c): 24 cells in one row at the top left, 1010, the low 16 bits of CLOCK_MONOTONIC
 * in units of 0.25 ms, and the XOR of their four nibbles.
 */
#include "tests/client/decode.h"

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 24, TIMECODE_UNIT_NS = 250000, PATH_BYTES = 1024 };

struct decoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct recording *recording;
    const struct decode_config *config;
    struct decode_result *result;
    int fed;
};

static int clamp_byte(double value)
{
    return value < 0 ? 0 : value > 255 ? 255 : (int)(value + 0.5);
}

/* Halvings of a plane's width and height. */
static int halvings(const AVFrame *frame, int plane)
{
    return plane && av_pix_fmt_desc_get((enum AVPixelFormat)frame->format)->log2_chroma_w;
}

static int sample_bits(const AVFrame *frame)
{
    return av_pix_fmt_desc_get((enum AVPixelFormat)frame->format)->comp[0].depth;
}

/* In steps of eight bits. */
static double sample(const AVFrame *frame, int plane, int x, int y)
{
    int half = halvings(frame, plane);
    const uint8_t *row = frame->data[plane] + (ptrdiff_t)(y >> half) * frame->linesize[plane];
    int at = x >> half;
    if (sample_bits(frame) == 8)
        return row[at];
    return (row[2 * at] | row[2 * at + 1] << 8) / 4.0;
}

static void to_rgb(const AVFrame *frame, int x, int y, uint8_t ret_rgb[3])
{
    static const struct {
        double kr, kb;
    } spaces[] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
    int space = frame->colorspace == AVCOL_SPC_BT709 ? 1 : frame->colorspace == AVCOL_SPC_BT2020_NCL ? 2 : 0;
    double kr = spaces[space].kr, kb = spaces[space].kb;
    double luma = sample(frame, 0, x, y), cb = sample(frame, 1, x, y) - 128, cr = sample(frame, 2, x, y) - 128;
    if (frame->color_range != AVCOL_RANGE_JPEG) {
        luma = (luma - 16) * 255 / 219;
        cb = cb * 255 / 224;
        cr = cr * 255 / 224;
    }
    double r = luma + 2 * (1 - kr) * cr, b = luma + 2 * (1 - kb) * cb;
    ret_rgb[0] = (uint8_t)clamp_byte(r);
    ret_rgb[1] = (uint8_t)clamp_byte((luma - kr * r - kb * b) / (1 - kr - kb));
    ret_rgb[2] = (uint8_t)clamp_byte(b);
}

static bool write_ppm(const AVFrame *frame, const char *path)
{
    FILE *file = fopen(path, "wb");
    uint8_t *row = malloc((size_t)frame->width * 3);
    bool done = file && row;
    if (done)
        fprintf(file, "P6\n%d %d\n255\n", frame->width, frame->height);
    for (int y = 0; done && y < frame->height; y++) {
        for (int x = 0; x < frame->width; x++)
            to_rgb(frame, x, y, row + 3 * x);
        done = fwrite(row, 3, (size_t)frame->width, file) == (size_t)frame->width;
    }
    free(row);
    if (file)
        done &= fclose(file) == 0;
    return done;
}

/* One picture as it was decoded, of eight bits; 4:2:0 has its chroma sited left. */
static bool write_y4m(const AVFrame *frame, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    fprintf(file, "YUV4MPEG2 W%d H%d F1:1 Ip C%s\nFRAME\n", frame->width, frame->height,
            halvings(frame, 1) ? "420mpeg2" : "444");
    bool done = true;
    for (int plane = 0; plane < 3; plane++) {
        int half = halvings(frame, plane);
        int width = (frame->width + half) >> half, height = (frame->height + half) >> half;
        for (int y = 0; done && y < height; y++)
            done = fwrite(frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane], 1, (size_t)width, file) ==
                   (size_t)width;
    }
    return fclose(file) == 0 && done;
}

static bool cell_is_white(const AVFrame *frame, int cell, int cell_px)
{
    int sum = 0, from = cell_px / 4, until = cell_px - cell_px / 4;
    for (int y = from; y < until; y++)
        for (int x = from; x < until; x++)
            sum += (int)sample(frame, 0, cell * cell_px + x, y);
    return sum > 126 * (until - from) * (until - from);
}

static bool read_timecode(const AVFrame *frame, int cell_px, uint16_t *ret_code)
{
    uint32_t bits = 0;
    if (frame->width < CELLS * cell_px || frame->height < cell_px)
        return false;
    for (int i = 0; i < CELLS; i++)
        bits = bits << 1 | (cell_is_white(frame, i, cell_px) ? 1 : 0);
    uint16_t code = (uint16_t)(bits >> 4);
    uint32_t check = (code >> 12 ^ code >> 8 ^ code >> 4 ^ code) & 15;
    if (bits >> 20 != 0xA || (bits & 15) != check)
        return false;
    *ret_code = code;
    return true;
}

static double mean_luma(const AVFrame *frame)
{
    uint64_t sum = 0, count = 0;
    for (int y = 0; y < frame->height; y += 8)
        for (int x = 0; x < frame->width; x += 8, count++)
            sum += (uint64_t)sample(frame, 0, x, y);
    return count ? (double)sum / (double)count : 0;
}

static void look_at(struct decoder *self, struct recording_entry *entry)
{
    const AVFrame *frame = self->frame;
    uint16_t code;
    entry->decoded = true;
    entry->luma = mean_luma(frame);
    if (self->config->timecodes && read_timecode(frame, self->config->cell_px, &code)) {
        uint16_t arrived = (uint16_t)(entry->last_ns / TIMECODE_UNIT_NS);
        entry->timecode_valid = true;
        entry->age_ms = (uint16_t)(arrived - code) * (TIMECODE_UNIT_NS / 1e6);
        self->result->timecodes++;
    }
    if (self->config->ppm_folder && entry->number % (uint32_t)self->config->ppm_every == 0) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%u.ppm", self->config->ppm_folder, entry->number);
        write_ppm(frame, path);
    }
    size_t index = (size_t)(entry - self->recording->entries);
    if (self->config->rest_folder && recording_rested(self->recording, index, self->config->rest_ms)) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%u.y4m", self->config->rest_folder, entry->number);
        write_y4m(frame, path);
    }
}

static void note_format(struct decoder *self)
{
    struct decode_result *result = self->result;
    result->width = self->frame->width;
    result->height = self->frame->height;
    result->colorspace = self->frame->colorspace;
    result->range = self->frame->color_range;
    result->primaries = self->frame->color_primaries;
    result->transfer = self->frame->color_trc;
    result->chroma444 = !halvings(self->frame, 1);
    result->bits = sample_bits(self->frame);
}

static bool is_known(int format)
{
    static const enum AVPixelFormat known[] = {AV_PIX_FMT_YUV420P,  AV_PIX_FMT_YUVJ420P,    AV_PIX_FMT_YUV444P,
                                               AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV444P10LE};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if ((int)known[i] == format)
            return true;
    return false;
}

static bool drain(struct decoder *self, AVFrame *last)
{
    while (avcodec_receive_frame(self->codec, self->frame) == 0) {
        if (!is_known(self->frame->format)) {
            snprintf(self->result->error, sizeof(self->result->error), "pixel format %d", self->frame->format);
            return false;
        }
        int held = self->fed - ++self->result->decoded;
        if (held > self->result->held_max && self->packet->size)
            self->result->held_max = held;
        note_format(self);
        look_at(self, &self->recording->entries[self->frame->pts]);
        av_frame_unref(last);
        av_frame_move_ref(last, self->frame);
    }
    return true;
}

static bool feed(struct decoder *self, size_t index)
{
    const struct recording_entry *entry = &self->recording->entries[index];
    if (av_new_packet(self->packet, (int)entry->size))
        return false;
    if (fseek(self->recording->file, entry->offset, SEEK_SET) ||
        fread(self->packet->data, 1, entry->size, self->recording->file) != entry->size) {
        snprintf(self->result->error, sizeof(self->result->error), "record cannot be read");
        return false;
    }
    self->packet->pts = (int64_t)index;
    if (avcodec_send_packet(self->codec, self->packet) < 0)
        self->result->errors++;
    else
        self->fed++;
    return true;
}

static bool run(struct decoder *self, AVFrame *last)
{
    for (size_t i = 0; i < self->recording->count; i++) {
        if (self->recording->entries[i].offset < 0)
            continue;
        bool done = feed(self, i) && drain(self, last);
        av_packet_unref(self->packet);
        if (!done)
            return false;
    }
    avcodec_send_packet(self->codec, NULL);
    return drain(self, last) && (!self->config->ppm_last || !last->width || write_ppm(last, self->config->ppm_last));
}

/* libavcodec's own decoder of AV1 needs a GPU. */
static const AVCodec *find_decoder(enum depacketise_codec codec)
{
    if (codec == DEPACKETISE_AV1)
        return avcodec_find_decoder_by_name("libdav1d");
    return avcodec_find_decoder(codec == DEPACKETISE_HEVC ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264);
}

bool decode_recording(struct recording *recording, enum depacketise_codec kind, const struct decode_config *config,
                      struct decode_result *ret_result)
{
    struct decoder self = {.recording = recording, .config = config, .result = ret_result};
    const AVCodec *codec = find_decoder(kind);
    AVFrame *last = av_frame_alloc();
    bool done = false;
    *ret_result = (struct decode_result){0};
    av_log_set_level(AV_LOG_FATAL);
    self.codec = codec ? avcodec_alloc_context3(codec) : NULL;
    self.packet = av_packet_alloc();
    self.frame = av_frame_alloc();
    if (self.codec && self.packet && self.frame && last) {
        self.codec->thread_count = kind == DEPACKETISE_AV1 ? 1 : 2; /* libdav1d would hold one back for each thread */
        self.codec->thread_type = FF_THREAD_SLICE; /* frame threads would hold pictures back by themselves */
        self.codec->err_recognition = AV_EF_EXPLODE;
        done = avcodec_open2(self.codec, codec, NULL) == 0 && run(&self, last);
    }
    if (!done && !ret_result->error[0])
        snprintf(ret_result->error, sizeof(ret_result->error), "decoder failed");
    av_frame_free(&last);
    av_frame_free(&self.frame);
    av_packet_free(&self.packet);
    avcodec_free_context(&self.codec);
    return done;
}
