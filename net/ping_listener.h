/* SPDX-License-Identifier: Apache-2.0 */
/* ping_listener: hands the datagrams that arrive on a shared UDP socket (client pings) to the loop's thread. */
#pragma once

#include "net/address.h"
#include "net/loop.h"

#include <stddef.h>
#include <stdint.h>

struct udp_socket;
struct ping_listener;

/* `received` gets every datagram up to 64 bytes, whatever it is; longer ones are cut. The socket outlives the listener.
 * NULL: logged. */
struct ping_listener *ping_listener_create(struct loop *loop, struct udp_socket *socket,
                                           void (*received)(void *ctx, const uint8_t *data, size_t size,
                                                            const struct address *peer, const struct address *local),
                                           void *ctx);
void ping_listener_destroy(struct ping_listener *self); /* NULL is fine */
