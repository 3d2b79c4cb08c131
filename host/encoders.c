/* SPDX-License-Identifier: Apache-2.0 */
#include "host/encoders.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "host/codec_offer.h"
#include "host/driver_thread.h"
#include "host/encoder_speed.h"

#include <stdio.h>
#include <string.h>

enum { SOFTWARE_PATIENCE_S = 30 }; /* a machine may be slow */
#define AGAIN_NS (30 * CLOCK_SECOND_NS)

/* Drivers' thread. */
static void probe_again(void *data)
{
    encoder_probe_again(data);
}

/* Software does not hang, but one of libavcodec's waits for another of libavcodec's that hangs in its driver. */
static void probe_one(void *ctx, struct encoder_report *report)
{
    struct encoders *self = ctx;
    int patience_s = report->hardware ? ENCODERS_PATIENCE_S : SOFTWARE_PATIENCE_S;
    if (driver_thread_run(self->drivers, probe_again, report, sizeof(*report), patience_s * CLOCK_SECOND_NS))
        return;
    report->silent = true;
    snprintf(report->reason, sizeof(report->reason), "its driver has not answered for %d s", patience_s);
}

void encoders_probe(struct encoders *self, const char *wish)
{
    self->count = encoder_probe_by(probe_one, self, wish, self->reports);
}

/* --- how fast software is --- */

/* It would have to go on with what a GPU of the list made. */
static bool is_behind_hardware(const struct encoder_report *reports, int count, enum encoder_codec codec)
{
    const struct encoder_report *first = encoder_choose(reports, count, codec);
    return first && first->hardware;
}

static void measure(enum config_codecs codecs, struct encoder_report *reports, int count)
{
    for (int i = 0; i < count; i++) {
        struct encoder_report *report = &reports[i];
        bool is_known = report->pixels_per_s || report->hardware || !report->usable || report->codec == ENCODER_H264;
        if (is_known ||
            (!codec_offer_depends_on_speed(codecs, report) && !is_behind_hardware(reports, count, report->codec)))
            continue;
        report->pixels_per_s = encoder_speed_measure(report->name, report->codec);
        log_info("encoder: %s makes %.1f million pixels of %s a second", report->name,
                 (double)report->pixels_per_s / 1e6, codec_name(report->codec));
    }
}

void encoders_measure(struct encoders *self)
{
    measure(self->codecs, self->reports, self->count);
}

/* --- what refused or failed --- */

/* And may work at another time. */
static bool is_refused(const struct encoder_report *report)
{
    return report->hardware && !report->usable && (!report->final || report->worked);
}

/* A driver that hung in a session would hang again. */
static unsigned list_refused(const struct encoders *self, bool silent_too)
{
    unsigned refused = 0;
    for (int i = 0; i < self->count; i++)
        refused |= (unsigned)(is_refused(&self->reports[i]) && (silent_too || !self->reports[i].silent)) << i;
    return refused;
}

struct trial {
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    int count;
    unsigned which; /* bit set */
    enum config_codecs codecs;
};

/* Drivers' thread. */
static void try_out(void *data)
{
    struct trial *trial = data;
    for (int i = 0; i < trial->count; i++) {
        if (trial->which >> i & 1)
            encoder_probe_again(&trial->reports[i]);
    }
    measure(trial->codecs, trial->reports, trial->count);
}

/* What it could do before is worth knowing: it may have a session to give at the next try. */
static void remember_what_worked(const struct encoder_report *old, struct encoder_report *fresh)
{
    if (fresh->usable || !(old->usable || old->worked))
        return;
    fresh->worked = true;
    fresh->limits = old->limits;
    fresh->invalidates = old->invalidates;
    memcpy(fresh->takes, old->takes, sizeof(fresh->takes));
}

static bool take_one(struct encoder_report *report, const struct encoder_report *fresh)
{
    struct encoder_report old = *report;
    *report = *fresh;
    remember_what_worked(&old, report);
    if (old.usable == fresh->usable && strcmp(old.reason, fresh->reason) == 0)
        return false;
    log_info("encoder: %s %s for %s%s%s", fresh->name, fresh->usable ? "works now" : "still cannot be used",
             codec_name(fresh->codec), fresh->usable ? "" : ": ", fresh->reason);
    return true;
}

static void start_trying(struct encoders *self, unsigned which);

static void take(void *ctx, const void *data)
{
    struct encoders *self = ctx;
    const struct trial *trial = data;
    bool changed = false;
    self->busy = false;
    for (int i = 0; i < self->count; i++) {
        if (trial->which >> i & 1)
            changed |= take_one(&self->reports[i], &trial->reports[i]);
        else
            self->reports[i].pixels_per_s = trial->reports[i].pixels_per_s;
    }
    if (self->again)
        start_trying(self, list_refused(self, false));
    if (changed)
        self->changed(self->ctx);
}

static void start_trying(struct encoders *self, unsigned which)
{
    struct trial trial = {.count = self->count, .which = which, .codecs = self->codecs};
    memcpy(trial.reports, self->reports, sizeof(trial.reports));
    self->again = false;
    self->busy = driver_thread_ask(self->drivers, try_out, take, self, &trial, sizeof(trial));
}

void encoders_try_refused(struct encoders *self, int64_t now_ns)
{
    unsigned refused = list_refused(self, true);
    if (!refused || self->busy || now_ns < self->again_ns)
        return;
    start_trying(self, refused);
    if (self->busy)
        self->again_ns = now_ns + AGAIN_NS;
}

void encoders_failed(struct encoders *self, const char *name, bool hung)
{
    bool any = false;
    for (int i = 0; i < self->count; i++) {
        struct encoder_report *report = &self->reports[i];
        bool asked = report->usable || (hung && report->worked && !report->silent);
        if (!report->hardware || !asked || strcmp(report->name, name) != 0)
            continue;
        any = report->worked = true;
        report->usable = false;
        report->silent = hung;
        text_copy(report->reason, sizeof(report->reason), hung ? "it hung in a session" : "it failed in a session");
    }
    if (!any)
        return;
    log_warn("encoder: %s %s: clients are not offered what it makes until it works again", name,
             hung ? "hung" : "failed");
    self->again_ns = 0;
    if (self->busy)
        self->again |= !hung;
    else if (!hung)
        start_trying(self, list_refused(self, false));
    self->changed(self->ctx);
}
