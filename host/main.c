/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/process.h"
#include "host/cli.h"
#include "host/config.h"
#include "host/host.h"
#include "input/guard.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: earthshine [options]                       stream this machine's desktop to Moonlight clients\n"
    "       earthshine [options] pin [--request ID] NNNN [--name CLIENT]\n"
    "                                                  give a waiting client the PIN it shows\n"
    "       earthshine [options] clients [list | remove ID]\n"
    "       earthshine [options] passwd                set the password of the page\n"
    "       earthshine [options] setup-code            show the code for the first visit to the page\n"
    "       earthshine [options] bench [--help]        measure streaming on this machine\n"
    "       earthshine [options] bench encode [--help] measure its encoders, for a report\n"
    "options: --config FILE       settings (earthshine.conf explains them)\n"
    "         --set key=value     one setting; stronger than the file\n"
    "         --sysroot DIR       read /etc, /sys and /dev below DIR to know the machine\n"
    "         --version, --help\n"
    "exit codes: 0 fine, 1 failed (the reason is on stderr), 2 usage or configuration\n";

enum { SETS_MAX = 64 };

struct words {
    const char *config_path, *sysroot;
    const char *sets[SETS_MAX];
    int set_count;
    char **command; /* the rest; NULL: run */
    int command_count;
};

/* The word after the option at *at, or NULL, said on stderr. */
static const char *take_argument(int count, char **arguments, int *at)
{
    if (*at + 1 < count)
        return arguments[++*at];
    fprintf(stderr, "earthshine: %s wants an argument; see earthshine --help\n", arguments[*at]);
    return NULL;
}

/* False: *ret_code is what to exit with. */
static bool read_words(int count, char **arguments, struct words *ret_words, int *ret_code)
{
    *ret_code = EXIT_USAGE;
    for (int i = 1; i < count; i++) {
        const char *word = arguments[i];
        if (!strcmp(word, "--help") || !strcmp(word, "--version")) {
            if (word[2] == 'h')
                printf("%s", help);
            else
                printf("earthshine %s\n", EARTHSHINE_VERSION);
            *ret_code = EXIT_FINE;
            return false;
        }
        if (!strcmp(word, "--config")) {
            if (!(ret_words->config_path = take_argument(count, arguments, &i)))
                return false;
        } else if (!strcmp(word, "--sysroot")) {
            if (!(ret_words->sysroot = take_argument(count, arguments, &i)))
                return false;
        } else if (!strcmp(word, "--set")) {
            const char *set = take_argument(count, arguments, &i);
            if (!set)
                return false;
            if (ret_words->set_count == SETS_MAX) {
                fprintf(stderr, "earthshine: at most %d --set\n", SETS_MAX);
                return false;
            }
            ret_words->sets[ret_words->set_count++] = set;
        } else if (word[0] == '-') {
            fprintf(stderr, "earthshine: unknown option %s; see earthshine --help\n", word);
            return false;
        } else {
            ret_words->command = arguments + i;
            ret_words->command_count = count - i;
            return true;
        }
    }
    return true;
}

static bool read_config(const struct words *words, struct config *ret_config)
{
    char path[CONFIG_PATH_MAX], error[CONFIG_ERROR_MAX];
    config_init(ret_config);
    bool good = true;
    if (words->config_path)
        good = config_read(ret_config, words->config_path, true, error);
    else if (config_default_path(path))
        good = config_read(ret_config, path, false, error);
    for (int i = 0; good && i < words->set_count; i++)
        good = config_set(ret_config, words->sets[i], error);
    if (good && config_check(ret_config, error))
        return true;
    fprintf(stderr, "earthshine: %s\n", error);
    return false;
}

int main(int count, char **arguments)
{
    struct words words = {.sysroot = ""};
    struct config config;
    int code;
    if (count == 2 && !strcmp(arguments[1], GUARD_ARGUMENT)) /* started by the host itself */
        return guard_run();
    if (!read_words(count, arguments, &words, &code))
        return code;
    if (!read_config(&words, &config)) {
        config_finish(&config);
        return EXIT_USAGE;
    }
    log_set_level(config.log_level);
    if (words.command) {
        code = cli_run(&config, words.command_count, words.command);
    } else {
        process_raise_file_limit();
        process_return_freed_memory();
        code = host_run(&config, words.sysroot);
    }
    config_finish(&config);
    return code;
}
