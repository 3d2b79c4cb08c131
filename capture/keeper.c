/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keeper.h"

#include "base/log.h"

#include <stdlib.h>

struct keeper {
    struct keeper_config config;
};

struct keeper *keeper_create(const struct keeper_config *config)
{
    struct keeper *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("keeper");
    self->config = *config;
    return self;
}
void keeper_destroy(struct keeper *self)
{
    free(self);
}
void keeper_attach(struct keeper *self, const char *display, const char *xauthority, const char *output, bool is_ours)
{
    (void)self, (void)display, (void)xauthority, (void)output, (void)is_ours;
}
void keeper_detach(struct keeper *self)
{
    (void)self;
}
void keeper_saw_picture(struct keeper *self, int width, int height)
{
    (void)self, (void)width, (void)height;
}
void keeper_set_wish(struct keeper *self, const struct display_wish *wish)
{
    (void)self, (void)wish;
}
void keeper_note_stored(struct keeper *self, bool stored)
{
    (void)self, (void)stored;
}
void keeper_get_status(struct keeper *self, struct display_mode_status *ret_status)
{
    (void)self, (void)ret_status;
}
