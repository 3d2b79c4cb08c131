/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is GSO to blame? If a network swallows it, nothing arrives but the packets sent alone: every frame of more than
 * a few packets is lost, so reports follow each other without a whole block in between. Ordinary loss is told apart:
 *  - reports of one event come together (a block, then the request for a repair, repeated for a round trip): a loss
 *    counts only 100 ms after the last one that counted, and only if GSO carried another frame since;
 *  - a block that arrived or was recovered ends the row, and so do 3 s without a report. A client that waits for an IDR
 *    may be silent for 120 frames, 2 s at 60 per second; hence not less.
 * Once the client has stopped hearing from us it cannot complain; therefore the first packets go alone again for a
 * while after each loss, and in every IDR.
 */
#include "net/gso.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAREFUL_NS    (2 * CLOCK_SECOND_NS)
#define SAME_EVENT_NS (100 * CLOCK_MS_NS)
#define ROW_NS        (3 * CLOCK_SECOND_NS)

enum { LOSSES_MAX = 3 };

struct interface {
    char name[GSO_NAME_MAX];
    atomic_bool off;
};

struct gso_policy {
    struct mutex lock; /* guards the names and their number */
    int count;
    struct interface interfaces[GSO_INTERFACES_MAX];
};

struct gso_policy *gso_policy_create(const char *const *off, size_t count)
{
    struct gso_policy *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("gso");
    mutex_init(&self->lock);
    for (size_t i = 0; i < count; i++) {
        int interface = gso_policy_named(self, off[i]);
        if (interface >= 0)
            atomic_store(&self->interfaces[interface].off, true);
    }
    return self;
}

void gso_policy_destroy(struct gso_policy *self)
{
    if (!self)
        return;
    mutex_finish(&self->lock);
    free(self);
}

static int find_or_add(struct gso_policy *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (!strcmp(self->interfaces[i].name, name))
            return i;
    }
    if (self->count == GSO_INTERFACES_MAX)
        return -1;
    text_copy(self->interfaces[self->count].name, GSO_NAME_MAX, name);
    return self->count++;
}

int gso_policy_named(struct gso_policy *self, const char *name)
{
    if (!name[0] || strlen(name) >= GSO_NAME_MAX)
        return -1;
    mutex_lock(&self->lock);
    int interface = find_or_add(self, name);
    mutex_unlock(&self->lock);
    return interface;
}

/* The address that a datagram to `destination` would leave from: connecting a UDP socket asks the routes, sends
 * nothing. */
static bool route_source(const struct address *destination, struct address *ret_source)
{
    int fd = socket(destination->os.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct address source = {.size = sizeof(source.os)};
    bool found = connect(fd, (const struct sockaddr *)&destination->os, destination->size) == 0 &&
                 getsockname(fd, (struct sockaddr *)&source.os, &source.size) == 0;
    close(fd);
    if (found)
        *ret_source = source;
    return found;
}

static bool has_address(const struct ifaddrs *interface, const struct address *address)
{
    if (!interface->ifa_addr || interface->ifa_addr->sa_family != AF_INET)
        return false;
    struct address own = {.size = sizeof(struct sockaddr_in)};
    memcpy(&own.os, interface->ifa_addr, sizeof(struct sockaddr_in));
    return address_same_ip(&own, address);
}

int gso_policy_interface(struct gso_policy *self, const struct address *destination, const struct address *source)
{
    struct address from;
    struct ifaddrs *all;
    int interface = -1;
    if (source && source->os.ss_family == AF_INET)
        from = *source;
    else if (!route_source(destination, &from))
        return -1;
    if (getifaddrs(&all))
        return -1;
    for (struct ifaddrs *each = all; each && interface < 0; each = each->ifa_next) {
        if (has_address(each, &from))
            interface = gso_policy_named(self, each->ifa_name);
    }
    freeifaddrs(all);
    return interface;
}

bool gso_policy_allowed(const struct gso_policy *self, int interface)
{
    return interface >= 0 && !atomic_load(&self->interfaces[interface].off);
}

bool gso_policy_turn_off(struct gso_policy *self, int interface)
{
    if (interface < 0 || atomic_exchange(&self->interfaces[interface].off, true))
        return false;
    log_warn("gso: large sends seem to get lost behind %s: segmentation offload is off there from now on",
             self->interfaces[interface].name);
    return true;
}

size_t gso_policy_list(struct gso_policy *self, char ret_names[GSO_INTERFACES_MAX][GSO_NAME_MAX])
{
    size_t count = 0;
    mutex_lock(&self->lock);
    for (int i = 0; i < self->count; i++) {
        if (atomic_load(&self->interfaces[i].off))
            memcpy(ret_names[count++], self->interfaces[i].name, GSO_NAME_MAX);
    }
    mutex_unlock(&self->lock);
    return count;
}

void gso_watch_init(struct gso_watch *self, int64_t now_ns)
{
    *self = (struct gso_watch){.careful_until_ns = now_ns + CAREFUL_NS};
}

void gso_watch_sent(struct gso_watch *self)
{
    self->frames++;
}

bool gso_watch_careful(const struct gso_watch *self, int64_t now_ns, bool idr)
{
    return idr || now_ns < self->careful_until_ns;
}

bool gso_watch_loss(struct gso_watch *self, int64_t now_ns)
{
    self->careful_until_ns = now_ns + CAREFUL_NS;
    if (self->frames == self->frames_at_loss)
        return false;
    if (self->losses && now_ns - self->last_loss_ns < SAME_EVENT_NS)
        return false;
    if (self->losses && now_ns - self->last_loss_ns > ROW_NS)
        self->losses = 0;
    self->last_loss_ns = now_ns;
    self->frames_at_loss = self->frames;
    return ++self->losses >= LOSSES_MAX;
}

void gso_watch_arrival(struct gso_watch *self)
{
    self->losses = 0;
}
