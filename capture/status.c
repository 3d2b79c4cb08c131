/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status picture, a source that needs nothing: a dark test card with colour bars, a ramp of greys, a clock, and one
 * sentence about what is the matter. It changes once a second, and only where the clock is.
 */
#include "capture/source.h"

#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/font.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKGROUND 0x12161cu
#define PLATE      0x1b212au
#define TITLE      0xe8ecf1u
#define TEXT       0xb4bec9u
#define CLOCK      0xf2b84bu

struct status {
    struct source base;
    struct image image;
    char sentence[160], drawn_clock[16];
    struct region damage; /* since the last fetch */
    bool all_new;
    int64_t next_tick_ns;
};

static struct status *status_of(const struct source *base)
{
    return container_of(base, struct status, base);
}

static void fill(struct status *self, struct rect r, uint32_t colour)
{
    r = rect_intersect(r, image_bounds(&self->image));
    for (int y = r.y; y < r.y + r.height; y++) {
        uint32_t *row = (uint32_t *)(void *)image_at(&self->image, r.x, y);
        for (int x = 0; x < r.width; x++)
            row[x] = colour;
    }
}

/* Lines of text are placed in 1/100 of the height and centred. The largest dots that `share` percent of it allow. */
static int dot_size(const struct status *self, int share, const char *text)
{
    int scale = self->image.height * share / 100 / FONT_CELL_HEIGHT;
    while (scale > 1 && font_width(scale, text) > self->image.width * 94 / 100)
        scale--;
    return scale < 1 ? 1 : scale;
}

static struct rect draw_line(struct status *self, int top, int share, uint32_t colour, const char *text)
{
    int scale = dot_size(self, share, text);
    int width = font_width(scale, text), y = self->image.height * top / 100;
    struct rect place = {(self->image.width - width) / 2, y, width, FONT_CELL_HEIGHT * scale};
    font_draw(&self->image, place.x, place.y, scale, colour, text);
    return rect_intersect(place, image_bounds(&self->image));
}

static void draw_card(struct status *self)
{
    static const uint32_t bars[] = {0xbfbfbf, 0xbfbf00, 0x00bfbf, 0x00bf00, 0xbf00bf, 0xbf0000, 0x0000bf};
    int width = self->image.width, height = self->image.height;
    int left = width * 8 / 100, inner = width - 2 * left;
    fill(self, (struct rect){0, 0, width, height}, BACKGROUND);
    for (int i = 0; i < 7; i++) {
        int x0 = inner * i / 7, x1 = inner * (i + 1) / 7;
        fill(self, (struct rect){left + x0, height * 70 / 100, x1 - x0, height * 14 / 100}, bars[i]);
    }
    for (int i = 0; i < 16; i++) {
        int x0 = inner * i / 16, x1 = inner * (i + 1) / 16;
        fill(self, (struct rect){left + x0, height * 85 / 100, x1 - x0, height * 5 / 100}, 0x111111u * (uint32_t)i);
    }
    fill(self, (struct rect){0, height * 49 / 100, width, height * 14 / 100}, PLATE);
    draw_line(self, 10, 10, TITLE, "Earthshine");
}

/* Wipes the band of a line and draws it anew. */
static void draw_sentence(struct status *self)
{
    struct rect band = {0, self->image.height * 49 / 100, self->image.width, self->image.height * 14 / 100};
    fill(self, band, PLATE);
    draw_line(self, 54, 5, TEXT, self->sentence);
    region_add(&self->damage, band);
}

static void draw_clock(struct status *self, const char *text)
{
    int scale = dot_size(self, 14, text), width = font_width(scale, text);
    struct rect place = {(self->image.width - width) / 2, self->image.height * 27 / 100, width,
                         FONT_CELL_HEIGHT * scale};
    fill(self, place, BACKGROUND);
    region_add(&self->damage, draw_line(self, 27, 14, CLOCK, text));
    text_copy(self->drawn_clock, sizeof(self->drawn_clock), text);
}

static void status_destroy(struct source *base)
{
    struct status *self = status_of(base);
    free(self->image.pixels);
    free(self);
}

static int status_fd(const struct source *base)
{
    (void)base;
    return -1;
}

static void status_set_viewed(struct source *base, bool viewed)
{
    (void)base;
    (void)viewed;
}

static void tick(struct status *self, int64_t now_ns)
{
    int64_t wall_ms = clock_wall_ms();
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    char text[16] = "--:--:--";
    if (localtime_r(&seconds, &local))
        strftime(text, sizeof(text), "%H:%M:%S", &local);
    if (strcmp(text, self->drawn_clock) != 0)
        draw_clock(self, text);
    self->next_tick_ns = now_ns + (1000 - wall_ms % 1000) * CLOCK_MS_NS;
}

static enum source_state status_pump(struct source *base, int64_t now_ns, int64_t *ret_again_ns)
{
    struct status *self = status_of(base);
    if (now_ns >= self->next_tick_ns)
        tick(self, now_ns);
    *ret_again_ns = self->next_tick_ns;
    return self->damage.count || self->all_new ? SOURCE_CHANGED : SOURCE_QUIET;
}

static bool status_fetch(struct source *base, int64_t now_ns, struct source_picture *ret_picture)
{
    struct status *self = status_of(base);
    if (now_ns >= self->next_tick_ns)
        tick(self, now_ns);
    if (self->all_new) {
        region_clear(&self->damage);
        region_add(&self->damage, image_bounds(&self->image));
    }
    *ret_picture = (struct source_picture){.image = self->image, .damage = self->damage, .resized = self->all_new};
    self->all_new = false;
    region_clear(&self->damage);
    return true;
}

static const struct source_ops status_ops = {
    .name = "status",
    .destroy = status_destroy,
    .fd = status_fd,
    .set_viewed = status_set_viewed,
    .pump = status_pump,
    .fetch = status_fetch,
};

struct source *source_status_create(int width, int height)
{
    struct status *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("status");
    self->base.ops = &status_ops;
    self->base.width = width;
    self->base.height = height;
    text_copy(self->base.place, sizeof(self->base.place), "status");
    self->image = (struct image){.stride = width * 4, .width = width, .height = height};
    self->image.pixels = malloc((size_t)width * (size_t)height * 4);
    if (!self->image.pixels) {
        free(self);
        return log_oom("status");
    }
    draw_card(self);
    self->all_new = true;
    return &self->base;
}

void source_status_set_sentence(struct source *base, const char *sentence)
{
    struct status *self = status_of(base);
    if (strcmp(self->sentence, sentence) == 0)
        return;
    text_copy(self->sentence, sizeof(self->sentence), sentence);
    draw_sentence(self);
}
