/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver_thread: where the drivers of GPUs are asked what they can and how they are. A call that hangs in a driver
 * cannot be ended; here it costs neither the workers of the loop, who do log-in and pairing, nor the start. One job
 * after the other. A job works on a copy of its data, which goes with it if its thread is left behind.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct driver_thread;
struct loop;

/* `loop`: where driver_thread_ask() answers; NULL: it is not used. NULL: logged. */
struct driver_thread *driver_thread_create(struct loop *loop);
/* Before the loop's end. Waits 2 s at most for a job under way, which is then left behind; those that wait are dropped.
 * NULL is fine. */
void driver_thread_destroy(struct driver_thread *self);

/* Loop's thread. `work` is called with a copy of `data`, then on the loop's thread `done` with that; never, as long as
 * a job before it, or this one, hangs. False: out of memory, or `self` is NULL. */
bool driver_thread_ask(struct driver_thread *self, void (*work)(void *data), void (*done)(void *ctx, const void *data),
                       void *ctx, const void *data, size_t size);

/* Any thread, while nobody else uses it: the same, and waits. False: after `limit_ns` the job was left behind, for
 * good, and `data` is as it was. */
bool driver_thread_run(struct driver_thread *self, void (*work)(void *data), void *data, size_t size, int64_t limit_ns);
