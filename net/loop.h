/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: the main thread's event loop (libevent) with a queue into it from other threads, and the workers:
 * 2 low-priority threads with a queue of 16 for what may block (scrypt, keys, file writes).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct loop_timer;

struct loop *loop_create(void);
void loop_destroy(struct loop *self); /* NULL is fine; joins the workers; what uses the loop is destroyed before */
struct event_base *loop_base(struct loop *self); /* for net/ and web/ only */
void loop_run(struct loop *self);                /* until loop_stop */
void loop_stop(struct loop *self);               /* any thread */

/* Any thread: `run(arg)` is called on the loop's thread, in order of posting. Never lost while the loop exists;
 * what is still queued at loop_destroy is run there. */
void loop_post(struct loop *self, void (*run)(void *arg), void *arg);

/* Loop thread: `work(arg)` on a worker, then `done(arg)` on the loop's thread. False when the queue is full
 * (16): answer "busy". At loop_destroy queued work is still done, so that no write is lost. */
bool loop_work(struct loop *self, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Loop thread, at the end: returns when all work handed in is done and all that was posted has run. From then on
 * loop_work() says false, and what is posted runs with the next call, or at loop_destroy. */
void loop_finish_work(struct loop *self);

/* Loop thread. Calls `fire(arg)` once after `delay_ns`, or every `delay_ns` when `repeat`. NULL: out of memory. */
struct loop_timer *loop_timer_create(struct loop *self, int64_t delay_ns, bool repeat, void (*fire)(void *arg),
                                     void *arg);
void loop_timer_destroy(struct loop_timer *self); /* NULL is fine; also from within fire() */
