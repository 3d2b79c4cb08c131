/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_host: the control thread. Owns the ENet host (libenet) and its socket; sessions register with it.
 * It knows envelopes and sequence numbers (protocol/control.h), not what messages mean.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_host;
struct heartbeat; /* base/heartbeat.h */

enum control_end {
    CONTROL_END_PEER,    /* the client disconnected */
    CONTROL_END_TIMEOUT, /* 10 s of silence */
    CONTROL_END_ABUSE,   /* 64 broken messages within 10 s */
    CONTROL_END_OURS,    /* after control_host_end() */
};

struct control_session_config {
    uint32_t connect_data;
    uint8_t key[16];
    bool match_by_ip;       /* the client did not announce session id v1 */
    struct address peer_ip; /* of the RTSP ANNOUNCE, for match_by_ip */
    /* Called on the control thread; must not block. `payload` is borrowed. */
    void (*connected)(void *ctx, const struct address *peer, const struct address *local);
    void (*message)(void *ctx, uint16_t type, const uint8_t *payload, size_t size);
    void (*ended)(void *ctx, enum control_end why); /* last call for this session */
    void *ctx;
};

struct control_host *
control_host_create(const struct address *bind); /* starts the thread; NULL: logged with port and reason */
/* Connected sessions get a graceful termination, all get `ended`; takes up to 2 s. NULL is fine. */
void control_host_destroy(struct control_host *self);
uint16_t control_host_port(const struct control_host *self); /* the real one when port 0 was asked for */

/* Busy during each round of work of the control thread, callbacks included. */
const struct heartbeat *control_host_heartbeat(const struct control_host *self);

void control_host_wake(struct control_host *self); /* any thread: a round now, also without a session */
/* Calls `round(ctx)` on the control thread in each of its rounds, at least every 5 ms while a session is there. */
void control_host_every_round(struct control_host *self, void (*round)(void *ctx), void *ctx);

/* Any thread. A session is known by the returned id (never 0) until `ended`; 0: too many or repeated connect data. */
uint32_t control_host_add(struct control_host *self, const struct control_session_config *config);
/* Reliable, channel 0; at most 64 waiting, then the oldest of the same type gives way. */
void control_host_send(struct control_host *self, uint32_t id, uint16_t type, const void *payload, size_t size);
/* Sends termination `code` when connected, flushes, disconnects; `ended` follows within 2 s (at once when not
 * connected). */
void control_host_end(struct control_host *self, uint32_t id, uint32_t code);

struct control_counters {
    uint64_t connects_refused; /* CONNECTs that no waiting session expects, and other datagrams without a peer */
    uint64_t envelopes_bad, tags_bad, replays;
    uint64_t messages; /* that opened */
    uint64_t unknown;  /* of these: types we do not know, or too short for their type; delivered all the same */
};
struct control_counters control_host_counters(struct control_host *self);
