/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery: announces the host as `_nvstream._tcp` by mDNS (docs/protocol.md, "Discovery"), through the Avahi daemon.
 * It has its own thread. The daemon may be absent, come later, restart or go: the host runs on, with one log line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct discovery;

enum { DISCOVERY_NAME_MAX = 64 }; /* 63 bytes and NUL */

/* Call when both HTTP listeners accept. `name`: from discovery_instance_name(), copied; `port`: of the HTTP listener.
 * NULL: cannot announce, logged; the host goes on. */
struct discovery *discovery_start(const char *name, uint16_t port);
void discovery_stop(struct discovery *self); /* says goodbye, joins the thread; NULL is fine */

/* Instance name of a host name: blanks become '-', cut at the first character outside [A-Za-z0-9-] and at 63 bytes;
 * "Earthshine" when nothing is left. Pure. */
void discovery_instance_name(const char *hostname, char ret_name[DISCOVERY_NAME_MAX]);
