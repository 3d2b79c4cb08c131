/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: es_client COMMAND [options]; each prints a JSON object\n"
    "  pair unpair serverinfo applist appasset launch resume cancel stream selftest\n"
    "  --host ADDRESS --port N --https-port N --state DIR --uniqueid TEXT --timeout MS --no-pinning\n"
    "pair: --pin NNNN --name TEXT --unchecked\n"
    "serverinfo: --https    appasset: --appid N --output FILE\n"
    "launch, resume: --appid N --mode WxHxF --rikey HEX --corever N --query TEXT\n"
    "stream: --width --height --fps --bitrate KBPS --packet-size --slices --csc --min-parity N --one-reference\n"
    "  --codec h264|hevc|av1 (H.264 if the host does not offer it) --444 --ten-bit\n"
    "  --encrypt-video --plain-rtsp --launch --resume --sops --sdp LINES --seconds S --frames N\n"
    "  --record FILE --index FILE --packets FILE --decode --timecodes --cell PX --ppm-last FILE --ppm-every N DIR\n"
    "  --rests MS DIR (after a pause of MS: prints REST, frame number, arrival in ns of the one before; DIR/N.y4m)\n"
    "  --loss PERCENT --burst N --loss-per-block N|m|m+1 --every N --row N --reorder N --duplicate PERCENT --seed N\n"
    "  --audio-channels 2|6|8 --audio-ms 5|10|20 --audio-high --audio-normal --encrypt-audio --local-audio\n"
    "  --listen --record-audio FILE --audio-loss-per-block N\n"
    "  --quit --die --silent --no-video-ping --send-idr-every S --invalidate\n"
    "  --input FILE (a script of keys, text, mouse and more: tests/client/script.h)\n"
    "  Prints STREAMING and the ms since the launch with the first picture; leaves politely at SIGINT.\n";

void options_usage(void)
{
    fputs(usage, stderr);
}

enum kind { TEXT, NUMBER, REAL, FLAG };

struct entry {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct options */
};

static const struct entry entries[] = {
    {"--host", TEXT, offsetof(struct options, host)},
    {"--port", NUMBER, offsetof(struct options, port)},
    {"--https-port", NUMBER, offsetof(struct options, https_port)},
    {"--state", TEXT, offsetof(struct options, state)},
    {"--uniqueid", TEXT, offsetof(struct options, unique_id)},
    {"--timeout", NUMBER, offsetof(struct options, timeout_ms)},
    {"--no-pinning", FLAG, offsetof(struct options, no_pinning)},
    {"--pin", TEXT, offsetof(struct options, pin)},
    {"--name", TEXT, offsetof(struct options, name)},
    {"--unchecked", FLAG, offsetof(struct options, unchecked)},
    {"--https", FLAG, offsetof(struct options, https)},
    {"--appid", NUMBER, offsetof(struct options, app_id)},
    {"--output", TEXT, offsetof(struct options, output)},
    {"--mode", TEXT, offsetof(struct options, mode)},
    {"--rikey", TEXT, offsetof(struct options, rikey)},
    {"--corever", NUMBER, offsetof(struct options, corever)},
    {"--query", TEXT, offsetof(struct options, query)},
    {"--width", NUMBER, offsetof(struct options, wish.width)},
    {"--height", NUMBER, offsetof(struct options, wish.height)},
    {"--fps", NUMBER, offsetof(struct options, wish.fps)},
    {"--bitrate", NUMBER, offsetof(struct options, wish.bitrate_kbps)},
    {"--packet-size", NUMBER, offsetof(struct options, wish.packet_size)},
    {"--slices", NUMBER, offsetof(struct options, wish.slices)},
    {"--csc", NUMBER, offsetof(struct options, wish.csc)},
    {"--min-parity", NUMBER, offsetof(struct options, wish.min_parity)},
    {"--one-reference", FLAG, offsetof(struct options, wish.one_reference)},
    {"--444", FLAG, offsetof(struct options, wish.chroma444)},
    {"--ten-bit", FLAG, offsetof(struct options, wish.ten_bit)},
    {"--encrypt-video", FLAG, offsetof(struct options, wish.encrypt_video)},
    {"--audio-channels", NUMBER, offsetof(struct options, wish.audio_channels)},
    {"--audio-ms", NUMBER, offsetof(struct options, wish.audio_ms)},
    {"--audio-high", FLAG, offsetof(struct options, wish.audio_high)},
    {"--audio-normal", FLAG, offsetof(struct options, wish.audio_normal)},
    {"--encrypt-audio", FLAG, offsetof(struct options, wish.encrypt_audio)},
    {"--listen", FLAG, offsetof(struct options, listen)},
    {"--local-audio", FLAG, offsetof(struct options, local_audio)},
    {"--record-audio", TEXT, offsetof(struct options, record_audio)},
    {"--audio-loss-per-block", NUMBER, offsetof(struct options, audio_loss)},
    {"--sdp", TEXT, offsetof(struct options, wish.extra)},
    {"--plain-rtsp", FLAG, offsetof(struct options, plain_rtsp)},
    {"--launch", FLAG, offsetof(struct options, launch)},
    {"--resume", FLAG, offsetof(struct options, resume)},
    {"--sops", FLAG, offsetof(struct options, sops)},
    {"--seconds", REAL, offsetof(struct options, seconds)},
    {"--frames", NUMBER, offsetof(struct options, frames)},
    {"--record", TEXT, offsetof(struct options, record)},
    {"--index", TEXT, offsetof(struct options, index)},
    {"--packets", TEXT, offsetof(struct options, packets)},
    {"--decode", FLAG, offsetof(struct options, decode)},
    {"--timecodes", FLAG, offsetof(struct options, look.timecodes)},
    {"--cell", NUMBER, offsetof(struct options, look.cell_px)},
    {"--ppm-last", TEXT, offsetof(struct options, look.ppm_last)},
    {"--loss", REAL, offsetof(struct options, impair.loss_percent)},
    {"--burst", NUMBER, offsetof(struct options, impair.burst)},
    {"--every", NUMBER, offsetof(struct options, impair.every)},
    {"--row", NUMBER, offsetof(struct options, impair.row)},
    {"--reorder", NUMBER, offsetof(struct options, impair.reorder)},
    {"--duplicate", REAL, offsetof(struct options, impair.duplicate_percent)},
    {"--quit", FLAG, offsetof(struct options, quit)},
    {"--die", FLAG, offsetof(struct options, die)},
    {"--silent", FLAG, offsetof(struct options, silent)},
    {"--no-video-ping", FLAG, offsetof(struct options, no_video_ping)},
    {"--send-idr-every", REAL, offsetof(struct options, idr_every_s)},
    {"--input", TEXT, offsetof(struct options, input)},
    {"--invalidate", FLAG, offsetof(struct options, invalidate)},
};

static bool set(struct options *self, const struct entry *entry, const char *text)
{
    void *value = (char *)self + entry->offset;
    char *end = NULL;
    if (entry->kind == FLAG)
        *(bool *)value = true;
    else if (!text)
        return false;
    else if (entry->kind == TEXT)
        *(const char **)value = text;
    else if (entry->kind == NUMBER)
        *(int *)value = (int)strtol(text, &end, 10);
    else
        *(double *)value = strtod(text, &end);
    return !end || (end != text && !*end);
}

/* Options that are more than one value of one kind. Returns the arguments used, 0: not ours, -1: wrong. */
static int parse_special(struct options *self, const char *name, const char *first, const char *second)
{
    if (!strcmp(name, "--loss-per-block")) {
        if (!first)
            return -1;
        self->impair.drop_per_block = !strcmp(first, "m")     ? IMPAIR_PARITY
                                      : !strcmp(first, "m+1") ? IMPAIR_PARITY_AND_ONE
                                                              : atoi(first);
        return 1;
    }
    if (!strcmp(name, "--codec")) {
        static const char *const codecs[] = {"h264", "hevc", "av1"};
        for (int i = 0; first && i < 3; i++) {
            if (strcmp(first, codecs[i]) != 0)
                continue;
            self->wish.codec = (enum depacketise_codec)i;
            return 1;
        }
        return -1;
    }
    if (!strcmp(name, "--seed")) {
        if (!first)
            return -1;
        self->impair.seed = strtoull(first, NULL, 10);
        return 1;
    }
    if (!strcmp(name, "--ppm-every")) {
        if (!first || !second || atoi(first) < 1)
            return -1;
        self->look.ppm_every = atoi(first);
        self->look.ppm_folder = second;
        return 2;
    }
    if (!strcmp(name, "--rests")) {
        if (!first || !second || atoi(first) < 1)
            return -1;
        self->look.rest_ms = atoi(first);
        self->look.rest_folder = second;
        return 2;
    }
    return 0;
}

static const struct options defaults = {
    .host = "127.0.0.1",
    .port = 47989,
    .state = ".",
    .pin = "0471",
    .name = "roth",
    .unique_id = "0123456789ABCDEF",
    .timeout_ms = 15000,
    .app_id = -1,
    .corever = 1,
    .wish = {.width = 1280,
             .height = 720,
             .fps = 60,
             .bitrate_kbps = 20000,
             .packet_size = 1392,
             .slices = 1,
             .csc = 2,
             .min_parity = 2,
             .audio_channels = 2,
             .audio_ms = 5},
    .seconds = 5,
    .impair = {.seed = 1},
    .look = {.cell_px = 16},
};

bool options_parse(struct options *self, int argc, char **argv)
{
    *self = defaults;
    if (argc < 2)
        return false;
    self->command = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *first = i + 1 < argc ? argv[i + 1] : NULL, *second = i + 2 < argc ? argv[i + 2] : NULL;
        int used = parse_special(self, argv[i], first, second);
        for (size_t e = 0; !used && e < sizeof(entries) / sizeof(entries[0]); e++)
            if (!strcmp(argv[i], entries[e].name))
                used = !set(self, &entries[e], first) ? -1 : entries[e].kind == FLAG ? -2 : 1;
        if (used == 0 || used == -1) {
            fprintf(stderr, "es_client: %s: unknown, or its value is missing or wrong\n", argv[i]);
            return false;
        }
        i += used > 0 ? used : 0;
    }
    self->decode |= self->look.timecodes || self->look.ppm_last || self->look.ppm_folder || self->look.rest_folder;
    if (!self->https_port)
        self->https_port = self->port - 5;
    int channels = self->wish.audio_channels, ms = self->wish.audio_ms;
    return self->wish.packet_size >= 64 && self->wish.packet_size <= 8192 &&
           (channels == 2 || channels == 6 || channels == 8) && (ms == 5 || ms == 10 || ms == 20);
}
