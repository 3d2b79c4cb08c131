/* SPDX-License-Identifier: Apache-2.0 */
/* bench_options: the words after `earthshine bench`. */
#pragma once

#include "host/bench_scene.h"
#include "host/bench_words.h"

#include <stdbool.h>

enum { BENCH_SIZES_MAX = 8, BENCH_SECONDS_MAX = 600, BENCH_FPS_MAX = 240 };

struct bench_options {
    struct bench_size sizes[BENCH_SIZES_MAX];
    int size_count;
    enum bench_scene_kind scenes[BENCH_SCENE_COUNT];
    int scene_count;
    int seconds, fps, bitrate_kbps;
    const char *encoder;        /* "auto" or a backend's name */
    const char *json, *compare; /* paths; NULL: not wished */
};

/* `encoder`: where the command line names none. What *ret_options points to lies in `arguments`. */
enum bench_words_result bench_options_parse(int count, char **arguments, const char *encoder,
                                            struct bench_options *ret_options);
