/* SPDX-License-Identifier: Apache-2.0 */
#include "host/reference_window.h"

enum { BITS = 32 };

void reference_window_add(struct reference_window *self, uint32_t frame, bool idr)
{
    /* The same number again, or a gap: the picture before was not sent, so this one refers to something unknown. */
    bool follows = (self->known || self->returned) && frame == self->newest_frame + 1;
    self->returned = false;
    self->known = idr ? 1 : follows ? self->known << 1 | 1 : 0;
    self->newest_frame = frame;
    if (!idr)
        return;
    self->answered_from = 0;
    self->answered_last = frame - 1;
}

static uint32_t newest_bits(uint32_t count)
{
    return count >= BITS ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

enum reference_answer reference_window_lose(struct reference_window *self, uint32_t first, uint32_t last, int kept,
                                            int *ret_count)
{
    if (!first || first > last || last > self->newest_frame)
        return REFERENCE_IDR;
    if (self->answered_last && first >= self->answered_from && last <= self->answered_last)
        return REFERENCE_ANSWERED;
    uint32_t count = self->newest_frame - first + 1; /* what came later refers to what is lost */
    uint32_t left = self->known & ~newest_bits(count);
    *ret_count = (int)count;
    if (kept < 2 || !(left & newest_bits((uint32_t)kept)))
        return REFERENCE_NONE_LEFT;
    self->known = left;
    self->answered_from = first;
    self->answered_last = self->newest_frame;
    return REFERENCE_FORGET;
}

void reference_window_return(struct reference_window *self, uint32_t first)
{
    self->known = 0;
    self->returned = true;
    self->answered_from = first;
    self->answered_last = self->newest_frame;
}
