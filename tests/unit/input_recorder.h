/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_recorder: an injector that writes down what it is asked for, one line per call:
 *
 *   key 30 61 down          code, keysym in hex
 *   text 41 20ac            code points in hex
 *   move 1 -1               move_to 959.5 539.5
 *   button 272 up           scroll vertical -120
 *   add_device 0 touch      remove_device 0
 *   touch 0 | 3: 10.0 20.0 p0.50 40.0x20.0 -45        slot: place, pressure, axes, orientation; lifted ones left out
 *   pen 1 range touches eraser b2 10.0 20.0 p0.50 d0.00 t-30 0
 *   screen 3840x1080 :0 7   flush
 */
#pragma once

#include "input/injector.h"

struct input_recorder {
    struct injector base;
    unsigned can;
    int devices;     /* the next number */
    bool no_devices; /* add_device fails */
    char log[65536];
    size_t used;
};

void input_recorder_init(struct input_recorder *self, unsigned can);
void input_recorder_finish(struct input_recorder *self);
/* Fails the test unless exactly these lines (each ends in '\n') came since the last call; flushes are left out. */
void input_recorder_expect(struct input_recorder *self, const char *lines);
void input_recorder_forget(struct input_recorder *self);
int input_recorder_count(const struct input_recorder *self, const char *line); /* whole lines, flushes too */
