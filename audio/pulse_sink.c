/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse_sink: the null sink of ours, and the user's default sink.
 *
 * Our sink exists while somebody listens and there is no sound device, or while the host is not to be heard. In the
 * second case it becomes the default, in this order: the former default is noted on disk, the sink is made, the default
 * is set; and back: the default is put back, the sink removed, the note forgotten. A host that was killed in between
 * finds its note and a default that is still ours, and goes on from there; when the default is another one by then,
 * somebody has chosen it, and it stays. The same goes for a choice made while we run.
 *
 * A sink made by an earlier run is known by its name.
 */
#include "audio/pulse.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_NS       (3 * CLOCK_SECOND_NS) /* PipeWire's session manager takes its time after the reply */
#define LOAD_AGAIN_NS   (5 * CLOCK_SECOND_NS)
#define UNLOAD_AGAIN_NS (2 * CLOCK_SECOND_NS)
#define GRACE_NS        (500 * CLOCK_MS_NS)    /* a device that changes its profile goes and comes back */
#define LEFT_NS         (10 * CLOCK_SECOND_NS) /* the clients of a host that crashed come back to its sink */
#define RESTORE_NS      (400 * CLOCK_MS_NS)

static const char note_head[] = "pulse default-sink ";

bool pulse_sink_note_write(const char *former, char *ret_note, size_t size)
{
    int length = snprintf(ret_note, size, "%s%s", note_head, former);
    return length > 0 && (size_t)length < size;
}

bool pulse_sink_note_read(const char *note, char *ret_former, size_t size)
{
    size_t head = sizeof(note_head) - 1;
    if (strncmp(note, note_head, head) != 0 || strlen(note + head) >= size)
        return false;
    return text_copy(ret_former, size, note + head);
}

bool pulse_sink_is_ours(const pa_sink_info *info)
{
    return strcmp(info->name, PULSE_SINK_NAME) == 0 && info->owner_module != PA_INVALID_INDEX;
}

/* Both servers show a sink of this name while there is no other. */
bool pulse_sink_is_device(const pa_sink_info *info)
{
    return strcmp(info->name, "auto_null") != 0 && strcmp(info->name, PULSE_SINK_NAME) != 0;
}

/* --- the sink --- */

static void on_loaded(pa_context *context, uint32_t index, void *ctx)
{
    (void)context;
    pulse_replied(ctx, index != PA_INVALID_INDEX);
}

static void on_success(pa_context *context, int success, void *ctx)
{
    (void)context;
    pulse_replied(ctx, success != 0);
}

static void load(struct pulse *self, int64_t now_ns)
{
    static const char arguments[] =
        "sink_name=" PULSE_SINK_NAME " rate=48000 channels=%d channel_map=%s sink_properties=device.description=%s";
    static const char eight[] = "front-left,front-right,front-center,lfe,rear-left,rear-right,side-left,side-right";
    int channels = self->now.channels == 6 || self->now.channels == 8 ? self->now.channels : 2;
    char map[sizeof(eight)];
    text_copy(map, sizeof(map), eight);
    char *end = map;
    for (int i = 0; i < channels && end; i++)
        end = strchr(end + (i > 0), ',');
    if (end)
        *end = '\0';
    char text[256];
    snprintf(text, sizeof(text), arguments, channels, map, PULSE_SINK_NAME);
    self->load_again_ns = now_ns + LOAD_AGAIN_NS;
    self->unload_again_ns = 0;
    self->owns_sink = true;
    pulse_sent(self, PULSE_LOADING, pa_context_load_module(self->context, "module-null-sink", text, on_loaded, self),
               now_ns);
}

/* PulseAudio replies before the sink is gone. */
static void unload(struct pulse *self, int64_t now_ns)
{
    self->load_again_ns = 0;
    if (now_ns < self->unload_again_ns) {
        pulse_wake_by(self, self->unload_again_ns);
        return;
    }
    self->unload_again_ns = now_ns + UNLOAD_AGAIN_NS;
    pulse_sent(self, PULSE_UNLOADING,
               pa_context_unload_module(self->context, self->facts.ours.owner_module, on_success, self), now_ns);
}

/* --- the default --- */

static void forget_note(struct pulse *self)
{
    if (!self->owes_note)
        return;
    self->owes_note = false;
    mutex_lock(&self->lock);
    self->asked.notes_unanswered++;
    mutex_unlock(&self->lock);
    self->events->note(self->events_ctx, "");
}

static void refuse(struct pulse *self, const char *why)
{
    log_warn("pulse: the default sink stays as it is: %s", why);
    self->default_state = PULSE_DEFAULT_REFUSED;
    forget_note(self);
}

static void begin_note(struct pulse *self, int64_t now_ns)
{
    const struct pulse_sink *sink = &self->facts.default_sink;
    char note[PULSE_NOTE_SIZE];
    if (!self->may_change_default) {
        refuse(self, "nobody keeps a note of it");
        return;
    }
    if (!sink->name[0]) /* between two sinks; it will be told */
        return;
    text_copy(self->former, sizeof(self->former), sink->name);
    if (!pulse_sink_note_write(self->former, note, sizeof(note)))
        return;
    self->default_state = PULSE_DEFAULT_NOTING;
    self->settled_by_ns = now_ns + 10 * CLOCK_SECOND_NS;
    self->owes_note = true;
    mutex_lock(&self->lock);
    self->asked.note_lost = false;
    self->now.notes_unanswered = ++self->asked.notes_unanswered;
    self->now.note_lost = false;
    mutex_unlock(&self->lock);
    self->events->note(self->events_ctx, note);
    mutex_lock(&self->lock); /* the answer may have come at once */
    self->now.notes_unanswered = self->asked.notes_unanswered;
    self->now.note_lost = self->asked.note_lost;
    mutex_unlock(&self->lock);
}

static void await_note(struct pulse *self, int64_t now_ns)
{
    if (self->now.notes_unanswered == 0 && !self->now.note_lost)
        self->default_state = PULSE_DEFAULT_NOTED;
    else if (self->now.notes_unanswered == 0 || now_ns >= self->settled_by_ns)
        refuse(self, "the note of it could not be written");
    else
        pulse_wake_by(self, self->settled_by_ns);
}

static void set_default(struct pulse *self, const char *name, int64_t now_ns)
{
    log_info("pulse: default sink: %s", name);
    pulse_sent(self, PULSE_SETTING, pa_context_set_default_sink(self->context, name, on_success, self), now_ns);
}

static void restore(struct pulse *self, int64_t now_ns)
{
    if (self->facts.former_is_here) {
        self->default_state = PULSE_DEFAULT_RESTORING;
        self->settled_by_ns = now_ns + RESTORE_NS;
        set_default(self, self->former, now_ns);
    } else { /* the server chooses when ours goes */
        self->default_state = PULSE_DEFAULT_LEFT_ALONE;
    }
}

static void await_restored(struct pulse *self, bool is_ours, int64_t now_ns)
{
    if (is_ours && now_ns < self->settled_by_ns) {
        pulse_wake_by(self, self->settled_by_ns);
        return;
    }
    self->default_state = PULSE_DEFAULT_LEFT_ALONE;
}

static void settle(struct pulse *self, bool is_ours, int64_t now_ns)
{
    if (is_ours)
        self->default_state = PULSE_DEFAULT_IS_OURS;
    else if (!self->facts.ours.name[0])
        self->default_state = PULSE_DEFAULT_NOTED; /* its sink went: again */
    else if (now_ns >= self->settled_by_ns)
        refuse(self, "the sound server does not change it");
    else
        pulse_wake_by(self, self->settled_by_ns);
}

static void yield_to_user(struct pulse *self)
{
    log_info("pulse: the default sink was changed to %s by somebody else: it stays", self->facts.default_name);
    self->default_state = PULSE_DEFAULT_YIELDED;
    forget_note(self);
}

/* A request that was refused. */
static void heed_refusal(struct pulse *self)
{
    if (self->request == PULSE_LOADING) {
        self->load_refused = true;
        log_warn("pulse: the server does not make a null sink: %s", pa_strerror(pa_context_errno(self->context)));
    } else if (self->request == PULSE_UNLOADING) { /* not asked again and again: it stays */
        log_warn("pulse: the server does not remove the null sink: %s", pa_strerror(pa_context_errno(self->context)));
        self->owns_sink = false;
    } else if (self->request == PULSE_SETTING && self->default_state == PULSE_DEFAULT_SETTLING) {
        refuse(self, pa_strerror(pa_context_errno(self->context)));
    } else if (self->request == PULSE_SETTING) {
        log_warn("pulse: %s cannot be made the default again: %s", self->former,
                 pa_strerror(pa_context_errno(self->context)));
        self->default_state = PULSE_DEFAULT_LEFT_ALONE;
    }
}

/* The note is on disk: ours may become the default, or already was before the server was lost or we crashed. */
static void go_on_with_note(struct pulse *self, bool is_ours, bool wanted, int64_t now_ns)
{
    bool has_sink = self->facts.ours.name[0] != '\0';
    if (has_sink && !self->facts.default_sink.name[0] && (self->is_left || !wanted)) /* not known yet */
        return;
    if (is_ours && has_sink) {
        self->default_state = PULSE_DEFAULT_IS_OURS;
    } else if (!wanted || self->is_left) {
        self->default_state = PULSE_DEFAULT_LEFT_ALONE;
    } else if (has_sink) {
        self->default_state = PULSE_DEFAULT_SETTLING;
        self->settled_by_ns = now_ns + SETTLE_NS;
        set_default(self, PULSE_SINK_NAME, now_ns);
    }
    self->is_left = false;
}

static void watch_default(struct pulse *self, bool is_ours, bool wanted, int64_t now_ns)
{
    if (!self->facts.ours.name[0])
        self->default_state = PULSE_DEFAULT_NOTED;
    else if (is_ours && !wanted)
        restore(self, now_ns);
    else if (!is_ours && self->facts.default_sink.name[0])
        yield_to_user(self);
}

static void default_step(struct pulse *self, int64_t now_ns)
{
    bool is_ours = strcmp(self->facts.default_name, PULSE_SINK_NAME) == 0;
    bool wanted = self->now.silence && !self->now.ending;
    switch (self->default_state) {
    case PULSE_DEFAULT_LEFT_ALONE:
        if (wanted && self->facts.has_device && !is_ours)
            begin_note(self, now_ns);
        break;
    case PULSE_DEFAULT_NOTING:
        await_note(self, now_ns);
        break;
    case PULSE_DEFAULT_NOTED:
        go_on_with_note(self, is_ours, wanted, now_ns);
        break;
    case PULSE_DEFAULT_SETTLING:
        settle(self, is_ours, now_ns);
        break;
    case PULSE_DEFAULT_IS_OURS:
        watch_default(self, is_ours, wanted, now_ns);
        break;
    case PULSE_DEFAULT_RESTORING:
        await_restored(self, is_ours, now_ns);
        break;
    case PULSE_DEFAULT_YIELDED:
    case PULSE_DEFAULT_REFUSED:
        if (!wanted)
            self->default_state = PULSE_DEFAULT_LEFT_ALONE;
        break;
    }
}

static bool needs_sink(struct pulse *self, int64_t now_ns)
{
    switch (self->default_state) {
    case PULSE_DEFAULT_NOTED:
    case PULSE_DEFAULT_SETTLING:
    case PULSE_DEFAULT_IS_OURS:
    case PULSE_DEFAULT_RESTORING:
        return true;
    case PULSE_DEFAULT_LEFT_ALONE:
    case PULSE_DEFAULT_NOTING:
        if (self->facts.ours.name[0] && self->now.silence && !self->now.ending) /* made when there was no device */
            return true;
        break;
    default:
        break;
    }
    if (self->facts.has_device || !pulse_wants_sound(self, now_ns))
        return false;
    if (now_ns >= self->device_seen_ns + GRACE_NS || self->facts.ours.name[0])
        return true;
    pulse_wake_by(self, self->device_seen_ns + GRACE_NS);
    return false;
}

void pulse_sink_step(struct pulse *self, int64_t now_ns)
{
    if (self->request != PULSE_IDLE && self->request_done && !self->request_ok)
        heed_refusal(self);
    self->request = PULSE_IDLE;
    if (self->facts.has_device)
        self->device_seen_ns = now_ns;
    enum pulse_default before;
    do {
        before = self->default_state;
        default_step(self, now_ns);
    } while (self->default_state != before && self->request == PULSE_IDLE);
    if (self->request != PULSE_IDLE)
        return;
    bool has_sink = self->facts.ours.name[0] != '\0', needed = needs_sink(self, now_ns);
    if (has_sink) {
        self->load_refused = false;
        self->owns_sink |= needed || !self->has_looked; /* what a former run has left is taken over */
        if (!self->has_looked && !self->facts.has_device)
            self->left_until_ns = now_ns + LEFT_NS;
    }
    self->has_looked = true;
    if (needed && !has_sink) {
        if (now_ns >= self->load_again_ns)
            load(self, now_ns);
        else
            pulse_wake_by(self, self->load_again_ns);
    } else if (!needed && has_sink && self->owns_sink) {
        if (now_ns >= self->left_until_ns || self->facts.has_device || self->now.ending)
            unload(self, now_ns);
        else
            pulse_wake_by(self, self->left_until_ns);
    } else if (!has_sink) {
        self->owns_sink = false;
        self->unload_again_ns = 0;
    }
    if (self->default_state == PULSE_DEFAULT_LEFT_ALONE && (!has_sink || !self->owns_sink))
        forget_note(self);
}

bool pulse_sink_is_tidy(const struct pulse *self)
{
    return self->default_state == PULSE_DEFAULT_LEFT_ALONE && !self->owns_sink && !self->owes_note;
}

void pulse_sink_lost_server(struct pulse *self)
{
    if (self->default_state == PULSE_DEFAULT_SETTLING || self->default_state == PULSE_DEFAULT_IS_OURS ||
        self->default_state == PULSE_DEFAULT_RESTORING)
        self->default_state = PULSE_DEFAULT_NOTED;
    self->load_again_ns = self->unload_again_ns = 0;
    self->load_refused = false;
}
