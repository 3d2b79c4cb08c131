/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "input/injector.h"
#include "input/uinput_seen.h"

#include <stdatomic.h>
#include <stdlib.h>

struct uinput_seen {
    atomic_bool is_seen;
};

struct uinput_seen *uinput_seen_create(const char *const *names, int count)
{
    (void)names;
    (void)count;
    struct uinput_seen *self = calloc(1, sizeof(*self));
    return self ? self : log_oom("uinput");
}

void uinput_seen_destroy(struct uinput_seen *self)
{
    free(self);
}

void uinput_seen_set_screen(struct uinput_seen *self, const struct injector_screen *screen)
{
    atomic_store(&self->is_seen, screen->width > 0 && screen->height > 0);
}

bool uinput_seen(const struct uinput_seen *self)
{
    return atomic_load(&self->is_seen);
}
