/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse: sound from PulseAudio or PipeWire, through libpulse's asynchronous interface.
 *
 * A thread of its own connects, looks at what the server has whenever the server says that something changed, and takes
 * the next step (pulse.h): our sink and the default (pulse_sink.c), then the recording (pulse_record.c). A server that
 * does not answer within a few seconds is left and tried again like one that went.
 *
 * The server is never started by us. As another user than the desktop's (a host that runs as root), `server` names the
 * socket; PipeWire then needs nothing more, PulseAudio also wants the cookie of its user: pulse_cookie.c.
 */
#include "audio/pulse.h"

#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINGER_NS     (60 * CLOCK_SECOND_NS) /* a new recording may be 2 s late with its first samples */
#define ANSWER_NS     (5 * CLOCK_SECOND_NS)
#define PAUSE_MIN_NS  (500 * CLOCK_MS_NS)
#define PAUSE_MAX_NS  (5 * CLOCK_SECOND_NS)
#define PATIENCE_NS   (30 * CLOCK_SECOND_NS) /* so long after a loss the pauses stay short: a restart is followed */
#define END_NS        (500 * CLOCK_MS_NS)
#define LOOK_AGAIN_NS (300 * CLOCK_MS_NS)
#define DOUBT_MIN_NS  (600 * CLOCK_MS_NS)
#define DOUBT_MAX_NS  (60 * CLOCK_SECOND_NS)
#define ABANDON_NS    (1500 * CLOCK_MS_NS)

bool pulse_wants_sound(const struct pulse *self, int64_t now_ns)
{
    return !self->now.ending && (self->now.open || now_ns < self->linger_until_ns);
}

void pulse_wake_by(struct pulse *self, int64_t ns)
{
    if (ns < self->wake_ns)
        self->wake_ns = ns;
}

/* --- requests and looks --- */

void pulse_sent(struct pulse *self, enum pulse_request request, pa_operation *operation, int64_t now_ns)
{
    self->request = request;
    self->request_done = self->request_ok = false;
    self->answer_by_ns = now_ns + ANSWER_NS;
    if (operation)
        pa_operation_unref(operation);
    else
        pulse_replied(self, false);
}

void pulse_replied(struct pulse *self, bool ok)
{
    self->request_done = true;
    self->request_ok = ok;
    self->is_stale = true;
}

static void on_change(pa_context *context, pa_subscription_event_type_t type, uint32_t index, void *ctx)
{
    (void)context;
    (void)type;
    (void)index;
    struct pulse *self = ctx;
    self->is_stale = true;
}

static void end_look(struct pulse *self)
{
    if (--self->looks_pending > 0)
        return;
    self->facts = self->next_facts;
    self->facts_known = true;
}

static void on_server(pa_context *context, const pa_server_info *info, void *ctx)
{
    (void)context;
    struct pulse *self = ctx;
    const char *name = info && info->default_sink_name ? info->default_sink_name : "";
    if (info && !self->facts_known && self->doubt_pause_ns == DOUBT_MIN_NS &&
        self->quiet_pause_ns == PULSE_QUIET_MIN_NS)
        log_info("pulse: connected to %s %s", info->server_name ? info->server_name : "a server",
                 info->server_version ? info->server_version : "");
    if (!text_copy(self->next_facts.default_name, PULSE_NAME_SIZE, name))
        self->next_facts.default_name[0] = '\0';
    end_look(self);
}

static void fill_sink(struct pulse_sink *ret_sink, const pa_sink_info *info)
{
    struct pulse_sink sink = {.index = info->index,
                              .owner_module = info->owner_module,
                              .rate = info->sample_spec.rate,
                              .map = info->channel_map};
    if (text_copy(sink.name, sizeof(sink.name), info->name) && info->monitor_source_name &&
        text_copy(sink.monitor, sizeof(sink.monitor), info->monitor_source_name))
        *ret_sink = sink;
}

/* The replies come in the order of the questions: which one is the default is known by now. */
static void on_sink(pa_context *context, const pa_sink_info *info, int end, void *ctx)
{
    (void)context;
    struct pulse *self = ctx;
    struct pulse_facts *facts = &self->next_facts;
    if (end || !info) {
        end_look(self);
        return;
    }
    if (!info->name) /* libpulse gives what a strange server sends */
        return;
    if (strcmp(info->name, facts->default_name) == 0)
        fill_sink(&facts->default_sink, info);
    if (pulse_sink_is_ours(info))
        fill_sink(&facts->ours, info);
    facts->has_device |= pulse_sink_is_device(info);
    facts->former_is_here |= strcmp(info->name, self->former) == 0;
}

static void look(struct pulse *self, int64_t now_ns)
{
    self->is_stale = false;
    self->looked_ns = now_ns;
    self->next_facts = (struct pulse_facts){0};
    self->looks_pending = 2;
    self->answer_by_ns = now_ns + ANSWER_NS;
    pa_operation *server = pa_context_get_server_info(self->context, on_server, self);
    pa_operation *sinks = pa_context_get_sink_info_list(self->context, on_sink, self);
    if (server)
        pa_operation_unref(server);
    if (sinks)
        pa_operation_unref(sinks);
}

/* --- the connection --- */

static void on_context(pa_context *context, void *ctx)
{
    struct pulse *self = ctx;
    pa_context_state_t state = pa_context_get_state(context);
    if (state == PA_CONTEXT_READY)
        self->ready = self->is_new = self->is_stale = true;
    else if (state == PA_CONTEXT_FAILED || state == PA_CONTEXT_TERMINATED)
        self->is_lost = true;
}

static void explain(struct pulse *self)
{
    int cause = self->context ? pa_context_errno(self->context) : PA_ERR_INTERNAL;
    const char *text = "No sound server answers: sound comes when PulseAudio or PipeWire runs. Until then there is "
                       "silence.";
    if (cause == PA_ERR_ACCESS || cause == PA_ERR_AUTHKEY)
        text = "The sound server refuses this user: run Earthshine as the desktop's user, or let PULSE_COOKIE name "
               "that user's .config/pulse/cookie.";
    else if (self->was_ready)
        text = "The sound server has gone: sound comes back when it runs again.";
    text_copy(self->trouble, sizeof(self->trouble), text);
}

static void drop_context(struct pulse *self)
{
    pulse_record_stop(self);
    if (self->context) {
        pa_context_set_state_callback(self->context, NULL, NULL);
        pa_context_set_subscribe_callback(self->context, NULL, NULL);
        pa_context_disconnect(self->context);
        pa_context_unref(self->context);
    }
    self->context = NULL;
    if (self->cookie_file >= 0)
        close(self->cookie_file);
    if (self->socket_file >= 0)
        close(self->socket_file);
    self->cookie_file = self->socket_file = -1;
    self->ready = self->is_new = self->is_lost = self->is_stale = self->facts_known = false;
    self->stream_failed = false;
    self->looks_pending = 0;
    self->request = PULSE_IDLE;
    self->answer_by_ns = self->stream_again_ns = 0;
    self->facts = (struct pulse_facts){0};
}

static void lose(struct pulse *self, int64_t now_ns)
{
    if (self->ready) {
        log_warn("pulse: lost the sound server: %s", pa_strerror(pa_context_errno(self->context)));
        self->lost_ns = now_ns;
        self->pause_ns = PAUSE_MIN_NS;
    } else if (now_ns - self->lost_ns > PATIENCE_NS) {
        self->pause_ns = self->pause_ns * 2 < PAUSE_MAX_NS ? self->pause_ns * 2 : PAUSE_MAX_NS;
    }
    explain(self);
    drop_context(self);
    pulse_sink_lost_server(self);
    self->attempt_ns = now_ns + self->pause_ns;
}

static void attempt(struct pulse *self, int64_t now_ns)
{
    self->attempt_until_ns = now_ns + ANSWER_NS;
    self->context = pa_context_new(pa_mainloop_get_api(self->loop), "Earthshine");
    if (!self->context) {
        lose(self, now_ns);
        return;
    }
    if (!pulse_socket_for_server(self->server, &self->socket_file)) {
        self->is_lost = true;
        return;
    }
    char address[64];
    const char *server = self->server;
    if (self->socket_file >= 0) {
        snprintf(address, sizeof(address), "unix:/proc/self/fd/%d", self->socket_file);
        server = address;
    }
    self->cookie_file = pulse_cookie_for_server(server);
    if (self->cookie_file >= 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", self->cookie_file);
        pa_context_load_cookie_from_file(self->context, path);
    }
    pa_context_set_state_callback(self->context, on_context, self);
    pa_context_set_subscribe_callback(self->context, on_change, self);
    if (pa_context_connect(self->context, server[0] ? server : NULL, PA_CONTEXT_NOAUTOSPAWN, NULL) < 0)
        self->is_lost = true;
}

void pulse_connect_again(struct pulse *self, int64_t now_ns)
{
    drop_context(self);
    pulse_sink_lost_server(self);
    self->was_ready = false; /* for people, nothing was lost */
    attempt(self, now_ns);
    pulse_wake_by(self, now_ns);
}

static void greet(struct pulse *self, int64_t now_ns)
{
    pa_operation *operation =
        pa_context_subscribe(self->context, PA_SUBSCRIPTION_MASK_SINK | PA_SUBSCRIPTION_MASK_SERVER, NULL, NULL);
    if (operation)
        pa_operation_unref(operation);
    if (self->was_ready)
        self->events->reconnected(self->events_ctx);
    self->was_ready = true;
    self->is_new = false;
    self->device_seen_ns = now_ns; /* it may still be looking for its devices */
}

/* False: there is no server to talk to at the moment. */
static bool connection_step(struct pulse *self, int64_t now_ns)
{
    bool waits = self->looks_pending > 0 || (self->request != PULSE_IDLE && !self->request_done);
    if (self->context && !self->ready && now_ns >= self->attempt_until_ns)
        self->is_lost = true;
    if (waits && now_ns >= self->answer_by_ns)
        self->is_lost = true;
    if (self->is_lost)
        lose(self, now_ns);
    if (!self->context && !self->now.ending && now_ns >= self->attempt_ns) {
        attempt(self, now_ns);
        if (self->is_lost)
            lose(self, now_ns);
    }
    if (!self->context)
        pulse_wake_by(self, self->attempt_ns);
    else if (!self->ready)
        pulse_wake_by(self, self->attempt_until_ns);
    return self->context && self->ready;
}

/* --- what is told --- */

static void compose(struct pulse *self, char *ret_sentence, size_t size)
{
    const struct pulse_sink *sink = &self->facts.default_sink;
    ret_sentence[0] = '\0';
    if (!self->ready)
        text_copy(ret_sentence, size, self->trouble);
    else if (self->load_refused)
        text_copy(ret_sentence, size,
                  "The sound server has no sound device and does not make a virtual one "
                  "(module-null-sink): install that module.");
    else if (self->doubt_pause_ns > 2 * DOUBT_MIN_NS)
        text_copy(ret_sentence, size,
                  "The sound server names no default device: does PipeWire's session manager "
                  "(wireplumber) run?");
    else if (self->default_state == PULSE_DEFAULT_REFUSED)
        text_copy(ret_sentence, size,
                  "This computer cannot be silenced, it is heard there too: the default sound "
                  "device could not be changed; see the log.");
    else if (self->default_state == PULSE_DEFAULT_YIELDED)
        snprintf(ret_sentence, size, "The sound was switched to %.64s on this computer: it is heard there too.",
                 self->facts.default_name);
    else if (sink->name[0] && sink->rate != AUDIO_RATE)
        snprintf(ret_sentence, size, "%.64s runs at %u Hz, the sound server converts it: better set it to 48000 Hz.",
                 sink->name, (unsigned)sink->rate);
}

static void tell(struct pulse *self)
{
    const struct pulse_sink *sink = &self->facts.default_sink;
    signed char order[AUDIO_CHANNELS_MAX];
    char sentence[PULSE_SENTENCE_SIZE];
    compose(self, sentence, sizeof(sentence));
    struct audio_backend_sink now = {.channels = sink->name[0] ? pulse_record_order(&sink->map, order) : 0,
                                     .silenced = sink->name[0] && strcmp(sink->name, PULSE_SINK_NAME) == 0};
    if (self->has_told && now.channels == self->told.channels && now.silenced == self->told.silenced &&
        strcmp(sink->name, self->told_name) == 0 && strcmp(sentence, self->told_sentence) == 0)
        return;
    self->has_told = true;
    text_copy(self->told_name, sizeof(self->told_name), sink->name);
    text_copy(self->told_sentence, sizeof(self->told_sentence), sentence);
    now.name = self->told_name;
    now.sentence = self->told_sentence;
    self->told = now;
    self->events->sink(self->events_ctx, &self->told);
}

/* --- the thread --- */

static void take_asked(struct pulse *self, int64_t now_ns)
{
    mutex_lock(&self->lock);
    bool was_open = self->now.open, was_ending = self->now.ending;
    self->now = self->asked;
    mutex_unlock(&self->lock);
    if (was_open && !self->now.open)
        self->linger_until_ns = now_ns + LINGER_NS;
    if (self->now.ending && !was_ending)
        self->end_by_ns = now_ns + END_NS;
}

/* True: all is put back, or cannot be. */
static bool has_ended(struct pulse *self, int64_t now_ns)
{
    if (!self->now.ending)
        return false;
    if (now_ns >= self->end_by_ns || !self->context)
        return true;
    bool waits = self->looks_pending > 0 || self->request != PULSE_IDLE || self->is_stale;
    pulse_wake_by(self, self->end_by_ns);
    return self->facts_known && !waits && pulse_sink_is_tidy(self);
}

/*
 * While the default sink is one that the server does not list, it is asked again, and after a while by a new
 * connection: pipewire-pulse 0.3.65 keeps its own idea of the default for each connection and at times misses that a
 * sink went and another took its place, for good. A PipeWire without session manager never has a default, so the pauses
 * grow.
 */
static void doubt(struct pulse *self, int64_t now_ns)
{
    if (self->facts.default_sink.name[0] || !(self->facts.has_device || self->facts.ours.name[0])) {
        self->doubted_ns = 0;
        if (self->facts.default_sink.name[0])
            self->doubt_pause_ns = DOUBT_MIN_NS;
        return;
    }
    if (self->doubted_ns == 0)
        self->doubted_ns = now_ns;
    int64_t look_ns = self->looked_ns + LOOK_AGAIN_NS, leave_ns = self->doubted_ns + self->doubt_pause_ns;
    if (now_ns >= leave_ns && !self->now.ending) {
        log_debug("pulse: the default sink %s is not in the list: connecting again", self->facts.default_name);
        self->doubt_pause_ns = self->doubt_pause_ns * 2 < DOUBT_MAX_NS ? self->doubt_pause_ns * 2 : DOUBT_MAX_NS;
        self->doubted_ns = 0;
        pulse_connect_again(self, now_ns);
    } else if (now_ns >= look_ns) {
        self->is_stale = true;
        pulse_wake_by(self, now_ns);
    } else {
        pulse_wake_by(self, look_ns < leave_ns ? look_ns : leave_ns);
    }
}

static void server_step(struct pulse *self, int64_t now_ns)
{
    if (self->is_new)
        greet(self, now_ns);
    bool waits = self->looks_pending > 0 || (self->request != PULSE_IDLE && !self->request_done);
    if (!waits && self->is_stale) {
        look(self, now_ns);
        waits = true;
    }
    if (waits) {
        pulse_wake_by(self, self->answer_by_ns);
        return;
    }
    if (!self->facts_known)
        return;
    doubt(self, now_ns);
    if (!self->ready)
        return;
    if (pulse_wants_sound(self, now_ns) && !self->now.open)
        pulse_wake_by(self, self->linger_until_ns);
    pulse_sink_step(self, now_ns);
    pulse_record_step(self, now_ns);
}

static bool is_asked(struct pulse *self)
{
    mutex_lock(&self->lock);
    bool asked = self->asked.times != self->now.times;
    mutex_unlock(&self->lock);
    return asked;
}

/* Waits for the server, the other threads or the time that the step has asked for. False: the loop is broken. */
static bool iterate(struct pulse *self)
{
    int64_t wait_us = (self->wake_ns - clock_now_ns() + CLOCK_US_NS - 1) / CLOCK_US_NS;
    int timeout_us = wait_us < 0 ? 0 : wait_us > 60000000 ? 60000000 : (int)wait_us;
    if (pa_mainloop_prepare(self->loop, timeout_us) < 0)
        return false;
    if (is_asked(self)) /* prepare forgets the wake-ups that came before it */
        pa_mainloop_wakeup(self->loop);
    return pa_mainloop_poll(self->loop) >= 0 && pa_mainloop_dispatch(self->loop) >= 0;
}

static void pulse_free(struct pulse *self)
{
    drop_context(self);
    if (self->loop)
        pa_mainloop_free(self->loop);
    cond_finish(&self->changed);
    mutex_finish(&self->lock);
    free(self);
}

static void run(void *arg)
{
    struct pulse *self = arg;
    thread_set_priority(THREAD_PRIORITY_REALTIME); /* refused: still right, only later */
    for (;;) {
        if (atomic_load(&self->abandoned))
            break;
        int64_t now_ns = clock_now_ns();
        self->wake_ns = now_ns + 60 * CLOCK_SECOND_NS;
        take_asked(self, now_ns);
        if (connection_step(self, now_ns))
            server_step(self, now_ns);
        if (has_ended(self, now_ns))
            break;
        if ((self->facts_known || !self->context) && !atomic_load(&self->abandoned))
            tell(self);
        if (!iterate(self)) {
            log_error("pulse: libpulse's loop failed; there is no sound any more");
            break;
        }
    }
    drop_context(self);
    mutex_lock(&self->lock);
    self->ended = true;
    bool frees = atomic_load(&self->abandoned);
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
    if (frees)
        pulse_free(self);
}

/* --- the calls --- */

static struct pulse *self_of(struct audio_backend *base)
{
    return container_of(base, struct pulse, base);
}

static struct audio_backend *pulse_create(const struct audio_backend_config *config)
{
    struct pulse *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("pulse");
    self->base.ops = &audio_backend_pulse;
    self->events = config->events;
    self->events_ctx = config->ctx;
    self->may_change_default = config->may_change_default;
    self->cookie_file = self->socket_file = -1;
    self->pause_ns = PAUSE_MIN_NS;
    self->doubt_pause_ns = DOUBT_MIN_NS;
    self->quiet_pause_ns = PULSE_QUIET_MIN_NS;
    self->lost_ns = clock_now_ns();
    mutex_init(&self->lock);
    cond_init(&self->changed);
    if (config->server && !text_copy(self->server, sizeof(self->server), config->server)) {
        log_error("pulse: the server's address is too long: %s", config->server);
        goto fail;
    }
    if (config->left_note && pulse_sink_note_read(config->left_note, self->former, sizeof(self->former))) {
        self->default_state = PULSE_DEFAULT_NOTED;
        self->owes_note = self->is_left = true;
    }
    self->loop = pa_mainloop_new();
    if (!self->loop) {
        log_error("pulse: libpulse makes no loop");
        goto fail;
    }
    if (!thread_start(&self->thread, "pulse", run, self))
        goto fail;
    return &self->base;

fail:
    pulse_free(self);
    return NULL;
}

static void pulse_destroy(struct audio_backend *base)
{
    struct pulse *self = self_of(base);
    int64_t until_ns = clock_now_ns() + ABANDON_NS;
    mutex_lock(&self->lock);
    self->asked.ending = true;
    self->asked.times++;
    pa_mainloop_wakeup(self->loop);
    while (!self->ended && cond_wait_until(&self->changed, &self->lock, until_ns))
        ;
    bool ended = self->ended;
    if (!ended)
        atomic_store(&self->abandoned, true);
    mutex_unlock(&self->lock);
    if (ended) {
        thread_join(&self->thread);
        pulse_free(self);
    } else { /* it hangs in libpulse, as on a frozen X server that names the sound server */
        log_warn("pulse: its thread does not end and is left alone");
        thread_abandon(&self->thread);
    }
}

static void unlock_and_wake(struct pulse *self)
{
    self->asked.times++;
    mutex_unlock(&self->lock);
    pa_mainloop_wakeup(self->loop);
}

static void pulse_open(struct audio_backend *base, int channels)
{
    struct pulse *self = self_of(base);
    mutex_lock(&self->lock);
    self->asked.open = true;
    self->asked.channels = channels;
    unlock_and_wake(self);
}

static void pulse_close(struct audio_backend *base)
{
    struct pulse *self = self_of(base);
    mutex_lock(&self->lock);
    self->asked.open = false;
    unlock_and_wake(self);
}

static void pulse_silence_host(struct audio_backend *base, bool silence)
{
    struct pulse *self = self_of(base);
    mutex_lock(&self->lock);
    self->asked.silence = silence;
    unlock_and_wake(self);
}

static void pulse_note_stored(struct audio_backend *base, bool stored)
{
    struct pulse *self = self_of(base);
    mutex_lock(&self->lock);
    if (self->asked.notes_unanswered > 0)
        self->asked.notes_unanswered--;
    self->asked.note_lost |= !stored;
    unlock_and_wake(self);
}

const struct audio_backend_ops audio_backend_pulse = {
    .name = "pulse",
    .create = pulse_create,
    .destroy = pulse_destroy,
    .open = pulse_open,
    .close = pulse_close,
    .silence_host = pulse_silence_host,
    .note_stored = pulse_note_stored,
};
