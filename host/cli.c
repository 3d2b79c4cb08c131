/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "host/bench.h"
#include "host/bench_encode.h"
#include "host/state.h"
#include "net/local_socket.h"
#include "protocol/crypto.h"
#include "web/web.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { CALL_TIMEOUT_S = 15 };

/* Sends `request` (stolen) to the running host. The reply object, or NULL: said on stderr unless no host runs and
 * `ret_no_host` is given. */
static json_t *call_host(const struct config *config, json_t *request, bool *ret_no_host)
{
    char path[CONFIG_PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/control.sock", config->state_dir);
    char *text = json_dumps(request, JSON_COMPACT), *reply = NULL;
    json_decref(request);
    enum local_call_result result =
        text ? local_socket_call(path, text, CALL_TIMEOUT_S * CLOCK_SECOND_NS, &reply) : LOCAL_CALL_FAILED;
    if (text)
        crypto_wipe(text, strlen(text));
    free(text);
    if (result == LOCAL_CALL_NO_HOST && ret_no_host) {
        *ret_no_host = true;
        return NULL;
    }
    if (result == LOCAL_CALL_NO_HOST)
        fprintf(stderr, "earthshine: no host is running with the state folder %s (another one: --set state_dir=...)\n",
                config->state_dir);
    if (result != LOCAL_CALL_OK)
        return NULL;
    json_t *object = json_loads(reply, 0, NULL);
    free(reply);
    const char *error = json_string_value(json_object_get(object, "error"));
    if (error || !object) {
        fprintf(stderr, "earthshine: %s\n", error ? error : "the host's answer cannot be read");
        json_decref(object);
        return NULL;
    }
    return object;
}

static const char *field(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static void print_time(const char *label, const json_t *object, const char *name)
{
    json_int_t ms = json_integer_value(json_object_get(object, name));
    char text[32] = "never";
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (ms && localtime_r(&seconds, &local))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local);
    printf("  %s %s", label, text);
}

static void print_pairings(FILE *to, const json_t *pairings)
{
    size_t index;
    json_t *entry;
    json_array_foreach(pairings, index, entry) fprintf(to, "  %s  from %s  certificate %s\n", field(entry, "id"),
                                                       field(entry, "address"), field(entry, "fingerprint"));
}

static int run_pin(const struct config *config, int count, char **arguments)
{
    const char *id = "", *pin = NULL, *name = "";
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--request") && i + 1 < count)
            id = arguments[++i];
        else if (!strcmp(arguments[i], "--name") && i + 1 < count)
            name = arguments[++i];
        else if (!pin && arguments[i][0] != '-')
            pin = arguments[i];
        else
            pin = "";
    }
    if (!pin || strlen(pin) != 4 || strspn(pin, "0123456789") != 4) {
        fprintf(stderr, "usage: earthshine pin [--request ID] NNNN [--name CLIENT]\n"
                        "NNNN are the four digits that Moonlight shows.\n");
        return EXIT_USAGE;
    }
    json_t *reply =
        call_host(config, json_pack("{ss ss ss ss}", "command", "pin", "id", id, "pin", pin, "name", name), NULL);
    if (!reply)
        return EXIT_FAILED;
    int code = EXIT_FINE;
    const json_t *waiting = json_object_get(reply, "waiting");
    if (waiting) {
        fprintf(stderr, "earthshine: several clients wait for their PIN; say which one by --request ID:\n");
        print_pairings(stderr, waiting);
        code = EXIT_USAGE;
    } else {
        printf("The PIN was given to the request from %s. Moonlight now says whether it was the right one.\n",
               field(reply, "address"));
    }
    json_decref(reply);
    return code;
}

static int run_clients(const struct config *config, int count, char **arguments)
{
    if (count == 3 && !strcmp(arguments[1], "remove")) {
        json_t *reply = call_host(config, json_pack("{ss ss}", "command", "client_remove", "id", arguments[2]), NULL);
        if (!reply)
            return EXIT_FAILED;
        json_decref(reply);
        printf("Removed. That client must pair again.\n");
        return EXIT_FINE;
    }
    if (count > 2 || (count == 2 && strcmp(arguments[1], "list") != 0)) {
        fprintf(stderr, "usage: earthshine clients [list | remove ID]\n");
        return EXIT_USAGE;
    }
    json_t *reply = call_host(config, json_pack("{ss}", "command", "clients"), NULL);
    if (!reply)
        return EXIT_FAILED;
    const json_t *clients = json_object_get(reply, "clients");
    size_t index;
    json_t *entry;
    json_array_foreach(clients, index, entry)
    {
        printf("%s  %s%s", field(entry, "id"), field(entry, "name"),
               json_is_true(json_object_get(entry, "streaming")) ? "  (streaming)" : "");
        print_time("paired", entry, "paired_ms");
        print_time("seen", entry, "seen_ms");
        printf("\n");
    }
    if (!json_array_size(clients))
        printf("No client is paired.\n");
    json_decref(reply);
    return EXIT_FINE;
}

static int run_setup_code(const struct config *config, int count)
{
    if (count != 1) {
        fprintf(stderr, "usage: earthshine setup-code\n");
        return EXIT_USAGE;
    }
    json_t *reply = call_host(config, json_pack("{ss}", "command", "setup_code"), NULL);
    if (!reply)
        return EXIT_FAILED;
    printf("%s\n", field(reply, "setup_code"));
    json_decref(reply);
    return EXIT_FINE;
}

/* One line from the terminal without echo, or from a pipe. False: end of input or too long. */
static bool read_password(const char *prompt, char *ret_password, size_t capacity)
{
    struct termios before, silent;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        fprintf(stderr, "%s", prompt);
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    bool good = fgets(ret_password, (int)capacity, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fprintf(stderr, "\n");
    }
    if (!good)
        return false;
    size_t length = strcspn(ret_password, "\n");
    bool whole = ret_password[length] == '\n' || feof(stdin);
    ret_password[length] = 0;
    return whole;
}

static bool ask_new_password(char ret_password[WEB_PASSWORD_MAX + 2])
{
    char again[WEB_PASSWORD_MAX + 2];
    bool good = read_password("New password for the page: ", ret_password, WEB_PASSWORD_MAX + 2);
    size_t length = good ? strlen(ret_password) : 0;
    if (!good || length < WEB_PASSWORD_MIN || length > WEB_PASSWORD_MAX) {
        fprintf(stderr, "earthshine: a password has %d to %d characters; nothing was changed\n", WEB_PASSWORD_MIN,
                WEB_PASSWORD_MAX);
        return false;
    }
    if (isatty(STDIN_FILENO)) {
        good = read_password("Once more: ", again, sizeof(again)) && !strcmp(again, ret_password);
        crypto_wipe(again, sizeof(again));
        if (!good)
            fprintf(stderr, "earthshine: the two passwords differ; nothing was changed\n");
    }
    return good;
}

/* No host runs: change the files ourselves, under the same lock. */
static bool store_password_in_files(const struct config *config, const char *record)
{
    struct state *state = state_open(config->state_dir);
    if (!state)
        return false; /* logged */
    bool good = state_set_password(state, record) && state_save_now(state);
    state_close(state);
    return good;
}

static int run_passwd(const struct config *config, int count)
{
    if (count != 1) {
        fprintf(stderr, "usage: earthshine passwd\n");
        return EXIT_USAGE;
    }
    char password[WEB_PASSWORD_MAX + 2], record[WEB_RECORD_MAX];
    bool good = ask_new_password(password) && web_password_hash(password, record, sizeof(record));
    crypto_wipe(password, sizeof(password));
    if (!good)
        return EXIT_FAILED;
    bool no_host = false;
    json_t *reply = call_host(config, json_pack("{ss ss}", "command", "passwd", "record", record), &no_host);
    good = reply || (no_host && store_password_in_files(config, record));
    json_decref(reply);
    crypto_wipe(record, sizeof(record));
    if (good)
        printf("The password of the page was changed.\n");
    return good ? EXIT_FINE : EXIT_FAILED;
}

int cli_run(const struct config *config, int count, char **arguments)
{
    const char *word = arguments[0];
    if (!strcmp(word, "pin"))
        return run_pin(config, count, arguments);
    if (!strcmp(word, "clients"))
        return run_clients(config, count, arguments);
    if (!strcmp(word, "passwd"))
        return run_passwd(config, count);
    if (!strcmp(word, "setup-code"))
        return run_setup_code(config, count);
    if (!strcmp(word, "bench") && count > 1 && !strcmp(arguments[1], "encode"))
        return bench_encode_run(config, count - 1, arguments + 1);
    if (!strcmp(word, "bench"))
        return bench_run(config, count, arguments);
    fprintf(stderr, "earthshine: there is no command \"%s\"; see earthshine --help\n", word);
    return EXIT_USAGE;
}
