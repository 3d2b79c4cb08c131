/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ANNOUNCE is read by a table: one row per attribute that the host looks at, with its range and default. Rows of an
 * attribute that is only useful are clamped; one that must be honoured and is out of range refuses the request, because
 * guessing would give the client a stream that it cannot show. Unknown attributes are skipped.
 */
#include "protocol/sdp.h"

#include "base/bytes.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* --- policy --- */

unsigned sdp_policy_supported(enum sdp_policy policy)
{
    unsigned base = SDP_ENCRYPT_CONTROL | SDP_ENCRYPT_AUDIO;
    return policy == SDP_POLICY_OFF ? base : base | SDP_ENCRYPT_VIDEO;
}

unsigned sdp_policy_requested(enum sdp_policy policy)
{
    if (policy == SDP_POLICY_MANDATORY)
        return SDP_ENCRYPT_CONTROL | SDP_ENCRYPT_VIDEO | SDP_ENCRYPT_AUDIO;
    return SDP_ENCRYPT_CONTROL;
}

/* What a policy requests is what it insists on: the control bit always, video and sound when mandatory. */
bool sdp_policy_allows(enum sdp_policy policy, unsigned enabled)
{
    unsigned needed = sdp_policy_requested(policy);
    return (enabled & needed) == needed;
}

/* --- Opus layouts --- */

/* Normal quality codes left and right of front, back and sides as pairs, the centre and the low tones alone. */
static const struct sdp_layout stereo = {2, 1, 1, {0, 1}};
static const struct sdp_layout surround51 = {6, 4, 2, {0, 1, 4, 5, 2, 3}};
static const struct sdp_layout surround51_high = {6, 6, 0, {0, 1, 2, 3, 4, 5}};
static const struct sdp_layout surround71 = {8, 5, 3, {0, 1, 6, 7, 2, 3, 4, 5}};
static const struct sdp_layout surround71_high = {8, 8, 0, {0, 1, 2, 3, 4, 5, 6, 7}};

const struct sdp_layout *sdp_layout_standard(int channels, bool high_quality)
{
    switch (channels) {
    case 2:
        return &stereo;
    case 6:
        return high_quality ? &surround51_high : &surround51;
    case 8:
        return high_quality ? &surround71_high : &surround71;
    default:
        return NULL;
    }
}

enum { LEAST_KBPS = 100 }; /* below, no encoder works */
enum { LFE = 3 };          /* its place in the client's channel order */

static bool lfe_is_last(int channels, bool high_quality)
{
    return channels > 2 && !high_quality;
}

void sdp_layout_write(const struct sdp_layout *layout, bool high_quality, char ret_text[SDP_LAYOUT_TEXT])
{
    bool moved = lfe_is_last(layout->channels, high_quality);
    char *at = ret_text;
    *at++ = (char)('0' + layout->channels);
    *at++ = (char)('0' + layout->streams);
    *at++ = (char)('0' + layout->coupled);
    for (int i = 0; i < layout->channels; i++) {
        if (!moved || i != LFE)
            *at++ = (char)('0' + layout->mapping[i]);
    }
    if (moved)
        *at++ = (char)('0' + layout->mapping[LFE]);
    *at = '\0';
}

bool sdp_layout_read(const char *text, bool high_quality, struct sdp_layout *ret_layout)
{
    size_t length = strlen(text);
    if (length != 9 && length != 11)
        return false;
    int digits[SDP_LAYOUT_TEXT];
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        digits[i] = text[i] - '0';
    }
    struct sdp_layout layout = {.channels = digits[0], .streams = digits[1], .coupled = digits[2]};
    if ((size_t)layout.channels + 3 != length || layout.streams + layout.coupled != layout.channels ||
        layout.coupled > layout.streams)
        return false;
    bool moved = lfe_is_last(layout.channels, high_quality);
    unsigned used = 0;
    for (int i = 0; i < layout.channels; i++) {
        int from = !moved || i < LFE ? i : i == LFE ? layout.channels - 1 : i - 1;
        int digit = digits[3 + from];
        if (digit >= layout.channels || used & 1u << digit) /* one given twice leaves a stream without sound */
            return false;
        used |= 1u << digit;
        layout.mapping[i] = (uint8_t)digit;
    }
    *ret_layout = layout;
    return true;
}

/* --- DESCRIBE --- */

static void write_layout(struct byte_writer *out, int channels, bool high_quality)
{
    char text[SDP_LAYOUT_TEXT];
    sdp_layout_write(sdp_layout_standard(channels, high_quality), high_quality, text);
    byte_writer_printf(out, "a=fmtp:97 surround-params=%s\r\n", text);
}

size_t sdp_describe(const struct sdp_offer *offer, char ret_text[SDP_DESCRIBE_MAX])
{
    struct byte_writer out;
    byte_writer_init(&out, ret_text, SDP_DESCRIBE_MAX);
    byte_writer_printf(&out, "a=x-ss-general.featureFlags:%u\r\n", offer->feature_flags);
    byte_writer_printf(&out, "a=x-ss-general.encryptionSupported:%u\r\n", sdp_policy_supported(offer->policy));
    byte_writer_printf(&out, "a=x-ss-general.encryptionRequested:%u\r\n", sdp_policy_requested(offer->policy));
    if (offer->reference_invalidation)
        byte_writer_printf(&out, "a=x-nv-video[0].refPicInvalidation:1\r\n");
    if (offer->hevc)
        byte_writer_printf(&out, "a=fmtp:96 sprop-parameter-sets=AAAAAU\r\n");
    if (offer->av1)
        byte_writer_printf(&out, "a=rtpmap:98 AV1/90000\r\n");
    /* the client takes the first line of its channel count as normal quality, the next one as high */
    struct sdp_layout layout;
    if (offer->client_layout && sdp_layout_read(offer->client_layout, true, &layout)) {
        for (int i = 0; i < 2; i++)
            byte_writer_printf(&out, "a=fmtp:97 surround-params=%s\r\n", offer->client_layout);
    }
    for (int channels = 2; channels <= SDP_CHANNELS_MAX; channels += channels == 2 ? 4 : 2) {
        write_layout(&out, channels, false);
        write_layout(&out, channels, true);
    }
    return out.used;
}

/* --- ANNOUNCE --- */

enum attribute {
    ML_FEATURES,
    CONFIGURED_KBPS,
    ENCRYPTION,
    CHROMA,
    INTRA_REFRESH,
    WIDTH,
    HEIGHT,
    FPS,
    REFRESH_X100,
    PACKET_SIZE,
    CODEC,
    DYNAMIC_RANGE,
    CSC,
    REFERENCES,
    SLICES,
    MAXIMUM_KBPS,
    FEC_ENABLE,
    MIN_FEC,
    VIDEO_QOS,
    AUDIO_QOS,
    PACKET_MS,
    CHANNELS,
    CHANNEL_MASK,
    AUDIO_QUALITY,
    NV_FEATURES,
    RELIABLE_UDP,
    ATTRIBUTE_COUNT,
};

enum attribute_rule {
    MUST,     /* missing or out of range: refused */
    OPTIONAL, /* missing: the default; out of range: refused */
    CLAMPED,  /* missing: the default; out of range: the nearest bound */
};

static const struct row {
    const char *name;
    enum attribute_rule rule;
    int64_t min, max, fallback;
} rows[ATTRIBUTE_COUNT] = {
    [ML_FEATURES] = {"x-ml-general.featureFlags", OPTIONAL, 0, UINT32_MAX, 0},
    [CONFIGURED_KBPS] = {"x-ml-video.configuredBitrateKbps", OPTIONAL, 0, UINT32_MAX, 0},
    [ENCRYPTION] = {"x-ss-general.encryptionEnabled", OPTIONAL, 0, UINT32_MAX, 0},
    [CHROMA] = {"x-ss-video[0].chromaSamplingType", OPTIONAL, 0, 1, 0},
    [INTRA_REFRESH] = {"x-ss-video[0].intraRefresh", CLAMPED, 0, 1, 0},
    [WIDTH] = {"x-nv-video[0].clientViewportWd", MUST, 16, 8192, 0},
    [HEIGHT] = {"x-nv-video[0].clientViewportHt", MUST, 16, 8192, 0},
    [FPS] = {"x-nv-video[0].maxFPS", MUST, 1, 500, 0},
    [REFRESH_X100] = {"x-nv-video[0].clientRefreshRateX100", CLAMPED, 0, 100000, 0},
    [PACKET_SIZE] = {"x-nv-video[0].packetSize", MUST, 200, 65535, 0},
    [CODEC] = {"x-nv-vqos[0].bitStreamFormat", OPTIONAL, 0, SDP_CODEC_COUNT - 1, 0},
    [DYNAMIC_RANGE] = {"x-nv-video[0].dynamicRangeMode", OPTIONAL, 0, 1, 0},
    [CSC] = {"x-nv-video[0].encoderCscMode", OPTIONAL, 0, 5, 0},
    [REFERENCES] = {"x-nv-video[0].maxNumReferenceFrames", OPTIONAL, 0, 255, 0},
    [SLICES] = {"x-nv-video[0].videoEncoderSlicesPerFrame", CLAMPED, 1, 16, 1},
    [MAXIMUM_KBPS] = {"x-nv-vqos[0].bw.maximumBitrateKbps", MUST, 0, UINT32_MAX, 0},
    [FEC_ENABLE] = {"x-nv-vqos[0].fec.enable", CLAMPED, 0, 1, 1},
    [MIN_FEC] = {"x-nv-vqos[0].fec.minRequiredFecPackets", OPTIONAL, 0, 16, 0},
    [VIDEO_QOS] = {"x-nv-vqos[0].qosTrafficType", OPTIONAL, 0, INT32_MAX, 5},
    [AUDIO_QOS] = {"x-nv-aqos.qosTrafficType", OPTIONAL, 0, INT32_MAX, 4},
    [PACKET_MS] = {"x-nv-aqos.packetDuration", OPTIONAL, 5, 20, 5},
    [CHANNELS] = {"x-nv-audio.surround.numChannels", MUST, 2, SDP_CHANNELS_MAX, 0},
    [CHANNEL_MASK] = {"x-nv-audio.surround.channelMask", MUST, 0, UINT32_MAX, 0},
    [AUDIO_QUALITY] = {"x-nv-audio.surround.AudioQuality", OPTIONAL, 0, 1, 0},
    [NV_FEATURES] = {"x-nv-general.featureFlags", OPTIONAL, 0, UINT32_MAX, 135},
    [RELIABLE_UDP] = {"x-nv-general.useReliableUdp", OPTIONAL, 0, INT32_MAX, 1},
};

struct attributes {
    int64_t value[ATTRIBUTE_COUNT];
    bool seen[ATTRIBUTE_COUNT];
};

/* `line` without its end: "a=name:value". False: an attribute of ours whose value is no number or out of range. */
static bool take_line(const char *line, size_t size, struct attributes *attributes, char *ret_reason)
{
    const char *colon = size > 2 && memcmp(line, "a=", 2) == 0 ? memchr(line, ':', size) : NULL;
    if (!colon)
        return true;
    const char *name = line + 2, *value = colon + 1;
    size_t name_size = (size_t)(colon - name), value_size = (size_t)(line + size - value);
    for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
        const struct row *row = &rows[i];
        if (name_size != strlen(row->name) || memcmp(name, row->name, name_size) != 0)
            continue;
        if (attributes->seen[i]) /* the first one counts */
            return true;
        int64_t number;
        bool fine = text_parse_i64(value, value_size, INT64_MIN, INT64_MAX, &number);
        if (fine && row->rule == CLAMPED)
            number = number < row->min ? row->min : number > row->max ? row->max : number;
        if (!fine || number < row->min || number > row->max) {
            snprintf(ret_reason, SDP_REASON_MAX, "%s is not a number from %lld to %lld", row->name, (long long)row->min,
                     (long long)row->max);
            return false;
        }
        attributes->value[i] = number;
        attributes->seen[i] = true;
        return true;
    }
    return true;
}

static bool take_lines(const char *text, size_t size, struct attributes *attributes, char *ret_reason)
{
    memset(attributes, 0, sizeof(*attributes));
    while (size) {
        const char *newline = memchr(text, '\n', size);
        size_t taken = newline ? (size_t)(newline - text) + 1 : size;
        size_t line_size = newline ? taken - 1 : taken;
        while (line_size && (text[line_size - 1] == '\r' || text[line_size - 1] == ' '))
            line_size--; /* clients put a blank before the line's end */
        if (!take_line(text, line_size, attributes, ret_reason))
            return false;
        text += taken;
        size -= taken;
    }
    for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
        if (attributes->seen[i])
            continue;
        if (rows[i].rule == MUST) {
            snprintf(ret_reason, SDP_REASON_MAX, "%s is missing", rows[i].name);
            return false;
        }
        attributes->value[i] = rows[i].fallback;
    }
    return true;
}

enum { PACKET_SIZE_MAX = 1456, H264_SIDE_MAX = 4096, RELIABLE_UDP_SEALED = 13 };

/* NULL, or why the picture cannot be sent like this. */
static const char *picture_problem(const int64_t *value, const struct sdp_limits *limits)
{
    int64_t codec = value[CODEC], width = value[WIDTH], height = value[HEIGHT];
    if (!limits->codec[codec])
        return "the codec was not offered";
    const bool *kinds[2][2] = {{limits->codec, limits->ten_bit}, {limits->chroma444, limits->chroma444_ten_bit}};
    if (value[DYNAMIC_RANGE] && codec == SDP_H264)
        return "there is no H.264 of 10 bit";
    if (!kinds[value[CHROMA]][value[DYNAMIC_RANGE]][codec])
        return value[CHROMA] ? "4:4:4 of so many bits was not offered for this codec"
                             : "10 bit was not offered for this codec";
    if (width % 2 || height % 2)
        return "width and height must be even";
    if (codec == SDP_H264 && (width > H264_SIDE_MAX || height > H264_SIDE_MAX))
        return "width or height is above 4096, the limit of H.264";
    if (limits->pixels_max && width * height > limits->pixels_max)
        return "the picture is larger than the encoder takes";
    if (value[PACKET_SIZE] > (limits->packet_size_max ? limits->packet_size_max : PACKET_SIZE_MAX))
        return "packetSize is too large";
    return NULL;
}

static const char *transport_problem(const int64_t *value, const struct sdp_limits *limits)
{
    int64_t channels = value[CHANNELS], ms = value[PACKET_MS];
    if (channels != 2 && channels != 6 && channels != 8)
        return "the number of audio channels is not 2, 6 or 8";
    if (ms != 5 && ms != 10 && ms != 20)
        return "the duration of audio packets is not 5, 10 or 20 ms";
    if (value[RELIABLE_UDP] != RELIABLE_UDP_SEALED)
        return "useReliableUdp is not 13: the client has no encrypted control stream";
    if (value[ENCRYPTION] & ~(int64_t)sdp_policy_supported(limits->policy))
        return "encryption was enabled that was not offered";
    return NULL;
}

static int budget_kbps(const int64_t *value)
{
    enum { KBPS_MIN = 500, KBPS_MAX = 800000 };
    int64_t kbps = value[CONFIGURED_KBPS] ? value[CONFIGURED_KBPS] : value[MAXIMUM_KBPS];
    return (int)(kbps < KBPS_MIN ? KBPS_MIN : kbps > KBPS_MAX ? KBPS_MAX : kbps);
}

/* Some clients give the rate of their panel: it counts only within 1 % of what they ask for. */
static int exact_fps_x100(int64_t fps, int64_t refresh_x100)
{
    int64_t apart = refresh_x100 - fps * 100;
    return (int)(apart >= -fps && apart <= fps ? refresh_x100 : fps * 100);
}

static struct sdp_announce fill_announce(const int64_t *value, bool low_quality_audio)
{
    enum { ML_FEC_STATUS = 1, ML_SESSION_ID_V1 = 2, NV_AUDIO_ENCRYPTION = 0x20 };
    int64_t channels = value[CHANNELS];
    return (struct sdp_announce){
        .width = (int)value[WIDTH],
        .height = (int)value[HEIGHT],
        .fps = (int)value[FPS],
        .fps_x100 = exact_fps_x100(value[FPS], value[REFRESH_X100]),
        .packet_size = (int)value[PACKET_SIZE],
        .bitrate_kbps = budget_kbps(value),
        .codec = (enum sdp_codec)value[CODEC],
        .ten_bit = value[DYNAMIC_RANGE],
        .chroma444 = value[CHROMA],
        .full_range = value[CSC] & 1,
        .colour_space = (int)(value[CSC] >> 1),
        .max_reference_frames = (int)value[REFERENCES],
        .slices = (int)value[SLICES],
        .intra_refresh = value[INTRA_REFRESH],
        .fec = value[FEC_ENABLE],
        .min_fec_packets = (int)value[MIN_FEC],
        .video_qos = value[VIDEO_QOS] != 0,
        .audio_qos = value[AUDIO_QOS] != 0,
        .encryption =
            (unsigned)value[ENCRYPTION] | (value[NV_FEATURES] & NV_AUDIO_ENCRYPTION ? (unsigned)SDP_ENCRYPT_AUDIO : 0),
        .fec_status = value[ML_FEATURES] & ML_FEC_STATUS,
        .session_id_v1 = value[ML_FEATURES] & ML_SESSION_ID_V1,
        .audio_channels = (int)channels,
        .audio_channel_mask = (unsigned)value[CHANNEL_MASK],
        .audio_high_quality = channels == 2 ? !low_quality_audio : value[AUDIO_QUALITY],
        .audio_packet_ms = (int)value[PACKET_MS],
    };
}

int sdp_parse_announce(const char *text, size_t size, const struct sdp_limits *limits, bool low_quality_audio,
                       struct sdp_announce *ret_announce, char ret_reason[SDP_REASON_MAX])
{
    struct attributes attributes;
    ret_reason[0] = '\0';
    if (!take_lines(text, size, &attributes, ret_reason))
        return 400;
    const char *problem = picture_problem(attributes.value, limits);
    if (!problem)
        problem = transport_problem(attributes.value, limits);
    int status = 400;
    if (!problem && !sdp_policy_allows(limits->policy, (unsigned)attributes.value[ENCRYPTION])) {
        problem = limits->policy == SDP_POLICY_MANDATORY ? "video and audio encryption are mandatory here"
                                                         : "the client does not encrypt the control stream";
        status = 403;
    }
    if (problem) {
        snprintf(ret_reason, SDP_REASON_MAX, "%s", problem);
        return status;
    }
    *ret_announce = fill_announce(attributes.value, low_quality_audio);
    return 200;
}

int sdp_encoder_bitrate_kbps(int total_kbps, int fec_percent, int audio_channels, bool audio_high_quality)
{
    int64_t rate = total_kbps;
    if (fec_percent <= 80)
        rate = rate * (100 - fec_percent) / 100;
    int64_t audio = (int64_t)(audio_high_quality ? 256 : 96) * audio_channels;
    rate -= audio < rate / 5 ? audio : rate / 5;
    rate -= 500 < rate / 10 ? 500 : rate / 10;
    return rate < LEAST_KBPS ? LEAST_KBPS : (int)rate;
}
