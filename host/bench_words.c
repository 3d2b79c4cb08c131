/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_words.h"

#include "base/text.h"
#include "host/bench_scene.h"
#include "host/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORD_MAX = 32 };

bool bench_words_number(const char *text, size_t length, int min, int max, int *ret_number)
{
    int64_t value;
    if (!text_parse_i64(text, length, min, max, &value))
        return false;
    *ret_number = (int)value;
    return true;
}

bool bench_words_size(const char *text, struct bench_size *ret_size)
{
    struct bench_size size;
    const char *by = strchr(text, 'x');
    if (!by || !bench_words_number(text, (size_t)(by - text), BENCH_SCENE_MIN_WIDTH, BENCH_SIZE_PX_MAX, &size.width) ||
        !bench_words_number(by + 1, strlen(by + 1), BENCH_SCENE_MIN_HEIGHT, BENCH_SIZE_PX_MAX, &size.height))
        return false;
    *ret_size = size;
    return size.width % 2 == 0 && size.height % 2 == 0;
}

bool bench_words_list(const char *text, bool (*add)(void *options, const char *word), void *options)
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

bool bench_words_can_write(const char *path)
{
    char folder[CONFIG_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 1;
    snprintf(folder, sizeof(folder), "%.*s", length, slash ? path : ".");
    if (access(path, W_OK) == 0 || (errno == ENOENT && access(folder, W_OK | X_OK) == 0))
        return true;
    fprintf(stderr, "earthshine: cannot write %s: %s\n", path, strerror(errno));
    return false;
}

static const struct bench_word *find_word(const struct bench_words *self, const char *word)
{
    for (size_t i = 0; i < self->count; i++)
        if (!strcmp(word, self->table[i].word))
            return &self->table[i];
    return NULL;
}

static bool parse_word(const struct bench_word *word, const char *argument, void *options)
{
    if (argument && word->parse(options, argument))
        return true;
    if (argument)
        fprintf(stderr, "earthshine: %s %s: expected %s\n", word->word, argument, word->expected);
    else
        fprintf(stderr, "earthshine: %s wants an argument: %s\n", word->word, word->expected);
    return false;
}

enum bench_words_result bench_words_parse(const struct bench_words *self, int count, char **arguments, void *options)
{
    for (int i = 1; i < count; i += 2) {
        const struct bench_word *word = find_word(self, arguments[i]);
        if (!strcmp(arguments[i], "--help")) {
            printf("%s", self->usage);
            return BENCH_WORDS_HELP;
        }
        if (!word) {
            fprintf(stderr, "earthshine: %s does not know \"%s\"\n%s", self->command, arguments[i], self->usage);
            return BENCH_WORDS_WRONG;
        }
        if (!parse_word(word, i + 1 < count ? arguments[i + 1] : NULL, options))
            return BENCH_WORDS_WRONG;
    }
    return BENCH_WORDS_OK;
}
