/* SPDX-License-Identifier: Apache-2.0 */
/* pixels: random numbers, and pictures looked at pixel by pixel, for tests of what converts and copies them. */
#pragma once

#include "capture/frame.h"

#include <stdbool.h>
#include <stdint.h>

uint32_t next_random(uint32_t *seed);
int below(uint32_t *seed, int limit); /* 0 to limit - 1 */
/* Of interleaved chroma one of the pair, by x; the x of BGR0 does not count. Both frames have the same layout. */
bool same_pixel(const struct frame *a, const struct frame *b, int x, int y);
bool same_row(const struct frame *a, const struct frame *b, int y); /* all bytes, the x too: quick */
bool covered(const struct region *region, int x, int y);
