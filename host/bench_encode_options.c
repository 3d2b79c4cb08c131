/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_encode_options.h"

#include <string.h>

static const char usage[] =
    "usage: earthshine bench encode [options]     measure the encoders of this machine, without a display\n"
    "options: --encoder NAME       auto: each that works; or software, or a name: nvenc, nvenc-lavc, vaapi,\n"
    "                              x264, x265, aom (auto)\n"
    "         --codec NAME,...     h264, hevc, av1 (all of them)\n"
    "         --format NAME,...    of the pictures: 420, 420-10 (bit), 444, 444-10, where the encoder takes it (420)\n"
    "         --size WxH,...       (1280x720,1920x1080,2560x1440,3840x2160)\n"
    "         --seconds N          of pictures in each row, 60 a second, 1 to 15 (2); the whole run takes at most\n"
    "                              45 seconds for each of these, and tells where that made it measure fewer\n"
    "         --bitrate KBPS       of the stream in kbit/s, as a client asks for it\n"
    "                              (10000 to 80000, as Moonlight suggests for the size)\n"
    "         --json FILE          write all of it to this file, for a report\n"
    "Of the settings (earthshine --set key=value bench encode) rate_control, bitrate_max_kbps and fec_percent matter "
    "here.\n";

static const char *const codecs[BENCH_ENCODE_CODECS] = {
    [ENCODER_H264] = "h264", [ENCODER_HEVC] = "hevc", [ENCODER_AV1] = "av1"};

const char *bench_encode_codec_word(enum encoder_codec codec)
{
    return codecs[codec];
}

static const char *const formats[FRAME_FORMATS] = {[FRAME_NV12] = "420",
                                                   [FRAME_BGR0] = "bgr",
                                                   [FRAME_P010] = "420-10",
                                                   [FRAME_YUV444] = "444",
                                                   [FRAME_YUV444_10] = "444-10"};

const char *bench_encode_format_word(enum frame_format format)
{
    return formats[format];
}

bool bench_encode_wants(const struct bench_encode_options *self, const struct encoder_report *report,
                        enum frame_format format)
{
    bool any = false;
    for (int i = 0; i < FRAME_FORMATS; i++)
        any |= self->formats[i];
    return any ? self->formats[format] && report->takes[format] : format == report->format;
}

int bench_encode_bitrate_kbps(const struct bench_encode_options *self, const struct bench_size *size)
{
    static const struct {
        int pixels, kbps;
    } steps[] = {{1280 * 720, 10000}, {1920 * 1080, 20000}, {2560 * 1440, 40000}};
    if (self->bitrate_kbps)
        return self->bitrate_kbps;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (size->width * size->height <= steps[i].pixels)
            return steps[i].kbps;
    return 80000;
}

static bool parse_encoder(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    options->encoder = text;
    return *text != '\0';
}

static bool add_codec(void *ctx, const char *word)
{
    struct bench_encode_options *options = ctx;
    for (int i = 0; i < BENCH_ENCODE_CODECS; i++)
        if (!strcmp(word, codecs[i]))
            return options->codecs[i] = true;
    return false;
}

static bool parse_codecs(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    memset(options->codecs, 0, sizeof(options->codecs));
    return bench_words_list(text, add_codec, options);
}

static bool add_format(void *ctx, const char *word)
{
    struct bench_encode_options *options = ctx;
    for (int i = 0; i < FRAME_FORMATS; i++)
        if (i != FRAME_BGR0 && !strcmp(word, formats[i])) /* which has no luma to look at */
            return options->formats[i] = true;
    return false;
}

static bool parse_formats(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    memset(options->formats, 0, sizeof(options->formats));
    return bench_words_list(text, add_format, options);
}

static bool add_size(void *ctx, const char *word)
{
    struct bench_encode_options *options = ctx;
    return options->size_count < BENCH_ENCODE_SIZES_MAX &&
           bench_words_size(word, &options->sizes[options->size_count++]);
}

static bool parse_sizes(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    options->size_count = 0;
    return bench_words_list(text, add_size, options);
}

static bool parse_seconds(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    return bench_words_number(text, strlen(text), 1, BENCH_ENCODE_SECONDS_MAX, &options->seconds);
}

static bool parse_bitrate(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    return bench_words_number(text, strlen(text), 500, 500000, &options->bitrate_kbps);
}

static bool parse_json(void *ctx, const char *text)
{
    struct bench_encode_options *options = ctx;
    options->json = text;
    return *text != '\0';
}

static const struct bench_word table[] = {
    {"--encoder", parse_encoder, "auto or the name of an encoder"},
    {"--codec", parse_codecs, "names of: h264, hevc, av1"},
    {"--format", parse_formats, "names of: 420, 420-10, 444, 444-10"},
    {"--size", parse_sizes, "at most 8 sizes like 2560x1440, even, 384x256 to 4096x4096"},
    {"--seconds", parse_seconds, "1 to 15"},
    {"--bitrate", parse_bitrate, "500 to 500000 kbit/s"},
    {"--json", parse_json, "the path of a file"},
};

static const struct bench_words words = {"bench encode", usage, table, sizeof(table) / sizeof(table[0])};

enum bench_words_result bench_encode_options_parse(int count, char **arguments,
                                                   struct bench_encode_options *ret_options)
{
    *ret_options = (struct bench_encode_options){.encoder = "auto",
                                                 .codecs = {true, true, true},
                                                 .sizes = {{1280, 720}, {1920, 1080}, {2560, 1440}, {3840, 2160}},
                                                 .size_count = 4,
                                                 .seconds = 2};
    return bench_words_parse(&words, count, arguments, ret_options);
}
