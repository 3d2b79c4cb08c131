/* SPDX-License-Identifier: Apache-2.0 */
/* interfaces: what this machine's network interfaces are called and carry. Any thread. */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>

enum { INTERFACES_MAX = 32, INTERFACE_MAC_TEXT = 18 };

/* IPv4 addresses that are up, loopback left out. Returns their number. */
size_t interfaces_addresses(struct address ret_addresses[INTERFACES_MAX]);
/* "52:54:00:12:34:56" of the interface that carries `local`. False: there is none, or it has no such address. */
bool interfaces_mac(const struct address *local, char ret_mac[INTERFACE_MAC_TEXT]);
