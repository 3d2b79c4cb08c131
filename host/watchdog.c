/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage is judged by the time it was seen busy: when this process, or the whole machine, stood still meanwhile, the
 * look comes late, and what it is late does not count against anybody.
 */
#include "host/watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 16, NAME_MAX_BYTES = 32, KIND_MAX_BYTES = 16 };

struct kind { /* of stages, by the first word of their name */
    char name[KIND_MAX_BYTES];
    uint64_t hangs;
    int64_t last_ns;    /* how long the last hang has lasted */
    int64_t last_at_ms; /* when it began, wall clock */
    bool restarts;      /* its owner can do something about it */
};

struct stage {
    const struct heartbeat *heartbeat; /* NULL: a free place */
    char name[NAME_MAX_BYTES];
    int kind;
    void (*hung)(void *ctx, int64_t age_ns);
    void *ctx;
    int64_t since_ns;   /* the piece of work it was at when last looked at */
    int64_t excused_ns; /* of its age: when nobody could work */
    bool is_hung;
    int64_t age_ns; /* while hung */
};

struct watchdog {
    struct loop_timer *timer;
    int64_t looked_ns; /* 0: never */
    struct stage stages[WATCHDOG_STAGES_MAX];
    struct kind kinds[KINDS_MAX];
    int kind_count;
};

static void begin_hang(struct watchdog *self, struct stage *stage)
{
    stage->is_hung = true;
    self->kinds[stage->kind].hangs++;
    log_error("watchdog: %s has hung for %.1f s: %s", stage->name, (double)stage->age_ns / CLOCK_SECOND_NS,
              stage->hung ? "it is restarted" : "nothing can be done but wait");
    if (stage->hung)
        stage->hung(stage->ctx, stage->age_ns); /* `stage` may be gone, or another, from here on */
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void look_at(struct watchdog *self, struct stage *stage, int64_t late_ns, int64_t now_ns)
{
    int64_t since_ns = atomic_load_explicit(&stage->heartbeat->since_ns, memory_order_relaxed);
    bool same = since_ns && since_ns == stage->since_ns;
    if (!same && stage->is_hung) {
        stage->is_hung = false;
        log_warn("watchdog: %s works again after %.1f s", stage->name, (double)stage->age_ns / CLOCK_SECOND_NS);
    }
    stage->since_ns = since_ns;
    if (!since_ns || now_ns <= since_ns) {
        stage->excused_ns = 0;
        return;
    }
    int64_t most_ns = now_ns - since_ns;
    stage->excused_ns = least((same ? stage->excused_ns : 0) + late_ns, most_ns);
    int64_t age_ns = most_ns - stage->excused_ns;
    if (age_ns <= WATCHDOG_LIMIT_MS * CLOCK_MS_NS)
        return;
    stage->age_ns = age_ns;
    self->kinds[stage->kind].last_ns = age_ns;
    self->kinds[stage->kind].last_at_ms = clock_wall_ms() - age_ns / CLOCK_MS_NS;
    if (!stage->is_hung)
        begin_hang(self, stage);
}

void watchdog_look(struct watchdog *self, int64_t now_ns)
{
    int64_t late_ns = self->looked_ns ? now_ns - self->looked_ns - 2 * WATCHDOG_PERIOD_MS * CLOCK_MS_NS : 0;
    self->looked_ns = now_ns;
    for (int i = 0; i < WATCHDOG_STAGES_MAX; i++) {
        if (self->stages[i].heartbeat)
            look_at(self, &self->stages[i], late_ns > 0 ? late_ns : 0, now_ns);
    }
}

static void on_time(void *arg)
{
    watchdog_look(arg, clock_now_ns());
}

struct watchdog *watchdog_create(struct loop *loop)
{
    struct watchdog *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("watchdog");
    self->timer = loop_timer_create(loop, WATCHDOG_PERIOD_MS * CLOCK_MS_NS, true, on_time, self);
    if (!self->timer) {
        watchdog_destroy(self);
        return log_oom("watchdog");
    }
    return self;
}

void watchdog_destroy(struct watchdog *self)
{
    if (!self)
        return;
    loop_timer_destroy(self->timer);
    free(self);
}

/* -1: too many kinds. */
static int find_kind(struct watchdog *self, const char *name)
{
    char word[KIND_MAX_BYTES];
    text_copy(word, sizeof(word), name);
    word[strcspn(word, " ")] = 0;
    for (int i = 0; i < self->kind_count; i++) {
        if (strcmp(self->kinds[i].name, word) == 0)
            return i;
    }
    if (self->kind_count == KINDS_MAX)
        return -1;
    text_copy(self->kinds[self->kind_count].name, sizeof(word), word);
    return self->kind_count++;
}

static struct stage *find_stage(struct watchdog *self, const struct heartbeat *heartbeat)
{
    for (int i = 0; i < WATCHDOG_STAGES_MAX; i++) {
        if (self->stages[i].heartbeat == heartbeat)
            return &self->stages[i];
    }
    return NULL;
}

bool watchdog_add(struct watchdog *self, const char *name, const struct heartbeat *heartbeat,
                  void (*hung)(void *ctx, int64_t age_ns), void *ctx)
{
    struct stage *stage = find_stage(self, NULL);
    int kind = find_kind(self, name);
    if (!stage || kind < 0)
        return false;
    *stage = (struct stage){.heartbeat = heartbeat, .kind = kind, .hung = hung, .ctx = ctx};
    text_copy(stage->name, sizeof(stage->name), name);
    self->kinds[kind].restarts = hung != NULL;
    return true;
}

void watchdog_remove(struct watchdog *self, const struct heartbeat *heartbeat)
{
    struct stage *stage = heartbeat ? find_stage(self, heartbeat) : NULL;
    if (stage)
        *stage = (struct stage){0};
}

bool watchdog_all_well(const struct watchdog *self)
{
    for (int i = 0; i < WATCHDOG_STAGES_MAX; i++) {
        const struct stage *stage = &self->stages[i];
        if (stage->heartbeat && stage->is_hung && stage->age_ns >= WATCHDOG_DEAD_MS * CLOCK_MS_NS)
            return false;
    }
    return true;
}

static bool kind_is_hung(const struct watchdog *self, int kind)
{
    for (int i = 0; i < WATCHDOG_STAGES_MAX; i++) {
        if (self->stages[i].heartbeat && self->stages[i].is_hung && self->stages[i].kind == kind)
            return true;
    }
    return false;
}

json_t *watchdog_to_json(const struct watchdog *self)
{
    json_t *list = json_array();
    for (int i = 0; i < self->kind_count; i++) {
        const struct kind *kind = &self->kinds[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "name", kind->name, "state",
                                              kind_is_hung(self, i) ? "hung" : "fine", "hangs", (json_int_t)kind->hangs,
                                              "last_ms", (json_int_t)(kind->last_ns / CLOCK_MS_NS), "last_at_ms",
                                              (json_int_t)kind->last_at_ms, "restarts", kind->restarts));
    }
    return list;
}

void watchdog_counters(const struct watchdog *self, json_t *object)
{
    json_int_t hangs = 0;
    for (int i = 0; i < self->kind_count; i++)
        hangs += (json_int_t)self->kinds[i].hangs;
    json_object_set_new(object, "stage_hangs", json_integer(hangs));
}
