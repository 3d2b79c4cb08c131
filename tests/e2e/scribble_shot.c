/* SPDX-License-Identifier: Apache-2.0 */
/* What a viewer of the display sees: one plain read of all of it, and the pointer's own image over it. */
#include "tests/e2e/scribble.h"

#include <stdio.h>
#include <stdlib.h>
#include <xcb/xfixes.h>

/* `shape` premultiplied, over `pixel` (both 0xAARRGGBB), to the nearest. */
static uint32_t over(uint32_t pixel, uint32_t shape)
{
    uint32_t result = 0, rest = 255 - (shape >> 24);
    for (int shift = 0; shift < 24; shift += 8) {
        uint32_t sum = (shape >> shift & 255) * 255 + (pixel >> shift & 255) * rest;
        uint32_t value = (sum + 127) / 255;
        result |= (value > 255 ? 255 : value) << shift;
    }
    return result;
}

static void lay_pointer(const struct scribble *self, uint32_t *pixels, xcb_xfixes_get_cursor_image_reply_t *pointer)
{
    const uint32_t *shape = xcb_xfixes_get_cursor_image_cursor_image(pointer);
    int left = pointer->x - pointer->xhot, top = pointer->y - pointer->yhot;
    for (int y = 0; y < pointer->height; y++)
        for (int x = 0; x < pointer->width; x++) {
            int at_x = left + x, at_y = top + y;
            if (at_x < 0 || at_y < 0 || at_x >= self->width || at_y >= self->height)
                continue;
            uint32_t *pixel = pixels + (ptrdiff_t)at_y * self->width + at_x;
            *pixel = over(*pixel, shape[y * pointer->width + x]);
        }
}

static bool write_ppm(const struct scribble *self, const uint32_t *pixels, const char *path)
{
    size_t count = (size_t)self->width * (size_t)self->height;
    uint8_t *bytes = malloc(count * 3);
    FILE *file = fopen(path, "wb");
    bool good = bytes && file;
    for (size_t i = 0; good && i < count; i++)
        for (size_t c = 0; c < 3; c++)
            bytes[3 * i + c] = (uint8_t)(pixels[i] >> (16 - 8 * c));
    if (good)
        good =
            fprintf(file, "P6\n%d %d\n255\n", self->width, self->height) > 0 && fwrite(bytes, 3, count, file) == count;
    if (file)
        good = fclose(file) == 0 && good;
    free(bytes);
    return good;
}

bool scribble_shot(struct scribble *self, const char *path)
{
    xcb_get_image_reply_t *image =
        xcb_get_image_reply(self->connection,
                            xcb_get_image(self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, self->root, 0, 0,
                                          (uint16_t)self->width, (uint16_t)self->height, ~0u),
                            NULL);
    xcb_xfixes_get_cursor_image_reply_t *pointer =
        xcb_xfixes_get_cursor_image_reply(self->connection, xcb_xfixes_get_cursor_image(self->connection), NULL);
    bool good = image && pointer && xcb_get_image_data_length(image) == self->width * self->height * 4;
    if (good) {
        uint32_t *pixels = (uint32_t *)(void *)xcb_get_image_data(image);
        lay_pointer(self, pixels, pointer);
        good = write_ppm(self, pixels, path);
    }
    if (!good)
        fprintf(stderr, "scribble: no picture %s\n", path);
    free(image);
    free(pointer);
    return good;
}
