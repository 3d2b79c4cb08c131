/* SPDX-License-Identifier: Apache-2.0 */
/* bad_modes: wishes that went wrong, and with which server, so that they are not tried over and over. Pure. */
#pragma once

#include "capture/keeper_backend.h"

enum { BAD_MODES_MAX = 8, BAD_MODES_CRASHES = 2 };

struct bad_mode {
    struct display_wish wish;            /* only its size and rate count */
    char identity[KEEPER_IDENTITY_SIZE]; /* of the server; "": the server ended with it */
    int strikes;
};
struct bad_modes { /* zero-initialise; the oldest gives way */
    struct bad_mode list[BAD_MODES_MAX];
    int count;
};

bool display_wish_is_same_mode(const struct display_wish *a, const struct display_wish *b);
/* No picture came with it. */
void bad_modes_add(struct bad_modes *self, const struct display_wish *wish, const char *identity);
/* The server ended just after it was set: BAD_MODES_CRASHES times is no accident, whatever server comes next. */
void bad_modes_add_crash(struct bad_modes *self, const struct display_wish *wish);
bool bad_modes_have(const struct bad_modes *self, const struct display_wish *wish, const char *identity);
