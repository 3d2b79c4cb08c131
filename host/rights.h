/* SPDX-License-Identifier: Apache-2.0 */
/* rights: what a client may do with the desktop (enum seat_right, input/seat.h), as words. Pure. */
#pragma once

#include <stdbool.h>

enum { RIGHTS_TEXT = 48 };

/* "keyboard mouse touch gamepad", those of them that are set, in this order; "" for none: it may only look. */
void rights_text(unsigned rights, char ret_text[RIGHTS_TEXT]);

/* Words with single spaces between them, in any order, each once. False: anything else, nothing written. */
bool rights_parse(const char *text, unsigned *ret_rights);
