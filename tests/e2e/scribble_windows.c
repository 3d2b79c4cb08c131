/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows come, move and go; the pointer moves and changes its shape. No window is redirected by Composite: when the
 * server itself puts such windows on the screen, its damage sometimes leaves them out, which no client can know of.
 */
#include "tests/e2e/scribble.h"

#include <stdlib.h>
#include <xcb/render.h>
#include <xcb/shape.h>
#include <xcb/xfixes.h>
#include <xcb/xtest.h>

enum { CURSOR_MAX_PX = 200 };

/* An index of a window that is there (`present`) or not; -1: none. */
static int some_window(struct scribble *self, bool present)
{
    int from = scribble_between(self, 0, SCRIBBLE_WINDOWS - 1);
    for (int i = 0; i < SCRIBBLE_WINDOWS; i++) {
        int at = (from + i) % SCRIBBLE_WINDOWS;
        if ((self->windows[at].id != 0) == present)
            return at;
    }
    return -1;
}

static struct scribble_target target_of(const struct scribble *self, int window)
{
    const struct scribble_window *w = &self->windows[window];
    return window < 0 ? (struct scribble_target){self->root, self->width, self->height}
                      : (struct scribble_target){w->id, w->width, w->height};
}

struct scribble_target scribble_target(struct scribble *self)
{
    int window = scribble_chance(self, 35) ? -1 : some_window(self, true);
    /* Pixels cannot be copied out of a window that is not on the screen. */
    bool shown = window >= 0 && self->windows[window].mapped &&
                 (self->windows[window].parent < 0 || self->windows[self->windows[window].parent].mapped);
    return target_of(self, shown ? window : -1);
}

static bool has_children(const struct scribble *self, int window)
{
    for (int i = 0; i < SCRIBBLE_WINDOWS; i++)
        if (self->windows[i].id && self->windows[i].parent == window)
            return true;
    return false;
}

static void some_place(struct scribble *self, int parent, int16_t *ret_x, int16_t *ret_y)
{
    struct scribble_target in = target_of(self, parent);
    *ret_x = (int16_t)scribble_between(self, -60, in.width - 20);
    *ret_y = (int16_t)scribble_between(self, -60, in.height - 20);
}

static void create_window(struct scribble *self)
{
    int at = some_window(self, false), parent = scribble_chance(self, 25) ? some_window(self, true) : -1;
    if (at < 0)
        return;
    if (parent >= 0 && self->windows[parent].parent >= 0)
        parent = -1; /* children have none of their own */
    struct scribble_window *window = &self->windows[at];
    *window = (struct scribble_window){.id = xcb_generate_id(self->connection), .parent = parent, .mapped = true};
    window->width = scribble_between(self, 8, scribble_chance(self, 80) ? 200 : 500);
    window->height = scribble_between(self, 8, scribble_chance(self, 80) ? 150 : 400);
    int16_t x, y;
    some_place(self, parent, &x, &y);
    uint32_t values[] = {scribble_colour(self), scribble_colour(self), 1};
    xcb_create_window(self->connection, XCB_COPY_FROM_PARENT, window->id, target_of(self, parent).id, x, y,
                      (uint16_t)window->width, (uint16_t)window->height, (uint16_t)scribble_between(self, 0, 3),
                      XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
                      XCB_CW_BACK_PIXEL | XCB_CW_BORDER_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_map_window(self->connection, window->id);
}

static void toggle_map(struct scribble *self, int window)
{
    self->windows[window].mapped = !self->windows[window].mapped;
    if (self->windows[window].mapped)
        xcb_map_window(self->connection, self->windows[window].id);
    else
        xcb_unmap_window(self->connection, self->windows[window].id);
}

static void move_window(struct scribble *self, int window)
{
    int16_t x, y;
    some_place(self, self->windows[window].parent, &x, &y);
    uint32_t values[] = {(uint32_t)x, (uint32_t)y};
    xcb_configure_window(self->connection, self->windows[window].id, XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, values);
}

static void resize_window(struct scribble *self, int window)
{
    struct scribble_window *w = &self->windows[window];
    w->width = scribble_between(self, 1, 300);
    w->height = scribble_between(self, 1, 220);
    uint32_t values[] = {(uint32_t)w->width, (uint32_t)w->height, (uint32_t)scribble_between(self, 0, 4)};
    xcb_configure_window(self->connection, w->id,
                         XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT | XCB_CONFIG_WINDOW_BORDER_WIDTH, values);
}

static void restack_window(struct scribble *self, int window)
{
    uint32_t mode = scribble_chance(self, 70) ? XCB_STACK_MODE_ABOVE : XCB_STACK_MODE_BELOW;
    xcb_configure_window(self->connection, self->windows[window].id, XCB_CONFIG_WINDOW_STACK_MODE, &mode);
}

static void reparent_window(struct scribble *self, int window)
{
    int parent = scribble_chance(self, 50) ? some_window(self, true) : -1;
    int16_t x, y;
    if (parent >= 0 && (parent == window || self->windows[parent].parent >= 0 || has_children(self, window)))
        parent = -1;
    some_place(self, parent, &x, &y);
    self->windows[window].parent = parent;
    xcb_reparent_window(self->connection, self->windows[window].id, target_of(self, parent).id, x, y);
}

static void destroy_window(struct scribble *self, int window)
{
    xcb_destroy_window(self->connection, self->windows[window].id);
    for (int i = 0; i < SCRIBBLE_WINDOWS; i++)
        if (self->windows[i].parent == window)
            self->windows[i].id = 0; /* they went with it */
    self->windows[window].id = 0;
}

/* A frame, a comb, or a rectangle again. */
static void shape_window(struct scribble *self, int window)
{
    const struct scribble_window *w = &self->windows[window];
    xcb_rectangle_t rects[16];
    uint32_t count = (uint32_t)scribble_between(self, 1, 16);
    if (!self->has_shape)
        return;
    if (scribble_chance(self, 30)) {
        xcb_shape_mask(self->connection, XCB_SHAPE_SO_SET, XCB_SHAPE_SK_BOUNDING, w->id, 0, 0, XCB_PIXMAP_NONE);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        rects[i] = (xcb_rectangle_t){(int16_t)scribble_between(self, -2, w->width),
                                     (int16_t)scribble_between(self, -2, w->height),
                                     (uint16_t)scribble_between(self, 1, 80), (uint16_t)scribble_between(self, 1, 60)};
    xcb_shape_rectangles(self->connection, XCB_SHAPE_SO_SET, XCB_SHAPE_SK_BOUNDING, XCB_CLIP_ORDERING_UNSORTED, w->id,
                         0, 0, count, rects);
}

void scribble_move_windows(struct scribble *self)
{
    static void (*const kinds[])(struct scribble *, int) = {
        toggle_map,     move_window,    move_window,    move_window,  resize_window,   resize_window,
        restack_window, restack_window, destroy_window, shape_window, reparent_window,
    };
    int window = some_window(self, true);
    if (window < 0 || scribble_chance(self, 20))
        create_window(self);
    else
        kinds[scribble_random(self) % (sizeof(kinds) / sizeof(kinds[0]))](self, window);
}

static void fill_noise(struct scribble *self, xcb_pixmap_t bitmap, xcb_gcontext_t gc, int size, bool dense)
{
    uint32_t bits[(CURSOR_MAX_PX + 31) / 32 * CURSOR_MAX_PX];
    int words = (size + 31) / 32;
    for (int i = 0; i < words * size; i++)
        bits[i] = scribble_random(self) | (dense ? scribble_random(self) : 0);
    xcb_put_image(self->connection, XCB_IMAGE_FORMAT_XY_PIXMAP, bitmap, gc, (uint16_t)size, (uint16_t)size, 0, 0, 0, 1,
                  (uint32_t)(words * size * 4), (const uint8_t *)bits);
}

static uint16_t some_hot_spot(struct scribble *self, int size)
{
    return (uint16_t)(scribble_chance(self, 30) ? 0 : scribble_between(self, 0, size - 1));
}

/* Two colours and a mask, as the core protocol has it. */
static void create_plain_cursor(struct scribble *self, xcb_cursor_t cursor, int size)
{
    xcb_pixmap_t shape = xcb_generate_id(self->connection), mask = xcb_generate_id(self->connection);
    xcb_gcontext_t gc = xcb_generate_id(self->connection);
    xcb_create_pixmap(self->connection, 1, shape, self->root, (uint16_t)size, (uint16_t)size);
    xcb_create_pixmap(self->connection, 1, mask, self->root, (uint16_t)size, (uint16_t)size);
    xcb_create_gc(self->connection, gc, shape, 0, NULL);
    fill_noise(self, shape, gc, size, false);
    fill_noise(self, mask, gc, size, true);
    uint16_t red = scribble_chance(self, 50) ? 0xffff : 0, blue = scribble_chance(self, 50) ? 0xffff : 0;
    xcb_create_cursor(self->connection, cursor, shape, mask, red, 0xffff, blue, 0, 0, red, some_hot_spot(self, size),
                      some_hot_spot(self, size));
    xcb_free_gc(self->connection, gc);
    xcb_free_pixmap(self->connection, shape);
    xcb_free_pixmap(self->connection, mask);
}

/* Strips of random opacity. */
static void create_alpha_cursor(struct scribble *self, xcb_cursor_t cursor, int size)
{
    xcb_pixmap_t pixmap = xcb_generate_id(self->connection);
    xcb_render_picture_t picture = xcb_generate_id(self->connection);
    xcb_create_pixmap(self->connection, 32, pixmap, self->root, (uint16_t)size, (uint16_t)size);
    xcb_render_create_picture(self->connection, picture, pixmap, self->argb, 0, NULL);
    for (int x = 0; x < size; x += 4) {
        uint16_t alpha = (uint16_t)scribble_between(self, 0, 0xffff);
        uint32_t colour = scribble_colour(self);
        xcb_render_color_t value = {colour >> 16 & 255 ? alpha : 0, colour >> 8 & 255 ? alpha : 0,
                                    colour & 255 ? alpha : 0, alpha};
        xcb_rectangle_t strip = {(int16_t)x, 0, 4, (uint16_t)size};
        xcb_render_fill_rectangles(self->connection, XCB_RENDER_PICT_OP_SRC, picture, value, 1, &strip);
    }
    xcb_render_create_cursor(self->connection, cursor, picture, some_hot_spot(self, size), some_hot_spot(self, size));
    xcb_render_free_picture(self->connection, picture);
    xcb_free_pixmap(self->connection, pixmap);
}

static void change_shape(struct scribble *self)
{
    xcb_cursor_t *cursor = &self->cursors[scribble_between(self, 0, SCRIBBLE_CURSORS - 1)];
    int kind = scribble_between(self, 0, 9);
    int size = kind < 2   ? scribble_between(self, 1, 8)
               : kind < 8 ? scribble_between(self, 8, 48)
                          : scribble_between(self, 48, CURSOR_MAX_PX);
    if (*cursor)
        xcb_free_cursor(self->connection, *cursor);
    *cursor = xcb_generate_id(self->connection);
    if (self->argb && scribble_chance(self, 40))
        create_alpha_cursor(self, *cursor, size);
    else
        create_plain_cursor(self, *cursor, size);
    struct scribble_target target = scribble_target(self);
    xcb_change_window_attributes(self->connection, scribble_chance(self, 60) ? self->root : target.id, XCB_CW_CURSOR,
                                 cursor);
}

/* Half of the places are next to where it was or at an edge of the screen. */
static void some_pointer_place(struct scribble *self, int16_t *ret_x, int16_t *ret_y)
{
    *ret_x = (int16_t)scribble_between(self, 0, self->width - 1);
    *ret_y = (int16_t)scribble_between(self, 0, self->height - 1);
    if (scribble_chance(self, 15))
        *ret_x = (int16_t)(scribble_chance(self, 50) ? 0 : self->width - 1);
    if (scribble_chance(self, 15))
        *ret_y = (int16_t)(scribble_chance(self, 50) ? 0 : self->height - 1);
}

static void move_pointer(struct scribble *self)
{
    int16_t x, y;
    int steps = scribble_between(self, 1, 6);
    some_pointer_place(self, &x, &y);
    xcb_test_fake_input(self->connection, XCB_MOTION_NOTIFY, 0, 0, self->root, x, y, 0);
    for (int i = 0; i < steps; i++)
        xcb_test_fake_input(self->connection, XCB_MOTION_NOTIFY, 1, 0, XCB_NONE,
                            (int16_t)scribble_between(self, -30, 30), (int16_t)scribble_between(self, -30, 30), 0);
}

/* No event tells of it. */
static void warp_pointer(struct scribble *self)
{
    int16_t x, y;
    some_pointer_place(self, &x, &y);
    if (scribble_chance(self, 60))
        xcb_warp_pointer(self->connection, XCB_NONE, self->root, 0, 0, 0, 0, x, y);
    else
        xcb_warp_pointer(self->connection, XCB_NONE, XCB_NONE, 0, 0, 0, 0, (int16_t)scribble_between(self, -9, 9),
                         (int16_t)scribble_between(self, -9, 9));
}

void scribble_move_pointer(struct scribble *self)
{
    int kind = scribble_between(self, 0, 9);
    if (kind < 5)
        move_pointer(self);
    else if (kind < 8)
        warp_pointer(self);
    else
        change_shape(self);
}

static void find_argb(struct scribble *self)
{
    xcb_render_query_pict_formats_reply_t *reply =
        xcb_render_query_pict_formats_reply(self->connection, xcb_render_query_pict_formats(self->connection), NULL);
    if (!reply)
        return;
    xcb_render_pictforminfo_iterator_t i = xcb_render_query_pict_formats_formats_iterator(reply);
    for (; i.rem; xcb_render_pictforminfo_next(&i))
        if (i.data->depth == 32 && i.data->direct.alpha_mask == 0xff && i.data->direct.alpha_shift == 24 &&
            i.data->direct.red_shift == 16)
            self->argb = i.data->id;
    free(reply);
}

bool scribble_pointer_init(struct scribble *self)
{
    xcb_xfixes_query_version_reply_t *fixes =
        xcb_xfixes_query_version_reply(self->connection, xcb_xfixes_query_version(self->connection, 2, 0), NULL);
    xcb_test_get_version_reply_t *test =
        xcb_test_get_version_reply(self->connection, xcb_test_get_version(self->connection, 2, 2), NULL);
    bool good = fixes && test;
    free(fixes);
    free(test);
    find_argb(self);
    change_shape(self);
    return good;
}
