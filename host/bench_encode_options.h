/* SPDX-License-Identifier: Apache-2.0 */
/* bench_encode_options: the words after `earthshine bench encode`. */
#pragma once

#include "encode/encoder.h"
#include "host/bench_words.h"

enum {
    BENCH_ENCODE_SIZES_MAX = 8,
    BENCH_ENCODE_CODECS = 3,
    BENCH_ENCODE_FPS = 60,
    BENCH_ENCODE_SECONDS_MAX = 15,       /* that as many pictures fit into struct stats_samples */
    BENCH_ENCODE_LIMIT_S_PER_SECOND = 45 /* all of it takes at most that for each second of --seconds */
};

struct bench_encode_options {
    const char *encoder;              /* "auto" or a backend's name */
    bool codecs[BENCH_ENCODE_CODECS]; /* by enum encoder_codec */
    bool formats[FRAME_FORMATS];      /* of the pictures; none: the first choice of each encoder */
    struct bench_size sizes[BENCH_ENCODE_SIZES_MAX];
    int size_count;
    int seconds;      /* of pictures, for each row */
    int bitrate_kbps; /* 0: as Moonlight suggests for the size */
    const char *json; /* path; NULL: not wished */
};

/* What *ret_options points to lies in `arguments`. */
enum bench_words_result bench_encode_options_parse(int count, char **arguments,
                                                   struct bench_encode_options *ret_options);
/* What a client asks for at that size. */
int bench_encode_bitrate_kbps(const struct bench_encode_options *self, const struct bench_size *size);
const char *bench_encode_codec_word(enum encoder_codec codec);  /* "h264" */
const char *bench_encode_format_word(enum frame_format format); /* "420", "444-10" */
/* Whether pictures of that format are to be encoded by an encoder of this report, which is usable. */
bool bench_encode_wants(const struct bench_encode_options *self, const struct encoder_report *report,
                        enum frame_format format);
