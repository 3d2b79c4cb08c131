/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_site: where `earthshine bench` measures: a loop, a temporary folder, and in it the cookie of a private X
 * server. Nothing of it is left when it is destroyed, nor after Ctrl-C. Main thread, but for what is marked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bench_site;

struct bench_site *bench_site_create(void);       /* NULL: said on stderr */
void bench_site_destroy(struct bench_site *self); /* NULL is fine */

/* A fresh X server of that size, in place of the one before. False: said on stderr. */
bool bench_site_show(struct bench_site *self, int width, int height);
const char *bench_site_display(const struct bench_site *self); /* ":91" */
const char *bench_site_xauthority(const struct bench_site *self);

/* False: something came in between, now or before, and all must end: a signal, the end of the X server, or
 * bench_site_fail(). Said on stderr. */
bool bench_site_wait(struct bench_site *self, int64_t until_ns);
/* Any thread. `what`: a constant. */
void bench_site_fail(struct bench_site *self, const char *what);
