/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/nv12_scene.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GLYPH_WIDTH = 10, GLYPH_HEIGHT = 16, SCROLL_PX = 4 };

static int min(int a, int b)
{
    return a < b ? a : b;
}

static uint8_t *luma(struct nv12_scene *self, int x, int y)
{
    return self->frame.planes[0] + (size_t)y * (size_t)self->frame.strides[0] + x;
}

/* Cb of the pixel; Cr follows. */
static uint8_t *chroma(struct nv12_scene *self, int x, int y)
{
    return self->frame.planes[1] + (size_t)(y / 2) * (size_t)self->frame.strides[1] + (x & ~1);
}

static void fill(struct nv12_scene *self, struct rect r, uint8_t y, uint8_t cb, uint8_t cr)
{
    int right = min(r.x + r.width, self->frame.layout.width), bottom = min(r.y + r.height, self->frame.layout.height);
    for (int j = r.y; j < bottom; j++)
        for (int i = r.x; i < right; i++) {
            *luma(self, i, j) = y;
            chroma(self, i, j)[0] = cb;
            chroma(self, i, j)[1] = cr;
        }
}

static void paint_glyph(struct nv12_scene *self, int x, int y)
{
    uint32_t dots = self->seed = self->seed * 1664525U + 1013904223U;
    for (int j = 0; j < GLYPH_HEIGHT; j++)
        for (int i = 0; i < GLYPH_WIDTH; i++) {
            dots = dots * 1103515245U + 12345U;
            bool inked = i > 0 && i < 8 && j > 2 && j < 13 && (dots >> 16 & 3) == 0;
            if (x + i < self->frame.layout.width && y + j < self->frame.layout.height)
                *luma(self, x + i, y + j) = inked ? 40 : 230;
        }
}

static void paint_desktop(struct nv12_scene *self)
{
    int width = self->frame.layout.width, height = self->frame.layout.height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            *luma(self, x, y) = (uint8_t)(60 + x * 40 / width + y * 30 / height);
            chroma(self, x, y)[0] = 150;
            chroma(self, x, y)[1] = (uint8_t)(110 + y * 10 / height);
        }
    fill(self, (struct rect){0, height - 40, width, 40}, 35, 128, 128);
    struct rect window = {60, 60, min(1100, width - 100), min(900, height - 120)};
    fill(self, window, 230, 128, 128);
    for (int y = window.y + 16; y + GLYPH_HEIGHT <= window.y + window.height; y += GLYPH_HEIGHT)
        for (int x = window.x + 10; x + GLYPH_WIDTH <= window.x + window.width; x += GLYPH_WIDTH)
            paint_glyph(self, x, y);
}

void nv12_scene_init(struct nv12_scene *self, int width, int height, enum nv12_kind kind)
{
    int stride = (width + 63) & ~63;
    *self = (struct nv12_scene){.kind = kind, .seed = 7};
    self->frame.layout =
        (struct frame_layout){.width = width, .height = height, .format = FRAME_NV12, .colour_space = FRAME_BT709};
    for (int i = 0; i < 2; i++) {
        self->frame.strides[i] = stride;
        self->frame.planes[i] = aligned_alloc(64, (size_t)stride * (size_t)(i ? height / 2 : height));
        assert(self->frame.planes[i]);
    }
    paint_desktop(self);
    region_add(&self->frame.damage, (struct rect){0, 0, width, height});
}

static void step_scroll(struct nv12_scene *self)
{
    int width = self->frame.layout.width, height = self->frame.layout.height;
    struct rect r = {min(1200, width / 3), 100, 0, 0};
    r.width = min(1000, width - r.x - 40) & ~1;
    r.height = min(800, height - 160) & ~1;
    for (int y = r.y; y < r.y + r.height - SCROLL_PX; y++)
        memcpy(luma(self, r.x, y), luma(self, r.x, y + SCROLL_PX), (size_t)r.width);
    fill(self, (struct rect){r.x, r.y + r.height - SCROLL_PX, r.width, SCROLL_PX}, 230, 128, 128);
    if (self->step % 4 == 0)
        for (int x = r.x; x + GLYPH_WIDTH <= r.x + r.width; x += GLYPH_WIDTH)
            paint_glyph(self, x, r.y + r.height - GLYPH_HEIGHT);
    region_add(&self->frame.damage, r);
}

static void step_video(struct nv12_scene *self)
{
    int width = self->frame.layout.width, height = self->frame.layout.height, n = self->step;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int a = y * 3 + n * 5, b = x * 2 + n * 7;
            *luma(self, x, y) = (uint8_t)(16 + (((a ^ b) & 255) * 110 + ((a + b) >> 2 & 255) * 110) / 256);
        }
    region_add(&self->frame.damage, (struct rect){0, 0, width, height});
}

void nv12_scene_step(struct nv12_scene *self)
{
    int n = self->step++;
    region_clear(&self->frame.damage);
    if (self->kind == NV12_TYPE) {
        struct rect r = {70 + n % 50 * GLYPH_WIDTH, 76 + n / 50 % 10 * GLYPH_HEIGHT, GLYPH_WIDTH, GLYPH_HEIGHT};
        paint_glyph(self, r.x, r.y);
        region_add(&self->frame.damage, r);
    } else if (self->kind == NV12_SCROLL) {
        step_scroll(self);
    } else if (self->kind == NV12_VIDEO) {
        step_video(self);
    }
}

void nv12_scene_finish(struct nv12_scene *self)
{
    free(self->frame.planes[0]);
    free(self->frame.planes[1]);
}
