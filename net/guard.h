/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: what one listener grants to each address: connections at a time, TLS handshakes per second, and which
 * addresses have lately shown that they belong here. Time comes in as an argument. One thread.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stdint.h>

struct guard;

struct guard *guard_create(unsigned max_connections, unsigned handshakes_per_second); /* NULL: logged */
void guard_destroy(struct guard *self);                                               /* NULL is fine */

/* False, nothing counted: `max_connections` are there already. */
bool guard_enter(struct guard *self, const struct address *peer);
void guard_leave(struct guard *self, const struct address *peer);
unsigned guard_count(const struct guard *self, const struct address *peer);
unsigned guard_total(const struct guard *self);

void guard_mark_known(struct guard *self, const struct address *peer, int64_t now_ns); /* for 10 minutes */
bool guard_is_known(const struct guard *self, const struct address *peer, int64_t now_ns);

/* True: a TLS handshake may begin now. Known addresses always may, and use up nothing. */
bool guard_take_handshake(struct guard *self, const struct address *peer, int64_t now_ns);
