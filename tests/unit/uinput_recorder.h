/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uinput_recorder: a kernel's uinput for tests. It stands in for two calls of libevdev (making and destroying a device;
 * describing one is the real library's matter) and, by the linker's --wrap=open, for opening /dev/uinput. What is
 * written comes out as text, one line for each write:
 *
 *   Keyboard: MSC_SCAN 458756, KEY_A 1, SYN_REPORT 0
 *   Mouse: made             Mouse: gone
 */
#pragma once

#include <stddef.h>

/* The next time /dev/uinput is opened it fails with this; 0: it works. Stays until it is set again. */
void uinput_recorder_refuse_open(int error);
void uinput_recorder_refuse_device(int error);
/* Fails the test unless exactly these lines (each ends in '\n') came since the last call. */
void uinput_recorder_expect(const char *lines);
void uinput_recorder_forget(void);
/* What the last device of this name ("Mouse") was made with, as "INPUT_PROP_POINTER; REL_X, ...; ABS_X 0..65535 (100)".
 * Valid until one of that name is made. */
const char *uinput_recorder_shape(const char *name);
int uinput_recorder_device_count(void); /* that are there now */
