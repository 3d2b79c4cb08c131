/* SPDX-License-Identifier: Apache-2.0 */
#include "host/apps.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "host/apps_internal.h"
#include "host/assets.h"
#include "protocol/nvhttp.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGE_MAX_BYTES = 4 * 1024 * 1024, OUTPUT_SHOWN_BYTES = 2048 };
enum { END_COMMANDS_MS = 3500, END_MS = 5000 }; /* from when apps_destroy() is called */

/* --- the list --- */

size_t apps_count(const struct apps *self)
{
    return self->count;
}

const char *apps_name(const struct apps *self, size_t index)
{
    return self->list[index].config->name;
}

uint32_t apps_id(const struct apps *self, size_t index)
{
    return self->list[index].id;
}

static struct app *find(const struct apps *self, uint32_t app_id)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].id == app_id)
            return &self->list[i];
    }
    return NULL;
}

bool apps_image(struct apps *self, uint32_t app_id, const void **ret_png, size_t *ret_size)
{
    const struct app *app = find(self, app_id);
    if (!app)
        return false;
    *ret_png = app->image ? (const void *)app->image : asset_desktop_png;
    *ret_size = app->image ? app->image_size : asset_desktop_png_size;
    return true;
}

static bool has_command(const struct app *app)
{
    return app->config->command[0];
}

const char *apps_running_name(const struct apps *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].wanted && has_command(&self->list[i]))
            return self->list[i].config->name;
    }
    return NULL;
}

enum apps_answer apps_may_launch(const struct apps *self, uint32_t app_id)
{
    const struct app *app = find(self, app_id);
    if (!app)
        return APPS_UNKNOWN;
    const char *running = has_command(app) ? apps_running_name(self) : NULL;
    return running && strcmp(running, app->config->name) != 0 ? APPS_OTHER_RUNS : APPS_OK;
}

/* --- what happens --- */

void apps_session_began(struct apps *self, uint32_t app_id, const struct apps_client *client, bool is_first)
{
    struct app *app = find(self, app_id);
    if (!app)
        return;
    struct app_event event = {.kind = APP_EVENT_BEGAN, .is_first = is_first};
    text_copy(event.client.name, sizeof(event.client.name), client->name ? client->name : "");
    event.client.width = client->width;
    event.client.height = client->height;
    event.client.fps = client->fps;
    app->wanted = app->has_session = true;
    app->ended = app->quits_at_last = false;
    loop_timer_destroy(app->tell);
    app->tell = NULL;
    app_enqueue(app, &event);
    app_changed(app);
}

void apps_first_picture(struct apps *self, uint32_t app_id)
{
    struct app *app = find(self, app_id);
    if (app)
        app_enqueue(app, &(struct app_event){.kind = APP_EVENT_PICTURE});
}

void apps_last_session_ended(struct apps *self, uint32_t app_id)
{
    struct app *app = find(self, app_id);
    if (!app)
        return;
    bool quits = app->quits_at_last;
    app->has_session = app->quits_at_last = false;
    app_enqueue(app, &(struct app_event){.kind = APP_EVENT_LAST});
    if (quits)
        app_enqueue(app, &(struct app_event){.kind = APP_EVENT_QUIT});
}

void apps_desktop_is_back(struct apps *self)
{
    for (size_t i = 0; i < self->count; i++)
        app_find_desktop(&self->list[i]);
}

void apps_quit(struct apps *self, uint32_t app_id)
{
    struct app *app = find(self, app_id);
    if (!app)
        return;
    app->wanted = app->ended = app->quits_at_last = false;
    app_enqueue(app, &(struct app_event){.kind = APP_EVENT_QUIT});
    app_changed(app);
}

/* --- start --- */

static void read_image(struct app *app)
{
    static const char signature[] = "\x89PNG\r\n\x1a\n";
    const char *path = app->config->image;
    char *data = NULL;
    size_t size = 0;
    if (!path[0])
        return;
    enum file_result result = file_read(path, IMAGE_MAX_BYTES, &data, &size);
    if (result == FILE_OK && size > 8 && !memcmp(data, signature, 8)) {
        char *fitting = realloc(data, size);
        app->image = fitting ? fitting : data;
        app->image_size = size;
        return;
    }
    log_warn("apps: the image of \"%s\", %s, %s; the built-in one is shown", app->config->name, path,
             result == FILE_OK        ? "is no PNG"
             : result == FILE_MISSING ? "is not there"
                                      : "cannot be read");
    free(data);
}

static bool fill_list(struct apps *self)
{
    const struct config *config = self->config.config;
    const struct config_app *list = config->apps;
    self->count = config->app_count;
    if (!self->count) {
        list = self->desktop = calloc(1, sizeof(*self->desktop));
        if (!list)
            return false;
        text_copy(self->desktop->name, sizeof(self->desktop->name), "Desktop");
        self->count = 1;
    }
    self->list = calloc(self->count, sizeof(*self->list));
    for (size_t i = 0; self->list && i < self->count; i++) {
        self->list[i].owner = self;
        self->list[i].config = &list[i];
        self->list[i].id = nvhttp_app_id(list[i].name);
        read_image(&self->list[i]);
    }
    return self->list;
}

/* All that is owed, of whatever app. */
static void sweep(struct apps *self)
{
    self->sweeping = true;
    app_enqueue(&self->sweeper, &(struct app_event){.kind = APP_EVENT_SWEEP});
}

struct apps *apps_create(const struct apps_config *config)
{
    struct apps *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("apps");
    self->config = *config;
    self->sweeper.owner = self;
    self->sweeper.config = &self->sweeper_config;
    if (!fill_list(self)) {
        apps_destroy(self);
        return log_oom("apps");
    }
    size_t owed = state_owed_count(config->state);
    if (owed)
        log_info("apps: undoing what %zu command%s of apps did before the host ended unexpectedly", owed,
                 owed == 1 ? "" : "s");
    sweep(self);
    return self;
}

/* --- the end --- */

static void on_time_over(void *arg)
{
    loop_stop(arg);
}

static bool any_runs(const struct apps *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].command || self->list[i].hook)
            return true;
    }
    return self->sweeper.hook;
}

static bool is_sweeping(const struct apps *self)
{
    return self->sweeping;
}

/* Runs the loop while `goes_on`; whatever may change that stops it. */
static void wait_while(struct apps *self, bool (*goes_on)(const struct apps *self), int64_t until_ns)
{
    struct loop_timer *timer =
        loop_timer_create(self->config.loop, until_ns - clock_now_ns(), false, on_time_over, self->config.loop);
    while (timer && goes_on(self) && clock_now_ns() < until_ns)
        loop_run(self->config.loop);
    loop_timer_destroy(timer);
}

static void drop_all(struct apps *self, bool finish_undo)
{
    app_drop_steps(&self->sweeper, finish_undo);
    for (size_t i = 0; i < self->count; i++)
        app_drop_steps(&self->list[i], finish_undo);
}

static void end_all(struct apps *self)
{
    int64_t begun_ns = clock_now_ns();
    self->ending = true;
    drop_all(self, true);
    for (size_t i = 0; i < self->count; i++) {
        program_stop(self->list[i].command);
        loop_timer_destroy(self->list[i].tell);
        self->list[i].tell = NULL;
    }
    wait_while(self, any_runs, begun_ns + END_COMMANDS_MS * CLOCK_MS_NS);
    drop_all(self, false);
    sweep(self);
    wait_while(self, is_sweeping, begun_ns + END_MS * CLOCK_MS_NS);
    app_drop_steps(&self->sweeper, false);
    if (state_owed_count(self->config.state))
        log_warn("apps: there was no time to undo all that commands of apps did; the rest is undone at the next start");
}

void apps_destroy(struct apps *self)
{
    if (!self)
        return;
    if (self->list)
        end_all(self);
    for (size_t i = 0; self->list && i < self->count; i++) {
        program_destroy(self->list[i].command);
        free(self->list[i].image);
    }
    free(self->list);
    free(self->desktop);
    free(self);
}

/* --- for the page --- */

static const char *state_of(const struct app *app)
{
    return app->ended ? "ended" : app->wanted ? "running" : "idle";
}

/* The last of what the command said, from the start of a line. */
static json_t *output_of(const struct app *app)
{
    char live[PROGRAM_OUTPUT_MAX + 1];
    const char *text = app->output;
    if (app->command) {
        program_output(app->command, live);
        text = live;
    }
    size_t size = strlen(text);
    if (size > OUTPUT_SHOWN_BYTES) {
        text += size - OUTPUT_SHOWN_BYTES;
        const char *newline = strchr(text, '\n');
        while (!newline && ((unsigned char)*text & 0xc0) == 0x80)
            text++;
        text = newline ? newline + 1 : text;
    }
    return json_string(text);
}

json_t *apps_to_json(const struct apps *self)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->count; i++) {
        const struct app *app = &self->list[i];
        json_array_append_new(list, json_pack("{ss sI ss ss ss so}", "name", app->config->name, "id",
                                              (json_int_t)app->id, "command", app->config->command, "state",
                                              state_of(app), "sentence", app->sentence, "output", output_of(app)));
    }
    return list;
}

void apps_counters(const struct apps *self, json_t *object)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"app_commands", self->counters.commands},
        {"app_commands_failed", self->counters.commands_failed},
        {"app_hooks", self->counters.hooks},
        {"app_hooks_failed", self->counters.hooks_failed},
        {"app_hooks_not_stored", self->counters.hooks_not_noted},
        {"app_undos", self->counters.undos},
        {"app_undos_failed", self->counters.undos_failed},
        {"app_undos_owed", state_owed_count(self->config.state)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].value));
}
