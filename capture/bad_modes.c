/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/bad_modes.h"

#include "base/text.h"

#include <string.h>

bool display_wish_is_same_mode(const struct display_wish *a, const struct display_wish *b)
{
    return a->width == b->width && a->height == b->height && a->fps_x100 == b->fps_x100;
}

static int find(const struct bad_modes *self, const struct display_wish *wish, const char *identity)
{
    int count = self->count < BAD_MODES_MAX ? self->count : BAD_MODES_MAX;
    for (int i = 0; i < count; i++) {
        if (display_wish_is_same_mode(&self->list[i].wish, wish) && strcmp(self->list[i].identity, identity) == 0)
            return i;
    }
    return -1;
}

void bad_modes_add(struct bad_modes *self, const struct display_wish *wish, const char *identity)
{
    int at = find(self, wish, identity);
    if (at < 0) {
        at = self->count % BAD_MODES_MAX;
        self->count = self->count + 1 < 2 * BAD_MODES_MAX ? self->count + 1 : BAD_MODES_MAX;
        self->list[at] = (struct bad_mode){.wish = *wish};
        text_copy(self->list[at].identity, sizeof(self->list[at].identity), identity);
    }
    self->list[at].strikes++;
}

void bad_modes_add_crash(struct bad_modes *self, const struct display_wish *wish)
{
    bad_modes_add(self, wish, "");
}

bool bad_modes_have(const struct bad_modes *self, const struct display_wish *wish, const char *identity)
{
    int crash = find(self, wish, "");
    return (crash >= 0 && self->list[crash].strikes >= BAD_MODES_CRASHES) || find(self, wish, identity) >= 0;
}
