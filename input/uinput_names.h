/* SPDX-License-Identifier: Apache-2.0 */
/* uinput_names: which devices an X server says it has, from the bytes of its answer. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether devices of all these names (at most 32) are listed as enabled slaves. `data`: the list of an XIQueryDevice
 * reply in the byte order of this machine; what is cut off or does not fit counts as not listed.
 * Source: X11, XI2proto.txt, "XIQueryDevice". */
bool uinput_names_are_listed(const uint8_t *data, size_t size, unsigned device_count, const char *const *names,
                             int count);
