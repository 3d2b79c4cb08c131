/* SPDX-License-Identifier: Apache-2.0 */
/* For builds without Avahi. */
#include "net/discovery.h"

#include "base/log.h"

struct discovery *discovery_start(const char *name, uint16_t port)
{
    (void)name;
    (void)port;
    log_warn("discovery: built without Avahi; clients do not find this host by themselves, type its address");
    return NULL;
}

void discovery_stop(struct discovery *self)
{
    (void)self;
}
