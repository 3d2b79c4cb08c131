/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keymap: what the Windows virtual-key codes of a client mean here. A code names a place on a US keyboard: the evdev
 * code says it, and the layout of the desktop makes a character of it. Pure.
 * Source: docs/protocol.md, "Keys"; checked by tests/unit/test_keymap.c against tests/vectors/input.json.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum keymap_case {
    KEYMAP_PLAIN,
    KEYMAP_EXTENDED, /* the client has set the modifier bit "extended": 0x0D is the Enter of the keypad */
    KEYMAP_JAPANESE, /* not normalised, and the desktop has a Japanese layout: 0xDC is the Yen key, 0xE2 the Ro key */
};

struct keymap_key {
    uint8_t vk;
    uint8_t when;    /* enum keymap_case */
    uint16_t code;   /* evdev (linux/input-event-codes.h) */
    uint32_t keysym; /* X, without modifiers on a US layout: for a server that has no key of this code */
    uint8_t hid;     /* usage on the keyboard page 7; 0: none */
};

/* The key of `vk`; for the special cases those of their own, else the plain one. NULL: not a key we know. */
const struct keymap_key *keymap_find(uint8_t vk, enum keymap_case when);

/* All of them, from 0 on; NULL at the end. Some codes come more than once. */
const struct keymap_key *keymap_at(size_t index);

uint8_t keymap_hid(uint16_t code); /* 0: none */
