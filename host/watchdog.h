/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog: looks at the heartbeats of all stages four times a second. A stage that is at one piece of work for more
 * than 2 s is hung: it is counted, logged, and its owner is told to restart it alone. Main thread.
 */
#pragma once

#include "base/heartbeat.h"
#include "net/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog;

enum { WATCHDOG_LIMIT_MS = 2000, WATCHDOG_PERIOD_MS = 250, WATCHDOG_DEAD_MS = 10000, WATCHDOG_STAGES_MAX = 64 };

struct watchdog *watchdog_create(struct loop *loop); /* NULL: out of memory, logged */
void watchdog_destroy(struct watchdog *self);        /* NULL is fine */

/* `name` like "capture" or "encode 1a2b3c4d"; copied. `hung` is called once per hang, with its age, and may remove the
 * stage; it restarts it. NULL: nothing can be done but wait. False: too many. */
bool watchdog_add(struct watchdog *self, const char *name, const struct heartbeat *heartbeat,
                  void (*hung)(void *ctx, int64_t age_ns), void *ctx);
void watchdog_remove(struct watchdog *self, const struct heartbeat *heartbeat);

/* What the timer does; for tests, whose time is their own. */
void watchdog_look(struct watchdog *self, int64_t now_ns);

/* False: a stage has been hung for WATCHDOG_DEAD_MS: the process is not worth keeping. */
bool watchdog_all_well(const struct watchdog *self);
/* [{name, state: "fine"|"hung", hangs, last_ms, last_at_ms, restarts}] by kind of stage (the first word of the name);
 * hangs also of stages that are gone. */
json_t *watchdog_to_json(const struct watchdog *self);
void watchdog_counters(const struct watchdog *self, json_t *object); /* adds "stage_hangs" */
