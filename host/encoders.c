/* SPDX-License-Identifier: Apache-2.0 */
#include "host/encoders.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/codec_offer.h"
#include "host/encoder_speed.h"
#include "net/loop.h"

#include <string.h>

#define AGAIN_NS (30 * CLOCK_SECOND_NS)

void encoders_probe(struct encoders *self, const char *wish)
{
    self->count = encoder_probe(wish, self->reports);
}

void encoders_measure(struct encoders *self, enum config_codecs codecs)
{
    for (int i = 0; i < self->count; i++) {
        struct encoder_report *report = &self->reports[i];
        bool first = report == encoder_choose(self->reports, self->count, report->codec);
        if (!first || !codec_offer_depends_on_speed(codecs, report))
            continue;
        report->pixels_per_s = encoder_speed_measure(report->name, report->codec);
        log_info("encoder: %s makes %.1f million pixels of %s a second", report->name,
                 (double)report->pixels_per_s / 1e6, codec_name(report->codec));
    }
}

static bool is_refused(const struct encoder_report *report)
{
    return report->hardware && !report->usable;
}

/* Worker. */
static void probe_refused(void *arg)
{
    struct encoders *self = arg;
    for (int i = 0; i < self->count; i++) {
        if (is_refused(&self->fresh[i]))
            encoder_probe_again(&self->fresh[i]);
    }
}

static void take(void *arg)
{
    struct encoders *self = arg;
    bool changed = false;
    self->busy = false;
    for (int i = 0; i < self->count; i++) {
        const struct encoder_report *old = &self->reports[i], *fresh = &self->fresh[i];
        if (old->usable == fresh->usable && strcmp(old->reason, fresh->reason) == 0)
            continue;
        log_info("encoder: %s %s for %s%s%s", fresh->name, fresh->usable ? "works now" : "still cannot be used",
                 codec_name(fresh->codec), fresh->usable ? "" : ": ", fresh->reason);
        self->reports[i] = *fresh;
        changed = true;
    }
    if (changed)
        self->changed(self->ctx);
}

void encoders_try_refused(struct encoders *self, int64_t now_ns)
{
    bool any = false;
    for (int i = 0; i < self->count; i++)
        any |= is_refused(&self->reports[i]);
    if (!any || self->busy || now_ns < self->again_ns)
        return;
    memcpy(self->fresh, self->reports, sizeof(self->fresh));
    self->busy = loop_work(self->loop, probe_refused, take, self);
    if (self->busy)
        self->again_ns = now_ns + AGAIN_NS;
}
