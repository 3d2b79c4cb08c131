/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/mode_layout.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROTATION_0 = 1, ROTATION_180 = 4 };

bool mode_rotation_is_upright(unsigned rotation)
{
    return (rotation & (ROTATION_0 | ROTATION_180)) || !(rotation & 0xf);
}

int mode_place_width(const struct mode_place *self)
{
    return mode_rotation_is_upright(self->rotation) ? self->width : self->height;
}

int mode_place_height(const struct mode_place *self)
{
    return mode_rotation_is_upright(self->rotation) ? self->height : self->width;
}

void mode_place_set_line(struct mode_place *self, const struct mode_line *line)
{
    text_copy(self->name, sizeof(self->name), line->name);
    self->width = line->width;
    self->height = line->height;
    self->htotal = line->htotal;
    self->vtotal = line->vtotal;
    self->clock_hz = line->clock_hz;
}

bool mode_place_has_line(const struct mode_place *self, const struct mode_line *line)
{
    return strcmp(self->name, line->name) == 0 && self->width == line->width && self->height == line->height &&
           self->htotal == line->htotal && self->vtotal == line->vtotal && self->clock_hz == line->clock_hz;
}

static bool same_outputs(const struct mode_place *a, const struct mode_place *b)
{
    return a->crtc == b->crtc && a->output_count == b->output_count &&
           memcmp(a->outputs, b->outputs, (size_t)a->output_count * sizeof(a->outputs[0])) == 0;
}

static bool same_mode(const struct mode_place *a, const struct mode_place *b)
{
    return a->rotation == b->rotation && strcmp(a->name, b->name) == 0 && a->width == b->width &&
           a->height == b->height && a->htotal == b->htotal && a->vtotal == b->vtotal && a->clock_hz == b->clock_hz;
}

bool mode_place_equal(const struct mode_place *a, const struct mode_place *b)
{
    return same_outputs(a, b) && same_mode(a, b) && a->x == b->x && a->y == b->y;
}

const struct mode_place *mode_layout_find(const struct mode_layout *self, uint32_t crtc)
{
    for (int i = 0; i < self->count; i++) {
        if (self->places[i].crtc == crtc)
            return &self->places[i];
    }
    return NULL;
}

static bool places_equal(const struct mode_layout *a, const struct mode_layout *b)
{
    for (int i = 0; i < a->count; i++) {
        const struct mode_place *other = mode_layout_find(b, a->places[i].crtc);
        if (!other || !mode_place_equal(&a->places[i], other))
            return false;
    }
    return a->count == b->count;
}

bool mode_layout_equal(const struct mode_layout *a, const struct mode_layout *b)
{
    return a->width == b->width && a->height == b->height && places_equal(a, b);
}

static int scaled(int mm, int from_px, int to_px)
{
    return from_px > 0 ? (int)((int64_t)mm * to_px / from_px) : mm;
}

/* The screen becomes what holds all places; as many dots per inch as before. */
static void fit_screen(struct mode_layout *self)
{
    int width = 0, height = 0;
    for (int i = 0; i < self->count; i++) {
        const struct mode_place *place = &self->places[i];
        int right = place->x + mode_place_width(place), bottom = place->y + mode_place_height(place);
        width = right > width ? right : width;
        height = bottom > height ? bottom : height;
    }
    self->width_mm = scaled(self->width_mm, self->width, width);
    self->height_mm = scaled(self->height_mm, self->height, height);
    self->width = width;
    self->height = height;
}

static void take_screen(struct mode_layout *self, const struct mode_layout *from)
{
    self->width = from->width;
    self->height = from->height;
    self->width_mm = from->width_mm;
    self->height_mm = from->height_mm;
}

/* Mode and position are looked at apart: whoever moves an output has not chosen its mode. */
static void merge_place(struct mode_place *place, const struct mode_place *was, const struct mode_place *set)
{
    if (same_mode(place, set)) {
        text_copy(place->name, sizeof(place->name), was->name);
        place->width = was->width;
        place->height = was->height;
        place->htotal = was->htotal;
        place->vtotal = was->vtotal;
        place->clock_hz = was->clock_hz;
    }
    if (place->x == set->x && place->y == set->y) {
        place->x = was->x;
        place->y = was->y;
    }
}

void mode_layout_merge(const struct mode_layout *now, const struct mode_layout *before, const struct mode_layout *after,
                       struct mode_layout *ret_layout)
{
    struct mode_layout merged = *now;
    for (int i = 0; i < merged.count; i++) {
        const struct mode_place *was = mode_layout_find(before, merged.places[i].crtc);
        const struct mode_place *set = mode_layout_find(after, merged.places[i].crtc);
        if (was && set && same_outputs(set, &merged.places[i]))
            merge_place(&merged.places[i], was, set);
    }
    if (places_equal(&merged, before))
        take_screen(&merged, before);
    else if (!places_equal(&merged, now))
        fit_screen(&merged);
    *ret_layout = merged;
}

struct box {
    int left, top, right, bottom;
};

static struct box box_of(const struct mode_place *place)
{
    return (struct box){place->x, place->y, place->x + mode_place_width(place), place->y + mode_place_height(place)};
}

static bool overlap(struct box a, struct box b)
{
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/* Moves what was right of (or below) the switched place, if one of them would be covered. */
static void make_room(struct mode_layout *self, const struct mode_place *grown, struct box was, bool to_the_right)
{
    struct box is = box_of(grown);
    int by = to_the_right ? is.right - was.right : is.bottom - was.bottom;
    bool covered = false;
    for (int i = 0; i < self->count; i++) {
        struct box other = box_of(&self->places[i]);
        bool beside = to_the_right ? other.left >= was.right : other.top >= was.bottom;
        covered |= &self->places[i] != grown && beside && overlap(other, is);
    }
    for (int i = 0; covered && i < self->count; i++) {
        struct box other = box_of(&self->places[i]);
        bool beside = to_the_right ? other.left >= was.right : other.top >= was.bottom;
        if (&self->places[i] == grown || !beside)
            continue;
        self->places[i].x += to_the_right ? by : 0;
        self->places[i].y += to_the_right ? 0 : by;
    }
}

void mode_layout_switch(const struct mode_layout *before, uint32_t crtc, const struct mode_line *line,
                        struct mode_layout *ret_after)
{
    struct mode_layout after = *before;
    for (int i = 0; i < after.count; i++) {
        struct mode_place *place = &after.places[i];
        if (place->crtc != crtc)
            continue;
        struct box was = box_of(place);
        mode_place_set_line(place, line);
        make_room(&after, place, was, true);
        make_room(&after, place, was, false);
        break;
    }
    fit_screen(&after);
    *ret_after = after;
}

struct writer {
    char *text;
    size_t size, used;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(out->text + out->used, out->size - out->used, format, args);
    va_end(args);
    if (wanted < 0 || (size_t)wanted >= out->size - out->used)
        out->full = true;
    else
        out->used += (size_t)wanted;
}

static void put_layout(struct writer *out, const char *head, const struct mode_layout *layout)
{
    put(out, "%s %d %d %d %d\n", head, layout->width, layout->height, layout->width_mm, layout->height_mm);
    for (int i = 0; i < layout->count; i++) {
        const struct mode_place *p = &layout->places[i];
        put(out, "crtc %" PRIx32 " %d %d %u %d %d %d %d %" PRIu32 " %d", p->crtc, p->x, p->y, p->rotation, p->width,
            p->height, p->htotal, p->vtotal, p->clock_hz, p->output_count);
        for (int k = 0; k < p->output_count; k++)
            put(out, " %" PRIx32, p->outputs[k]);
        put(out, " %s\n", p->name);
    }
}

bool mode_layout_write(const struct mode_layout *before, const struct mode_layout *after, char *ret_text, size_t size)
{
    struct writer out = {.text = ret_text, .size = size};
    put_layout(&out, "before", before);
    put_layout(&out, "after", after);
    return !out.full;
}

/* The line's end, and what follows it. */
static const char *next_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return end ? end + 1 : NULL;
}

static bool read_outputs(const char **text, struct mode_place *place)
{
    for (int k = 0; k < place->output_count; k++) {
        int used = 0;
        if (sscanf(*text, " %" SCNx32 "%n", &place->outputs[k], &used) != 1)
            return false;
        *text += used;
    }
    return true;
}

static bool read_place(const char *text, const char *end, struct mode_place *ret_place)
{
    struct mode_place p = {0};
    int used = 0;
    if (sscanf(text, "crtc %" SCNx32 " %d %d %u %d %d %d %d %" SCNu32 " %d%n", &p.crtc, &p.x, &p.y, &p.rotation,
               &p.width, &p.height, &p.htotal, &p.vtotal, &p.clock_hz, &p.output_count, &used) != 10)
        return false;
    if (p.output_count < 1 || p.output_count > MODE_LAYOUT_OUTPUTS || p.width < 1 || p.height < 1 || p.width > 32767 ||
        p.height > 32767 || p.x < 0 || p.y < 0 || p.x > 32767 || p.y > 32767)
        return false;
    text += used;
    if (!read_outputs(&text, &p) || *text++ != ' ' || text >= end)
        return false;
    snprintf(p.name, sizeof(p.name), "%.*s", (int)(end - text - 1), text);
    *ret_place = p;
    return true;
}

static const char *read_layout(const char *text, const char *head, struct mode_layout *ret_layout)
{
    size_t length = strlen(head);
    const char *next = next_line(text);
    if (!next || strncmp(text, head, length) != 0 ||
        sscanf(text + length, " %d %d %d %d", &ret_layout->width, &ret_layout->height, &ret_layout->width_mm,
               &ret_layout->height_mm) != 4)
        return NULL;
    if (ret_layout->width < 1 || ret_layout->height < 1 || ret_layout->width > 32767 || ret_layout->height > 32767)
        return NULL;
    for (text = next; strncmp(text, "crtc ", 5) == 0; text = next) {
        next = next_line(text);
        if (!next || ret_layout->count == MODE_LAYOUT_PLACES ||
            !read_place(text, next, &ret_layout->places[ret_layout->count]))
            return NULL;
        ret_layout->count++;
    }
    return text;
}

bool mode_layout_read(const char *text, struct mode_layout *ret_before, struct mode_layout *ret_after)
{
    struct mode_layout before = {0}, after = {0};
    text = read_layout(text, "before", &before);
    if (!text || !read_layout(text, "after", &after))
        return false;
    *ret_before = before;
    *ret_after = after;
    return true;
}
