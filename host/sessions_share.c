/* SPDX-License-Identifier: Apache-2.0 */
/* What concerns more than one session: the desktop's mode, the cores, and what the rest of the host is told. */
#include "base/clock.h"
#include "host/codec_offer.h"
#include "host/session.h"
#include "host/sessions_internal.h"

#include <string.h>

static bool is_live(const struct session *session)
{
    return session->state != SESSION_STOPPING;
}

/* --- the mode --- */

const struct session *sessions_owner(const struct sessions *self)
{
    const struct session *owner = NULL;
    for (const struct session *s = self->first; s; s = s->next) {
        if (is_live(s) && (!owner || s->order < owner->order))
            owner = s;
    }
    return owner;
}

static bool may_set_mode(const struct config *config, const struct session *owner)
{
    bool is_private = config->virtual_width != 0;
    switch (config->match_mode) {
    case CONFIG_MATCH_NEVER:
        return false;
    case CONFIG_MATCH_VIRTUAL:
        return is_private;
    case CONFIG_MATCH_CLIENT:
        return is_private || owner->launch.change_mode;
    case CONFIG_MATCH_ALWAYS:
        return true;
    }
    return false;
}

static struct display_wish make_wish(const struct sessions *self)
{
    const struct config *config = self->config.config;
    const struct session *owner = sessions_owner(self);
    struct display_wish wish = {0};
    if (!owner)
        return wish;
    wish.awake = true;
    wish.clip = strcmp(config->output, "all") != 0;
    if (may_set_mode(config, owner)) {
        wish.width = owner->announced ? owner->announce.width : owner->launch.width;
        wish.height = owner->announced ? owner->announce.height : owner->launch.height;
        wish.fps_x100 = owner->announced ? owner->announce.fps_x100 : owner->launch.fps_x100;
    }
    return wish;
}

static void share_display(struct sessions *self)
{
    struct display_wish wish = make_wish(self), *last = &self->wish;
    if (wish.width == last->width && wish.height == last->height && wish.fps_x100 == last->fps_x100 &&
        wish.awake == last->awake && wish.clip == last->clip)
        return;
    self->wish = wish;
    display_set_wish(self->config.display, &wish);
}

/* --- the cores --- */

/* Those that encode, or soon will, in order of start. */
static size_t list_encoding(const struct sessions *self, struct session *ret_list[SESSIONS_LIVE_MAX])
{
    size_t count = 0;
    for (struct session *s = self->first; s; s = s->next) {
        if (!is_live(s) || !s->stream || count == SESSIONS_LIVE_MAX)
            continue;
        size_t at = count++;
        for (; at > 0 && ret_list[at - 1]->order > s->order; at--)
            ret_list[at] = ret_list[at - 1];
        ret_list[at] = s;
    }
    return count;
}

/* Software that takes over from a GPU, or makes 4:4:4, may be too slow for what was asked for. 0: not known. */
static int held_fps_x100(const struct session *session, int64_t pixels)
{
    const struct sessions_config *config = &session->owner->config;
    const char *name = session->report.now.encoder;
    for (int i = 0; name && i < config->report_count; i++) {
        const struct encoder_report *report = &config->reports[i];
        if (report->codec == (enum encoder_codec)session->announce.codec && !strcmp(report->name, name))
            return codec_offer_held_fps_x100(report, pixels);
    }
    return 0;
}

static void describe_encode(struct session *session, struct encode_budget_entry *entry)
{
    const struct stream_report *now = &session->report.now;
    if (now->encoder && now->encoder[0]) /* else it is only being made */
        session->software = now->software;
    *entry = session->budget;
    entry->software = session->software;
    entry->pixels = (int64_t)session->announce.width * session->announce.height * (session->announce.chroma444 ? 2 : 1);
    entry->wished_fps_x100 = session->announce.fps_x100;
    entry->held_fps_x100 = held_fps_x100(session, entry->pixels);
    entry->encode_ns = session->report.encode_ns;
    entry->made_fps_x100 = session->report.made_fps_x100;
}

static bool apply_budget(struct session *session, const struct encode_budget_entry *entry, const char *reason)
{
    int before = session->budget.fps_x100 ? session->budget.fps_x100 : entry->wished_fps_x100;
    session->budget = *entry;
    if (before != entry->fps_x100)
        stream_set_rate(session->stream, entry->fps_x100);
    bool is_new = strcmp(session->rate_reason, reason) != 0;
    if (is_new) {
        memcpy(session->rate_reason, reason, strlen(reason) + 1);
        log_info("session %s: %s", session->id, reason[0] ? reason : "full rate again");
    }
    return is_new;
}

static void share_cores(struct sessions *self)
{
    struct session *list[SESSIONS_LIVE_MAX];
    struct encode_budget_entry entries[SESSIONS_LIVE_MAX];
    size_t count = list_encoding(self, list);
    for (size_t i = 0; i < count; i++)
        describe_encode(list[i], &entries[i]);
    encode_budget_share(entries, count, self->cores, clock_now_ns());
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        char reason[ENCODE_BUDGET_REASON_MAX];
        encode_budget_reason(&entries[i], entries, count, self->cores, reason);
        changed |= apply_budget(list[i], &entries[i], reason);
    }
    if (changed)
        self->config.changed(self->config.ctx);
}

void sessions_share(struct sessions *self)
{
    share_display(self);
    share_cores(self);
}

/* --- what the rest of the host is told --- */

static void tell(struct sessions *self, const struct sessions_event *event)
{
    if (self->config.event)
        self->config.event(self->config.ctx, event);
}

void sessions_tell(const struct session *session, enum sessions_event_kind kind)
{
    struct sessions_event event = {
        .kind = kind,
        .app_id = session->app_id,
        .client = session->client.name,
        .width = session->announced ? session->announce.width : session->launch.width,
        .height = session->announced ? session->announce.height : session->launch.height,
        .fps_x100 = session->announced ? session->announce.fps_x100 : session->launch.fps_x100,
    };
    for (const struct session *s = session->owner->first; s; s = s->next) {
        if (s == session || !is_live(s))
            continue;
        bool is_replaced = kind == SESSIONS_EVENT_LAUNCHED && !memcmp(s->client.sha256, session->client.sha256, 32);
        event.others += !is_replaced;
        event.others_of_app += s->app_id == session->app_id;
    }
    tell(session->owner, &event);
}

void sessions_app_left(struct sessions *self, uint32_t app_id)
{
    if (!app_id)
        return;
    for (int i = 0; i < self->run_count; i++) {
        if (self->runs[i].app_id == app_id)
            return;
    }
    const struct sessions_event event = {.kind = SESSIONS_EVENT_QUIT, .app_id = app_id};
    tell(self, &event);
}
