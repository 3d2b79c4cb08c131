/* SPDX-License-Identifier: Apache-2.0 */
/* bench_words: what follows `earthshine bench` and `earthshine bench encode`: pairs of an option and its value. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { BENCH_SIZE_PX_MAX = 4096 };

struct bench_size {
    int width, height;
};

struct bench_word {
    const char *word; /* "--fps" */
    /* False: not what is expected. `options` is what bench_words_parse() was given. */
    bool (*parse)(void *options, const char *text);
    const char *expected; /* in words, "1 to 240" */
};

struct bench_words {
    const char *command, *usage; /* "bench"; printed for --help */
    const struct bench_word *table;
    size_t count;
};

enum bench_words_result { BENCH_WORDS_OK, BENCH_WORDS_HELP /* printed */, BENCH_WORDS_WRONG /* said on stderr */ };

/* `arguments[0]` is the command itself. */
enum bench_words_result bench_words_parse(const struct bench_words *self, int count, char **arguments, void *options);

bool bench_words_number(const char *text, size_t length, int min, int max, int *ret_number);
/* "1920x1080", even, at least what a scene needs, at most BENCH_SIZE_PX_MAX. */
bool bench_words_size(const char *text, struct bench_size *ret_size);
/* Calls `add` for each word between commas, until one is refused. False: one was. */
bool bench_words_list(const char *text, bool (*add)(void *options, const char *word), void *options);
/* Whether a file could be written there, looked at before minutes of measuring; nothing is made. False: said. */
bool bench_words_can_write(const char *path);
