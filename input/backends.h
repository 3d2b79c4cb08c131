/* SPDX-License-Identifier: Apache-2.0 */
/* backends: what injector.c lists; each is defined in the file of its API. */
#pragma once

#include "input/injector.h"

struct injector_backend {
    const char *name; /* also that of its ops */
    /* Fills in `usable`, `can` and `reason`: whether it works here. May block. */
    void (*probe)(struct injector_report *ret_report);
    struct injector *(*create)(void); /* NULL: logged. Does not block */
};

/* xtest.c: connects to this X server, lets go of all keys and buttons there and of what a crash left behind. Waits. */
bool injector_let_go(const struct injector_screen *screen);

extern const struct injector_backend injector_uinput; /* uinput.c */
extern const struct injector_backend injector_xtest;  /* xtest.c */
