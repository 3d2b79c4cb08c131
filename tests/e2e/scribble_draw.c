/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that changes pixels. A third of the shapes invert what is there, which differs strongly whatever that was.
 */
#include "tests/e2e/scribble.h"

#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

enum { GLYPH_WIDTH = 9, GLYPH_HEIGHT = 16, GLYPHS_MAX = 12, POINTS_MAX = 12, PATCH_PX = 48 };

/* Mostly a few pixels, at times most of the screen. */
static int some_size(struct scribble *self, int most)
{
    int kind = scribble_between(self, 0, 99);
    int size = kind < 25   ? scribble_between(self, 1, 3)
               : kind < 75 ? scribble_between(self, 2, 40)
               : kind < 98 ? scribble_between(self, 20, 160)
                           : scribble_between(self, 100, most);
    return size > most ? most : size;
}

/* Also over the edges. */
static xcb_rectangle_t some_rect(struct scribble *self, const struct scribble_target *target)
{
    int width = some_size(self, target->width), height = some_size(self, target->height);
    return (xcb_rectangle_t){(int16_t)scribble_between(self, -width / 2, target->width - 1),
                             (int16_t)scribble_between(self, -height / 2, target->height - 1), (uint16_t)width,
                             (uint16_t)height};
}

static xcb_point_t some_point(struct scribble *self, const struct scribble_target *target)
{
    return (xcb_point_t){(int16_t)scribble_between(self, 0, target->width - 1),
                         (int16_t)scribble_between(self, 0, target->height - 1)};
}

static void set_gc(struct scribble *self, uint32_t function, uint32_t foreground, uint32_t background)
{
    uint32_t mode =
        scribble_chance(self, 15) ? XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS : XCB_SUBWINDOW_MODE_CLIP_BY_CHILDREN;
    uint32_t values[] = {function, foreground, background, (uint32_t)(scribble_chance(self, 80) ? 0 : 3), mode};
    xcb_change_gc(self->connection, self->gc,
                  XCB_GC_FUNCTION | XCB_GC_FOREGROUND | XCB_GC_BACKGROUND | XCB_GC_LINE_WIDTH | XCB_GC_SUBWINDOW_MODE,
                  values);
}

/* To draw shapes with: paints, or inverts all or the upper bits of it. */
static void set_pen(struct scribble *self)
{
    if (scribble_chance(self, 35))
        set_gc(self, XCB_GX_XOR, scribble_chance(self, 50) ? 0xffffff : 0x808080, 0);
    else
        set_gc(self, XCB_GX_COPY, scribble_colour(self), scribble_colour(self));
}

static void draw_rectangles(struct scribble *self, const struct scribble_target *target)
{
    xcb_rectangle_t rects[3];
    uint32_t count = (uint32_t)scribble_between(self, 1, 3);
    set_pen(self);
    for (uint32_t i = 0; i < count; i++)
        rects[i] = some_rect(self, target);
    if (scribble_chance(self, 85))
        xcb_poly_fill_rectangle(self->connection, target->id, self->gc, count, rects);
    else
        xcb_poly_rectangle(self->connection, target->id, self->gc, count, rects);
}

static void draw_points(struct scribble *self, const struct scribble_target *target)
{
    xcb_point_t points[POINTS_MAX];
    uint32_t count = scribble_chance(self, 60) ? 1 : (uint32_t)scribble_between(self, 1, POINTS_MAX);
    set_pen(self);
    for (uint32_t i = 0; i < count; i++)
        points[i] = some_point(self, target);
    xcb_poly_point(self->connection, XCB_COORD_MODE_ORIGIN, target->id, self->gc, count, points);
}

static void draw_lines(struct scribble *self, const struct scribble_target *target)
{
    xcb_point_t from = some_point(self, target);
    int reach = scribble_chance(self, 70) ? 40 : 400;
    xcb_point_t points[3] = {from};
    set_pen(self);
    for (int i = 1; i < 3; i++) {
        points[i].x = (int16_t)(from.x + scribble_between(self, -reach, reach));
        points[i].y = (int16_t)(scribble_chance(self, 30) ? from.y : from.y + scribble_between(self, -reach, reach));
    }
    xcb_poly_line(self->connection, XCB_COORD_MODE_ORIGIN, target->id, self->gc, 3, points);
}

static void draw_arc(struct scribble *self, const struct scribble_target *target)
{
    xcb_rectangle_t r = some_rect(self, target);
    xcb_arc_t arc = {r.x, r.y, r.width, r.height, 0, (int16_t)(scribble_between(self, 1, 360) * 64)};
    set_pen(self);
    xcb_poly_fill_arc(self->connection, target->id, self->gc, 1, &arc);
}

/* A row of cells with random dots, as text would be drawn. */
static void draw_glyphs(struct scribble *self, const struct scribble_target *target)
{
    xcb_point_t at = some_point(self, target);
    uint8_t bits[GLYPH_HEIGHT * 4] = {0}; /* rows are padded to 32 bits */
    int count = scribble_chance(self, 50) ? 1 : scribble_between(self, 1, GLYPHS_MAX);
    set_gc(self, XCB_GX_COPY, scribble_colour(self), scribble_colour(self));
    for (int i = 0; i < count; i++) {
        for (int row = 2; row < GLYPH_HEIGHT - 3; row++)
            bits[row * 4] = (uint8_t)scribble_random(self);
        xcb_put_image(self->connection, XCB_IMAGE_FORMAT_XY_BITMAP, target->id, self->gc, GLYPH_WIDTH, GLYPH_HEIGHT,
                      (int16_t)(at.x + i * GLYPH_WIDTH), at.y, 0, 1, sizeof(bits), bits);
    }
}

/* Within itself, as scrolling does, or from another one. */
static void copy_area(struct scribble *self, const struct scribble_target *target)
{
    struct scribble_target source = scribble_chance(self, 60) ? *target : scribble_target(self);
    xcb_rectangle_t from = some_rect(self, &source);
    xcb_point_t to = some_point(self, target);
    if (source.id == target->id) {
        to.x = scribble_chance(self, 60) ? from.x : (int16_t)(from.x + scribble_between(self, -20, 20));
        to.y = (int16_t)(from.y + scribble_between(self, -40, 40));
    }
    set_gc(self, XCB_GX_COPY, 0, 0);
    xcb_copy_area(self->connection, source.id, target->id, self->gc, from.x, from.y, to.x, to.y, from.width,
                  from.height);
}

static void copy_tile(struct scribble *self, const struct scribble_target *target)
{
    xcb_rectangle_t to = some_rect(self, target);
    set_gc(self, XCB_GX_COPY, 0, 0);
    xcb_copy_area(self->connection, self->tile, target->id, self->gc, 0, 0, to.x, to.y, to.width, to.height);
}

/* Blocks of one colour, so that it can be coded well. */
static void fill_patch(struct scribble *self, uint32_t *pixels, int width, int height, int stride)
{
    int block = scribble_between(self, 1, 12);
    uint32_t row_colours[SCRIBBLE_TILE_PX] = {0};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            if (y % block == 0 && x % block == 0)
                row_colours[x / block] = scribble_colour(self);
            pixels[y * stride + x] = row_colours[x / block];
        }
}

static void put_image(struct scribble *self, const struct scribble_target *target)
{
    uint32_t pixels[PATCH_PX * PATCH_PX];
    int width = scribble_between(self, 1, PATCH_PX), height = scribble_between(self, 1, PATCH_PX);
    xcb_point_t at = some_point(self, target);
    fill_patch(self, pixels, width, height, width);
    set_gc(self, XCB_GX_COPY, 0, 0);
    xcb_put_image(self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, target->id, self->gc, (uint16_t)width, (uint16_t)height,
                  at.x, at.y, 0, 24, (uint32_t)(width * height * 4), (const uint8_t *)pixels);
}

static void put_shared_image(struct scribble *self, const struct scribble_target *target)
{
    int width = scribble_between(self, 1, SCRIBBLE_TILE_PX), height = scribble_between(self, 1, 64);
    xcb_point_t at = some_point(self, target);
    free(xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL)); /* it was read */
    fill_patch(self, self->shared, width, height, SCRIBBLE_TILE_PX);
    set_gc(self, XCB_GX_COPY, 0, 0);
    xcb_shm_put_image(self->connection, target->id, self->gc, SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX, 0, 0, (uint16_t)width,
                      (uint16_t)height, at.x, at.y, 24, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
}

static void clear_area(struct scribble *self, const struct scribble_target *target)
{
    xcb_rectangle_t r = some_rect(self, target);
    if (scribble_chance(self, 50)) {
        uint32_t colour = scribble_colour(self);
        xcb_change_window_attributes(self->connection, target->id, XCB_CW_BACK_PIXEL, &colour);
    } else if (scribble_chance(self, 20)) {
        xcb_change_window_attributes(self->connection, target->id, XCB_CW_BACK_PIXMAP, &self->tile);
    }
    xcb_clear_area(self->connection, 0, target->id, r.x, r.y, r.width, r.height);
}

void scribble_draw(struct scribble *self)
{
    static void (*const kinds[])(struct scribble *, const struct scribble_target *) = {
        draw_rectangles, draw_rectangles, draw_rectangles, draw_points,      draw_points, draw_lines,
        draw_arc,        draw_glyphs,     draw_glyphs,     draw_glyphs,      copy_area,   copy_area,
        copy_tile,       put_image,       put_image,       put_shared_image, clear_area,
    };
    struct scribble_target target = scribble_target(self);
    kinds[scribble_random(self) % (sizeof(kinds) / sizeof(kinds[0]))](self, &target);
}

static bool attach_memory(struct scribble *self)
{
    int id = shmget(IPC_PRIVATE, SCRIBBLE_TILE_PX * SCRIBBLE_TILE_PX * sizeof(uint32_t), IPC_CREAT | 0600);
    if (id < 0)
        return false;
    void *memory = shmat(id, NULL, 0);
    self->segment = xcb_generate_id(self->connection);
    xcb_generic_error_t *error =
        xcb_request_check(self->connection, xcb_shm_attach_checked(self->connection, self->segment, (uint32_t)id, 0));
    shmctl(id, IPC_RMID, NULL);
    self->shared = memory;
    bool good = memory != (void *)-1 && !error;
    free(error);
    return good;
}

bool scribble_draw_init(struct scribble *self)
{
    uint32_t no_events = 0;
    self->gc = xcb_generate_id(self->connection);
    self->tile = xcb_generate_id(self->connection);
    xcb_create_gc(self->connection, self->gc, self->root, XCB_GC_GRAPHICS_EXPOSURES, &no_events);
    xcb_create_pixmap(self->connection, 24, self->tile, self->root, SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX);
    if (!attach_memory(self))
        return false;
    fill_patch(self, self->shared, SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX);
    xcb_shm_put_image(self->connection, self->tile, self->gc, SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX, 0, 0,
                      SCRIBBLE_TILE_PX, SCRIBBLE_TILE_PX, 0, 0, 24, XCB_IMAGE_FORMAT_Z_PIXMAP, 0, self->segment, 0);
    return true;
}
