/* SPDX-License-Identifier: Apache-2.0 */
/* Without XTEST there is nothing to guard. */
#include "input/guard.h"

#include <stddef.h>

struct guard *guard_start(void)
{
    return NULL;
}

void guard_follow(struct guard *self, const struct injector_screen *screen)
{
    (void)self, (void)screen;
}

void guard_stop(struct guard *self)
{
    (void)self;
}

int guard_run(void)
{
    return 0;
}
