/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/cursor.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool cursor_set_shape(struct cursor *self, int width, int height, const uint32_t *pixels)
{
    assert(rect_is_empty(self->drawn) && width > 0 && height > 0);
    int kept_width = width < CURSOR_MAX_SIZE ? width : CURSOR_MAX_SIZE;
    int kept_height = height < CURSOR_MAX_SIZE ? height : CURSOR_MAX_SIZE;
    size_t size = (size_t)kept_width * (size_t)kept_height * 4;
    uint32_t *copy = malloc(size);
    uint8_t *below = malloc(size);
    if (!copy || !below) {
        free(copy);
        free(below);
        log_oom("cursor");
        return false;
    }
    for (int y = 0; y < kept_height; y++)
        memcpy(copy + (size_t)y * (size_t)kept_width, pixels + (size_t)y * (size_t)width, (size_t)kept_width * 4);
    free(self->pixels);
    free(self->below);
    self->pixels = copy;
    self->below = below;
    self->width = kept_width;
    self->height = kept_height;
    return true;
}

bool cursor_set_arrow(struct cursor *self)
{
    enum { WIDTH = 12, HEIGHT = 19 };
    static const char rows[HEIGHT][WIDTH + 1] = {
        "o           ", "oo          ", "o#o         ", "o##o        ", "o###o       ", "o####o      ", "o#####o     ",
        "o######o    ", "o#######o   ", "o########o  ", "o#########o ", "o######ooooo", "o###o##o    ", "o##oo##o    ",
        "o#o  o##o   ", "oo   o##o   ", "o     o##o  ", "      o##o  ", "       oo   ",
    };
    uint32_t pixels[HEIGHT * WIDTH];
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        char c = rows[i / WIDTH][i % WIDTH];
        pixels[i] = c == '#' ? 0xff000000 : c == 'o' ? 0xffffffff : 0;
    }
    return cursor_set_shape(self, WIDTH, HEIGHT, pixels);
}

void cursor_finish(struct cursor *self)
{
    free(self->pixels);
    free(self->below);
    *self = (struct cursor){0};
}

struct rect cursor_rect(const struct cursor *self)
{
    return self->visible && self->pixels ? (struct rect){self->x, self->y, self->width, self->height}
                                         : (struct rect){0};
}

static void blend(uint8_t *pixel, uint32_t colour)
{
    unsigned rest = 255 - (colour >> 24);
    for (int c = 0; c < 3; c++) {
        unsigned value = (colour >> (8 * c) & 255) + (pixel[c] * rest + 127) / 255;
        pixel[c] = (uint8_t)(value > 255 ? 255 : value);
    }
}

void cursor_draw(struct cursor *self, const struct image *image)
{
    struct rect r = rect_intersect(cursor_rect(self), image_bounds(image));
    self->drawn = r;
    for (int y = 0; y < r.height; y++) {
        uint8_t *row = image_at(image, r.x, r.y + y);
        const uint32_t *shape = self->pixels + (size_t)(r.y + y - self->y) * (size_t)self->width + (r.x - self->x);
        memcpy(self->below + (size_t)y * (size_t)r.width * 4, row, (size_t)r.width * 4);
        for (int x = 0; x < r.width; x++)
            blend(row + 4 * x, shape[x]);
    }
}

void cursor_erase(struct cursor *self, const struct image *image)
{
    struct rect r = self->drawn;
    for (int y = 0; y < r.height; y++)
        memcpy(image_at(image, r.x, r.y + y), self->below + (size_t)y * (size_t)r.width * 4, (size_t)r.width * 4);
    self->drawn = (struct rect){0};
}
