/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "host/config_apps.h"
#include "net/address.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 64 * 1024 };

enum kind {
    KIND_NUMBER,  /* int, min..max */
    KIND_TEXT,    /* char[max], not empty */
    KIND_USER,    /* char[max], the name of a user: a comment behind it must not become part of it */
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

static const char *const encoder_words[] = {"auto", "software", "x264", "nvenc", "nvenc-lavc", "vaapi", NULL};
static const char *const codec_words[] = {"auto", "h264", "hevc", "av1", NULL};
static const char *const rate_words[] = {"quantiser", "bitrate", NULL};
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
    {"session_user", KIND_USER, FIELD(session_user), 0, SIZE(session_user), NULL},
    {"match_mode", KIND_WORD, FIELD(match_mode), 0, 0, match_words},
    {"encoder", KIND_TEXT, FIELD(encoder), 0, SIZE(encoder), encoder_words},
    {"codecs", KIND_WORD, FIELD(codecs), 0, 0, codec_words},
    {"rate_control", KIND_WORD, FIELD(rate_control), 0, 0, rate_words},
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

bool config_is_service(void)
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
    if (config_is_service())
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
    if (config_is_service())
        text_copy(ret_config->state_dir, sizeof(ret_config->state_dir), "/var/lib/earthshine");
    else if (!user_folder("XDG_STATE_HOME", ".local/state", ret_config->state_dir, sizeof(ret_config->state_dir)))
        ret_config->state_dir[0] = 0;
}

void config_finish(struct config *config)
{
    free(config->apps);
    config->apps = NULL;
    config->app_count = 0;
}

/* NULL: what concerns the private display fits together. */
static const char *check_private_display(const struct config *config)
{
    if (!config->virtual_width && config->session_command[0])
        return "session_command is what runs in the private display: set virtual_display = WIDTHxHEIGHT too";
    if (config->virtual_width && strcmp(config->display, "auto") != 0)
        return "virtual_display makes a display to stream: leave display at auto, or virtual_display empty";
    if (config_is_service() && config->session_command[0] && !config->session_user[0])
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

/* The text goes on in an indented line. */
static bool add_value(struct config *self, const struct key *key, const char *value)
{
    char *field = (char *)self + key->offset;
    size_t used = strlen(field), capacity = (size_t)key->max;
    if (key->kind != KIND_TEXT || key->words || used + 1 + strlen(value) >= capacity)
        return false;
    field[used] = ' ';
    return text_copy(field + used + 1, capacity - used - 1, value);
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
    case KIND_USER:
        if (!value[0] || strpbrk(value, " \t#"))
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
    } else if (key->kind == KIND_USER) {
        byte_writer_printf(out, "the name of a user; a comment needs a line of its own");
    } else if (key->kind == KIND_DISPLAY) {
        byte_writer_printf(out, "auto, none, or an X display such as :0");
    } else {
        byte_writer_printf(out, "a text of 1 to %d bytes", key->max - 1);
    }
}

/* `where`: "file:line: " or "--set: ". `continues`: a line that goes on with what is there. */
static bool assign(struct config *self, const char *where, const char *name, const char *value, bool continues,
                   char ret_error[CONFIG_ERROR_MAX])
{
    struct byte_writer out;
    byte_writer_init(&out, ret_error, CONFIG_ERROR_MAX);
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (continues ? add_value(self, &keys[i], value) : set_value(self, &keys[i], value))
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
    return assign(self, "--set: ", name, equals + 1, false, ret_error);
}

/* --- a file --- */

/*
 * inih takes lines apart. It cuts lines at 200 bytes, names of sections at 49, and ends a value silently at a ';' after
 * a blank, so lines are looked at here before it gets them: sections are ours altogether, the rest is refused.
 */
struct reading {
    struct config *config;
    const char *name, *rest, *end;
    int line;
    bool in_app;       /* after the line of a section */
    bool has_key;      /* since then: an indented line continues it */
    bool is_continued; /* the line that inih has now */
    struct config_apps_section section;
    char *error; /* of the first bad line; empty: none yet */
};

__attribute__((format(printf, 2, 3))) static void say(struct reading *reading, const char *format, ...)
{
    int used = snprintf(reading->error, CONFIG_ERROR_MAX, "%.200s:%d: ", reading->name, reading->line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->error + used, CONFIG_ERROR_MAX - (size_t)used, format, arguments);
    va_end(arguments);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The next line into `ret_line` without its end. False: there is none, or it is too long. */
static bool take_line(struct reading *reading, char *ret_line, size_t capacity)
{
    size_t left = (size_t)(reading->end - reading->rest);
    if (!left || reading->error[0])
        return false;
    const char *newline = memchr(reading->rest, '\n', left);
    size_t length = newline ? (size_t)(newline - reading->rest) : left;
    const char *line = reading->rest;
    reading->line++;
    reading->rest += length + (newline != NULL);
    if (length + 2 > capacity) {
        say(reading, "the line is longer than %zu bytes; go on in a line below that begins with a space", capacity - 2);
        return false;
    }
    while (length && is_blank(line[length - 1]))
        length--;
    memcpy(ret_line, line, length);
    ret_line[length] = 0;
    return true;
}

static void begin_section(struct reading *reading, const char *line)
{
    char why[CONFIG_ERROR_MAX];
    if (!config_apps_begin(reading->config, line, why))
        say(reading, "%s", why);
    reading->in_app = true;
    reading->has_key = false;
    reading->section = (struct config_apps_section){0};
}

/* Hands inih one line; counts them, as Debian's inih does not tell its handler. */
static char *next_line(char *ret_line, int capacity, void *stream)
{
    struct reading *reading = stream;
    if (!take_line(reading, ret_line, (size_t)capacity))
        return NULL;
    const char *start = ret_line + strspn(ret_line, " \t\r\v\f");
    bool is_comment = !*start || *start == '#' || *start == ';';
    reading->is_continued = start > ret_line && reading->has_key;
    if (!is_comment && !reading->is_continued && *start == '[') {
        begin_section(reading, start);
        text_copy(ret_line, (size_t)capacity, "[app]"); /* an indented line after it continues nothing */
    } else if (!is_comment && (strstr(start, " ;") || strstr(start, "\t;"))) {
        say(reading, "what follows a space and a ; would be left out as a comment; write the ; without the space");
    } else if (!is_comment) {
        reading->has_key = true;
    }
    size_t length = strlen(ret_line);
    ret_line[length] = '\n';
    ret_line[length + 1] = 0;
    return reading->error[0] ? NULL : ret_line;
}

static int take_value(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *reading = arg;
    char where[256], why[CONFIG_ERROR_MAX];
    (void)section;
    if (reading->error[0])
        return 1;
    snprintf(where, sizeof(where), "%.200s:%d: ", reading->name, reading->line);
    if (!reading->in_app)
        assign(reading->config, where, name, value, reading->is_continued, reading->error);
    else if (!config_apps_set(reading->config, &reading->section, name, value, reading->is_continued, why))
        say(reading, "%s", why);
    return 1;
}

bool config_parse(struct config *config, const char *name, const char *text, size_t size,
                  char ret_error[CONFIG_ERROR_MAX])
{
    static const char bom[] = "\xef\xbb\xbf";
    struct config changed = *config;
    ret_error[0] = 0;
    if (memchr(text, 0, size)) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.200s: is not a text file", name);
        return false;
    }
    changed.apps = NULL;
    changed.app_count = 0;
    struct reading reading = {.config = &changed, .name = name, .rest = text, .end = text + size, .error = ret_error};
    if (size >= 3 && !memcmp(text, bom, 3))
        reading.rest += 3;
    int bad_line = ini_parse_stream(next_line, &reading, take_value, &reading);
    if (bad_line && !ret_error[0])
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.200s:%d: expected key = value, or a comment after #", name, bad_line);
    if (ret_error[0]) {
        config_finish(&changed);
        return false;
    }
    config_finish(config);
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
