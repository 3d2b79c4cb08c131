/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping: the datagrams by which a client shows where it wants a stream sent. Pure.
 * 16 bytes of X-SS-Ping-Payload, then a counter (u32be); clients without that feature send "PING".
 * Source: docs/protocol.md, "Pings".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PING_PAYLOAD_SIZE = 16 };

/* `payload`: the 16 characters given to the client; compared in constant time, later bytes are ignored. `legacy`: the
 * sender is known by its address, "PING" will do. */
bool ping_matches(const uint8_t *data, size_t size, const char *payload, bool legacy);
