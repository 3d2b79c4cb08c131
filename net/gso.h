/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gso: on which network interfaces UDP segmentation offload (GSO) may be used, and how we notice that it must not.
 *
 * Some networks, virtual ones mostly, swallow offloaded datagrams without an error. Then everything is lost but what
 * was sent alone. While a stream is young the first packet of each block goes alone, so that the client can notice and
 * tell; three losses in a row switch GSO off for the interface, for good.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GSO_INTERFACES_MAX = 32, GSO_NAME_MAX = 16 };

/* --- the policy: shared by all streams; any thread --- */
struct gso_policy;

/* `off`: interface names remembered from before; copied. NULL: out of memory, logged. */
struct gso_policy *gso_policy_create(const char *const *off, size_t count);
void gso_policy_destroy(struct gso_policy *self); /* NULL is fine */
/* A number for the interface that packets of this way leave through; -1: not known, or too many: do not use GSO. */
int gso_policy_interface(struct gso_policy *self, const struct address *destination, const struct address *source);
int gso_policy_named(struct gso_policy *self, const char *name); /* the same by name */
bool gso_policy_allowed(const struct gso_policy *self, int interface);
/* True: it was on until now; logged. */
bool gso_policy_turn_off(struct gso_policy *self, int interface);
/* Names of the interfaces where it is off, to be stored. Returns their number. */
size_t gso_policy_list(struct gso_policy *self, char ret_names[GSO_INTERFACES_MAX][GSO_NAME_MAX]);

/* --- the watch: losses of one stream; pure, locked by its owner --- */
struct gso_watch {
    int64_t careful_until_ns;        /* first packets go alone until then */
    int64_t last_loss_ns;            /* the last one that counted */
    uint64_t frames, frames_at_loss; /* sent with GSO */
    int losses;                      /* in a row */
};
void gso_watch_init(struct gso_watch *self, int64_t now_ns);
/* A frame left, more than its lone packets by GSO. */
void gso_watch_sent(struct gso_watch *self);
/* Whether the first packet of each block goes alone: 2 s from the start and from the last loss, and in an IDR. */
bool gso_watch_careful(const struct gso_watch *self, int64_t now_ns, bool idr);
/* True: the third in a row, GSO must go off. */
bool gso_watch_loss(struct gso_watch *self, int64_t now_ns);
void gso_watch_arrival(struct gso_watch *self);
