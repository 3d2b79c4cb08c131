/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "net/address.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 64 * 1024 };

enum kind {
    KIND_NUMBER,  /* int, min..max */
    KIND_TEXT,    /* char[max], not empty */
    KIND_WORD,    /* enum (int): one of `words`, by position */
    KIND_BIND,    /* char[max]: an IPv4 address */
    KIND_DISPLAY, /* char[max]: auto, none, :N or :N.M */
    KIND_SIZE     /* two ints, width and height: WIDTHxHEIGHT of min..max, or nothing for off */
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    int min, max;
    const char *const *words; /* NULL-terminated; of a KIND_TEXT: the only ones that are taken */
};

static const char *const encoder_words[] = {"auto", "x264", "nvenc", "vaapi", NULL};
static const char *const encryption_words[] = {"off", "opportunistic", "mandatory", NULL};
static const char *const allow_words[] = {"loopback", "lan", "any", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const identity_words[] = {"auto", "fixed", NULL};
static const char *const match_words[] = {"virtual", "client", "always", "never", NULL};
static const char *const audio_words[] = {"auto", "off", NULL};
static const char *const input_words[] = {"auto", "uinput", "xtest", "off", NULL};

#define FIELD(member) offsetof(struct config, member)
#define SIZE(member)  ((int)sizeof(((struct config *)0)->member))

static const struct key keys[] = {
    {"port", KIND_NUMBER, FIELD(port), CONFIG_PORT_MIN, CONFIG_PORT_MAX, NULL},
    {"bind", KIND_BIND, FIELD(bind), 0, SIZE(bind), NULL},
    {"name", KIND_TEXT, FIELD(name), 0, SIZE(name), NULL},
    {"state_dir", KIND_TEXT, FIELD(state_dir), 0, SIZE(state_dir), NULL},
    {"display", KIND_DISPLAY, FIELD(display), 0, SIZE(display), NULL},
    {"output", KIND_TEXT, FIELD(output), 0, SIZE(output), NULL},
    {"virtual_display", KIND_SIZE, FIELD(virtual_width), 64, 8192, NULL},
    {"session_command", KIND_TEXT, FIELD(session_command), 0, SIZE(session_command), NULL},
    {"session_user", KIND_TEXT, FIELD(session_user), 0, SIZE(session_user), NULL},
    {"match_mode", KIND_WORD, FIELD(match_mode), 0, 0, match_words},
    {"encoder", KIND_TEXT, FIELD(encoder), 0, SIZE(encoder), encoder_words},
    {"audio", KIND_WORD, FIELD(audio), 0, 0, audio_words},
    {"input", KIND_WORD, FIELD(input), 0, 0, input_words},
    {"bitrate_max_kbps", KIND_NUMBER, FIELD(bitrate_max_kbps), 0, 800000, NULL},
    {"fec_percent", KIND_NUMBER, FIELD(fec_percent), 0, 255, NULL},
    {"idle_fps", KIND_NUMBER, FIELD(idle_fps), 0, 60, NULL},
    {"video_encryption", KIND_WORD, FIELD(video_encryption), 0, 0, encryption_words},
    {"video_encryption_wan", KIND_WORD, FIELD(video_encryption_wan), 0, 0, encryption_words},
    {"web_allow", KIND_WORD, FIELD(web_allow), 0, 0, allow_words},
    {"identity", KIND_WORD, FIELD(identity), 0, 0, identity_words},
    {"log_level", KIND_WORD, FIELD(log_level), 0, 0, level_words},
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static bool is_service(void)
{
    return geteuid() == 0;
}

/* $variable/earthshine, or $HOME/fallback/earthshine. */
static bool user_folder(const char *variable, const char *fallback, char *ret_path, size_t capacity)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    int length = -1;
    if (base && base[0] == '/') /* relative ones are to be ignored */
        length = snprintf(ret_path, capacity, "%s/earthshine", base);
    else if (home && home[0] == '/')
        length = snprintf(ret_path, capacity, "%s/%s/earthshine", home, fallback);
    return length > 0 && (size_t)length < capacity;
}

bool config_default_path(char ret_path[CONFIG_PATH_MAX])
{
    char folder[CONFIG_PATH_MAX - 32];
    if (is_service())
        text_copy(folder, sizeof(folder), "/etc/earthshine");
    else if (!user_folder("XDG_CONFIG_HOME", ".config", folder, sizeof(folder)))
        return false;
    snprintf(ret_path, CONFIG_PATH_MAX, "%s/earthshine.conf", folder);
    return true;
}

void config_init(struct config *ret_config)
{
    *ret_config = (struct config){
        .port = 47989,
        .bind = "0.0.0.0",
        .display = "auto",
        .output = "auto",
        .encoder = "auto",
        .fec_percent = 20,
        .idle_fps = 1,
        .video_encryption = CONFIG_ENCRYPTION_OPPORTUNISTIC,
        .video_encryption_wan = CONFIG_ENCRYPTION_OPPORTUNISTIC,
        .web_allow = WEB_ALLOW_LAN,
        .log_level = LOG_LEVEL_INFO,
    };
    if (is_service())
        text_copy(ret_config->state_dir, sizeof(ret_config->state_dir), "/var/lib/earthshine");
    else if (!user_folder("XDG_STATE_HOME", ".local/state", ret_config->state_dir, sizeof(ret_config->state_dir)))
        ret_config->state_dir[0] = 0;
}

/* NULL: what concerns the private display fits together. */
static const char *check_private_display(const struct config *config)
{
    if (!config->virtual_width && config->session_command[0])
        return "session_command is what runs in the private display: set virtual_display = WIDTHxHEIGHT too";
    if (config->virtual_width && strcmp(config->display, "auto") != 0)
        return "virtual_display makes a display to stream: leave display at auto, or virtual_display empty";
    if (is_service() && config->session_command[0] && !config->session_user[0])
        return "session_user is missing: as root, say as whom session_command is to run (session_user = root if you "
               "really want that)";
    return NULL;
}

bool config_check(const struct config *config, char ret_error[CONFIG_ERROR_MAX])
{
    const char *why = check_private_display(config);
    if (why) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s", why);
        return false;
    }
    if (config->state_dir[0] == '/')
        return true;
    snprintf(ret_error, CONFIG_ERROR_MAX,
             config->state_dir[0] ? "state_dir = %.200s: expected a path from /"
                                  : "neither HOME nor XDG_STATE_HOME is set%.0s; say where to keep the state: --set "
                                    "state_dir=FOLDER",
             config->state_dir);
    return false;
}

/* --- one value --- */

static int find_word(const char *const *words, const char *value)
{
    for (int i = 0; words[i]; i++) {
        if (!strcmp(words[i], value))
            return i;
    }
    return -1;
}

static bool is_display(const char *value)
{
    if (!strcmp(value, "auto") || !strcmp(value, "none"))
        return true;
    size_t digits = value[0] == ':' ? strspn(value + 1, "0123456789") : 0;
    const char *rest = value + 1 + digits;
    return digits && digits <= 5 && (!*rest || (*rest == '.' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")]));
}

/* "2560x1440" or nothing. */
static bool set_size(int ret_size[2], const char *value, int min, int max)
{
    const char *x = strchr(value, 'x');
    int64_t width = 0, height = 0;
    if (*value && (!x || !text_parse_i64(value, (size_t)(x - value), min, max, &width) ||
                   !text_parse_i64(x + 1, strlen(x + 1), min, max, &height)))
        return false;
    ret_size[0] = (int)width;
    ret_size[1] = (int)height;
    return true;
}

static bool set_value(struct config *self, const struct key *key, const char *value)
{
    char *field = (char *)self + key->offset;
    int64_t number;
    switch (key->kind) {
    case KIND_NUMBER:
        if (!text_parse_i64(value, strlen(value), key->min, key->max, &number))
            return false;
        *(int *)(void *)field = (int)number;
        return true;
    case KIND_WORD:
        if (find_word(key->words, value) < 0)
            return false;
        *(int *)(void *)field = find_word(key->words, value);
        return true;
    case KIND_BIND:
        if (!address_parse(value, 0, &(struct address){0}))
            return false;
        break;
    case KIND_SIZE:
        return set_size((int *)(void *)field, value, key->min, key->max);
    case KIND_DISPLAY:
        if (!is_display(value))
            return false;
        break;
    case KIND_TEXT:
        if (!value[0] || (key->words && find_word(key->words, value) < 0))
            return false;
        break;
    }
    return strlen(value) < (size_t)key->max && text_copy(field, (size_t)key->max, value);
}

static void say_expected(const struct key *key, struct byte_writer *out)
{
    if (key->words) {
        byte_writer_printf(out, "one of");
        for (int i = 0; key->words[i]; i++)
            byte_writer_printf(out, " %s", key->words[i]);
    } else if (key->kind == KIND_NUMBER) {
        byte_writer_printf(out, "a number from %d to %d", key->min, key->max);
    } else if (key->kind == KIND_BIND) {
        byte_writer_printf(out, "an IPv4 address of this machine, or 0.0.0.0 for all");
    } else if (key->kind == KIND_SIZE) {
        byte_writer_printf(out, "WIDTHxHEIGHT, each from %d to %d, or nothing", key->min, key->max);
    } else if (key->kind == KIND_DISPLAY) {
        byte_writer_printf(out, "auto, none, or an X display such as :0");
    } else {
        byte_writer_printf(out, "a text of 1 to %d bytes", key->max - 1);
    }
}

/* `where`: "file:line: " or "--set: ". */
static bool assign(struct config *self, const char *where, const char *name, const char *value,
                   char ret_error[CONFIG_ERROR_MAX])
{
    struct byte_writer out;
    byte_writer_init(&out, ret_error, CONFIG_ERROR_MAX);
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (set_value(self, &keys[i], value))
            return true;
        byte_writer_printf(&out, "%s%s = %.64s: expected ", where, name, value);
        say_expected(&keys[i], &out);
        return false;
    }
    byte_writer_printf(&out, "%sunknown key \"%.64s\"; there are", where, name);
    for (int i = 0; i < KEY_COUNT; i++)
        byte_writer_printf(&out, " %s", keys[i].name);
    return false;
}

bool config_set(struct config *self, const char *assignment, char ret_error[CONFIG_ERROR_MAX])
{
    char name[64];
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment || (size_t)(equals - assignment) >= sizeof(name)) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "--set %.64s: expected key=value", assignment);
        return false;
    }
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = 0;
    return assign(self, "--set: ", name, equals + 1, ret_error);
}

/* --- a file --- */

struct reading {
    struct config *config;
    const char *name, *rest, *end;
    int line;
    char *error; /* of the first bad line; empty: none yet */
};

/* Hands inih one line; counts them, as Debian's inih does not tell its handler. */
static char *next_line(char *ret_line, int capacity, void *stream)
{
    struct reading *reading = stream;
    size_t left = (size_t)(reading->end - reading->rest);
    if (!left || reading->error[0])
        return NULL;
    const char *newline = memchr(reading->rest, '\n', left);
    size_t length = newline ? (size_t)(newline - reading->rest) : left;
    reading->line++;
    if (length + 2 > (size_t)capacity) {
        snprintf(reading->error, CONFIG_ERROR_MAX, "%.200s:%d: the line is longer than %d bytes", reading->name,
                 reading->line, capacity - 2);
        return NULL;
    }
    memcpy(ret_line, reading->rest, length);
    ret_line[length] = '\n';
    ret_line[length + 1] = 0;
    reading->rest += length + (newline != NULL);
    return ret_line;
}

static int take_value(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *reading = arg;
    char where[256];
    if (reading->error[0])
        return 1;
    snprintf(where, sizeof(where), "%.200s:%d: ", reading->name, reading->line);
    if (section[0])
        snprintf(reading->error, CONFIG_ERROR_MAX, "%ssections such as [%.64s] are not known to this version", where,
                 section);
    else
        assign(reading->config, where, name, value, reading->error);
    return 1;
}

bool config_parse(struct config *config, const char *name, const char *text, size_t size,
                  char ret_error[CONFIG_ERROR_MAX])
{
    struct config changed = *config;
    ret_error[0] = 0;
    if (memchr(text, 0, size)) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.200s: is not a text file", name);
        return false;
    }
    struct reading reading = {.config = &changed, .name = name, .rest = text, .end = text + size, .error = ret_error};
    int bad_line = ini_parse_stream(next_line, &reading, take_value, &reading);
    if (bad_line && !ret_error[0])
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.200s:%d: expected key = value, or a comment after #", name, bad_line);
    if (ret_error[0])
        return false;
    *config = changed;
    return true;
}

bool config_read(struct config *config, const char *path, bool must_exist, char ret_error[CONFIG_ERROR_MAX])
{
    char *text;
    size_t size;
    switch (file_read(path, FILE_MAX_BYTES, &text, &size)) {
    case FILE_MISSING:
        snprintf(ret_error, CONFIG_ERROR_MAX, "there is no file %.400s", path);
        return !must_exist;
    case FILE_FAILED:
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.400s cannot be read", path);
        return false;
    case FILE_OK:
        break;
    }
    bool good = config_parse(config, path, text, size, ret_error);
    free(text);
    return good;
}
