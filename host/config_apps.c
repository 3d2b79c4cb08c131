/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app is one flat struct, so that a list of them is copied and freed as one piece of memory. Its environment is kept
 * as it is handed on: texts of NAME=value, each with its NUL.
 */
#include "host/config_apps.h"

#include "base/bytes.h"
#include "base/text.h"
#include "host/state_data.h"
#include "protocol/nvhttp.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXT,
    KIND_PATH, /* from / */
    KIND_USER,
    KIND_ENVIRONMENT /* NAME=value; may come again */
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset, capacity;
};

#define TEXT(key, member, what)                                                                                        \
    {                                                                                                                  \
        key, what, offsetof(struct config_app, member), sizeof(((struct config_app *)0)->member)                       \
    }

static const struct key keys[] = {
    TEXT("command", command, KIND_TEXT),
    TEXT("directory", directory, KIND_PATH),
    TEXT("environment", environment, KIND_ENVIRONMENT),
    TEXT("user", user, KIND_USER),
    TEXT("image", image, KIND_PATH),
    TEXT("connect", hooks[CONFIG_CONNECT].run, KIND_TEXT),
    TEXT("connect_undo", hooks[CONFIG_CONNECT].undo, KIND_TEXT),
    TEXT("first_picture", hooks[CONFIG_FIRST_PICTURE].run, KIND_TEXT),
    TEXT("first_picture_undo", hooks[CONFIG_FIRST_PICTURE].undo, KIND_TEXT),
    TEXT("disconnect", hooks[CONFIG_DISCONNECT].run, KIND_TEXT),
    TEXT("disconnect_undo", hooks[CONFIG_DISCONNECT].undo, KIND_TEXT),
    TEXT("quit", hooks[CONFIG_QUIT].run, KIND_TEXT),
    TEXT("quit_undo", hooks[CONFIG_QUIT].undo, KIND_TEXT),
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

const char *config_moment_name(enum config_moment moment)
{
    static const char *const names[] = {
        [CONFIG_CONNECT] = "connect",
        [CONFIG_FIRST_PICTURE] = "first_picture",
        [CONFIG_DISCONNECT] = "disconnect",
        [CONFIG_QUIT] = "quit",
    };
    return names[moment];
}

bool config_is_environment(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return *text && strchr(first, *text) && text[length] == '=';
}

/* --- the section's line --- */

static bool take_name(const char *line, char ret_name[CONFIG_TEXT_MAX + 1], char ret_why[CONFIG_ERROR_MAX])
{
    static const char begin[] = "[app \"", end[] = "\"]";
    size_t length = strlen(line), frame = strlen(begin) + strlen(end);
    if (length < frame || strncmp(line, begin, strlen(begin)) != 0 || strcmp(line + length - strlen(end), end) != 0) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%.80s: the only sections are apps: expected [app \"Name\"]", line);
        return false;
    }
    size_t size = length - frame;
    if (!size || size > CONFIG_TEXT_MAX) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%.80s: the name of an app is a text of 1 to %d bytes", line,
                 CONFIG_TEXT_MAX);
        return false;
    }
    memcpy(ret_name, line + strlen(begin), size);
    ret_name[size] = 0;
    if (state_data_is_name(ret_name) && !strpbrk(ret_name, "<>&\""))
        return true;
    snprintf(ret_why, CONFIG_ERROR_MAX,
             "%.80s: the name of an app is UTF-8 without control characters and without < > & \"", line);
    return false;
}

/* Clients know an app by the number alone. */
static bool is_new(const struct config *config, const char *name, char ret_why[CONFIG_ERROR_MAX])
{
    for (size_t i = 0; i < config->app_count; i++) {
        const char *other = config->apps[i].name;
        if (!strcmp(other, name)) {
            snprintf(ret_why, CONFIG_ERROR_MAX, "there is an app \"%s\" already", name);
            return false;
        }
        if (nvhttp_app_id(other) == nvhttp_app_id(name)) {
            snprintf(ret_why, CONFIG_ERROR_MAX,
                     "the apps \"%s\" and \"%s\" would have the same number for clients; rename one of them", other,
                     name);
            return false;
        }
    }
    return true;
}

bool config_apps_begin(struct config *config, const char *line, char ret_why[CONFIG_ERROR_MAX])
{
    char name[CONFIG_TEXT_MAX + 1];
    if (!take_name(line, name, ret_why) || !is_new(config, name, ret_why))
        return false;
    if (config->app_count == CONFIG_APPS_MAX) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "there may be at most %d apps", CONFIG_APPS_MAX);
        return false;
    }
    struct config_app *apps = realloc(config->apps, (config->app_count + 1) * sizeof(*apps));
    if (!apps) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "out of memory");
        return false;
    }
    config->apps = apps;
    struct config_app *app = &apps[config->app_count++];
    memset(app, 0, sizeof(*app));
    text_copy(app->name, sizeof(app->name), name);
    return true;
}

/* --- its keys --- */

static bool append(const struct key *key, char *field, const char *value, char ret_why[CONFIG_ERROR_MAX])
{
    size_t used = strlen(field);
    int length = snprintf(field + used, key->capacity - used, "%s%s", used ? " " : "", value);
    if (length >= 0 && (size_t)length < key->capacity - used)
        return true;
    snprintf(ret_why, CONFIG_ERROR_MAX, "%s: expected a text of 1 to %zu bytes", key->name, key->capacity - 1);
    return false;
}

/* One more, or more of the last one. */
static bool add_environment(const struct key *key, char *field, const char *value, bool continues,
                            char ret_why[CONFIG_ERROR_MAX])
{
    char *at = field, *last = NULL;
    for (; *at; at += strlen(at) + 1)
        last = at;
    if (continues && last)
        at = last;
    else if (!config_is_environment(value)) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%s = %.64s: expected NAME=value", key->name, value);
        return false;
    }
    size_t room = key->capacity - 1 - (size_t)(at - field); /* the empty text at the end stays */
    size_t used = strlen(at);
    int length = room > used ? snprintf(at + used, room - used, "%s%s", used ? " " : "", value) : -1;
    if (length >= 0 && (size_t)length < room - used)
        return true;
    snprintf(ret_why, CONFIG_ERROR_MAX, "%s: all of it together may have at most %zu bytes", key->name,
             key->capacity - 2);
    return false;
}

/* As what is noted in the state must be. */
static bool is_plain(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
            return false;
    }
    json_t *value = json_string(text);
    json_decref(value);
    return value;
}

static bool set(struct config_app *app, const struct key *key, const char *value, bool continues,
                char ret_why[CONFIG_ERROR_MAX])
{
    char *field = (char *)app + key->offset;
    if (!*value) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%s is empty; leave the line out instead", key->name);
        return false;
    }
    if (!is_plain(value)) {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%s: expected UTF-8 without control characters", key->name);
        return false;
    }
    if (key->kind == KIND_ENVIRONMENT)
        return add_environment(key, field, value, continues, ret_why);
    if (key->kind == KIND_PATH && !continues && value[0] != '/') {
        snprintf(ret_why, CONFIG_ERROR_MAX, "%s = %.64s: expected a path from /", key->name, value);
        return false;
    }
    if (key->kind == KIND_USER && (continues || strpbrk(value, " \t#"))) {
        snprintf(ret_why, CONFIG_ERROR_MAX,
                 "%s = %.64s: expected the name of a user; a comment needs a line of its own", key->name, value);
        return false;
    }
    return append(key, field, value, ret_why);
}

bool config_apps_set(struct config *config, struct config_apps_section *section, const char *name, const char *value,
                     bool continues, char ret_why[CONFIG_ERROR_MAX])
{
    struct config_app *app = &config->apps[config->app_count - 1];
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        bool again = section->seen & UINT64_C(1) << i;
        section->seen |= UINT64_C(1) << i;
        if (!again || continues || keys[i].kind == KIND_ENVIRONMENT)
            return set(app, &keys[i], value, continues, ret_why);
        snprintf(ret_why, CONFIG_ERROR_MAX, "the app \"%s\" has a line for %s already", app->name, name);
        return false;
    }
    struct byte_writer out;
    byte_writer_init(&out, ret_why, CONFIG_ERROR_MAX);
    byte_writer_printf(&out, "unknown key \"%.64s\" of an app; there are", name);
    for (int i = 0; i < KEY_COUNT; i++)
        byte_writer_printf(&out, " %s", keys[i].name);
    return false;
}
