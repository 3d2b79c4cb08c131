/* SPDX-License-Identifier: Apache-2.0 */
/* Who tells whom: what one part of the host reports, handed to the parts it concerns. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/x11_socket.h"
#include "capture/finder_facts.h"
#include "host/host_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SILENT_SERVER_S = 30 };

void host_changed(void *ctx)
{
    struct host *self = ctx;
    if (self->web)
        web_notify(self->web);
}

/* --- encoders --- */

void host_encoders_changed(void *ctx)
{
    struct host *self = ctx;
    gpu_watch_look(&self->gpu);
    host_changed(self);
}

void host_encoder_failed(void *ctx, const char *name, bool hung)
{
    struct host *self = ctx;
    encoders_failed(&self->encoders, name, hung);
}

/* --- the display's mode: the note of what it was is on disk before it changes --- */

struct note_job {
    struct host *host;
    char text[DISPLAY_NOTE_MAX];
};

static void note_saved(void *arg, bool stored)
{
    struct host *self = arg;
    if (self->display)
        display_note_stored(self->display, stored);
}

static void keep_note_on_main(void *arg)
{
    struct note_job *job = arg;
    struct host *self = job->host;
    if (state_set_mode_note(self->state, job->text))
        saver_save(&self->saver, note_saved, self);
    else
        note_saved(self, false);
    free(job);
}

void host_keep_note(void *ctx, const char *note)
{
    struct host *self = ctx;
    struct note_job *job = calloc(1, sizeof(*job));
    if (!job) {
        log_oom("host");
        display_note_stored(self->display, false);
        return;
    }
    job->host = self;
    text_copy(job->text, sizeof(job->text), note);
    loop_post(self->loop, keep_note_on_main, job);
}

/* --- where input goes --- */

static void follow_screen(void *arg)
{
    struct host *self = arg;
    if (!self->display || !self->seat)
        return;
    struct display_status status;
    display_get_status(self->display, &status);
    struct injector_screen screen = {.width = status.capturing ? status.screen_width : 0,
                                     .height = status.capturing ? status.screen_height : 0,
                                     .cookie_owner = status.cookie_owner,
                                     .generation = ++self->screen_changes};
    text_copy(screen.display, sizeof(screen.display), status.name);
    text_copy(screen.xauthority, sizeof(screen.xauthority), status.xauthority);
    if (status.capturing && self->apps)
        apps_desktop_is_back(self->apps);
    guard_follow(self->guard, &screen);
    seat_set_geometry(self->seat, (struct rect){status.x, status.y, status.width, status.height}, &screen);
    if (self->control)
        control_host_wake(self->control); /* before a client asks what there is */
}

/* Whether touch and pen reach the desktop is known only once its server has answered. */
unsigned host_feature_flags(void *ctx)
{
    const struct host *self = ctx;
    return seat_feature_bits(self->injector ? self->injector->ops->can(self->injector) : 0);
}

void host_screen_moved(void *ctx)
{
    struct host *self = ctx;
    loop_post(self->loop, follow_screen, self);
}

/* --- sound: the same for the default sink --- */

static void sound_note_saved(void *arg, bool stored)
{
    struct host *self = arg;
    if (self->audio)
        audio_source_note_stored(self->audio, stored);
}

static void keep_sound_note_on_main(void *arg)
{
    struct note_job *job = arg;
    struct host *self = job->host;
    if (state_set_sound_note(self->state, job->text))
        saver_save(&self->saver, sound_note_saved, self);
    else
        sound_note_saved(self, false);
    free(job);
}

void host_keep_sound_note(void *ctx, const char *note)
{
    struct host *self = ctx;
    struct note_job *job = calloc(1, sizeof(*job));
    if (!job) {
        log_oom("host"); /* without an answer the default sink stays as it is */
        return;
    }
    job->host = self;
    text_copy(job->text, sizeof(job->text), note);
    loop_post(self->loop, keep_sound_note_on_main, job);
}

void host_sound_changed(void *ctx)
{
    struct host *self = ctx;
    loop_post(self->loop, host_changed, self);
}

/* --- the private display --- */

void host_desktop_moved(void *ctx, const char *display, const char *xauthority, const char *sentence)
{
    struct host *self = ctx;
    display_point(self->display, display, xauthority, sentence);
}

/* A server of ours that has been stopped or hangs brings nothing back by itself. */
void host_look_after_desktop(void *ctx)
{
    struct host *self = ctx;
    struct display_status status;
    int64_t now_ns = clock_now_ns();
    display_get_status(self->display, &status);
    if (!status.silent)
        self->silent_since_ns = 0;
    else if (!self->silent_since_ns)
        self->silent_since_ns = now_ns;
    else if (now_ns - self->silent_since_ns > SILENT_SERVER_S * CLOCK_SECOND_NS) {
        log_warn("desktop: the private display has not answered for %d s and is started anew", SILENT_SERVER_S);
        self->silent_since_ns = 0;
        desktop_restart_server(self->desktop);
    }
}

const char *const *host_environment(void *ctx)
{
    struct host *self = ctx;
    if (self->desktop)
        return desktop_environment(self->desktop);
    struct display_status status;
    size_t count = 0;
    display_get_status(self->display, &status);
    if (status.name[0]) {
        snprintf(self->environment[count], sizeof(self->environment[0]), "DISPLAY=%s", status.name);
        count++;
    }
    if (status.name[0] && status.xauthority[0]) {
        snprintf(self->environment[count], sizeof(self->environment[0]), "XAUTHORITY=%s", status.xauthority);
        count++;
    }
    for (size_t i = 0; i < count; i++)
        self->environment_list[i] = self->environment[i];
    self->environment_list[count] = NULL;
    return self->environment_list;
}

/* Asked when a program has ended: its server's socket was closed before its connection was. */
bool host_desktop_is_away(void *ctx)
{
    struct host *self = ctx;
    struct display_status status;
    int number, error;
    display_get_status(self->display, &status);
    if (!finder_parse_local(status.name, &number)) /* none was found yet: the program had no DISPLAY */
        return self->desktop || strcmp(self->config->display, "none") != 0;
    int fd = x11_socket_open(number, &error);
    if (fd >= 0)
        close(fd);
    return fd < 0 && error != EAGAIN;
}

const char *host_program_user(void *ctx)
{
    const struct host *self = ctx;
    return self->config->session_user[0] ? self->config->session_user : NULL;
}

/* --- sessions and apps --- */

static void fit_desktop(struct host *self, const struct sessions_event *event)
{
    bool wanted = self->desktop && self->config->match_mode != CONFIG_MATCH_NEVER;
    if (wanted && !event->others && event->width)
        desktop_fit(self->desktop, event->width, event->height);
}

void host_session_event(void *ctx, const struct sessions_event *event)
{
    struct host *self = ctx;
    const struct apps_client client = {
        .name = event->client, .width = event->width, .height = event->height, .fps = (event->fps_x100 + 50) / 100};
    switch (event->kind) {
    case SESSIONS_EVENT_LAUNCHED:
        fit_desktop(self, event);
        apps_session_began(self->apps, event->app_id, &client, !event->others_of_app);
        break;
    case SESSIONS_EVENT_ANNOUNCED:
        service_keep_awake(self->service, true);
        break;
    case SESSIONS_EVENT_FIRST_PICTURE:
        apps_first_picture(self->apps, event->app_id);
        break;
    case SESSIONS_EVENT_ENDED:
        if (!event->others)
            service_keep_awake(self->service, false);
        if (!event->others_of_app)
            apps_last_session_ended(self->apps, event->app_id);
        break;
    case SESSIONS_EVENT_QUIT:
        apps_quit(self->apps, event->app_id);
        break;
    }
}

void host_app_over(void *ctx, uint32_t app_id)
{
    struct host *self = ctx;
    if (self->sessions)
        sessions_app_over(self->sessions, app_id);
}

/* --- supervision --- */

void host_capture_hung(void *ctx, int64_t age_ns)
{
    (void)age_ns;
    display_abort_source(((struct host *)ctx)->display);
}

/* A stage that has hung for long keeps the sign of life back: the service manager then starts the host anew. */
void host_say_alive(void *ctx)
{
    struct host *self = ctx;
    if (watchdog_all_well(self->watchdog))
        service_alive(self->service);
}
