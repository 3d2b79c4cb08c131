/* SPDX-License-Identifier: Apache-2.0 */
#include "host/gpu_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/driver_thread.h"
#include "net/loop.h"

#include <string.h>

#define AGAIN_NS          (60 * CLOCK_SECOND_NS)
#define PATIENCE_NS       (10 * CLOCK_SECOND_NS)
#define START_PATIENCE_NS (5 * CLOCK_SECOND_NS)

static int find(const struct gpu_watch *self, struct gpu_finding ret_findings[GPU_FINDINGS_MAX])
{
    return gpu_find(&self->facts, self->encoders->reports, self->encoders->count, ret_findings);
}

static bool was_told(const struct gpu_watch *self, const struct gpu_finding *finding)
{
    for (int i = 0; i < self->told_count; i++)
        if (!strcmp(self->told[i].todo, finding->todo)) /* the other sentence may have a number in it */
            return true;
    return false;
}

/* Logs what is new. True: something was, or is gone. */
static bool tell(struct gpu_watch *self)
{
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    int count = find(self, findings), before = self->told_count;
    bool changed = count != before;
    for (int i = 0; i < count; i++) {
        if (was_told(self, &findings[i]))
            continue;
        log_warn("gpu: %s %s", findings[i].what, findings[i].todo);
        changed = true;
    }
    if (before && !count)
        log_info("gpu: what was wrong is over");
    memcpy(self->told, findings, (size_t)count * sizeof(findings[0]));
    self->told_count = count;
    return changed;
}

struct look {
    const char *root;
    struct gpu_facts facts;
};

/* Drivers' thread. */
static void read_facts(void *data)
{
    struct look *look = data;
    gpu_read(look->root, &look->facts);
}

static void read_without_driver(const char *root, struct gpu_facts *ret_facts)
{
    gpu_read_files(root, ret_facts);
    ret_facts->nvml =
        (struct nvml_report){.state = NVML_SILENT, .encoder_percent = -1, .sessions = -1, .sessions_fps = -1};
}

void gpu_watch_read(struct gpu_watch *self)
{
    struct look look = {.root = self->root};
    if (!driver_thread_run(self->drivers, read_facts, &look, sizeof(look), START_PATIENCE_NS))
        read_without_driver(self->root, &look.facts);
    self->facts = look.facts;
}

static void take_facts(struct gpu_watch *self, const struct gpu_facts *facts)
{
    self->facts = *facts;
    if (tell(self))
        self->changed(self->ctx);
}

static void take(void *ctx, const void *data)
{
    struct gpu_watch *self = ctx;
    self->busy = false;
    take_facts(self, &((const struct look *)data)->facts);
}

void gpu_watch_look(struct gpu_watch *self)
{
    const struct look look = {.root = self->root};
    if (self->busy)
        return;
    self->asked_ns = clock_now_ns();
    self->busy = driver_thread_ask(self->drivers, read_facts, take, self, &look, sizeof(look));
}

void gpu_watch_tick(struct gpu_watch *self, int64_t now_ns)
{
    if (self->busy && now_ns - self->asked_ns > PATIENCE_NS) {
        struct gpu_facts facts;
        read_without_driver(self->root, &facts);
        take_facts(self, &facts);
    }
    gpu_watch_look(self);
}

static void on_time(void *arg)
{
    gpu_watch_tick(arg, clock_now_ns());
}

bool gpu_watch_start(struct gpu_watch *self)
{
    char sentence[GPU_SENTENCE_MAX];
    gpu_sentence(&self->facts, sentence);
    log_info("gpu: %s", sentence);
    tell(self);
    if (!self->facts.pci[0] && self->facts.nvml.state == NVML_NOT_INSTALLED)
        return true;
    self->timer = loop_timer_create(self->loop, AGAIN_NS, true, on_time, self);
    return self->timer != NULL;
}

void gpu_watch_stop(struct gpu_watch *self)
{
    loop_timer_destroy(self->timer);
    self->timer = NULL;
}

json_t *gpu_watch_to_json(const struct gpu_watch *self)
{
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    return gpu_to_json(&self->facts, findings, find(self, findings));
}
