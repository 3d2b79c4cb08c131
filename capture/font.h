/* SPDX-License-Identifier: Apache-2.0 */
/* font: text in the status picture. Letters of 5x7 dots in cells of 6x9, ASCII; other bytes show as '?'. Pure. */
#pragma once

#include "capture/image.h"

#include <stdint.h>

enum { FONT_CELL_WIDTH = 6, FONT_CELL_HEIGHT = 9 };

/* Columns of a glyph, left to right, bit 0 is the top dot. */
const uint8_t *font_glyph(char character);
/* Dots of `scale` px, 0x00RRGGBB, clipped to the image. */
void font_draw(const struct image *image, int x, int y, int scale, uint32_t colour, const char *text);
int font_width(int scale, const char *text);
