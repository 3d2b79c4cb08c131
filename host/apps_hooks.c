/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One command of an app. What it needs to run is put together when it is to run the first time and is the same struct
 * that the state keeps of a command that is owed; only the desktop's part of the environment is as of now, for that
 * may be another one by then.
 */
#include "host/apps_internal.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ENVIRONMENT_ENTRIES_MAX = 512 };

__attribute__((format(printf, 2, 3))) static bool add(struct byte_writer *out, const char *format, ...)
{
    char entry[STATE_ENVIRONMENT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(entry, sizeof(entry), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(entry))
        return false;
    byte_writer_append(out, entry, (size_t)length + 1);
    return !out->failed;
}

static bool fill_environment(const struct app *self, char ret_texts[STATE_ENVIRONMENT_MAX])
{
    struct byte_writer out;
    byte_writer_init(&out, ret_texts, STATE_ENVIRONMENT_MAX - 1); /* the empty text at the end stays */
    bool good =
        add(&out, "EARTHSHINE_APP=%s", self->config->name) && add(&out, "EARTHSHINE_CLIENT=%s", self->client.name) &&
        add(&out, "EARTHSHINE_WIDTH=%d", self->client.width) &&
        add(&out, "EARTHSHINE_HEIGHT=%d", self->client.height) && add(&out, "EARTHSHINE_FPS=%d", self->client.fps);
    for (const char *at = self->config->environment; good && *at; at += strlen(at) + 1)
        good = add(&out, "%s", at);
    return good;
}

/* "": as the host. False: as root, and nobody said so. */
static bool choose_user(const struct app *self, char ret_user[STATE_USER_MAX], char ret_reason[CHILD_REASON_MAX])
{
    const struct apps_config *config = &self->owner->config;
    const char *user = self->config->user;
    if (!user[0] && config->user)
        user = config->user(config->ctx);
    text_copy(ret_user, STATE_USER_MAX, user ? user : "");
    if (ret_user[0] || !config_is_service())
        return true;
    snprintf(ret_reason, CHILD_REASON_MAX,
             "it would run as root, and nobody said that it may: set user = NAME in the section of this app");
    return false;
}

bool app_make_job(const struct app *self, const char *moment, const char *command, struct state_owed *ret_job,
                  char ret_reason[CHILD_REASON_MAX])
{
    memset(ret_job, 0, sizeof(*ret_job));
    text_copy(ret_job->app, sizeof(ret_job->app), self->config->name);
    text_copy(ret_job->moment, sizeof(ret_job->moment), moment);
    text_copy(ret_job->command, sizeof(ret_job->command), command);
    text_copy(ret_job->directory, sizeof(ret_job->directory), self->config->directory);
    if (!choose_user(self, ret_job->user, ret_reason))
        return false;
    if (fill_environment(self, ret_job->environment))
        return true;
    text_copy(ret_reason, CHILD_REASON_MAX, "its environment is too large");
    return false;
}

struct program *app_run_job(struct app *self, const struct state_owed *job, int limit_s,
                            void (*ended)(void *ctx, const struct program_end *end), char ret_reason[CHILD_REASON_MAX])
{
    const struct apps_config *config = &self->owner->config;
    const char *environment[ENVIRONMENT_ENTRIES_MAX + 1] = {NULL};
    const char *argv[] = {"/bin/sh", "-c", job->command, NULL};
    const char *const *desktop = config->environment ? config->environment(config->ctx) : NULL;
    size_t count = 0;
    for (; desktop && *desktop && count < ENVIRONMENT_ENTRIES_MAX; desktop++)
        environment[count++] = *desktop;
    for (const char *at = job->environment; *at && count < ENVIRONMENT_ENTRIES_MAX; at += strlen(at) + 1)
        environment[count++] = at; /* after the desktop's: stronger */
    if (!job->user[0] && config_is_service()) {
        text_copy(ret_reason, CHILD_REASON_MAX, "it would run as root, and nobody said that it may");
        return NULL;
    }
    char name[STATE_NAME_MAX + STATE_MOMENT_MAX + 8];
    snprintf(name, sizeof(name), "%s (%s)", job->app, job->moment);
    const struct program_config program = {
        .loop = config->loop,
        .name = name,
        .spec =
            {
                .argv = argv,
                .environment = environment,
                .directory = job->directory[0] ? job->directory : NULL,
                .user = job->user[0] ? job->user : NULL,
                .output = -1,
                .pass = -1,
            },
        .limit_s = limit_s,
        .ended = ended,
        .ctx = self,
    };
    return program_start(&program, ret_reason);
}

/* --- what is said of it --- */

/* The last line that is not empty; shortened. */
static void last_line(const struct program *program, char *ret_text, size_t capacity)
{
    char output[PROGRAM_OUTPUT_MAX + 1];
    size_t size = program_output(program, output);
    while (size && (output[size - 1] == '\n' || output[size - 1] == ' '))
        output[--size] = 0;
    const char *newline = strrchr(output, '\n'), *line = newline ? newline + 1 : output;
    text_copy(ret_text, capacity, line);
}

void app_end_text(const struct program *program, const struct program_end *end, int limit_s, char *ret_text,
                  size_t capacity)
{
    char how[64], line[160];
    if (end->timed_out)
        snprintf(how, sizeof(how), "it did not end within %d s and was killed", limit_s);
    else
        child_end_text(&end->child, how, sizeof(how));
    last_line(program, line, sizeof(line));
    snprintf(ret_text, capacity, "%s%s%s", how, line[0] ? ": " : "", line);
}

void app_say(struct app *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->sentence, sizeof(self->sentence), format, arguments);
    va_end(arguments);
    text_make_printable(self->sentence); /* it may have been cut within a character */
    log_warn("apps: %s", self->sentence);
    app_changed(self);
}
