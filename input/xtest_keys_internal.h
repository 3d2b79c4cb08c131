/* SPDX-License-Identifier: Apache-2.0 */
/* What xtest_keys.c, xtest_text.c and xtest_note.c share. */
#pragma once

#include "input/xtest_keys.h"

bool xtest_keys_read(struct xtest_keys *self, struct xtest_link *link); /* the server's mapping, anew */
/* The key that has it on one of its first two levels, plain or with Shift. 0: none. */
uint8_t xtest_keys_find(const struct xtest_keys *self, uint32_t keysym, bool *ret_shift);
/* A property of the root window. */
bool xtest_note_read(struct xtest_keys *self, struct xtest_link *link); /* what a crash left; false: dead */
void xtest_note_write(const struct xtest_keys *self, struct xtest_link *link);
bool xtest_keys_unbind(struct xtest_keys *self, struct xtest_link *link);
