/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer stays on the streamed output: walls of XFixes on those of its sides that are not the screen's own. They
 * stop what a device does, not a program that places the pointer; so a pointer outside is brought in once. The server
 * takes them down when our connection ends.
 */
#include "capture/x11_keeper.h"

#include <stdlib.h>
#include <string.h>

static void take_down(struct x11_keeper *self)
{
    for (int i = 0; i < self->wall_count; i++)
        xcb_xfixes_delete_pointer_barrier(self->connection, self->walls[i]);
    self->wall_count = 0;
}

static void put_up(struct x11_keeper *self, int x1, int y1, int x2, int y2)
{
    xcb_xfixes_barrier_t wall = xcb_generate_id(self->connection);
    xcb_xfixes_create_pointer_barrier(self->connection, wall, self->root, (uint16_t)x1, (uint16_t)y1, (uint16_t)x2,
                                      (uint16_t)y2, 0, 0, NULL);
    self->walls[self->wall_count++] = wall;
}

static enum x11_reply bring_in(struct x11_keeper *self, struct rect area)
{
    void *answer = NULL;
    enum x11_reply result =
        x11_keeper_wait(self, xcb_query_pointer(self->connection, self->root).sequence, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_query_pointer_reply_t *pointer = answer;
    int x = pointer->root_x, y = pointer->root_y;
    free(answer);
    int right = area.x + area.width - 1, bottom = area.y + area.height - 1;
    int to_x = x < area.x ? area.x : x > right ? right : x, to_y = y < area.y ? area.y : y > bottom ? bottom : y;
    if (to_x != x || to_y != y)
        xcb_warp_pointer(self->connection, XCB_NONE, self->root, 0, 0, 0, 0, (int16_t)to_x, (int16_t)to_y);
    return X11_REPLY_OK;
}

/* A wall at x stands between x - 1 and x. */
static enum x11_reply wall_in(struct x11_keeper *self, struct rect area, int width, int height)
{
    int right = area.x + area.width, bottom = area.y + area.height;
    take_down(self);
    enum x11_reply result = bring_in(self, area);
    if (result != X11_REPLY_OK)
        return result;
    if (area.x > 0)
        put_up(self, area.x, area.y, area.x, bottom);
    if (right < width)
        put_up(self, right, area.y, right, bottom);
    if (area.y > 0)
        put_up(self, area.x, area.y, right, area.y);
    if (bottom < height)
        put_up(self, area.x, bottom, right, bottom);
    self->walled = area;
    return X11_REPLY_OK;
}

enum keeper_answer x11_clip_set(struct keeper_backend *base, bool clip, bool *ret_clipped)
{
    struct x11_keeper *self = x11_keeper_of(base);
    struct x11_outputs outputs;
    char sentence[KEEPER_SENTENCE_SIZE];
    enum keeper_answer answer = KEEPER_DONE;
    enum x11_reply result = X11_REPLY_OK;
    if (!clip || !self->has_barriers || strcmp(self->output, "all") == 0) {
        take_down(self);
    } else {
        answer = x11_outputs_read(self, &outputs, sentence, sizeof(sentence));
        struct rect area = outputs.area;
        int width = outputs.layout.width, height = outputs.layout.height;
        x11_outputs_free(&outputs);
        bool has_more = answer == KEEPER_DONE && !rect_is_empty(area) && (area.width < width || area.height < height);
        if (!has_more)
            take_down(self);
        else
            result = wall_in(self, area, width, height);
    }
    xcb_flush(self->connection);
    *ret_clipped = self->wall_count > 0;
    return answer == KEEPER_GONE || result == X11_REPLY_DEAD ? KEEPER_GONE : KEEPER_DONE;
}
