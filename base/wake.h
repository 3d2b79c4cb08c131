/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake: lets one thread that waits for a descriptor and for time be woken by others. Signals that come before the wait,
 * or together, are one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wake {
    int fd; /* readable while a signal is there, for event loops */
};

bool wake_init(struct wake *self); /* false: logged; wake_signal and wake_finish are fine all the same */
void wake_finish(struct wake *self);
void wake_signal(struct wake *self); /* any thread */
void wake_clear(struct wake *self);
/* Until there is a signal (which is cleared), `fd` is readable (-1: none), or `until_ns` (monotonic; INT64_MAX: no
 * limit). */
void wake_wait(struct wake *self, int fd, int64_t until_ns);
