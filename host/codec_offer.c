/* SPDX-License-Identifier: Apache-2.0 */
#include "host/codec_offer.h"

#include "protocol/nvhttp.h"

#include <limits.h>

enum { CODEC_COUNT = ENCODER_AV1 + 1 };

static const enum config_codecs words[CODEC_COUNT] = {CONFIG_CODECS_H264, CONFIG_CODECS_HEVC, CONFIG_CODECS_AV1};

bool codec_offer_depends_on_speed(enum config_codecs codecs, const struct encoder_report *report)
{
    return report->usable && !report->hardware && report->codec != ENCODER_H264 && codecs == words[report->codec];
}

static bool is_allowed(enum config_codecs codecs, const struct encoder_report *report)
{
    return report->codec == ENCODER_H264 || codecs == words[report->codec] ||
           (codecs == CONFIG_CODECS_AUTO && report->hardware);
}

const struct encoder_report *codec_offer_encoder(const struct encoder_report *reports, int count,
                                                 enum encoder_codec codec, const struct codec_wish *wish)
{
    const struct encoder_report *failed = NULL;
    for (int i = 0; i < count; i++) {
        bool fits = !wish || !wish->width || encoder_fits(&reports[i], wish->width, wish->height);
        if (reports[i].codec != codec || !fits)
            continue;
        if (reports[i].usable)
            return &reports[i];
        if (!failed && reports[i].worked && !reports[i].silent)
            failed = &reports[i];
    }
    return codec == ENCODER_H264 ? failed : NULL;
}

/* A rate that was not said may be any. */
static bool holds(const struct encoder_report *report, const struct codec_wish *wish)
{
    int64_t held = report->pixels_per_s / 2;
    return !wish ? held > 0 : wish->pixels_per_s && held >= wish->pixels_per_s;
}

bool codec_offer_has(const struct config *config, const struct encoder_report *reports, int count,
                     enum encoder_codec codec, const struct codec_wish *wish)
{
    const struct encoder_report *report = codec_offer_encoder(reports, count, codec, wish);
    if (!report || !is_allowed(config->codecs, report))
        return false;
    return !codec_offer_depends_on_speed(config->codecs, report) || holds(report, wish);
}

int codec_offer_held_fps_x100(const struct encoder_report *report, int64_t pixels)
{
    int64_t fps_x100 = report->pixels_per_s / 2 * 100 / pixels;
    return fps_x100 > INT_MAX ? INT_MAX : (int)fps_x100;
}

bool codec_offer_takes(const struct config *config, const struct encoder_report *reports, int count,
                       enum encoder_codec codec, enum frame_format format, const struct codec_wish *wish)
{
    return codec_offer_has(config, reports, count, codec, wish) &&
           codec_offer_encoder(reports, count, codec, wish)->takes[format];
}

bool codec_offer_is_empty(const struct config *config, const struct encoder_report *reports, int count,
                          const struct codec_wish *wish)
{
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        if (codec_offer_has(config, reports, count, (enum encoder_codec)codec, wish))
            return false;
    }
    return true;
}

uint32_t codec_offer_bits(const struct config *config, const struct encoder_report *reports, int count)
{
    static const uint32_t bits[CODEC_COUNT] = {NVHTTP_CODEC_H264, NVHTTP_CODEC_HEVC, NVHTTP_CODEC_AV1};
    static const uint32_t finer[CODEC_COUNT][FRAME_FORMATS] = {
        [ENCODER_H264] = {[FRAME_YUV444] = NVHTTP_CODEC_H264_444},
        [ENCODER_HEVC] = {[FRAME_P010] = NVHTTP_CODEC_HEVC_MAIN10,
                          [FRAME_YUV444] = NVHTTP_CODEC_HEVC_444,
                          [FRAME_YUV444_10] = NVHTTP_CODEC_HEVC_444_10},
        [ENCODER_AV1] = {[FRAME_P010] = NVHTTP_CODEC_AV1_MAIN10,
                         [FRAME_YUV444] = NVHTTP_CODEC_AV1_444,
                         [FRAME_YUV444_10] = NVHTTP_CODEC_AV1_444_10},
    };
    uint32_t offered = 0;
    for (enum encoder_codec codec = ENCODER_H264; codec <= ENCODER_AV1; codec++) {
        if (codec_offer_has(config, reports, count, codec, NULL))
            offered |= bits[codec];
        for (enum frame_format format = 0; format < FRAME_FORMATS; format++)
            if (codec_offer_takes(config, reports, count, codec, format, NULL))
                offered |= finer[codec][format];
    }
    return offered ? offered : NVHTTP_CODEC_H264;
}

const char *codec_name(enum encoder_codec codec)
{
    static const char *const names[CODEC_COUNT] = {"H.264", "HEVC", "AV1"};
    return names[codec];
}
