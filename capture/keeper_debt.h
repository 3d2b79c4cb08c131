/* SPDX-License-Identifier: Apache-2.0 */
/* keeper_debt: what a keeper has changed and must put back, where, and the note of it that outlives the process. Pure.
 */
#pragma once

#include "capture/keeper_backend.h"

struct keeper_debt {
    char display[64], xauthority[DISPLAY_PATH_MAX];
    int64_t owner;                       /* of the file with the cookie; -1: whoever */
    char identity[KEEPER_IDENTITY_SIZE]; /* of the server it is owed to; its first word is the boot */
    char owed[KEEPER_OWED_MAX];          /* keeper_plan.owed; "": nothing */
};

/* False: it does not fit. */
bool keeper_debt_write(const struct keeper_debt *self, char *ret_note, size_t size);
/* False: not such a note. */
bool keeper_debt_read(const char *note, struct keeper_debt *ret_debt);
bool keeper_debt_is_of_boot(const struct keeper_debt *self, const char *boot);
