/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor: the pointer's shape and place, drawn over an image and taken off again, so that the image stays what the
 * display holds. One thread at a time.
 */
#pragma once

#include "capture/image.h"

#include <stdbool.h>

enum { CURSOR_MAX_SIZE = 512 }; /* px; a larger shape is cut */

struct cursor {
    bool visible;
    int x, y; /* of its top left corner, in the captured area */
    int width, height;
    uint32_t *pixels;  /* premultiplied ARGB, width * height */
    uint8_t *below;    /* what it covers while drawn */
    struct rect drawn; /* empty: not drawn */
};

/* Takes a copy. False: logged, the old shape stays. */
bool cursor_set_shape(struct cursor *self, int width, int height, const uint32_t *pixels);
/* A plain arrow, for a shape that cannot be read; its tip is the top left pixel. */
bool cursor_set_arrow(struct cursor *self);
void cursor_finish(struct cursor *self);
struct rect cursor_rect(const struct cursor *self); /* empty when not visible */
void cursor_draw(struct cursor *self, const struct image *image);
void cursor_erase(struct cursor *self, const struct image *image);
