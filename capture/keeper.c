/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's thread. Each turn copies what is wanted and where, compares it with what has been done, and does one
 * step of what is missing. No lock is held while the display is asked for something.
 */
#include "capture/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wake.h"
#include "capture/bad_modes.h"
#include "capture/keeper_debt.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE_LIMIT_NS (15 * CLOCK_SECOND_NS)
#define NOTE_LIMIT_NS    (5 * CLOCK_SECOND_NS)
#define END_LIMIT_NS     (2 * CLOCK_SECOND_NS)
#define RETRY_NS         (2 * CLOCK_SECOND_NS)
#define AWAKE_NS         (30 * CLOCK_SECOND_NS)
#define REPLANS_MAX      5

static const struct keeper_backend_ops *const backends[] = {
#ifdef HAVE_X11
    &keeper_x11,
#endif
    NULL,
};

/* What others ask for. */
struct request {
    bool attached, stopping;
    unsigned attach_number; /* counts attaching and detaching */
    char display[64], xauthority[DISPLAY_PATH_MAX], output[64];
    int64_t owner; /* of the file with the cookie */
    bool is_ours;
    struct display_wish wish;
    int notes_unanswered; /* also those that forget: the answers say not which they are about */
    bool note_lost;       /* one of them could not be stored */
};

enum step {
    STEP_NONE,  /* the wish is seen to, one way or the other */
    STEP_NOTE,  /* waits until the note is stored */
    STEP_WATCH, /* waits for a picture in the new mode */
};

struct keeper {
    struct thread thread;
    struct keeper_config config;
    struct wake news;
    atomic_uint awaited; /* size of the picture that is waited for, see packed(); 0: none */

    struct mutex lock; /* guards the next six */
    struct cond ended;
    struct request request;
    struct display_mode_status status;
    struct keeper_backend *backend; /* the keeper's thread may read it without */
    bool opening, has_ended;

    /* keeper thread */
    struct request now; /* a copy */
    unsigned attach_number;
    int64_t retry_ns;
    char identity[KEEPER_IDENTITY_SIZE]; /* of the last server */
    char last_display[64];
    enum step step;
    bool is_seen_to; /* `seen` is the wish that `step` is about */
    struct display_wish seen;
    int replans;
    int64_t until_ns; /* of STEP_NOTE and STEP_WATCH */
    struct keeper_plan plan;
    struct keeper_debt debt;
    bool is_noted; /* the debt, or what will be one */
    bool changed;  /* something about outputs, not yet looked at */
    bool is_foreign;
    bool is_awake, has_clipped;
    int64_t awake_ns;
    struct bad_modes bad;
};

static unsigned packed(int width, int height)
{
    return (unsigned)width << 16 | (unsigned)height;
}

static void set_state(struct keeper *self, enum display_mode_state state, const char *sentence)
{
    mutex_lock(&self->lock);
    struct display_mode_status *status = &self->status;
    status->state = state;
    status->width = self->seen.width;
    status->height = self->seen.height;
    status->fps_x100 = self->seen.fps_x100;
    status->refusals += state == DISPLAY_MODE_REFUSED;
    text_copy(status->sentence, sizeof(status->sentence), sentence);
    mutex_unlock(&self->lock);
    if (*sentence && (state == DISPLAY_MODE_REFUSED || state == DISPLAY_MODE_REVERTED))
        log_warn("mode: %s", sentence);
    else if (*sentence)
        log_info("mode: %s", sentence);
}

/* --- the connection --- */

static void publish_backend(struct keeper *self, struct keeper_backend *backend, bool opening)
{
    mutex_lock(&self->lock);
    self->backend = backend;
    self->opening = opening;
    if (!backend)
        self->status.awake = self->status.clipped = false;
    mutex_unlock(&self->lock);
}

static void drop_backend(struct keeper *self)
{
    struct keeper_backend *backend = self->backend;
    if (!backend)
        return;
    publish_backend(self, NULL, false);
    backend->ops->close(backend);
    self->is_awake = self->has_clipped = false;
    self->retry_ns = clock_now_ns() + RETRY_NS;
}

/* False: it is to look after another display by now, or to end. With the lock held. */
static bool is_wanted(const struct keeper *self)
{
    return self->request.attach_number == self->attach_number && !self->request.stopping;
}

/* Also while it opens, its end can be forced. */
static struct keeper_backend *open_backend(struct keeper *self, const char *display, const char *xauthority,
                                           int64_t owner, const char *output)
{
    char sentence[KEEPER_SENTENCE_SIZE] = "";
    struct keeper_backend *backend =
        backends[0] ? backends[0]->begin(display, xauthority, owner, output, sentence, sizeof(sentence)) : NULL;
    bool opened = false;
    if (backend) {
        mutex_lock(&self->lock);
        bool wanted = is_wanted(self);
        self->backend = backend;
        self->opening = true;
        mutex_unlock(&self->lock);
        opened = wanted && backend->ops->finish(backend, sentence, sizeof(sentence));
        publish_backend(self, opened ? backend : NULL, false);
    }
    if (opened)
        return backend;
    if (*sentence)
        log_info("mode: %s", sentence);
    if (backend)
        backend->ops->close(backend);
    return NULL;
}

/* --- what is owed --- */

static void give_note(struct keeper *self, const char *note)
{
    if (!self->config.note)
        return;
    mutex_lock(&self->lock);
    self->request.note_lost = false;
    self->now.notes_unanswered = ++self->request.notes_unanswered;
    mutex_unlock(&self->lock);
    self->config.note(self->config.ctx, note);
}

static void forget_debt(struct keeper *self)
{
    self->debt.owed[0] = '\0';
    self->is_foreign = false;
    if (self->is_noted)
        give_note(self, "");
    self->is_noted = false;
}

/* Puts everything back. False: the display went away, and the debt stays. */
static bool settle_with(struct keeper *self, struct keeper_backend *backend)
{
    char sentence[KEEPER_SENTENCE_SIZE] = "";
    bool owes = self->debt.owed[0];
    enum keeper_answer answer = backend->ops->put_back(backend, self->debt.owed, sentence, sizeof(sentence));
    if (answer == KEEPER_GONE)
        return false;
    if (answer == KEEPER_REFUSED && owes)
        log_warn("mode: %s", sentence);
    else if (owes)
        log_info("mode: %s is as it was", self->debt.display);
    forget_debt(self);
    return true;
}

static bool settle(struct keeper *self)
{
    if (settle_with(self, self->backend))
        return true;
    self->is_seen_to = false;
    drop_backend(self);
    return false;
}

/* Something is owed to another display than the one that is attached now. */
static void settle_elsewhere(struct keeper *self)
{
    struct keeper_backend *backend =
        open_backend(self, self->debt.display, self->debt.xauthority, self->debt.owner, "auto");
    bool settled =
        backend && strcmp(backend->ops->identity(backend), self->debt.identity) == 0 && settle_with(self, backend);
    if (backend) {
        publish_backend(self, NULL, false);
        backend->ops->close(backend);
    }
    mutex_lock(&self->lock);
    bool broken_off = !is_wanted(self);
    mutex_unlock(&self->lock);
    if (settled || broken_off) /* then the note stays */
        return;
    log_info("mode: the display %s, whose mode was switched, is not there any more", self->debt.display);
    forget_debt(self);
}

/* A server that was not there before: nothing is known of it, and nothing owed to it. */
static void meet_server(struct keeper *self)
{
    bool is_same_display = strcmp(self->debt.display, self->now.display) == 0;
    if (self->step == STEP_WATCH && is_same_display) {
        bad_modes_add_crash(&self->bad, &self->seen);
        log_warn("mode: the X server %s ended just when its mode was switched", self->now.display);
    }
    if (self->debt.owed[0] && is_same_display) {
        log_info("mode: %s is another X server now, there is nothing to put back", self->now.display);
        forget_debt(self);
    }
    self->step = STEP_NONE;
    self->is_seen_to = false;
    atomic_store(&self->awaited, 0);
}

static void seek_backend(struct keeper *self, int64_t now_ns)
{
    if (self->attach_number != self->now.attach_number) {
        drop_backend(self);
        self->attach_number = self->now.attach_number;
        self->retry_ns = 0;
    }
    if (!self->now.attached || self->backend || now_ns < self->retry_ns)
        return;
    self->retry_ns = now_ns + RETRY_NS;
    if (self->debt.owed[0] && strcmp(self->debt.display, self->now.display) != 0)
        settle_elsewhere(self);
    struct keeper_backend *backend =
        open_backend(self, self->now.display, self->now.xauthority, self->now.owner, self->now.output);
    if (!backend)
        return;
    const char *identity = backend->ops->identity(backend);
    bool is_owed_here = self->debt.owed[0] && strcmp(self->debt.identity, identity) == 0;
    bool is_known = strcmp(self->identity, identity) == 0 && strcmp(self->last_display, self->now.display) == 0;
    text_copy(self->identity, sizeof(self->identity), identity);
    text_copy(self->last_display, sizeof(self->last_display), self->now.display);
    if (!is_known && !is_owed_here)
        meet_server(self);
    if (self->step == STEP_WATCH)
        self->until_ns = now_ns + self->config.picture_limit_ns;
    self->changed = true;
    if (!self->debt.owed[0] && self->step == STEP_NONE)
        settle(self); /* modes of a run that ended before it could use them */
}

/* --- the mode --- */

static void refuse(struct keeper *self, const char *sentence)
{
    self->step = STEP_NONE;
    if (settle(self))
        set_state(self, DISPLAY_MODE_REFUSED, sentence);
}

static struct keeper_debt debt_of_plan(const struct keeper *self)
{
    struct keeper_debt debt = {.owner = self->now.owner};
    text_copy(debt.display, sizeof(debt.display), self->now.display);
    text_copy(debt.xauthority, sizeof(debt.xauthority), self->now.xauthority);
    text_copy(debt.identity, sizeof(debt.identity), self->identity);
    text_copy(debt.owed, sizeof(debt.owed), self->plan.owed);
    return debt;
}

static void switch_mode(struct keeper *self)
{
    char sentence[KEEPER_SENTENCE_SIZE] = "";
    atomic_store(&self->awaited, packed(self->plan.width, self->plan.height));
    enum keeper_answer answer = self->backend->ops->switch_to(self->backend, sentence, sizeof(sentence));
    if (answer == KEEPER_NOTHING) { /* others were faster: think again */
        self->step = STEP_NONE;
        self->is_seen_to = false;
        return;
    }
    self->debt = debt_of_plan(self);
    self->is_foreign = false;
    if (answer == KEEPER_DONE) {
        mutex_lock(&self->lock);
        self->status.switches++;
        mutex_unlock(&self->lock);
        self->step = STEP_WATCH;
        self->until_ns = clock_now_ns() + self->config.picture_limit_ns;
        log_info("mode: %s switched to %dx%d at %d.%02d Hz", self->now.display, self->plan.width, self->plan.height,
                 self->plan.fps_x100 / 100, self->plan.fps_x100 % 100);
    } else if (answer == KEEPER_REFUSED) {
        refuse(self, sentence);
    } else {
        self->step = STEP_NONE;
        self->is_seen_to = false; /* whether it was done is seen when it is back */
        drop_backend(self);
    }
}

static void ask_for_note(struct keeper *self)
{
    char note[DISPLAY_NOTE_MAX];
    struct keeper_debt debt = debt_of_plan(self);
    if (!self->config.note || !keeper_debt_write(&debt, note, sizeof(note))) {
        refuse(self, "The mode is left alone, because how it was cannot be noted. The picture is scaled instead.");
        return;
    }
    self->step = STEP_NOTE;
    self->until_ns = clock_now_ns() + NOTE_LIMIT_NS;
    self->is_noted = true;
    give_note(self, note);
}

static void keep_as_found(struct keeper *self, const char *sentence)
{
    if (settle(self))
        set_state(self, DISPLAY_MODE_AS_FOUND, sentence);
}

/* A wish that has not been seen to yet. */
static void see_to_wish(struct keeper *self)
{
    const struct display_wish *wish = &self->now.wish;
    self->seen = *wish;
    self->is_seen_to = true;
    self->step = STEP_NONE;
    atomic_store(&self->awaited, 0);
    if (wish->width <= 0 || wish->height <= 0) {
        keep_as_found(self, "");
        return;
    }
    set_state(self, DISPLAY_MODE_PENDING, "");
    enum keeper_answer answer = self->backend->ops->plan(self->backend, self->debt.owed, wish->width, wish->height,
                                                         wish->fps_x100, &self->plan);
    if (answer == KEEPER_GONE) {
        self->is_seen_to = false;
        drop_backend(self);
    } else if (answer == KEEPER_REFUSED) {
        refuse(self, self->plan.sentence);
    } else if (self->replans > REPLANS_MAX) {
        refuse(self, "The outputs are being changed all the time, so the mode is left alone.");
    } else if (answer == KEEPER_NOTHING) {
        keep_as_found(self, self->plan.sentence);
    } else if (bad_modes_have(&self->bad, wish, self->identity)) {
        if (settle(self))
            set_state(self, DISPLAY_MODE_REVERTED,
                      "No picture came with this mode before, so it is not tried again. The picture is scaled "
                      "instead.");
    } else if (self->now.is_ours) {
        switch_mode(self);
    } else {
        ask_for_note(self);
    }
}

static void await_note(struct keeper *self, int64_t now_ns)
{
    if (self->now.notes_unanswered == 0 && !self->now.note_lost)
        switch_mode(self);
    else if (self->now.notes_unanswered == 0 || now_ns >= self->until_ns)
        refuse(self, "The mode is left alone, because how it was could not be noted on disk. The picture is scaled "
                     "instead.");
}

static void await_picture(struct keeper *self, int64_t now_ns)
{
    if (atomic_load(&self->awaited) == 0) {
        self->step = STEP_NONE;
        self->replans = 0;
        set_state(self, DISPLAY_MODE_APPLIED, self->plan.sentence);
    } else if (now_ns >= self->until_ns) {
        char sentence[KEEPER_SENTENCE_SIZE];
        snprintf(sentence, sizeof(sentence),
                 "No picture of %dx%d came within %d s, so the mode was put back and is not tried again.",
                 self->plan.width, self->plan.height, (int)(self->config.picture_limit_ns / CLOCK_SECOND_NS));
        atomic_store(&self->awaited, 0);
        bad_modes_add(&self->bad, &self->seen, self->identity);
        self->step = STEP_NONE;
        mutex_lock(&self->lock);
        self->status.reverts++;
        mutex_unlock(&self->lock);
        if (settle(self))
            set_state(self, DISPLAY_MODE_REVERTED, sentence);
    }
}

/* Somebody changed something about outputs, perhaps we. */
static void look_at_change(struct keeper *self)
{
    char sentence[KEEPER_SENTENCE_SIZE] = "";
    if (!self->debt.owed[0] || self->step == STEP_NOTE)
        return;
    enum keeper_answer answer = self->backend->ops->compare(self->backend, self->debt.owed, sentence, sizeof(sentence));
    if (answer == KEEPER_GONE) {
        drop_backend(self);
    } else if (answer == KEEPER_REFUSED) {
        self->is_seen_to = false;
        self->replans = 0;
    } else if (answer == KEEPER_DONE && !self->is_foreign) {
        self->is_foreign = true;
        self->step = STEP_NONE;
        atomic_store(&self->awaited, 0);
        set_state(self, DISPLAY_MODE_AS_FOUND, sentence);
    } else if (answer == KEEPER_DONE && strcmp(sentence, self->status.sentence) != 0) {
        set_state(self, DISPLAY_MODE_AS_FOUND, sentence);
    } else if (answer == KEEPER_NOTHING && self->is_foreign) {
        self->is_foreign = false;
        set_state(self, DISPLAY_MODE_APPLIED, "");
    }
}

static void follow_mode(struct keeper *self, int64_t now_ns)
{
    if (self->is_seen_to && !display_wish_is_same_mode(&self->seen, &self->now.wish)) {
        self->is_seen_to = false;
        self->replans = 0;
    }
    if (!self->is_seen_to) {
        self->replans++;
        see_to_wish(self);
    } else if (self->step == STEP_NOTE) {
        await_note(self, now_ns);
    } else if (self->step == STEP_WATCH) {
        await_picture(self, now_ns);
    }
}

/* --- screen saver and pointer --- */

static void follow_awake(struct keeper *self, int64_t now_ns)
{
    bool wished = self->now.wish.awake;
    if (!self->backend || (wished == self->is_awake && (!wished || now_ns < self->awake_ns)))
        return;
    if (self->backend->ops->keep_awake(self->backend, wished) == KEEPER_GONE) {
        drop_backend(self);
        return;
    }
    self->is_awake = wished;
    self->awake_ns = now_ns + AWAKE_NS;
    mutex_lock(&self->lock);
    self->status.awake = wished;
    mutex_unlock(&self->lock);
}

static void follow_clip(struct keeper *self, bool changed)
{
    bool wished = self->now.wish.clip, clipped = false;
    if (!self->backend || (wished == self->has_clipped && !(wished && changed)))
        return;
    if (self->backend->ops->clip(self->backend, wished, &clipped) == KEEPER_GONE) {
        drop_backend(self);
        return;
    }
    self->has_clipped = wished;
    mutex_lock(&self->lock);
    self->status.clipped = clipped;
    mutex_unlock(&self->lock);
}

/* --- the thread --- */

static void pump(struct keeper *self)
{
    bool changed = false;
    if (self->backend && !self->backend->ops->pump(self->backend, &changed))
        drop_backend(self);
    self->changed |= changed;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_time(const struct keeper *self)
{
    int64_t until_ns = INT64_MAX;
    if (self->now.attached && !self->backend)
        return self->retry_ns;
    if (!self->backend)
        return INT64_MAX;
    if (!self->is_seen_to || self->changed)
        return 0;
    if (self->step != STEP_NONE)
        until_ns = self->until_ns;
    if (self->step == STEP_WATCH && atomic_load(&self->awaited) == 0)
        until_ns = 0;
    return self->is_awake ? earlier(until_ns, self->awake_ns) : until_ns;
}

static void wait_for_news(struct keeper *self)
{
    wake_wait(&self->news, self->backend ? self->backend->ops->fd(self->backend) : -1, next_time(self));
}

static void turn(struct keeper *self)
{
    int64_t now_ns = clock_now_ns();
    seek_backend(self, now_ns);
    pump(self);
    bool changed = self->changed;
    if (self->backend && changed) {
        self->changed = false;
        look_at_change(self);
    }
    if (self->backend)
        follow_mode(self, now_ns);
    follow_awake(self, now_ns);
    follow_clip(self, changed);
    pump(self); /* events that came with answers are no longer waiting in the socket */
}

/* A note that is not understood, or of another boot, has nothing to do with us. */
static void judge_left_note(struct keeper *self)
{
    char boot[48] = "";
    if (!self->is_noted || !backends[0])
        return;
    backends[0]->boot(boot, sizeof(boot));
    if (!self->debt.owed[0])
        log_warn("mode: the note of an earlier run is not understood, and is forgotten");
    else if (!keeper_debt_is_of_boot(&self->debt, boot))
        log_info("mode: the mode of %s was left switched, but the machine was started anew since", self->debt.display);
    else
        return;
    forget_debt(self);
}

static void run(void *arg)
{
    struct keeper *self = arg;
    judge_left_note(self);
    for (;;) {
        mutex_lock(&self->lock);
        self->now = self->request;
        mutex_unlock(&self->lock);
        if (self->now.stopping)
            break;
        turn(self);
        wait_for_news(self);
    }
    if (self->backend)
        settle(self);
    drop_backend(self);
    mutex_lock(&self->lock);
    self->has_ended = true;
    cond_signal(&self->ended);
    mutex_unlock(&self->lock);
}

struct keeper *keeper_create(const struct keeper_config *config)
{
    struct keeper *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("keeper");
    mutex_init(&self->lock);
    cond_init(&self->ended);
    self->config = *config;
    self->config.left_note = NULL;
    if (!self->config.picture_limit_ns)
        self->config.picture_limit_ns = PICTURE_LIMIT_NS;
    if (config->left_note && *config->left_note) {
        self->is_noted = true;
        keeper_debt_read(config->left_note, &self->debt);
    }
    if (wake_init(&self->news) && thread_start(&self->thread, "keeper", run, self))
        return self;
    keeper_destroy(self);
    return NULL;
}

void keeper_destroy(struct keeper *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->request.stopping = true;
    if (self->opening)
        self->backend->ops->abort(self->backend);
    if (self->thread.running) {
        int64_t until_ns = clock_now_ns() + END_LIMIT_NS;
        wake_signal(&self->news);
        while (!self->has_ended && cond_wait_until(&self->ended, &self->lock, until_ns))
            continue;
        if (!self->has_ended && self->backend)
            self->backend->ops->abort(self->backend);
    }
    mutex_unlock(&self->lock);
    thread_join(&self->thread);
    wake_finish(&self->news);
    cond_finish(&self->ended);
    mutex_finish(&self->lock);
    free(self);
}

void keeper_attach(struct keeper *self, const char *display, const char *xauthority, int64_t owner, const char *output,
                   bool is_ours)
{
    mutex_lock(&self->lock);
    struct request *request = &self->request;
    request->attached = true;
    request->attach_number++;
    request->owner = owner;
    request->is_ours = is_ours;
    text_copy(request->display, sizeof(request->display), display);
    text_copy(request->xauthority, sizeof(request->xauthority), xauthority);
    text_copy(request->output, sizeof(request->output), output);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

void keeper_detach(struct keeper *self)
{
    mutex_lock(&self->lock);
    self->request.attached = false;
    self->request.attach_number++;
    if (self->opening) /* a server that does not greet would hold it up */
        self->backend->ops->abort(self->backend);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

void keeper_saw_picture(struct keeper *self, int width, int height)
{
    unsigned size = packed(width, height);
    if (atomic_load_explicit(&self->awaited, memory_order_relaxed) != size)
        return;
    if (atomic_compare_exchange_strong(&self->awaited, &size, 0))
        wake_signal(&self->news);
}

void keeper_set_wish(struct keeper *self, const struct display_wish *wish)
{
    mutex_lock(&self->lock);
    self->request.wish = *wish;
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

void keeper_note_stored(struct keeper *self, bool stored)
{
    mutex_lock(&self->lock);
    if (self->request.notes_unanswered > 0)
        self->request.notes_unanswered--;
    self->request.note_lost |= !stored;
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

void keeper_get_status(struct keeper *self, struct display_mode_status *ret_status)
{
    mutex_lock(&self->lock);
    *ret_status = self->status;
    mutex_unlock(&self->lock);
}
