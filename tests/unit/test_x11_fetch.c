/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The X11 source's image, byte for byte what the server shows, on Xvfb and on an Xorg whose modes are switched, by each
 * of its ways to read.
 */
#include "base/clock.h"
#include "base/container_of.h"
#include "capture/x11.h"
#include "xorg_rig.h"
#include "xvfb_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <xcb/xtest.h>

#include <cmocka.h>

enum { WINDOWS = 8, SIZE_MOST = 700, PICTURE_MOST = 40 };

enum way { WAY_COPY, WAY_BANDS, WAY_SYSV_COPY, WAY_SYSV_BANDS, WAY_COUNT };

/* Draws at random on a display, over a connection of its own. */
struct painter {
    xcb_connection_t *connection;
    xcb_window_t root, windows[WINDOWS];
    uint8_t depth;
    xcb_gcontext_t gc;
    int width, height;
    uint32_t seed;
};

struct reader {
    struct source *source;
    struct x11_source *x11;
    uint8_t *before; /* what its image showed last */
    size_t before_bytes;
    int wholes; /* pictures that were damage all over */
};

static int pick(struct painter *self, int below)
{
    self->seed = self->seed * 1664525u + 1013904223u;
    return (int)((self->seed >> 8) % (unsigned)below);
}

static void painter_start(struct painter *self, const char *display, uint32_t seed)
{
    *self = (struct painter){.connection = xcb_connect(display, NULL), .seed = seed};
    assert_int_equal(xcb_connection_has_error(self->connection), 0);
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    const uint32_t inferiors = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;
    self->root = screen->root;
    self->depth = screen->root_depth;
    self->gc = xcb_generate_id(self->connection);
    xcb_create_gc(self->connection, self->gc, self->root, XCB_GC_SUBWINDOW_MODE, &inferiors);
    for (int i = 0; i < WINDOWS; i++) {
        const uint32_t values[] = {(uint32_t)pick(self, 1 << 24), (uint32_t)pick(self, 1 << 24)};
        xcb_window_t parent = i % 3 == 2 ? self->windows[i - 1] : self->root;
        self->windows[i] = xcb_generate_id(self->connection);
        xcb_create_window(self->connection, XCB_COPY_FROM_PARENT, self->windows[i], parent, (int16_t)(20 * i), 30, 150,
                          120, (uint16_t)(i % 4), XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
                          XCB_CW_BACK_PIXEL | XCB_CW_BORDER_PIXEL, values);
        xcb_map_window(self->connection, self->windows[i]);
    }
}

static void painter_stop(struct painter *self)
{
    xcb_disconnect(self->connection);
}

/* All that was drawn has happened; and how large the screen is now. */
static void painter_sync(struct painter *self)
{
    xcb_get_geometry_reply_t *geometry =
        xcb_get_geometry_reply(self->connection, xcb_get_geometry(self->connection, self->root), NULL);
    assert_non_null(geometry);
    self->width = geometry->width;
    self->height = geometry->height;
    free(geometry);
}

static xcb_rectangle_t pick_rect(struct painter *self)
{
    int most = pick(self, 5) ? 60 : SIZE_MOST;
    return (xcb_rectangle_t){(int16_t)(pick(self, self->width) - 20), (int16_t)(pick(self, self->height) - 20),
                             (uint16_t)(1 + pick(self, most)), (uint16_t)(1 + pick(self, most))};
}

static xcb_drawable_t pick_drawable(struct painter *self)
{
    return pick(self, 2) ? self->root : self->windows[pick(self, WINDOWS)];
}

static void fill_something(struct painter *self)
{
    const uint32_t values[] = {pick(self, 4) ? XCB_GX_COPY : XCB_GX_XOR, (uint32_t)pick(self, 1 << 24)};
    xcb_rectangle_t r = pick_rect(self);
    xcb_change_gc(self->connection, self->gc, XCB_GC_FUNCTION | XCB_GC_FOREGROUND, values);
    xcb_poly_fill_rectangle(self->connection, pick_drawable(self), self->gc, 1, &r);
}

static void fill_all(struct painter *self)
{
    const uint32_t colour = (uint32_t)pick(self, 1 << 24);
    xcb_rectangle_t all = {0, 0, (uint16_t)self->width, (uint16_t)self->height};
    xcb_change_gc(self->connection, self->gc, XCB_GC_FOREGROUND, &colour);
    xcb_poly_fill_rectangle(self->connection, self->root, self->gc, 1, &all);
}

static void fill_many_places(struct painter *self)
{
    xcb_rectangle_t rects[3 * REGION_MAX_RECTS];
    for (int i = 0; i < 3 * REGION_MAX_RECTS; i++)
        rects[i] = (xcb_rectangle_t){(int16_t)pick(self, self->width), (int16_t)pick(self, self->height), 3, 2};
    xcb_poly_fill_rectangle(self->connection, self->root, self->gc, 3 * REGION_MAX_RECTS, rects);
}

static void move_something(struct painter *self)
{
    xcb_rectangle_t r = pick_rect(self);
    xcb_copy_area(self->connection, self->root, pick_drawable(self), self->gc, r.x, r.y,
                  (int16_t)(r.x + pick(self, 40) - 20), (int16_t)(r.y + pick(self, 40) - 20), r.width, r.height);
}

static void put_a_picture(struct painter *self)
{
    uint32_t pixels[PICTURE_MOST * PICTURE_MOST];
    for (int i = 0; i < PICTURE_MOST * PICTURE_MOST; i++)
        pixels[i] = (uint32_t)pick(self, 1 << 24);
    xcb_put_image(self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, pick_drawable(self), self->gc, PICTURE_MOST,
                  PICTURE_MOST, (int16_t)pick(self, self->width), (int16_t)pick(self, self->height), 0, self->depth,
                  sizeof(pixels), (const uint8_t *)pixels);
}

static void change_a_window(struct painter *self)
{
    xcb_window_t window = self->windows[pick(self, WINDOWS)];
    const uint32_t values[] = {(uint32_t)pick(self, self->width), (uint32_t)pick(self, self->height),
                               (uint32_t)(1 + pick(self, SIZE_MOST)), (uint32_t)(1 + pick(self, SIZE_MOST)),
                               pick(self, 2) ? XCB_STACK_MODE_ABOVE : XCB_STACK_MODE_BELOW};
    if (pick(self, 4) == 0)
        xcb_unmap_window(self->connection, window);
    else
        xcb_map_window(self->connection, window);
    xcb_configure_window(self->connection, window,
                         XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y | XCB_CONFIG_WINDOW_WIDTH |
                             XCB_CONFIG_WINDOW_HEIGHT | XCB_CONFIG_WINDOW_STACK_MODE,
                         values);
}

static void move_the_pointer(struct painter *self)
{
    xcb_warp_pointer(self->connection, XCB_NONE, self->root, 0, 0, 0, 0, (int16_t)pick(self, self->width),
                     (int16_t)pick(self, self->height));
}

static void paint(struct painter *self)
{
    static void (*const operations[])(struct painter *) = {
        fill_something,  fill_something,   fill_something,   move_something, put_a_picture,
        change_a_window, fill_many_places, move_the_pointer, fill_all,
    };
    operations[pick(self, sizeof(operations) / sizeof(operations[0]))](self);
    xcb_flush(self->connection);
}

/* The server's screen, read in the plain way; the caller's to free. */
static uint8_t *screenshot(struct painter *self, struct rect area)
{
    size_t size = (size_t)area.width * (size_t)area.height * 4;
    uint8_t *pixels = malloc(size);
    xcb_get_image_reply_t *reply =
        xcb_get_image_reply(self->connection,
                            xcb_get_image(self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, self->root, (int16_t)area.x,
                                          (int16_t)area.y, (uint16_t)area.width, (uint16_t)area.height, ~0u),
                            NULL);
    assert_non_null(pixels);
    assert_non_null(reply);
    assert_int_equal(xcb_get_image_data_length(reply), size);
    memcpy(pixels, xcb_get_image_data(reply), size);
    free(reply);
    return pixels;
}

static void reader_start(struct reader *self, const char *display, const char *output, enum way way)
{
    char sentence[160] = "";
    *self = (struct reader){.source = x11_create(xcb_connect(display, NULL), display, output, sentence, 160)};
    assert_string_equal(sentence, "");
    self->x11 = container_of(self->source, struct x11_source, base);
    assert_true(self->x11->can_copy && self->x11->can_pass_fd); /* else there would be nothing to test here */
    self->x11->can_copy = way == WAY_COPY || way == WAY_SYSV_COPY;
    self->x11->can_pass_fd = way == WAY_COPY || way == WAY_BANDS;
    self->source->ops->set_viewed(self->source, true);
}

static void reader_stop(struct reader *self)
{
    self->source->ops->destroy(self->source);
    free(self->before);
}

static bool same_colours(const uint8_t *a, const uint8_t *b, int pixels)
{
    for (int i = 0; i < pixels; i++) {
        if (memcmp(a + (ptrdiff_t)i * 4, b + (ptrdiff_t)i * 4, 3) != 0) /* the fourth byte means nothing */
            return false;
    }
    return true;
}

/* Paints the damage of one image over with what another shows there. */
static void take_over(uint8_t *to, const struct image *from, const struct region *damage)
{
    for (int i = 0; i < damage->count; i++) {
        struct rect r = damage->rects[i];
        for (int y = r.y; y < r.y + r.height; y++)
            memcpy(to + (ptrdiff_t)y * from->stride + (ptrdiff_t)r.x * 4, image_at(from, r.x, y), (size_t)r.width * 4);
    }
}

/* One picture. Where just its damage is copied, nothing else differs from the one before; then the pointer is drawn
 * and erased. */
static void fetch(struct reader *self)
{
    struct source_picture picture;
    bool expected_all = self->x11->expects_all || self->x11->all_new;
    if (!self->source->ops->fetch(self->source, clock_now_ns(), &picture))
        fail_msg("%s", self->source->sentence);
    const struct image *image = &picture.image;
    size_t bytes = (size_t)image->stride * (size_t)image->height;
    if (picture.resized) {
        assert_true(region_area(&picture.damage) >= (int64_t)image->width * image->height);
        free(self->before);
        self->before = malloc(bytes);
        assert_non_null(self->before);
        self->before_bytes = bytes;
        self->wholes++;
    }
    assert_int_equal(bytes, self->before_bytes);
    if (expected_all || !self->x11->can_copy) /* whole rows may bring what is damage only next time */
        memcpy(self->before, image->pixels, bytes);
    take_over(self->before, image, &picture.damage);
    assert_memory_equal(self->before, image->pixels, bytes);
    cursor_draw(picture.cursor, image);
    cursor_erase(picture.cursor, image);
}

/* The painter's work is done: each answer brings the events before it, so that the source knows what is missing. */
static void settle(struct reader *self)
{
    int64_t again_ns;
    do
        fetch(self);
    while (self->source->ops->pump(self->source, clock_now_ns(), &again_ns) == SOURCE_CHANGED);
}

static void assert_shows_the_screen(struct reader *self, struct painter *painter)
{
    painter_sync(painter);
    settle(self);
    struct rect area = self->x11->area;
    uint8_t *wanted = screenshot(painter, area);
    assert_true(same_colours(wanted, self->x11->shm.memory, area.width * area.height));
    free(wanted);
}

/* Pictures in the middle of it all, and now and then a look whether they are right. */
static void paint_and_read(struct painter *painter, struct reader *reader, int operations)
{
    for (int i = 0; i < operations; i++) {
        paint(painter);
        if (i % 3 == 0)
            fetch(reader);
        if (i % 10 == 9)
            assert_shows_the_screen(reader, painter);
    }
}

static void what_is_drawn_on_xvfb_is_read_exactly(void **state)
{
    (void)state;
    for (int way = 0; way < WAY_COUNT; way++) {
        struct xvfb_rig rig;
        struct painter painter;
        struct reader reader;
        xvfb_rig_start(&rig, -1, 1279, 721);
        painter_start(&painter, rig.name, (uint32_t)way);
        painter_sync(&painter);
        reader_start(&reader, rig.name, "auto", way);
        paint_and_read(&painter, &reader, 400);
        assert_int_equal(reader.wholes, 1);
        assert_int_equal(reader.x11->can_copy, way == WAY_COPY || way == WAY_SYSV_COPY);
        assert_int_equal(reader.x11->shm.is_sysv, way >= WAY_SYSV_COPY);
        reader_stop(&reader);
        painter_stop(&painter);
        xvfb_rig_stop(&rig);
    }
}

static void only_what_was_drawn_is_copied(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct reader reader;
    xvfb_rig_start(&rig, -1, 640, 480);
    reader_start(&reader, rig.name, "auto", WAY_COPY);
    settle(&reader);
    xvfb_rig_fill(&rig, (struct rect){0, 0, 1, 1}, 0);
    xvfb_rig_sync(&rig);
    settle(&reader); /* a small change: the next one is expected to be small, too */
    uint8_t *pixels = reader.x11->shm.memory;
    const uint8_t *left = pixels + (ptrdiff_t)(100 * 640 + 49) * 4, *right = left + 4, *beyond = right + 40;
    memset(pixels, 0x55, 640 * 480 * 4);
    memcpy(reader.before, pixels, reader.before_bytes);
    xvfb_rig_fill(&rig, (struct rect){50, 100, 10, 10}, 0xffffff);
    xvfb_rig_sync(&rig);
    settle(&reader);
    assert_true(left[0] == 0x55 && right[0] == 0xff && beyond[-4] == 0xff && beyond[0] == 0x55);
    reader_stop(&reader);
    xvfb_rig_stop(&rig);
}

/* How long the source sleeps when nothing is new, at a time of the test's. */
static int sleep_ms(struct reader *self, int64_t now_ns)
{
    int64_t again_ns;
    do {
        struct pollfd fd = {.fd = self->source->ops->fd(self->source), .events = POLLIN};
        assert_int_equal(self->source->ops->pump(self->source, now_ns, &again_ns), SOURCE_QUIET);
        if (self->x11->probe_sent)
            poll(&fd, 1, 1000);
    } while (self->x11->probe_sent);
    return (int)((again_ns - now_ns) / CLOCK_MS_NS);
}

/* As with a server that cannot tell when its pointer moves. */
static void be_told_nothing(struct reader *self)
{
    self->source->ops->set_viewed(self->source, false);
    self->x11->alarms.idle_counter = XCB_NONE;
    self->source->ops->set_viewed(self->source, true);
}

static void without_alarms_a_still_screen_is_asked_for_its_pointer_less_often(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct reader reader;
    struct source_picture picture;
    xvfb_rig_start(&rig, -1, 640, 480);
    reader_start(&reader, rig.name, "auto", WAY_COPY);
    be_told_nothing(&reader);
    settle(&reader);
    int64_t later_ns = clock_now_ns() + 60 * CLOCK_SECOND_NS;
    sleep_ms(&reader, later_ns); /* what was asked before is answered */
    assert_int_equal(sleep_ms(&reader, later_ns + CLOCK_SECOND_NS), 250);
    later_ns += 60 * CLOCK_SECOND_NS;
    assert_true(reader.source->ops->fetch(reader.source, later_ns, &picture));
    assert_int_equal(sleep_ms(&reader, later_ns + CLOCK_SECOND_NS), 100);
    assert_int_equal(sleep_ms(&reader, later_ns + 3 * CLOCK_SECOND_NS), 250);
    reader_stop(&reader);
    xvfb_rig_stop(&rig);
}

/* How many requests went to the server so far, this one included. */
static unsigned count_requests(struct reader *self)
{
    return xcb_no_operation(self->x11->connection).sequence;
}

/* At a time of the test's, when the server has sent something. */
static enum source_state pump_what_comes(struct reader *self, int64_t now_ns)
{
    int64_t again_ns;
    struct pollfd fd = {.fd = self->source->ops->fd(self->source), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 10000), 1);
    return self->source->ops->pump(self->source, now_ns, &again_ns);
}

/* What the start had to tell has been told: a sign of life comes alone. */
static void await_rest(struct reader *self)
{
    do
        settle(self);
    while (pump_what_comes(self, self->x11->fetched_ns) == SOURCE_CHANGED || self->x11->alarms.is_acting);
}

static void assert_is_asked_nothing_at_rest(struct reader *self)
{
    await_rest(self);
    int64_t now_ns = self->x11->fetched_ns;
    unsigned before = count_requests(self);
    for (int beat = 0; beat < 5; beat++)
        assert_int_equal(pump_what_comes(self, now_ns += 270 * CLOCK_MS_NS), SOURCE_QUIET);
    assert_int_equal(count_requests(self), before + 1);
}

static void move_as_a_mouse_does(struct painter *self)
{
    xcb_test_fake_input(self->connection, XCB_MOTION_NOTIFY, 0, XCB_CURRENT_TIME, self->root,
                        (int16_t)pick(self, self->width), (int16_t)pick(self, self->height), 0);
}

/* The test's time stands still, so that none would be found by asking. */
static void assert_is_told_of(struct reader *self, struct painter *painter, void (*move)(struct painter *))
{
    for (int i = 0; i < 10; i++) {
        await_rest(self);
        int64_t now_ns = self->x11->fetched_ns;
        unsigned before = count_requests(self);
        move(painter);
        xcb_flush(painter->connection);
        while (pump_what_comes(self, now_ns) == SOURCE_QUIET)
            ; /* a sign of life */
        assert_int_equal(count_requests(self), before + 1);
    }
}

static void tell_of_the_pointer(const char *display)
{
    struct reader reader;
    struct painter painter;
    painter_start(&painter, display, 3);
    painter_sync(&painter);
    reader_start(&reader, display, "auto", WAY_COPY);
    assert_is_asked_nothing_at_rest(&reader);
    assert_is_told_of(&reader, &painter, move_the_pointer);
    assert_is_told_of(&reader, &painter, move_as_a_mouse_does);
    assert_shows_the_screen(&reader, &painter);
    reader_stop(&reader);
    painter_stop(&painter);
}

static void the_server_tells_that_the_pointer_moved_and_is_asked_nothing_at_rest(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    tell_of_the_pointer(rig.name);
    xvfb_rig_stop(&rig);
}

static void an_xorg_tells_that_the_pointer_moved_and_is_asked_nothing_at_rest(void **state)
{
    (void)state;
    struct xorg_rig rig;
    if (!xorg_rig_is_possible())
        skip();
    xorg_rig_start(&rig, 1920, 1080);
    tell_of_the_pointer(rig.name);
    xorg_rig_stop(&rig);
}

static void a_server_that_keeps_silent_is_asked_and_then_left(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct reader reader;
    int64_t again_ns;
    xvfb_rig_start(&rig, -1, 640, 480);
    reader_start(&reader, rig.name, "auto", WAY_COPY);
    settle(&reader);
    xvfb_rig_signal(&rig, SIGSTOP);
    assert_int_equal(waitpid(rig.pid, NULL, WUNTRACED), rig.pid);
    const struct source_ops *ops = reader.source->ops;
    int64_t now_ns = reader.x11->fetched_ns;
    assert_int_equal(ops->pump(reader.source, now_ns, &again_ns), SOURCE_QUIET);
    assert_false(reader.x11->probe_sent);
    assert_int_equal(ops->pump(reader.source, now_ns = again_ns, &again_ns), SOURCE_QUIET);
    assert_true(reader.x11->probe_sent);
    assert_int_equal(ops->pump(reader.source, again_ns, &again_ns), SOURCE_FAILED);
    assert_non_null(strstr(reader.source->sentence, "does not answer"));
    reader_stop(&reader);
    xvfb_rig_stop(&rig);
}

static void say(const struct xorg_rig *rig, const char *words)
{
    free(xorg_rig_xrandr(rig, words));
}

static void an_output_beside_another_is_read_exactly_while_modes_change(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "--output DUMMY1 --pos 100x70",
        "--output DUMMY1 --mode 800x600",
        "--output DUMMY0 --mode 1280x720 --output DUMMY1 --pos 1280x0",
        "--output DUMMY1 --mode 1024x768 --pos 1919x311 --output DUMMY0 --mode 1920x1080",
    };
    if (!xorg_rig_is_possible())
        skip();
    for (int way = 0; way < WAY_SYSV_COPY; way++) {
        struct xorg_rig rig;
        struct painter painter;
        struct reader reader;
        xorg_rig_start(&rig, 3840, 2160);
        say(&rig, "--addmode DUMMY1 1024x768 --addmode DUMMY1 800x600");
        say(&rig, "--output DUMMY1 --mode 1024x768 --right-of DUMMY0");
        painter_start(&painter, rig.name, (uint32_t)way + 40);
        painter_sync(&painter);
        reader_start(&reader, rig.name, "DUMMY1", way);
        assert_int_equal(reader.x11->area.x, 1920);
        paint_and_read(&painter, &reader, 150);
        assert_int_equal(reader.wholes, 1);
        for (int i = 0; i < 4; i++) {
            struct rect before = reader.x11->area;
            say(&rig, changes[i]);
            fetch(&reader); /* with the old place: the source has not seen the events yet */
            paint_and_read(&painter, &reader, 50);
            assert_true(before.x != reader.x11->area.x || before.width != reader.x11->area.width);
        }
        assert_int_equal(reader.x11->can_copy, way == WAY_COPY);
        assert_true(reader.x11->can_pass_fd);
        reader_stop(&reader);
        painter_stop(&painter);
        xorg_rig_stop(&rig);
    }
}

/* Two small changes: after the first one the second is expected to be small, and is copied where that can be done. */
static void change_a_little(struct xvfb_rig *rig, struct reader *reader)
{
    for (int i = 0; i < 2; i++) {
        xvfb_rig_fill(rig, (struct rect){3, 3, 1, 1}, i ? 0xffffff : 0);
        xvfb_rig_sync(rig);
        settle(reader);
    }
}

static void a_server_that_refuses_is_asked_for_less(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct painter painter;
    struct reader reader;
    xvfb_rig_start(&rig, -1, 640, 480);
    painter_start(&painter, rig.name, 7);
    painter_sync(&painter);
    reader_start(&reader, rig.name, "auto", WAY_COPY);
    paint_and_read(&painter, &reader, 20);
    xcb_free_pixmap(reader.x11->connection, reader.x11->shm.pixmap);
    change_a_little(&rig, &reader);
    assert_false(reader.x11->can_copy);
    paint_and_read(&painter, &reader, 20);
    assert_true(reader.x11->can_pass_fd && !reader.x11->shm.is_sysv);
    xcb_shm_detach(reader.x11->connection, reader.x11->shm.segment);
    paint_and_read(&painter, &reader, 20);
    assert_true(reader.x11->shm.is_sysv);
    reader_stop(&reader);
    painter_stop(&painter);
    xvfb_rig_stop(&rig);
}

/* What was taken from the server with it would never be told again. */
static void what_was_drawn_before_a_refusal_is_not_lost(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct painter painter;
    struct reader reader;
    xvfb_rig_start(&rig, -1, 640, 480);
    painter_start(&painter, rig.name, 8);
    painter_sync(&painter);
    reader_start(&reader, rig.name, "auto", WAY_COPY);
    paint_and_read(&painter, &reader, 20);
    xcb_gcontext_t good = reader.x11->copy_gc;
    reader.x11->copy_gc = xcb_generate_id(reader.x11->connection); /* no such */
    for (int i = 0; i < 100 && reader.x11->can_copy; i++) {
        fill_something(&painter);
        painter_sync(&painter);
        fetch(&reader);
    }
    assert_false(reader.x11->can_copy);
    reader.x11->copy_gc = good;
    assert_shows_the_screen(&reader, &painter);
    reader_stop(&reader);
    painter_stop(&painter);
    xvfb_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_drawn_on_xvfb_is_read_exactly),
        cmocka_unit_test(only_what_was_drawn_is_copied),
        cmocka_unit_test(without_alarms_a_still_screen_is_asked_for_its_pointer_less_often),
        cmocka_unit_test(the_server_tells_that_the_pointer_moved_and_is_asked_nothing_at_rest),
        cmocka_unit_test(an_xorg_tells_that_the_pointer_moved_and_is_asked_nothing_at_rest),
        cmocka_unit_test(a_server_that_keeps_silent_is_asked_and_then_left),
        cmocka_unit_test(an_output_beside_another_is_read_exactly_while_modes_change),
        cmocka_unit_test(a_server_that_refuses_is_asked_for_less),
        cmocka_unit_test(what_was_drawn_before_a_refusal_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
