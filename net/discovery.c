/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything of Avahi belongs to one thread with its own poll loop. Avahi's callbacks only note that the client is to
 * be made anew, since it must not be freed from within. AVAHI_CLIENT_NO_FAIL waits for a daemon that is not there yet;
 * without a D-Bus even that fails, and is tried again.
 */
#include "net/discovery.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <avahi-client/client.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { RETRY_MS = 5000, RENAMES_MAX = 100 };

struct discovery {
    struct thread thread;
    atomic_bool stopping;
    AvahiSimplePoll *poll; /* stop() wakes it; else the thread's */

    /* thread only */
    AvahiClient *client;
    AvahiEntryGroup *group;
    char name[DISCOVERY_NAME_MAX];
    uint16_t port;
    unsigned renames;
    bool renew;       /* the client is to be freed and made again */
    bool told_absent; /* since the last time that there was a daemon */
};

static void tell_absent(struct discovery *self, const char *reason)
{
    if (!self->told_absent)
        log_warn("discovery: no Avahi daemon (%s); until there is one, type this host's address in the client", reason);
    self->told_absent = true;
}

static bool take_other_name(struct discovery *self)
{
    char *other = avahi_alternative_service_name(self->name);
    if (!other)
        return log_oom("discovery") != NULL;
    log_info("discovery: the name '%s' is taken, trying '%s'", self->name, other);
    text_copy(self->name, sizeof(self->name), other);
    avahi_free(other);
    return ++self->renames <= RENAMES_MAX;
}

static void publish(struct discovery *self);

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *arg)
{
    struct discovery *self = arg;
    self->group = group; /* the first call comes before avahi_entry_group_new() returns */
    switch (state) {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
        log_info("discovery: announced as '%s' with port %u", self->name, self->port);
        break;
    case AVAHI_ENTRY_GROUP_COLLISION:
        avahi_entry_group_reset(group);
        if (take_other_name(self))
            publish(self);
        break;
    case AVAHI_ENTRY_GROUP_FAILURE:
        log_warn("discovery: cannot announce: %s", avahi_strerror(avahi_client_errno(self->client)));
        break;
    default:
        break;
    }
}

/* No TXT argument: Avahi writes the one empty string that a record must have. IPv4 only, as our sockets are. */
static int add_service(struct discovery *self)
{
    return avahi_entry_group_add_service(self->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_INET, 0, self->name,
                                         "_nvstream._tcp", NULL, NULL, self->port, NULL);
}

static void publish(struct discovery *self)
{
    int error = add_service(self);
    while (error == AVAHI_ERR_COLLISION && take_other_name(self))
        error = add_service(self);
    if (!error)
        error = avahi_entry_group_commit(self->group);
    if (error < 0)
        log_warn("discovery: cannot announce: %s", avahi_strerror(error));
}

static void on_running(struct discovery *self)
{
    self->told_absent = false;
    if (!self->group)
        self->group = avahi_entry_group_new(self->client, on_group, self);
    if (!self->group)
        log_warn("discovery: cannot announce: %s", avahi_strerror(avahi_client_errno(self->client)));
    else if (avahi_entry_group_is_empty(self->group))
        publish(self);
}

static void on_client(AvahiClient *client, AvahiClientState state, void *arg)
{
    struct discovery *self = arg;
    self->client = client; /* the first call comes before avahi_client_new() returns */
    switch (state) {
    case AVAHI_CLIENT_S_RUNNING:
        on_running(self);
        break;
    case AVAHI_CLIENT_S_COLLISION:
    case AVAHI_CLIENT_S_REGISTERING: /* the machine's name is changing: published again when running */
        if (self->group)
            avahi_entry_group_reset(self->group);
        break;
    case AVAHI_CLIENT_CONNECTING:
        tell_absent(self, "not running");
        break;
    case AVAHI_CLIENT_FAILURE:
        self->renew = true;
        break;
    }
}

static void drop_client(struct discovery *self)
{
    if (self->client)
        avahi_client_free(self->client); /* with its group; the daemon says goodbye for us */
    self->client = NULL;
    self->group = NULL;
}

static void make_client(struct discovery *self)
{
    int error = 0;
    drop_client(self);
    self->renew = false;
    AvahiClient *client =
        avahi_client_new(avahi_simple_poll_get(self->poll), AVAHI_CLIENT_NO_FAIL, on_client, self, &error);
    self->client = client;
    if (!client) {
        self->group = NULL;
        tell_absent(self, avahi_strerror(error));
    }
}

static void discovery_run(void *arg)
{
    struct discovery *self = arg;
    make_client(self);
    while (!atomic_load(&self->stopping)) {
        bool failed = avahi_simple_poll_iterate(self->poll, self->client ? -1 : RETRY_MS) < 0 && errno != EINTR;
        if (atomic_load(&self->stopping))
            break;
        if (failed) {
            log_warn("discovery: the poll loop failed; no longer announced");
            break;
        }
        if (self->renew || !self->client)
            make_client(self);
    }
    drop_client(self);
}

struct discovery *discovery_start(const char *name, uint16_t port)
{
    struct discovery *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("discovery");
    text_copy(self->name, sizeof(self->name), name);
    self->port = port;
    self->poll = avahi_simple_poll_new();
    if (!self->poll) {
        log_oom("discovery");
        goto fail;
    }
    if (!thread_start(&self->thread, "avahi", discovery_run, self))
        goto fail;
    return self;

fail:
    discovery_stop(self);
    return NULL;
}

void discovery_stop(struct discovery *self)
{
    if (!self)
        return;
    atomic_store(&self->stopping, true);
    if (self->thread.running)
        avahi_simple_poll_wakeup(self->poll); /* writes to a pipe: safe from here */
    thread_join(&self->thread);
    if (self->poll)
        avahi_simple_poll_free(self->poll);
    free(self);
}
