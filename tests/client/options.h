/* SPDX-License-Identifier: Apache-2.0 */
/* options: the command line of es_client, see options_usage(). */
#pragma once

#include "tests/client/decode.h"
#include "tests/client/impair.h"
#include "tests/client/rtsp.h"

enum { OPTIONS_PATH_MAX = 128 };

struct options {
    const char *command;
    const char *host, *state, *pin, *name, *unique_id;
    int port, https_port, timeout_ms;
    bool unchecked, https, no_pinning;
    int app_id, corever;
    const char *mode, *rikey, *query, *output; /* raw launch, resume; appasset */

    struct rtsp_wish wish;
    double seconds;
    int frames; /* stop after that many delivered; 0: by time only */
    bool sops;  /* "optimise settings": the host may set the mode */
    bool launch, resume, plain_rtsp, quit, die, silent, invalidate, no_video_ping, decode;
    double idr_every_s;
    const char *record, *index, *packets;
    const char *input;        /* script of what the user does */
    bool listen, local_audio; /* decode the sound; let the host be heard, too */
    const char *record_audio;
    int audio_loss;
    struct impair_config impair;
    struct decode_config look;
};

void options_usage(void);
/* False: said on stderr. */
bool options_parse(struct options *self, int argc, char **argv);
