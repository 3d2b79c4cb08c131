/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtsp_server: the RTSP port, open to strangers. Loop thread only. One request and one reply per connection, the whole
 * of it within 10 s. Knows where a message ends (plain request or sealed envelope), not what it says.
 * At most 64 connections, 4 per address. Costs nothing while nobody is connected.
 */
#pragma once

#include "net/address.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtsp_server;

struct rtsp_server_message { /* borrowed for the call */
    const uint8_t *bytes;
    size_t size;
    bool sealed;                        /* a complete envelope (protocol/rtsp_seal.h), header included */
    const struct address *peer, *local; /* local: where this connection arrived */
};

struct rtsp_server_config {
    struct address bind; /* with port; port 0 takes a free one */
    /* Called once per connection that sent a complete message, or plain text that cannot become one (parse it again to
     * see why). Writes a reply of at most `capacity` bytes and returns its size; 0: close without an answer. */
    size_t (*handle)(void *ctx, const struct rtsp_server_message *message, uint8_t *ret_reply, size_t capacity);
    /* True while a launch from this address waits for its client: such connections stay when the server is full. */
    bool (*expects)(void *ctx, const struct address *peer);
    void *ctx;
};
enum { RTSP_SERVER_REPLY_MAX = 8 * 1024 };

struct rtsp_server *rtsp_server_create(struct loop *loop, const struct rtsp_server_config *config); /* NULL: logged */
void rtsp_server_destroy(struct rtsp_server *self);                                                 /* NULL is fine */
uint16_t rtsp_server_port(const struct rtsp_server *self);

struct rtsp_server_counters {
    uint64_t accepted;
    uint64_t refused; /* too many from one address, or in all */
    uint64_t evicted; /* gave way to a newer connection */
    uint64_t empty;   /* closed by the peer before a byte: probes */
    uint64_t broken;  /* closed or broken off within a message, or no envelope */
    uint64_t timeouts;
    uint64_t answered, unanswered; /* by `handle` */
    unsigned open;
};
struct rtsp_server_counters rtsp_server_counters(const struct rtsp_server *self);
