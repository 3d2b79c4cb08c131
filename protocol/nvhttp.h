/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvhttp: requests and documents of the GameStream API besides pairing. Pure.
 * Every writer gives a whole document (HTTP status 200, "text/xml; charset=utf-8") and returns its size, 0: no room.
 * Source: docs/protocol.md, "HTTP API"; bytes checked by tests/unit/test_nvhttp.c.
 */
#pragma once

#include "protocol/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVHTTP_CONTENT_TYPE "text/xml; charset=utf-8"

enum {
    NVHTTP_DOCUMENT_MAX = 4096, /* enough for each document here but a long application list */
    NVHTTP_CODEC_H264 = 0x00001,
    NVHTTP_CODEC_HEVC = 0x00100,
    NVHTTP_CODEC_HEVC_MAIN10 = 0x00200,
    NVHTTP_CODEC_AV1 = 0x10000,
    NVHTTP_CODEC_AV1_MAIN10 = 0x20000,
    NVHTTP_CODEC_H264_444 = 0x40000,
    NVHTTP_CODEC_HEVC_444 = 0x80000,
    NVHTTP_CODEC_HEVC_444_10 = 0x100000,
    NVHTTP_CODEC_AV1_444 = 0x200000,
    NVHTTP_CODEC_AV1_444_10 = 0x400000,
};

struct nvhttp_serverinfo {
    const char *hostname; /* "" becomes "Earthshine" */
    const char *uniqueid; /* UUID, lower case */
    const char *mac;      /* "52:54:00:12:34:56"; NULL: unknown. Shown to authorised clients only */
    const char *local_ip; /* IPv4 this connection arrived at */
    int base_port;
    uint32_t codecs;      /* NVHTTP_CODEC_*: only what the encoder was proven to make; never 0 */
    bool authorised;      /* on HTTPS, with a paired certificate */
    uint32_t current_app; /* of the caller; shown to authorised clients only; 0: none */
};
size_t nvhttp_serverinfo(const struct nvhttp_serverinfo *info, char *ret_text, size_t capacity);

/* 401: for every path of the HTTPS port when the certificate is none of ours. `path` as received. */
size_t nvhttp_not_authorised(struct http_slice path, char *ret_text, size_t capacity);
size_t nvhttp_not_found(char *ret_text, size_t capacity);
size_t nvhttp_ok(char *ret_text, size_t capacity); /* root with status 200 alone: /unpair */
/* `element` ("gamesession", "resume", "cancel", "paired" or NULL) is sent as 0: Android throws when it is missing. */
size_t nvhttp_error(int status_code, const char *message, const char *element, char *ret_text, size_t capacity);
size_t nvhttp_paired(bool paired, char *ret_text, size_t capacity); /* /pair?phrase=pairchallenge */

struct nvhttp_app {
    const char *name; /* not empty, no markup characters */
    uint32_t id;      /* nvhttp_app_id(name) */
    bool hdr;
};
size_t nvhttp_applist(const struct nvhttp_app *apps, size_t count, char *ret_text, size_t capacity);
/* Stable and positive: the absolute value of the CRC-32 of the name, taken as signed. "Desktop" is 958645192. */
uint32_t nvhttp_app_id(const char *name);

/* `resume`: which of the two requests is answered. `encrypted`: rtspenc://, only for clients with corever >= 1. */
size_t nvhttp_launched(bool resume, bool encrypted, const char *local_ip, int rtsp_port, char *ret_text,
                       size_t capacity);
size_t nvhttp_cancelled(char *ret_text, size_t capacity);

struct nvhttp_launch {
    uint32_t app_id;          /* 0 in a resume */
    int width, height;        /* 0: none given, the SDP decides */
    int fps_x100;             /* 0: the SDP decides */
    bool change_mode;         /* sops: the host may change the display mode */
    uint8_t rikey[16];        /* secret: wipe */
    uint8_t iv[16];           /* rikeyid, big-endian, and 12 zero bytes */
    int corever;              /* >= 1: the client can do rtspenc */
    bool play_locally;        /* localAudioPlayMode */
    int channels;             /* surroundAudioInfo; 2 */
    uint32_t channel_mask;    /* 3 */
    char surround_params[16]; /* digits; "": none */
    uint32_t gamepads;        /* bit n: pad n is attached */
    bool keep_gamepads, hdr, continuous_audio;
};
/* `previous` (resume only, may be NULL): values for everything that is missing; its key is never taken over.
 * False: `*ret_why` is a text for the user; status 400. Unknown parameters are ignored. */
bool nvhttp_launch_parse(struct http_slice query, bool resume, const struct nvhttp_launch *previous,
                         struct nvhttp_launch *ret_launch, const char **ret_why);
