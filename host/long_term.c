/* SPDX-License-Identifier: Apache-2.0 */
#include "host/long_term.h"

#define DISTANCE_NS INT64_C(100000000)  /* from one to the next: a confirmation with each ping of the client */
#define PATIENCE_NS INT64_C(1000000000) /* then a confirmation is expected no more */

void long_term_restart(struct long_term *self)
{
    *self = (struct long_term){.begun = true};
}

/* One that is not confirmed, else an empty one, else the one with the older picture. */
static int next_place(const struct long_term *self)
{
    int oldest = 0;
    for (int i = 0; i < LONG_TERM_PLACES; i++) {
        if (self->places[i].frame && !self->places[i].confirmed)
            return i;
        if (self->places[i].frame < self->places[oldest].frame)
            oldest = i;
    }
    return oldest;
}

int long_term_choose(const struct long_term *self, int64_t now_ns)
{
    if (!self->begun)
        return LONG_TERM_NONE;
    int place = next_place(self);
    bool waits = self->places[place].frame && !self->places[place].confirmed;
    bool due = !self->kept_ns || now_ns - self->kept_ns >= (waits ? PATIENCE_NS : DISTANCE_NS);
    return due ? place : LONG_TERM_NONE;
}

void long_term_keep(struct long_term *self, int place, uint32_t frame, int64_t now_ns)
{
    self->places[place].frame = frame;
    self->places[place].confirmed = false;
    self->kept_ns = now_ns;
}

void long_term_confirm(struct long_term *self, uint32_t frame)
{
    for (int i = 0; i < LONG_TERM_PLACES; i++)
        if (frame && self->places[i].frame == frame)
            self->places[i].confirmed = true;
}

int long_term_lose(struct long_term *self, uint32_t first)
{
    int newest = LONG_TERM_NONE;
    for (int i = 0; i < LONG_TERM_PLACES; i++) {
        if (self->places[i].frame >= first)
            self->places[i].frame = 0;
        if (!self->places[i].frame || !self->places[i].confirmed)
            continue;
        if (newest == LONG_TERM_NONE || self->places[i].frame > self->places[newest].frame)
            newest = i;
    }
    return newest;
}
