/* SPDX-License-Identifier: Apache-2.0 */
/* The screen stays lit. The server lets go of the suspension when our connection ends, however it ends. */
#include "capture/x11_keeper.h"

#include <stdlib.h>
#include <xcb/dpms.h>
#include <xcb/screensaver.h>

/* Lights the monitors again if DPMS has put them out; whether DPMS is enabled stays as it is. */
static enum x11_reply light_up(struct x11_keeper *self)
{
    void *answer = NULL;
    if (!self->has_dpms)
        return X11_REPLY_OK;
    enum x11_reply result =
        x11_keeper_wait(self, xcb_dpms_info(self->connection).sequence, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_dpms_info_reply_t *info = answer;
    bool is_out = info->state && info->power_level != XCB_DPMS_DPMS_MODE_ON;
    free(answer);
    return is_out
               ? x11_keeper_check(self, xcb_dpms_force_level_checked(self->connection, XCB_DPMS_DPMS_MODE_ON).sequence,
                                  X11_SWITCH_LIMIT_NS)
               : X11_REPLY_OK;
}

enum keeper_answer x11_awake_keep(struct keeper_backend *base, bool awake)
{
    struct x11_keeper *self = x11_keeper_of(base);
    enum x11_reply result = X11_REPLY_OK;
    if (self->has_suspend && self->is_suspended != awake) {
        xcb_screensaver_suspend(self->connection, awake);
        self->is_suspended = awake;
    }
    if (awake) {
        xcb_force_screen_saver(self->connection, XCB_SCREEN_SAVER_RESET); /* starts its clock anew, too */
        result = light_up(self);
    }
    xcb_flush(self->connection);
    return result == X11_REPLY_DEAD ? KEEPER_GONE : KEEPER_DONE;
}
