/* SPDX-License-Identifier: Apache-2.0 */
#include "host/encoder_speed.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1280, HEIGHT = 720, PICTURES = 7, SCROLL_PX = 8, ROWS = HEIGHT + PICTURES * SCROLL_PX };
enum { GLYPH_WIDTH = 10, GLYPH_HEIGHT = 18 };

/* Dark strokes on a light page, and grey chroma below; the pictures are windows into it. */
static void paint_page(uint8_t *page)
{
    uint32_t dots = 1;
    memset(page, 230, (size_t)WIDTH * ROWS);
    memset(page + (size_t)WIDTH * ROWS, 128, (size_t)WIDTH * ROWS / 2);
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < WIDTH; x++) {
            dots = dots * 1664525U + 1013904223U;
            bool inside = x % GLYPH_WIDTH < 8 && y % GLYPH_HEIGHT > 3 && y % GLYPH_HEIGHT < 15;
            if (inside && dots >> 30 == 0)
                page[y * WIDTH + x] = 40;
        }
}

static struct frame window(uint8_t *page, int number)
{
    int row = number * SCROLL_PX;
    return (struct frame){
        .layout = {.width = WIDTH, .height = HEIGHT, .format = FRAME_NV12, .colour_space = FRAME_BT709},
        .planes = {page + row * WIDTH, page + WIDTH * ROWS + row / 2 * WIDTH},
        .strides = {WIDTH, WIDTH},
        .number = (uint64_t)number + 1,
    };
}

/* The first one, an IDR, does not count. 0: failed. */
static int64_t fastest_ns(struct encoder *encoder, uint8_t *page)
{
    const struct region damage = {.rects = {{0, 0, WIDTH, HEIGHT}}, .count = 1};
    int64_t fastest = INT64_MAX;
    for (int i = 0; i < PICTURES; i++) {
        struct frame frame = window(page, i);
        struct au_part part;
        int64_t begin_ns = clock_now_ns();
        if (encoder_encode(encoder, &frame, &damage, begin_ns, false, &part) != ENCODE_OK)
            return 0;
        int64_t duration_ns = clock_now_ns() - begin_ns;
        if (i > 0 && duration_ns < fastest)
            fastest = duration_ns;
    }
    return fastest;
}

int64_t encoder_speed_measure(const char *name, enum encoder_codec codec)
{
    uint8_t *page = malloc((size_t)WIDTH * ROWS * 3 / 2);
    if (!page) {
        log_oom("encoder");
        return 0;
    }
    paint_page(page);
    const struct encoder_config config = {
        .codec = codec,
        .layout = window(page, 0).layout,
        .fps_x100 = 6000,
        .bitrate_kbps = 10000,
        .slices = 1,
    };
    struct encoder *encoder = encoder_create(name, &config);
    int64_t picture_ns = encoder ? fastest_ns(encoder, page) : 0;
    encoder_destroy(encoder);
    free(page);
    return picture_ns ? (int64_t)WIDTH * HEIGHT * CLOCK_SECOND_NS / picture_ns : 0;
}
