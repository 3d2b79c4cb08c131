/* SPDX-License-Identifier: Apache-2.0 */
/* One table of keys serves the file, --set, and the check that nothing else is written there. */
#include "host/config.h"

#include "base/file.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024 };

/* A word and the number it stands for; ends with a NULL word. */
struct word {
    const char *text;
    int value;
};

static const struct word match_words[] = {{"virtual", CONFIG_MATCH_VIRTUAL},
                                          {"client", CONFIG_MATCH_CLIENT},
                                          {"always", CONFIG_MATCH_ALWAYS},
                                          {"never", CONFIG_MATCH_NEVER},
                                          {NULL, 0}};
static const struct word encryption_words[] = {{"off", CONFIG_ENCRYPTION_OFF},
                                               {"opportunistic", CONFIG_ENCRYPTION_OPPORTUNISTIC},
                                               {"mandatory", CONFIG_ENCRYPTION_MANDATORY},
                                               {NULL, 0}};
static const struct word audio_words[] = {{"auto", CONFIG_AUDIO_AUTO}, {"off", CONFIG_AUDIO_OFF}, {NULL, 0}};
static const struct word input_words[] = {{"auto", CONFIG_INPUT_AUTO},
                                          {"uinput", CONFIG_INPUT_UINPUT},
                                          {"xtest", CONFIG_INPUT_XTEST},
                                          {"off", CONFIG_INPUT_OFF},
                                          {NULL, 0}};
static const struct word web_words[] = {
    {"loopback", WEB_ALLOW_LOOPBACK}, {"lan", WEB_ALLOW_LAN}, {"any", WEB_ALLOW_ANY}, {NULL, 0}};
static const struct word identity_words[] = {
    {"auto", CONFIG_IDENTITY_AUTO}, {"fixed", CONFIG_IDENTITY_FIXED}, {NULL, 0}};
static const struct word log_words[] = {{"error", LOG_LEVEL_ERROR},
                                        {"warn", LOG_LEVEL_WARN},
                                        {"info", LOG_LEVEL_INFO},
                                        {"debug", LOG_LEVEL_DEBUG},
                                        {NULL, 0}};

struct key {
    const char *name;
    bool (*take)(const struct key *key, const char *value, struct config *config);
    size_t at;    /* offset in struct config */
    int min, max; /* numbers; texts: shortest and longest */
    const struct word *words;
    const char *expected; /* NULL: made from the above */
};

static bool take_number(const struct key *key, const char *value, struct config *config)
{
    int64_t number;
    if (!text_parse_i64(value, strlen(value), key->min, key->max, &number))
        return false;
    *(int *)(void *)((char *)config + key->at) = (int)number;
    return true;
}

static bool take_word(const struct key *key, const char *value, struct config *config)
{
    for (const struct word *word = key->words; word->text; word++) {
        if (!strcmp(word->text, value)) {
            *(int *)(void *)((char *)config + key->at) = word->value; /* enums of ours are as large as int */
            return true;
        }
    }
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

static bool take_text(const struct key *key, const char *value, struct config *config)
{
    size_t length = strlen(value);
    if (length < (size_t)key->min || length > (size_t)key->max || !is_printable(value))
        return false;
    memcpy((char *)config + key->at, value, length + 1);
    return true;
}

static bool take_path(const struct key *key, const char *value, struct config *config)
{
    return value[0] == '/' && take_text(key, value, config);
}

static bool take_address(const struct key *key, const char *value, struct config *config)
{
    struct in_addr address;
    return inet_pton(AF_INET, value, &address) == 1 && take_text(key, value, config);
}

static bool take_display(const struct key *key, const char *value, struct config *config)
{
    bool number = value[0] == ':' && value[1] && strspn(value + 1, "0123456789.") == strlen(value + 1);
    return (number || !strcmp(value, "auto") || !strcmp(value, "none")) && take_text(key, value, config);
}

static bool take_backend(const struct key *key, const char *value, struct config *config)
{
    bool word = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(value);
    return word && take_text(key, value, config); /* which ones were built in is known where they are listed */
}

static bool take_size(const struct key *key, const char *value, struct config *config)
{
    int64_t width = 0, height = 0;
    const char *cross = strchr(value, 'x');
    if (*value && (!cross || !text_parse_i64(value, (size_t)(cross - value), key->min, key->max, &width) ||
                   !text_parse_i64(cross + 1, strlen(cross + 1), key->min, key->max, &height)))
        return false;
    config->virtual_width = (int)width;
    config->virtual_height = (int)height;
    return true;
}

#define AT(member) offsetof(struct config, member)
enum { TEXT = CONFIG_TEXT_MAX - 1, PATH = CONFIG_PATH_MAX - 64 /* room for the files' names */ };

static const struct key keys[] = {
    {"port", take_number, AT(port), CONFIG_PORT_MIN, CONFIG_PORT_MAX, NULL, NULL},
    {"bind", take_address, AT(bind), 1, TEXT, NULL, "an IPv4 address, 0.0.0.0 for all"},
    {"name", take_text, AT(name), 0, 63, NULL, "up to 63 bytes of text, empty for the host name"},
    {"state_dir", take_path, AT(state_dir), 1, PATH, NULL, "a full path"},
    {"display", take_display, AT(display), 1, TEXT, NULL, "auto, :N or none"},
    {"output", take_text, AT(output), 1, TEXT, NULL, "auto, the name of an output, or all"},
    {"virtual_display", take_size, 0, 64, 16384, NULL, "a size such as 2560x1440, or nothing"},
    {"match_mode", take_word, AT(match_mode), 0, 0, match_words, NULL},
    {"encoder", take_backend, AT(encoder), 1, TEXT, NULL, "auto or the name of an encoder, such as x264"},
    {"audio", take_word, AT(audio), 0, 0, audio_words, NULL},
    {"input", take_word, AT(input), 0, 0, input_words, NULL},
    {"bitrate_max_kbps", take_number, AT(bitrate_max_kbps), 0, 1000000, NULL, NULL},
    {"fec_percent", take_number, AT(fec_percent), 0, 255, NULL, NULL},
    {"idle_fps", take_number, AT(idle_fps), 1, 240, NULL, NULL},
    {"video_encryption", take_word, AT(video_encryption), 0, 0, encryption_words, NULL},
    {"video_encryption_wan", take_word, AT(video_encryption_wan), 0, 0, encryption_words, NULL},
    {"web_allow", take_word, AT(web_allow), 0, 0, web_words, NULL},
    {"identity", take_word, AT(identity), 0, 0, identity_words, NULL},
    {"log_level", take_word, AT(log_level), 0, 0, log_words, NULL},
};
enum { KEY_COUNT = sizeof(keys) / sizeof(*keys) };

static const struct key *find_key(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        if (!strcmp(keys[i].name, name))
            return &keys[i];
    }
    return NULL;
}

static void describe(const struct key *key, char *text, size_t size)
{
    if (key->expected) {
        snprintf(text, size, "%s", key->expected);
    } else if (!key->words) {
        snprintf(text, size, "a number from %d to %d", key->min, key->max);
    } else {
        size_t at = 0;
        for (const struct word *word = key->words; word->text && at < size; word++) {
            const char *between = word == key->words ? "" : word[1].text ? ", " : " or ";
            at += (size_t)snprintf(text + at, size - at, "%s%s", between, word->text);
        }
    }
}

/* `where`: "file:line" or "--set". */
static bool take(struct config *config, const char *where, const char *name, const char *value, char *ret_error)
{
    const struct key *key = find_key(name);
    char expected[128];
    if (!key) {
        size_t at =
            (size_t)snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s: unknown key '%.64s'; expected one of", where, name);
        for (int i = 0; i < KEY_COUNT && at < CONFIG_ERROR_MAX; i++)
            at += (size_t)snprintf(ret_error + at, CONFIG_ERROR_MAX - at, " %s", keys[i].name);
        return false;
    }
    if (key->take(key, value, config))
        return true;
    describe(key, expected, sizeof(expected));
    snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s: bad value '%.64s' for '%s'; expected %s", where, value, name,
             expected);
    return false;
}

void config_init(struct config *ret_config)
{
    *ret_config = (struct config){
        .port = 47989,
        .match_mode = CONFIG_MATCH_VIRTUAL,
        .fec_percent = 20,
        .idle_fps = 1,
        .video_encryption = CONFIG_ENCRYPTION_OPPORTUNISTIC,
        .video_encryption_wan = CONFIG_ENCRYPTION_OPPORTUNISTIC,
        .web_allow = WEB_ALLOW_LAN,
        .log_level = LOG_LEVEL_INFO,
    };
    text_copy(ret_config->bind, CONFIG_TEXT_MAX, "0.0.0.0");
    text_copy(ret_config->display, CONFIG_TEXT_MAX, "auto");
    text_copy(ret_config->output, CONFIG_TEXT_MAX, "auto");
    text_copy(ret_config->encoder, CONFIG_TEXT_MAX, "auto");
    const char *folder = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length = 0;
    if (geteuid() == 0)
        length = snprintf(ret_config->state_dir, CONFIG_PATH_MAX, "/var/lib/earthshine");
    else if (folder && folder[0] == '/')
        length = snprintf(ret_config->state_dir, CONFIG_PATH_MAX, "%s/earthshine", folder);
    else if (home && home[0] == '/')
        length = snprintf(ret_config->state_dir, CONFIG_PATH_MAX, "%s/.local/state/earthshine", home);
    if (length > PATH)
        ret_config->state_dir[0] = 0;
}

bool config_default_path(char ret_path[CONFIG_PATH_MAX])
{
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int length = 0;
    if (geteuid() == 0)
        length = snprintf(ret_path, CONFIG_PATH_MAX, "/etc/earthshine/earthshine.conf");
    else if (folder && folder[0] == '/')
        length = snprintf(ret_path, CONFIG_PATH_MAX, "%s/earthshine/earthshine.conf", folder);
    else if (home && home[0] == '/')
        length = snprintf(ret_path, CONFIG_PATH_MAX, "%s/.config/earthshine/earthshine.conf", home);
    return length > 0 && length < CONFIG_PATH_MAX;
}

/* inih calls on_line() per setting but does not tell the line: the reader counts them. */
struct parser {
    const char *name, *at, *end;
    int line;
    bool too_long, odd;
    struct config config;
    unsigned seen; /* bit per key */
    char *error;
};

static char *read_line(char *buffer, int size, void *stream)
{
    struct parser *parser = stream;
    if (parser->at == parser->end || parser->error[0]) /* inih itself would go on */
        return NULL;
    const char *stop = memchr(parser->at, '\n', (size_t)(parser->end - parser->at));
    size_t length = (size_t)((stop ? stop + 1 : parser->end) - parser->at);
    parser->line++;
    parser->too_long = length >= (size_t)size;
    parser->odd = memchr(parser->at, 0, length);
    if (parser->too_long || parser->odd)
        return NULL;
    memcpy(buffer, parser->at, length);
    buffer[length] = 0;
    parser->at += length;
    return buffer;
}

static int on_line(void *user, const char *section, const char *name, const char *value)
{
    struct parser *parser = user;
    char where[CONFIG_ERROR_MAX];
    snprintf(where, sizeof(where), "%.880s:%d", parser->name, parser->line);
    if (*section) {
        snprintf(parser->error, CONFIG_ERROR_MAX,
                 "%.900s: below a section [%.32s]; expected key = value without sections", where, section);
        return 0;
    }
    const struct key *key = find_key(name);
    unsigned bit = key ? 1u << (key - keys) : 0;
    if (parser->seen & bit) {
        snprintf(parser->error, CONFIG_ERROR_MAX, "%.900s: key '%s' a second time; expected each key once", where,
                 name);
        return 0;
    }
    parser->seen |= bit;
    return take(&parser->config, where, name, value, parser->error);
}

bool config_parse(struct config *config, const char *name, const char *text, size_t size,
                  char ret_error[CONFIG_ERROR_MAX])
{
    struct parser parser = {.name = name, .at = text, .end = text + size, .config = *config, .error = ret_error};
    ret_error[0] = 0;
    int result = size ? ini_parse_stream(read_line, &parser, on_line, &parser) : 0;
    if (parser.too_long)
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s:%d: line too long; expected key = value", name, parser.line);
    else if (parser.odd)
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s:%d: a zero byte; expected key = value", name, parser.line);
    else if (result != 0 && !ret_error[0])
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s:%d: not understood; expected key = value", name,
                 result > 0 ? result : parser.line);
    if (ret_error[0] || result != 0)
        return false;
    *config = parser.config;
    return true;
}

bool config_set(struct config *config, const char *assignment, char ret_error[CONFIG_ERROR_MAX])
{
    const char *equals = strchr(assignment, '=');
    char name[64];
    if (!equals || (size_t)(equals - assignment) >= sizeof(name)) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "--set %.64s: expected key=value", assignment);
        return false;
    }
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = 0;
    return take(config, "--set", name, equals + 1, ret_error);
}

bool config_read(struct config *config, const char *path, bool must_exist, char ret_error[CONFIG_ERROR_MAX])
{
    char *text = NULL;
    size_t size = 0;
    switch (file_read(path, FILE_MAX, &text, &size)) {
    case FILE_MISSING:
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s: no such file", path);
        return !must_exist;
    case FILE_FAILED:
        snprintf(ret_error, CONFIG_ERROR_MAX, "%.900s: cannot be read", path);
        return false;
    case FILE_OK:
        break;
    }
    bool good = config_parse(config, path, text, size, ret_error);
    free(text);
    return good;
}

bool config_check(const struct config *config, char ret_error[CONFIG_ERROR_MAX])
{
    if (config->state_dir[0])
        return true;
    snprintf(ret_error, CONFIG_ERROR_MAX, "state_dir is not set and there is no home folder; expected a full path");
    return false;
}
