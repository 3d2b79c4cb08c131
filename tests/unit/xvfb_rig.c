/* SPDX-License-Identifier: Apache-2.0 */
#include "xvfb_rig.h"

#include "capture/cursor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xfixes.h>
#include <xcb/xtest.h>

#include <cmocka.h>

static void exec_server(int number, int width, int height, int report_fd)
{
    char screen[48], report[16], name[16];
    snprintf(screen, sizeof(screen), "%dx%dx24", width, height);
    snprintf(report, sizeof(report), "%d", report_fd);
    snprintf(name, sizeof(name), ":%d", number);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    execlp("Xvfb", "Xvfb", name, "-displayfd", report, "-screen", "0", screen, "-noreset", "-nolisten", "tcp", NULL);
    _exit(127);
}

/* When the server is ready. False: it has ended, as the number is taken. */
static bool await_number(int fd)
{
    char text[16] = "";
    size_t used = 0;
    while (used < sizeof(text) - 1 && read(fd, text + used, 1) == 1 && text[used] != '\n')
        used++;
    return used > 0;
}

/* Numbers of this process: the lowest free one would be another test's as soon as our server is killed. */
static int own_number(int attempt)
{
    return 1000 + (int)getpid() % 4000 * 10 + attempt;
}

static bool start_server(struct xvfb_rig *self, int number, int width, int height)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exec_server(number, width, height, ends[1]);
    close(ends[1]);
    bool ready = await_number(ends[0]);
    close(ends[0]);
    if (!ready)
        waitpid(pid, NULL, 0);
    else
        *self = (struct xvfb_rig){.pid = pid, .width = width, .height = height, .number = number};
    return ready;
}

void xvfb_rig_start(struct xvfb_rig *self, int number, int width, int height)
{
    signal(SIGPIPE, SIG_IGN);
    bool ready = false;
    for (int attempt = 0; !ready && attempt < 10; attempt++)
        ready = start_server(self, number >= 0 ? number : own_number(attempt), width, height);
    assert_true(ready);
    snprintf(self->name, sizeof(self->name), ":%d", self->number);
    self->connection = xcb_connect(self->name, NULL);
    assert_int_equal(xcb_connection_has_error(self->connection), 0);
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    self->root = screen->root;
    self->gc = xcb_generate_id(self->connection);
    uint32_t include_inferiors = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;
    xcb_create_gc(self->connection, self->gc, self->root, XCB_GC_SUBWINDOW_MODE, &include_inferiors);
    free(xcb_xfixes_query_version_reply(self->connection, xcb_xfixes_query_version(self->connection, 5, 0), NULL));
}

void xvfb_rig_stop(struct xvfb_rig *self)
{
    if (!self->pid)
        return;
    kill(self->pid, SIGKILL);
    waitpid(self->pid, NULL, 0);
    xcb_disconnect(self->connection);
    self->pid = 0;
    self->connection = NULL;
}

void xvfb_rig_signal(const struct xvfb_rig *self, int number)
{
    assert_int_equal(kill(self->pid, number), 0);
}

void xvfb_rig_fill(struct xvfb_rig *self, struct rect r, uint32_t colour)
{
    xcb_rectangle_t place = {(int16_t)r.x, (int16_t)r.y, (uint16_t)r.width, (uint16_t)r.height};
    xcb_change_gc(self->connection, self->gc, XCB_GC_FOREGROUND, &colour);
    xcb_poly_fill_rectangle(self->connection, self->root, self->gc, 1, &place);
}

void xvfb_rig_sync(struct xvfb_rig *self)
{
    free(xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL));
}

void xvfb_rig_set_cursor(struct xvfb_rig *self, uint16_t red, uint16_t green, uint16_t blue)
{
    xcb_pixmap_t shape = xcb_generate_id(self->connection);
    xcb_gcontext_t gc = xcb_generate_id(self->connection);
    xcb_cursor_t cursor = xcb_generate_id(self->connection);
    uint32_t one = 1, id = cursor;
    xcb_rectangle_t all = {0, 0, 16, 16};
    xcb_create_pixmap(self->connection, 1, shape, self->root, 16, 16);
    xcb_create_gc(self->connection, gc, shape, XCB_GC_FOREGROUND, &one);
    xcb_poly_fill_rectangle(self->connection, shape, gc, 1, &all);
    xcb_create_cursor(self->connection, cursor, shape, shape, red, green, blue, 0, 0, 0, 4, 4);
    xcb_change_window_attributes(self->connection, self->root, XCB_CW_CURSOR, &id);
    xvfb_rig_sync(self);
}

void xvfb_rig_warp(struct xvfb_rig *self, int x, int y)
{
    xcb_warp_pointer(self->connection, XCB_NONE, self->root, 0, 0, 0, 0, (int16_t)x, (int16_t)y);
    xvfb_rig_sync(self);
}

void xvfb_rig_move(struct xvfb_rig *self, int x, int y)
{
    xcb_test_fake_input(self->connection, XCB_MOTION_NOTIFY, 0, XCB_CURRENT_TIME, self->root, (int16_t)x, (int16_t)y,
                        0);
    xvfb_rig_sync(self);
}

static void draw_pointer(struct xvfb_rig *self, const struct image *image)
{
    xcb_xfixes_get_cursor_image_reply_t *reply =
        xcb_xfixes_get_cursor_image_reply(self->connection, xcb_xfixes_get_cursor_image(self->connection), NULL);
    if (!reply)
        return;
    struct cursor cursor = {.visible = true, .x = reply->x - reply->xhot, .y = reply->y - reply->yhot};
    cursor_set_shape(&cursor, reply->width, reply->height, xcb_xfixes_get_cursor_image_cursor_image(reply));
    cursor_draw(&cursor, image);
    cursor_finish(&cursor);
    free(reply);
}

struct image xvfb_rig_screenshot(struct xvfb_rig *self)
{
    struct image image = {.stride = self->width * 4, .width = self->width, .height = self->height};
    xcb_get_image_reply_t *reply =
        xcb_get_image_reply(self->connection,
                            xcb_get_image(self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, self->root, 0, 0,
                                          (uint16_t)self->width, (uint16_t)self->height, ~0u),
                            NULL);
    assert_non_null(reply);
    size_t size = (size_t)self->width * (size_t)self->height * 4;
    assert_int_equal(xcb_get_image_data_length(reply), size);
    image.pixels = malloc(size);
    memcpy(image.pixels, xcb_get_image_data(reply), size);
    free(reply);
    draw_pointer(self, &image);
    return image;
}
