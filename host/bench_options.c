/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_options.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: earthshine bench [options]     measure streaming on this machine, with a private X server (Xvfb)\n"
    "options: --sizes WxH,...      of the screen and the stream (2560x1440)\n"
    "         --scenes NAME,...    still, static, type, composited, scroll, video, windows\n"
    "                              (still,type,composited,scroll,video)\n"
    "         --seconds N          measured for each scene (5)\n"
    "         --fps N              pictures per second, painted and streamed (60)\n"
    "         --bitrate KBPS       of the stream in kbit/s, as a client asks for it (20000)\n"
    "         --encoder NAME       auto, nvenc, nvenc-lavc, vaapi, x264 (as configured)\n"
    "         --json FILE          write all figures to this file\n"
    "         --compare FILE       print ratios to the figures of such a file\n"
    "Of the settings (earthshine --set key=value bench) encoder, rate_control, bitrate_max_kbps, fec_percent and idle_fps\n"
    "matter here.\n";

enum { WORD_MAX = 32 };

static bool parse_number(const char *text, size_t length, int min, int max, int *ret_number)
{
    int64_t value;
    if (!text_parse_i64(text, length, min, max, &value))
        return false;
    *ret_number = (int)value;
    return true;
}

static bool add_size(struct bench_options *options, const char *word)
{
    struct bench_size size;
    const char *by = strchr(word, 'x');
    if (!by || options->size_count == BENCH_SIZES_MAX)
        return false;
    if (!parse_number(word, (size_t)(by - word), BENCH_SCENE_MIN_WIDTH, BENCH_SIZE_PX_MAX, &size.width) ||
        !parse_number(by + 1, strlen(by + 1), BENCH_SCENE_MIN_HEIGHT, BENCH_SIZE_PX_MAX, &size.height))
        return false;
    options->sizes[options->size_count++] = size;
    return size.width % 2 == 0 && size.height % 2 == 0;
}

static bool add_scene(struct bench_options *options, const char *word)
{
    enum bench_scene_kind kind;
    if (!bench_scene_find(word, &kind) || options->scene_count == BENCH_SCENE_COUNT)
        return false;
    options->scenes[options->scene_count++] = kind;
    return true;
}

/* Calls `add` for each word between commas. */
static bool parse_list(struct bench_options *options, const char *text,
                       bool (*add)(struct bench_options *options, const char *word))
{
    for (;;) {
        char word[WORD_MAX];
        size_t length = strcspn(text, ",");
        if (length >= sizeof(word))
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        if (!add(options, word))
            return false;
        if (!text[length])
            return true;
        text += length + 1;
    }
}

static bool parse_sizes(struct bench_options *options, const char *text)
{
    options->size_count = 0;
    return parse_list(options, text, add_size);
}

static bool parse_scenes(struct bench_options *options, const char *text)
{
    options->scene_count = 0;
    return parse_list(options, text, add_scene);
}

static bool parse_seconds(struct bench_options *options, const char *text)
{
    return parse_number(text, strlen(text), 1, BENCH_SECONDS_MAX, &options->seconds);
}

static bool parse_fps(struct bench_options *options, const char *text)
{
    return parse_number(text, strlen(text), 1, BENCH_FPS_MAX, &options->fps);
}

static bool parse_bitrate(struct bench_options *options, const char *text)
{
    return parse_number(text, strlen(text), 500, 500000, &options->bitrate_kbps);
}

static bool parse_encoder(struct bench_options *options, const char *text)
{
    options->encoder = text;
    return *text != '\0';
}

static bool parse_json(struct bench_options *options, const char *text)
{
    options->json = text;
    return *text != '\0';
}

static bool parse_compare(struct bench_options *options, const char *text)
{
    options->compare = text;
    return *text != '\0';
}

static const struct option {
    const char *word;
    bool (*parse)(struct bench_options *options, const char *text);
    const char *expected;
} table[] = {
    {"--sizes", parse_sizes, "at most 8 sizes like 2560x1440, even, 384x256 to 4096x4096"},
    {"--scenes", parse_scenes, "names of: still, static, type, composited, scroll, video, windows"},
    {"--seconds", parse_seconds, "1 to 600"},
    {"--fps", parse_fps, "1 to 240"},
    {"--bitrate", parse_bitrate, "500 to 500000 kbit/s"},
    {"--encoder", parse_encoder, "auto or the name of an encoder"},
    {"--json", parse_json, "the path of a file"},
    {"--compare", parse_compare, "the path of a file that --json wrote"},
};

static const struct option *find_option(const char *word)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (!strcmp(word, table[i].word))
            return &table[i];
    return NULL;
}

static bool parse_option(const struct option *option, const char *argument, struct bench_options *options)
{
    if (argument && option->parse(options, argument))
        return true;
    if (argument)
        fprintf(stderr, "earthshine: %s %s: expected %s\n", option->word, argument, option->expected);
    else
        fprintf(stderr, "earthshine: %s wants an argument: %s\n", option->word, option->expected);
    return false;
}

enum bench_options_result bench_options_parse(int count, char **arguments, const char *encoder,
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
    for (int i = 1; i < count; i += 2) {
        const struct option *option = find_option(arguments[i]);
        if (!strcmp(arguments[i], "--help")) {
            printf("%s", usage);
            return BENCH_OPTIONS_HELP;
        }
        if (!option) {
            fprintf(stderr, "earthshine: bench does not know \"%s\"\n%s", arguments[i], usage);
            return BENCH_OPTIONS_WRONG;
        }
        if (!parse_option(option, i + 1 < count ? arguments[i + 1] : NULL, ret_options))
            return BENCH_OPTIONS_WRONG;
    }
    return BENCH_OPTIONS_OK;
}
