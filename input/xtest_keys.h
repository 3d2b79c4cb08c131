/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtest_keys: keys and text for an X server.
 *
 * Keys. A server with the kernel's codes ("evdev") has code + 8 as its keycode, and its layout makes the character of
 * it. On others a key is found by its keysym.
 *
 * Text. A character on the keyboard is typed with its key. All others are put on spare keycodes, which have no keysym,
 * for as long as they are needed. A client looks the keysym up only when it handles the event, so a keycode keeps its
 * character for a second after its last use. When all are taken, the text waits. Modifiers and locks that are on would
 * make something else of a key, so they are off while text is typed.
 */
#pragma once

#include "input/xtest_link.h"

#include <stddef.h>

enum { XTEST_SPARES_MAX = 64, XTEST_CODES = 768 /* as many as evdev has keys */ };

struct xtest_spare {
    uint8_t keycode;
    uint32_t keysym; /* 0: none */
    int64_t used_ns;
};

struct xtest_keys {
    bool is_evdev;
    uint32_t map[256][2]; /* keysyms of each keycode in the first group: plain, with Shift */
    uint8_t shift;        /* keycode; 0: none */
    int64_t read_ns;      /* when that was last the server's */
    struct xtest_spare spares[XTEST_SPARES_MAX];
    int spare_count;
    bool has_bound; /* some spare has a keysym */
    uint32_t note;  /* atom: pairs of keycode and keysym on the root window, to put back after a crash */

    bool down[256];                /* keycodes */
    uint8_t keycodes[XTEST_CODES]; /* of a code that is down; 0: up */
    unsigned ignored;              /* keys and characters that this server cannot be given */
};

/* At the start of a connection, whose state is not known: releases what others, or we before a crash, left down. */
bool xtest_keys_open(struct xtest_keys *self, struct xtest_link *link);
bool xtest_keys_close(struct xtest_keys *self,
                      struct xtest_link *link); /* everything up, the spare keycodes as before */

bool xtest_keys_key(struct xtest_keys *self, struct xtest_link *link, uint16_t code, uint32_t keysym, bool down);
/*
 * Types the first of these characters, `*ret_count` of them, and flushes. When not all: the others can be tried at
 * `*ret_again_ns`.
 */
bool xtest_keys_text(struct xtest_keys *self, struct xtest_link *link, const uint32_t *code_points, size_t count,
                     size_t *ret_count, int64_t *ret_again_ns);
/* Puts the spare keycodes back when no text has come for some seconds. */
bool xtest_keys_rest(struct xtest_keys *self, struct xtest_link *link);
int64_t xtest_keys_rest_ns(const struct xtest_keys *self); /* when to call that; INT64_MAX: no need */
