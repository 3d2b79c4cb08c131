/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_options.h"

#include <string.h>

static const char usage[] =
    "usage: earthshine bench [options]     measure streaming on this machine, with a private X server (Xvfb)\n"
    "       earthshine bench encode        measure the encoders alone (bench encode --help)\n"
    "options: --sizes WxH,...      of the screen and the stream (2560x1440)\n"
    "         --scenes NAME,...    still, static, type, composited, scroll, video, windows\n"
    "                              (still,type,composited,scroll,video)\n"
    "         --seconds N          measured for each scene (5)\n"
    "         --fps N              pictures per second, painted and streamed (60)\n"
    "         --bitrate KBPS       of the stream in kbit/s, as a client asks for it (20000)\n"
    "         --encoder NAME       auto, nvenc, nvenc-lavc, vaapi, x264 (as configured)\n"
    "         --json FILE          write all figures to this file\n"
    "         --compare FILE       print ratios to the figures of such a file\n"
    "Of the settings (earthshine --set key=value bench) encoder, rate_control, bitrate_max_kbps, fec_percent and "
    "idle_fps\n"
    "matter here.\n";

static bool add_size(void *ctx, const char *word)
{
    struct bench_options *options = ctx;
    return options->size_count < BENCH_SIZES_MAX && bench_words_size(word, &options->sizes[options->size_count++]);
}

static bool add_scene(void *ctx, const char *word)
{
    struct bench_options *options = ctx;
    enum bench_scene_kind kind;
    if (!bench_scene_find(word, &kind) || options->scene_count == BENCH_SCENE_COUNT)
        return false;
    options->scenes[options->scene_count++] = kind;
    return true;
}

static bool parse_sizes(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    options->size_count = 0;
    return bench_words_list(text, add_size, options);
}

static bool parse_scenes(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    options->scene_count = 0;
    return bench_words_list(text, add_scene, options);
}

static bool parse_seconds(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    return bench_words_number(text, strlen(text), 1, BENCH_SECONDS_MAX, &options->seconds);
}

static bool parse_fps(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    return bench_words_number(text, strlen(text), 1, BENCH_FPS_MAX, &options->fps);
}

static bool parse_bitrate(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    return bench_words_number(text, strlen(text), 500, 500000, &options->bitrate_kbps);
}

static bool parse_encoder(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    options->encoder = text;
    return *text != '\0';
}

static bool parse_json(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    options->json = text;
    return *text != '\0';
}

static bool parse_compare(void *ctx, const char *text)
{
    struct bench_options *options = ctx;
    options->compare = text;
    return *text != '\0';
}

static const struct bench_word table[] = {
    {"--sizes", parse_sizes, "at most 8 sizes like 2560x1440, even, 384x256 to 4096x4096"},
    {"--scenes", parse_scenes, "names of: still, static, type, composited, scroll, video, windows"},
    {"--seconds", parse_seconds, "1 to 600"},
    {"--fps", parse_fps, "1 to 240"},
    {"--bitrate", parse_bitrate, "500 to 500000 kbit/s"},
    {"--encoder", parse_encoder, "auto or the name of an encoder"},
    {"--json", parse_json, "the path of a file"},
    {"--compare", parse_compare, "the path of a file that --json wrote"},
};

static const struct bench_words words = {"bench", usage, table, sizeof(table) / sizeof(table[0])};

enum bench_words_result bench_options_parse(int count, char **arguments, const char *encoder,
                                            struct bench_options *ret_options)
{
    static const enum bench_scene_kind scenes[] = {BENCH_SCENE_STILL, BENCH_SCENE_TYPE, BENCH_SCENE_COMPOSITED,
                                                   BENCH_SCENE_SCROLL, BENCH_SCENE_VIDEO};
    *ret_options = (struct bench_options){.sizes = {{2560, 1440}},
                                          .size_count = 1,
                                          .scene_count = sizeof(scenes) / sizeof(scenes[0]),
                                          .seconds = 5,
                                          .fps = 60,
                                          .bitrate_kbps = 20000,
                                          .encoder = encoder};
    memcpy(ret_options->scenes, scenes, sizeof(scenes));
    return bench_words_parse(&words, count, arguments, ret_options);
}
