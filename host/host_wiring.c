/* SPDX-License-Identifier: Apache-2.0 */
/* Who tells whom: what one part of the host reports, handed to the parts it concerns. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "host/host_internal.h"

#include <stdlib.h>
#include <string.h>

void host_changed(void *ctx)
{
    struct host *self = ctx;
    if (self->web)
        web_notify(self->web);
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

/* --- sessions and apps --- */

void host_session_event(void *ctx, const struct sessions_event *event)
{
    struct host *self = ctx;
    switch (event->kind) {
    case SESSIONS_EVENT_ANNOUNCED:
        service_keep_awake(self->service, true);
        break;
    case SESSIONS_EVENT_ENDED:
        if (!event->others)
            service_keep_awake(self->service, false);
        break;
    default:
        break;
    }
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
