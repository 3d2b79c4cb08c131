/* SPDX-License-Identifier: Apache-2.0 */
#include "web/attempts.h"

#include "base/clock.h"

#include <stddef.h>

#define MINUTE_NS (60 * CLOCK_SECOND_NS)
enum { LOCKUPS_MAX = 5 }; /* 1, 2, 4, 8, 16 minutes */

static struct attempts_entry *find(struct attempts *self, const struct address *peer)
{
    for (size_t i = 0; i < ATTEMPTS_ADDRESSES; i++) {
        struct attempts_entry *entry = &self->entries[i];
        if (entry->address.os.ss_family != 0 && address_same_ip(&entry->address, peer))
            return entry;
    }
    return NULL;
}

/* When nothing of it is held against its address any more. */
static int64_t forgotten_ns(const struct attempts_entry *entry)
{
    int64_t counted_until = entry->window_ns + MINUTE_NS;
    return entry->closed_until_ns > counted_until ? entry->closed_until_ns : counted_until;
}

/* Its entry, or a new one in place of a free one or the one that would be forgotten first. */
static struct attempts_entry *find_or_add(struct attempts *self, const struct address *peer, int64_t now_ns)
{
    struct attempts_entry *entry = find(self, peer);
    if (entry)
        return entry;
    entry = &self->entries[0];
    for (size_t i = 0; i < ATTEMPTS_ADDRESSES; i++) {
        struct attempts_entry *other = &self->entries[i];
        if (other->address.os.ss_family == 0) {
            entry = other;
            break;
        }
        if (forgotten_ns(other) < forgotten_ns(entry))
            entry = other;
    }
    *entry = (struct attempts_entry){.address = *peer, .window_ns = now_ns};
    return entry;
}

static unsigned seconds_until(int64_t until_ns, int64_t now_ns)
{
    return until_ns <= now_ns ? 1 : (unsigned)((until_ns - now_ns + CLOCK_SECOND_NS - 1) / CLOCK_SECOND_NS);
}

static void lock_up(struct attempts_entry *entry, int64_t now_ns)
{
    entry->closed_until_ns = now_ns + (MINUTE_NS << entry->lockups);
    if (entry->lockups < LOCKUPS_MAX - 1)
        entry->lockups++;
}

bool attempts_take(struct attempts *self, const struct address *peer, int64_t now_ns, unsigned *ret_wait_s)
{
    bool exempt = address_scope(peer) == ADDRESS_LOOPBACK;
    if (self->count == 0 || now_ns - self->window_ns >= MINUTE_NS) {
        self->window_ns = now_ns;
        self->count = 0;
    }
    if (!exempt && self->count >= ATTEMPTS_ALL_PER_MINUTE) {
        *ret_wait_s = seconds_until(self->window_ns + MINUTE_NS, now_ns);
        return false;
    }
    struct attempts_entry *entry = find_or_add(self, peer, now_ns);
    if (entry->closed_until_ns > now_ns) {
        *ret_wait_s = seconds_until(entry->closed_until_ns, now_ns);
        return false;
    }
    bool quiet = now_ns - forgotten_ns(entry) >= 15 * MINUTE_NS;
    if (quiet)
        entry->lockups = 0;
    if (now_ns - entry->window_ns >= MINUTE_NS) {
        entry->window_ns = now_ns;
        entry->count = 0;
    }
    entry->count++;
    self->count += !exempt;
    /* After a first lock-up each further wrong attempt closes the door again. */
    if (entry->count >= ATTEMPTS_PER_MINUTE || entry->lockups > 0)
        lock_up(entry, now_ns);
    return true;
}

static void take_back(struct attempts *self, const struct address *peer)
{
    if (self->count > 0 && address_scope(peer) != ADDRESS_LOOPBACK)
        self->count--;
}

void attempts_forgive(struct attempts *self, const struct address *peer)
{
    struct attempts_entry *entry = find(self, peer);
    if (entry)
        *entry = (struct attempts_entry){0};
    take_back(self, peer);
}

void attempts_refund(struct attempts *self, const struct address *peer)
{
    struct attempts_entry *entry = find(self, peer);
    if (entry && entry->count > 0) {
        bool locked_by_it = entry->closed_until_ns != 0;
        entry->count--;
        if (locked_by_it)
            entry->closed_until_ns = 0;
        if (locked_by_it && entry->lockups > 0)
            entry->lockups--;
    }
    take_back(self, peer);
}
