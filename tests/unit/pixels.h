/* SPDX-License-Identifier: Apache-2.0 */
/* pixels: random numbers, and pictures looked at pixel by pixel, for tests of what converts and copies them. */
#pragma once

#include "capture/frame.h"

#include <stdbool.h>
#include <stdint.h>

uint32_t next_random(uint32_t *seed);
int below(uint32_t *seed, int limit); /* 0 to limit - 1 */
/* Of plane 0, and of plane 1 for NV12; the x of BGR0 does not count. Both frames have the same layout. */
bool same_pixel(const struct frame *a, const struct frame *b, int x, int y);
bool covered(const struct region *region, int x, int y);
