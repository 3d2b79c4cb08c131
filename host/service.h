/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: what the service manager and the login manager of the system are told. Without them nothing happens.
 * Implementations: service_systemd.c, service_none.c.
 */
#pragma once

#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct service;

struct service *service_create(struct loop *loop); /* NULL: out of memory, logged */
void service_destroy(struct service *self);        /* lets go of the inhibition; NULL is fine */

void service_ready(struct service *self, const char *status); /* every port answers */
void service_stopping(struct service *self);
/* How often service_alive() is to be called; 0: nobody watches us. */
int64_t service_watch_interval_ns(const struct service *self);
void service_alive(struct service *self);

/* While streaming: the system neither sleeps nor counts as idle (logind). A worker does it; main thread never waits. */
void service_keep_awake(struct service *self, bool awake);
/* "held", "not held", or why it was refused, for people. */
const char *service_awake_text(const struct service *self);
