/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apps: what clients can start: "Desktop", or the [app "Name"] sections of the configuration (then only these). An app
 * may have a command, which runs from its first launch until it is quit, and commands for four moments: connect (its
 * first session is launched), first_picture, disconnect (its last session ended) and quit. Each of these may have an
 * undo: what `connect` and `first_picture` did is undone at disconnect, in reverse order; what `disconnect` did at the
 * next connect or at quit; what `quit` did at the next launch. An undo that is owed is in the state before its command
 * runs, and is done at the next start after a crash. Main thread.
 */
#pragma once

#include "host/config.h"
#include "host/saver.h"
#include "host/state.h"
#include "net/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct apps;

struct apps_config {
    const struct config *config; /* this and the next three outlive the object */
    struct loop *loop;
    struct state *state;
    struct saver *saver;
    /* "DISPLAY=:0", "XAUTHORITY=..." of the desktop streamed now; NULL-terminated; borrowed until the next call. */
    const char *const *(*environment)(void *ctx);
    /* The user programs run as when the app names none; NULL: as the host. */
    const char *(*user)(void *ctx);
    /* By itself: the app is over, its sessions end at once, within this call. Called from the loop alone. */
    /* The X server that programs run on is gone just now: what ends with it is not over. May be NULL. */
    bool (*desktop_is_away)(void *ctx);
    void (*command_ended)(void *ctx, uint32_t app_id);
    void (*changed)(void *ctx); /* something the page shows is different */
    void *ctx;
};

struct apps *apps_create(const struct apps_config *config); /* NULL: logged. Does what is owed from before */
/* Ends what runs and does what is owed, within a few seconds; waits for it. NULL is fine. */
void apps_destroy(struct apps *self);

size_t apps_count(const struct apps *self);
const char *apps_name(const struct apps *self, size_t index);
uint32_t apps_id(const struct apps *self, size_t index); /* nvhttp_app_id(name) */
/* The box art: the app's own PNG or the built-in one. False: no such app. Borrowed. */
bool apps_image(struct apps *self, uint32_t app_id, const void **ret_png, size_t *ret_size);

enum apps_answer {
    APPS_OK,
    APPS_UNKNOWN,    /* no such app */
    APPS_OTHER_RUNS, /* another app with a command runs, and this one has one too */
};
enum apps_answer apps_may_launch(const struct apps *self, uint32_t app_id);
const char *apps_running_name(const struct apps *self); /* of the app whose command runs; NULL: none */

/* For the environment of what is run: EARTHSHINE_APP, _CLIENT, _WIDTH, _HEIGHT, _FPS. */
struct apps_client {
    const char *name;
    int width, height, fps;
};
/* A session of this app was launched or resumed; `is_first`: it had none. Starts the command if it does not run. */
void apps_session_began(struct apps *self, uint32_t app_id, const struct apps_client *client, bool is_first);
void apps_first_picture(struct apps *self, uint32_t app_id);
void apps_last_session_ended(struct apps *self, uint32_t app_id);
void apps_desktop_is_back(struct apps *self);       /* commands that ended with it are started again */
void apps_quit(struct apps *self, uint32_t app_id); /* nobody runs it any more */

/* [{name, id, command, state, sentence, output}], state: "idle", "running", "ended"; `sentence` tells what failed last.
 */
json_t *apps_to_json(const struct apps *self);
void apps_counters(const struct apps *self, json_t *object); /* adds "app_*" */
