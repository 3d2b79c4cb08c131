/* SPDX-License-Identifier: Apache-2.0 */
/* Short arrays searched from the start: there are at most a few hundred connections. */
#include "net/guard.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

#define KNOWN_NS (600 * CLOCK_SECOND_NS)
enum { KNOWN_MAX = 32 };

struct counted {
    struct address peer;
    unsigned count; /* > 0 */
};

struct known {
    struct address peer;
    int64_t until_ns; /* 0: free */
};

struct guard {
    unsigned max, total, used;
    struct known known[KNOWN_MAX];
    unsigned handshakes_per_second;
    int64_t refilled_ns, credit_ns; /* a handshake costs 1 s / handshakes_per_second; at most 1 s is saved */
    struct counted counted[];       /* `used` of `max` */
};

struct guard *guard_create(unsigned max_connections, unsigned handshakes_per_second)
{
    struct guard *self = calloc(1, sizeof(*self) + max_connections * sizeof(self->counted[0]));
    if (!self)
        return log_oom("guard");
    self->max = max_connections;
    self->handshakes_per_second = handshakes_per_second;
    self->credit_ns = CLOCK_SECOND_NS;
    return self;
}

void guard_destroy(struct guard *self)
{
    free(self);
}

static unsigned find(const struct guard *self, const struct address *peer)
{
    unsigned i = 0;
    while (i < self->used && !address_same_ip(&self->counted[i].peer, peer))
        i++;
    return i;
}

bool guard_enter(struct guard *self, const struct address *peer)
{
    if (self->total >= self->max)
        return false;
    unsigned i = find(self, peer);
    if (i == self->used)
        self->counted[self->used++] = (struct counted){.peer = *peer};
    self->counted[i].count++;
    self->total++;
    return true;
}

void guard_leave(struct guard *self, const struct address *peer)
{
    unsigned i = find(self, peer);
    assert(i < self->used);
    self->total--;
    if (--self->counted[i].count == 0)
        self->counted[i] = self->counted[--self->used];
}

unsigned guard_count(const struct guard *self, const struct address *peer)
{
    unsigned i = find(self, peer);
    return i < self->used ? self->counted[i].count : 0;
}

unsigned guard_total(const struct guard *self)
{
    return self->total;
}

void guard_mark_known(struct guard *self, const struct address *peer, int64_t now_ns)
{
    struct known *oldest = &self->known[0];
    for (unsigned i = 0; i < KNOWN_MAX; i++) {
        struct known *known = &self->known[i];
        if (known->until_ns && address_same_ip(&known->peer, peer)) {
            oldest = known;
            break;
        }
        if (known->until_ns < oldest->until_ns)
            oldest = known;
    }
    *oldest = (struct known){*peer, now_ns + KNOWN_NS};
}

bool guard_is_known(const struct guard *self, const struct address *peer, int64_t now_ns)
{
    for (unsigned i = 0; i < KNOWN_MAX; i++) {
        if (self->known[i].until_ns > now_ns && address_same_ip(&self->known[i].peer, peer))
            return true;
    }
    return false;
}

bool guard_take_handshake(struct guard *self, const struct address *peer, int64_t now_ns)
{
    if (guard_is_known(self, peer, now_ns))
        return true;
    if (self->refilled_ns)
        self->credit_ns += now_ns - self->refilled_ns;
    if (self->credit_ns > CLOCK_SECOND_NS)
        self->credit_ns = CLOCK_SECOND_NS;
    self->refilled_ns = now_ns;
    int64_t cost_ns = CLOCK_SECOND_NS / self->handshakes_per_second;
    if (self->credit_ns < cost_ns)
        return false;
    self->credit_ns -= cost_ns;
    return true;
}
