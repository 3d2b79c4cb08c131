/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture thread of a display: it chooses between the desktop and the status picture, reads the one in use when it
 * has changed and some view may have a picture, and lets the views convert it.
 */
#include "capture/display.h"

#include "base/clock.h"
#include "base/crew.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wake.h"
#include "capture/keeper.h"
#include "capture/opener.h"
#include "capture/source.h"
#include "capture/view.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELPERS = 1 }; /* beside the capture thread; with more than two cores nothing was measured */

#define RETRY_NS      (500 * CLOCK_MS_NS)
#define RETRY_SLOW_NS (2 * CLOCK_SECOND_NS) /* where looking for a desktop costs time */
#define RETRY_IDLE_NS (5 * CLOCK_SECOND_NS) /* nobody watches */
#define FOLLOW_NS     (2 * CLOCK_SECOND_NS) /* between looks for a better desktop */

/* Where the desktop is. */
struct place {
    char name[64]; /* "": nowhere; "auto": wherever the finder says */
    char xauthority[DISPLAY_PATH_MAX];
    char sentence[160]; /* why nowhere */
    bool is_ours;       /* display_point() named it */
};

struct display {
    struct thread thread;
    struct wake news;
    char output[64];
    struct keeper *keeper;
    void (*moved)(void *ctx);
    void *moved_ctx;
    struct heartbeat heartbeat;

    struct mutex lock; /* guards the next three; never held during slow work */
    struct view *views;
    bool stopping;

    struct mutex status_lock;     /* guards the next three, and that `source` exists; never held during slow work */
    struct display_status status; /* capture thread writes */
    struct place pointed;         /* where to look from now on */
    bool pointed_elsewhere;

    /* capture thread */
    struct place place;
    struct source *source; /* the desktop, NULL while there is none */
    struct source *card;   /* the status picture, while it is needed */
    struct opener opener;
    int64_t retry_ns; /* next attempt; with a source and "auto": next look for a better one */
    bool discard;     /* what the opener brings is from a place that was left */
    bool viewed, was_capturing, must_show_all;
    struct crew crew; /* converts what is large together with this thread */
};

static void wake(void *context)
{
    struct display *self = context;
    wake_signal(&self->news);
}

static void set_sentence(struct display *self, const char *sentence)
{
    mutex_lock(&self->status_lock);
    bool news = strcmp(self->status.sentence, sentence) != 0;
    text_copy(self->status.sentence, sizeof(self->status.sentence), sentence);
    mutex_unlock(&self->status_lock);
    if (self->card)
        source_status_set_sentence(self->card, sentence);
    if (news && *sentence) /* whether it should be so on a display of ours, its maker knows and says */
        log_write(self->place.is_ours ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "display: %s", sentence);
}

/* Size and name of what is captured, for others. */
static void publish_source(struct display *self)
{
    struct source *source = self->source;
    mutex_lock(&self->status_lock);
    self->status.capturing = source != NULL;
    self->status.x = source ? source->x : 0;
    self->status.y = source ? source->y : 0;
    self->status.screen_width = source ? source->screen_width : 0;
    self->status.screen_height = source ? source->screen_height : 0;
    self->status.width = source ? source->width : 0;
    self->status.height = source ? source->height : 0;
    text_copy(self->status.source, sizeof(self->status.source), source ? source->place : "status");
    mutex_unlock(&self->status_lock);
    if (self->moved)
        self->moved(self->moved_ctx);
}

static void drop_card(struct display *self)
{
    if (self->card)
        self->card->ops->destroy(self->card);
    self->card = NULL;
}

/* Ends the source; display_abort_source() no longer sees it. */
static void take_source(struct display *self)
{
    mutex_lock(&self->status_lock);
    struct source *source = self->source;
    self->source = NULL;
    mutex_unlock(&self->status_lock);
    if (source)
        source->ops->destroy(source);
}

static void leave_source(struct display *self)
{
    keeper_detach(self->keeper);
    take_source(self);
    self->must_show_all = true;
}

static void drop_source(struct display *self, int64_t now_ns)
{
    char sentence[sizeof(self->source->sentence)];
    text_copy(sentence, sizeof(sentence), self->source->sentence);
    leave_source(self);
    self->retry_ns = now_ns + RETRY_NS;
    publish_source(self);
    set_sentence(self, sentence);
}

static bool is_auto(const struct display *self)
{
    return strcmp(self->place.name, "auto") == 0;
}

static void adopt_source(struct display *self, struct source *source)
{
    if (self->source) { /* a better one came */
        log_info("display: leaving %s for %s", self->source->place, source->place);
        leave_source(self);
    }
    mutex_lock(&self->status_lock);
    self->source = source;
    text_copy(self->status.name, sizeof(self->status.name), source->display);
    text_copy(self->status.xauthority, sizeof(self->status.xauthority), source->xauthority);
    self->status.cookie_owner = source->cookie_owner;
    self->status.reconnects += self->was_capturing;
    self->status.silent = false;
    mutex_unlock(&self->status_lock);
    self->must_show_all = true;
    drop_card(self);
    source->ops->set_viewed(source, self->viewed);
    set_sentence(self, "");
    publish_source(self);
    self->was_capturing = true;
    keeper_attach(self->keeper, source->display, source->xauthority, source->cookie_owner, self->output,
                  self->place.is_ours);
    log_info("display: capturing %s, %dx%d", source->place, source->width, source->height);
}

/* What a look around has brought, for others. */
static void publish_candidates(struct display *self, const struct opener_result *result)
{
    struct display_status *status = &self->status;
    mutex_lock(&self->status_lock);
    bool news = status->candidate_count != result->candidate_count ||
                memcmp(status->candidates, result->candidates, sizeof(status->candidates)) != 0;
    status->candidate_count = result->candidate_count;
    memcpy(status->candidates, result->candidates, sizeof(status->candidates));
    mutex_unlock(&self->status_lock);
    for (int i = 0; news && i < result->candidate_count; i++) {
        const struct display_candidate *candidate = &result->candidates[i];
        log_info("display: %s: %s%s", candidate->name, candidate->reason, candidate->chosen ? " (chosen)" : "");
    }
}

static void set_silent(struct display *self, bool silent)
{
    mutex_lock(&self->status_lock);
    self->status.silent = silent;
    mutex_unlock(&self->status_lock);
}

static void take_result(struct display *self, struct opener_result *result, int64_t now_ns)
{
    if (self->discard) {
        self->discard = false;
        if (result->source)
            result->source->ops->destroy(result->source);
        self->retry_ns = now_ns;
        return;
    }
    publish_candidates(self, result);
    if (result->unreachable)
        set_silent(self, false);
    self->retry_ns = now_ns + (!self->viewed ? RETRY_IDLE_NS : result->is_slow ? RETRY_SLOW_NS : RETRY_NS);
    if (result->source) {
        adopt_source(self, result->source);
    } else if (!self->source) {
        if (result->unreachable && self->was_capturing)
            snprintf(result->sentence, sizeof(result->sentence), "The desktop %s went away. Waiting for it to return.",
                     self->place.name);
        set_sentence(self, result->sentence);
    }
    if (self->source)
        self->retry_ns = now_ns + FOLLOW_NS;
}

static bool start_opening(struct display *self, int64_t now_ns)
{
    struct opener_wish wish = {.display = ""};
    text_copy(wish.display, sizeof(wish.display), self->place.name);
    text_copy(wish.xauthority, sizeof(wish.xauthority), self->place.xauthority);
    text_copy(wish.output, sizeof(wish.output), self->output);
    if (self->source)
        text_copy(wish.present, sizeof(wish.present), self->source->display);
    if (opener_start(&self->opener, &wish))
        return true;
    set_sentence(self, "Cannot start a thread to open the display.");
    self->retry_ns = now_ns + RETRY_IDLE_NS;
    return false;
}

static int64_t watch_opening(struct display *self, int64_t now_ns)
{
    char slow[32], sentence[160];
    int64_t again_ns = opener_watch(&self->opener, now_ns, slow, sizeof(slow));
    bool told = is_auto(self) && self->status.sentence[0]; /* what the whole round brings says more */
    if (*slow && !self->source && !self->discard)
        set_silent(self, true);
    if (*slow && !self->source && !self->discard && !told) {
        snprintf(sentence, sizeof(sentence), "The X server %s does not answer.", slow);
        set_sentence(self, sentence);
    }
    return again_ns;
}

/* Tries to have a desktop, or a better one. Returns when to call again. */
static int64_t seek_source(struct display *self, int64_t now_ns)
{
    struct opener_result result;
    enum opener_state state = opener_poll(&self->opener, &result);
    if (state == OPENER_DONE)
        take_result(self, &result, now_ns);
    if (state == OPENER_BUSY)
        return watch_opening(self, now_ns);
    bool wants = self->source ? is_auto(self) && self->viewed : *self->place.name != 0;
    if (!wants)
        return INT64_MAX;
    if (now_ns < self->retry_ns || !start_opening(self, now_ns))
        return self->retry_ns;
    return watch_opening(self, now_ns);
}

/* What pictures come from now; NULL: nothing, because nobody watches or an answer is about to come. */
static struct source *current_source(struct display *self)
{
    if (self->source)
        return self->source;
    if (!self->viewed) {
        drop_card(self);
        return NULL;
    }
    if (self->card || !self->status.sentence[0])
        return self->card;
    mutex_lock(&self->lock);
    int width = self->views ? self->views->config.layout.width : 0;
    int height = self->views ? self->views->config.layout.height : 0;
    mutex_unlock(&self->lock);
    if (!width)
        return NULL;
    self->card = source_status_create(width, height);
    if (self->card)
        source_status_set_sentence(self->card, self->status.sentence);
    return self->card;
}

/* Follows openings and closings of views. */
static void count_viewers(struct display *self)
{
    mutex_lock(&self->lock);
    bool viewed = self->views != NULL;
    mutex_unlock(&self->lock);
    if (viewed == self->viewed)
        return;
    self->viewed = viewed;
    if (viewed)
        self->retry_ns = 0;
    if (self->source)
        self->source->ops->set_viewed(self->source, viewed);
}

/* When the first view wants a picture: INT64_MAX if none does. */
static int64_t next_due(struct display *self, bool news)
{
    int64_t due_ns = INT64_MAX;
    mutex_lock(&self->lock);
    for (struct view *view = self->views; view; view = view->next) {
        if ((news || self->must_show_all || view_is_waiting(view)) && view->due_ns < due_ns)
            due_ns = view->due_ns;
    }
    mutex_unlock(&self->lock);
    return due_ns;
}

/* A reference to each, so that one may be closed while its picture is made. */
static size_t hold_views(struct display *self, struct view *ret_views[DISPLAY_VIEWS_MAX])
{
    size_t count = 0;
    mutex_lock(&self->lock);
    for (struct view *view = self->views; view; view = view->next) {
        atomic_fetch_add(&view->references, 1);
        ret_views[count++] = view;
    }
    mutex_unlock(&self->lock);
    return count;
}

static void show(struct display *self, const struct source_picture *picture, struct view_picture *shown, int64_t now_ns)
{
    if (picture->cursor)
        cursor_draw(picture->cursor, &picture->image);
    struct view *views[DISPLAY_VIEWS_MAX];
    size_t count = hold_views(self, views);
    for (size_t i = 0; i < count; i++) {
        struct view *view = views[i];
        view_add_damage(view, &picture->damage);
        view->all_pending |= picture->resized || self->must_show_all;
        if (now_ns >= view->due_ns && view_is_waiting(view))
            view_show(view, shown, now_ns);
        view_unref(view);
    }
    self->must_show_all = false;
    if (picture->cursor)
        cursor_erase(picture->cursor, &picture->image);
}

static void make_pictures(struct display *self, struct source *source, int64_t now_ns)
{
    struct source_picture picture;
    int64_t captured_ns = clock_now_ns();
    if (!source->ops->fetch(source, captured_ns, &picture)) {
        drop_source(self, now_ns);
        return;
    }
    if (picture.resized && source == self->source)
        publish_source(self);
    if (source == self->source)
        keeper_saw_picture(self->keeper, source->width, source->height);
    struct view_picture shown = {
        .image = &picture.image,
        .captured_ns = captured_ns,
        .fetched_ns = clock_now_ns(),
        .is_status = source == self->card,
        .crew = &self->crew,
    };
    show(self, &picture, &shown, now_ns);
}

/* Until woken, the time is reached, or something arrives at `fd` (-1: none). */
static void wait_for_news(struct display *self, int fd, int64_t until_ns)
{
    heartbeat_end(&self->heartbeat);
    wake_wait(&self->news, fd, until_ns);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Goes where display_point() has said. */
static void follow_place(struct display *self, int64_t now_ns)
{
    mutex_lock(&self->status_lock);
    bool elsewhere = self->pointed_elsewhere;
    self->pointed_elsewhere = false;
    if (elsewhere)
        self->place = self->pointed;
    mutex_unlock(&self->status_lock);
    if (!elsewhere)
        return;
    opener_cancel(&self->opener);
    self->discard = self->opener.thread.running;
    set_silent(self, false);
    if (self->source)
        drop_source(self, now_ns);
    self->retry_ns = now_ns;
    set_sentence(self, self->place.sentence);
}

/* One turn of the capture thread. */
static void turn(struct display *self)
{
    int64_t now_ns = clock_now_ns();
    heartbeat_begin(&self->heartbeat, now_ns);
    count_viewers(self);
    follow_place(self, now_ns);
    int64_t until_ns = seek_source(self, now_ns);
    struct source *source = current_source(self);
    if (!source) {
        wait_for_news(self, -1, until_ns);
        return;
    }
    int64_t again_ns;
    enum source_state state = source->ops->pump(source, now_ns, &again_ns);
    if (state == SOURCE_FAILED) {
        drop_source(self, now_ns);
        return;
    }
    int64_t due_ns = next_due(self, state == SOURCE_CHANGED);
    if (due_ns <= now_ns) {
        make_pictures(self, source, now_ns);
        return;
    }
    /* With a picture to come at a known time, what else arrives until then does not matter. */
    int fd = due_ns == INT64_MAX ? source->ops->fd(source) : -1;
    wait_for_news(self, fd, earlier(earlier(until_ns, again_ns), due_ns));
}

static bool is_stopping(struct display *self)
{
    mutex_lock(&self->lock);
    bool stopping = self->stopping;
    mutex_unlock(&self->lock);
    return stopping;
}

static void run(void *arg)
{
    struct display *self = arg;
    bool urgent = thread_set_priority(THREAD_PRIORITY_REALTIME_INHERITED);
    crew_init(&self->crew, "convert", process_cores() > 1 ? HELPERS : 0);
    if (!urgent || !thread_set_priority(THREAD_PRIORITY_REALTIME)) /* not for the threads that open displays */
        log_info("display: no real-time priority for the capture thread; pictures may come late under load");
    while (!is_stopping(self)) {
        turn(self);
        heartbeat_end(&self->heartbeat);
    }
    crew_finish(&self->crew);
}

static void choose_name(struct display *self, const char *name)
{
    text_copy(self->status.source, sizeof(self->status.source), "status");
    if (strcmp(name, "none") == 0)
        set_sentence(self, "No display is configured (display = none).");
    else if (!*name) /* as things should be: not logged */
        text_copy(self->status.sentence, sizeof(self->status.sentence), "The desktop is being started.");
    else
        text_copy(self->place.name, sizeof(self->place.name), name);
}

struct display *display_create(const struct display_config *config)
{
    struct display *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("display");
    mutex_init(&self->lock);
    mutex_init(&self->status_lock);
    opener_init(&self->opener, wake, self);
    text_copy(self->output, sizeof(self->output), config->output);
    self->moved = config->moved;
    self->moved_ctx = config->ctx;
    choose_name(self, config->name);
    bool good = wake_init(&self->news);
    self->keeper = keeper_create(
        &(struct keeper_config){.left_note = config->left_note, .note = config->note, .ctx = config->ctx});
    if (!good || !self->keeper || !thread_start(&self->thread, "capture", run, self)) {
        display_destroy(self);
        return NULL;
    }
    return self;
}

void display_destroy(struct display *self)
{
    if (!self)
        return;
    assert(!self->views);
    mutex_lock(&self->lock);
    self->stopping = true;
    mutex_unlock(&self->lock);
    wake(self);
    thread_join(&self->thread);
    opener_finish(&self->opener);
    drop_card(self);
    keeper_destroy(self->keeper);
    take_source(self);
    wake_finish(&self->news);
    mutex_finish(&self->lock);
    mutex_finish(&self->status_lock);
    free(self);
}

void display_get_status(struct display *self, struct display_status *ret_status)
{
    mutex_lock(&self->status_lock);
    *ret_status = self->status;
    mutex_unlock(&self->status_lock);
    keeper_get_status(self->keeper, &ret_status->mode);
}

void display_point(struct display *self, const char *name, const char *xauthority, const char *sentence)
{
    mutex_lock(&self->status_lock);
    self->pointed = (struct place){.is_ours = strcmp(name, "auto") != 0};
    text_copy(self->pointed.name, sizeof(self->pointed.name), name);
    text_copy(self->pointed.xauthority, sizeof(self->pointed.xauthority), xauthority);
    text_copy(self->pointed.sentence, sizeof(self->pointed.sentence), sentence);
    self->pointed_elsewhere = true;
    mutex_unlock(&self->status_lock);
    wake(self);
}

void display_set_wish(struct display *self, const struct display_wish *wish)
{
    keeper_set_wish(self->keeper, wish);
}

void display_note_stored(struct display *self, bool stored)
{
    keeper_note_stored(self->keeper, stored);
}

const struct heartbeat *display_heartbeat(const struct display *self)
{
    return &self->heartbeat;
}

void display_abort_source(struct display *self)
{
    mutex_lock(&self->status_lock);
    struct source *source = self->source;
    if (source && source->ops->abort) {
        source->ops->abort(source);
        self->status.aborts++;
    } else if (!source) {
        opener_cancel(&self->opener);
    }
    mutex_unlock(&self->status_lock);
}

struct view *display_open_view(struct display *self, const struct view_config *config)
{
    struct view *view = view_create(self, config);
    if (!view)
        return NULL;
    int count = 0;
    mutex_lock(&self->lock);
    for (struct view *other = self->views; other; other = other->next)
        count++;
    if (count < DISPLAY_VIEWS_MAX) {
        view->next = self->views;
        self->views = view;
    }
    mutex_unlock(&self->lock);
    if (count == DISPLAY_VIEWS_MAX) {
        log_error("display: %d views are open, and no more are possible", DISPLAY_VIEWS_MAX);
        view_unref(view);
        return NULL;
    }
    wake(self);
    return view;
}

void view_close(struct view *self)
{
    if (!self)
        return;
    struct display *display = self->display;
    mutex_lock(&display->lock);
    struct view **link = &display->views;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    mutex_unlock(&display->lock);
    wake(display);
    view_unref(self);
}
