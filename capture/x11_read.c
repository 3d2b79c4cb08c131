/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing the image up to date. A server that makes pixmaps in shared memory is told in one go to take what was drawn,
 * to copy just that into the image, and to say what it was: one journey. From others, bands of whole rows are read, as
 * MIT-SHM packs the rows it writes: the first journey asks what was drawn, the second one fetches it.
 * After a picture in which nearly all had changed, the next one is expected to be alike and all is read, again in one
 * journey: servers read a screen faster than they copy it (Xvfb 21.1 at 2560x1440: 2.5 against 3.1 ms).
 * When x11_read() returns, the server has nothing left to write, or it is about to be left.
 */
#include "base/log.h"
#include "capture/x11.h"

#include <stdlib.h>

/* Whether a *checked* request without a reply was carried out. A later one has been answered. */
static bool was_done(struct x11_source *self, unsigned sequence)
{
    void *nothing = NULL;
    xcb_generic_error_t *error = NULL;
    xcb_poll_for_reply(self->connection, sequence, &nothing, &error);
    bool good = !error;
    if (error)
        log_debug("x11: error %d of request %d.%d", error->error_code, error->major_code, error->minor_code);
    free(error);
    return good;
}

/* The server moves what was drawn from the damage to the region. Returns a sequence number for was_done(). */
static unsigned take_damage(struct x11_source *self)
{
    self->damaged = false;
    return xcb_damage_subtract_checked(self->connection, self->damage, XCB_NONE, self->region).sequence;
}

static unsigned ask_for_region(struct x11_source *self)
{
    return xcb_xfixes_fetch_region(self->connection, self->region).sequence;
}

/* Waits for what was drawn, in the captured area; `taken`: number of the request that took it. */
static enum x11_reply await_region(struct x11_source *self, unsigned taken, unsigned asked, int64_t until_ns,
                                   struct region *ret_drawn)
{
    void *answer = NULL;
    enum x11_reply result = x11_wait(self, asked, until_ns, &answer);
    if (result == X11_REPLY_DEAD)
        return result;
    if (!was_done(self, taken) || result != X11_REPLY_OK) {
        free(answer);
        return X11_REPLY_ERROR;
    }
    xcb_xfixes_fetch_region_reply_t *reply = answer;
    const xcb_rectangle_t *rects = xcb_xfixes_fetch_region_rectangles(reply);
    struct rect bounds = {0, 0, self->area.width, self->area.height};
    region_clear(ret_drawn);
    for (int i = 0; i < xcb_xfixes_fetch_region_rectangles_length(reply); i++) {
        struct rect r = {rects[i].x - self->area.x, rects[i].y - self->area.y, rects[i].width, rects[i].height};
        region_add(ret_drawn, rect_intersect(r, bounds));
    }
    free(answer);
    return X11_REPLY_OK;
}

/* One journey. What is drawn in between is copied or still reported later, perhaps both. */
static enum x11_reply copy_drawn(struct x11_source *self, int64_t until_ns, struct region *ret_drawn)
{
    struct rect area = self->area;
    unsigned taken = take_damage(self);
    unsigned clip = xcb_xfixes_set_gc_clip_region_checked(self->connection, self->copy_gc, self->region,
                                                          (int16_t)-area.x, (int16_t)-area.y)
                        .sequence;
    unsigned copy =
        xcb_copy_area_checked(self->connection, self->root, self->shm.pixmap, self->copy_gc, (int16_t)area.x,
                              (int16_t)area.y, 0, 0, (uint16_t)area.width, (uint16_t)area.height)
            .sequence;
    enum x11_reply result = await_region(self, taken, ask_for_region(self), until_ns, ret_drawn);
    if (result == X11_REPLY_DEAD)
        return result;
    bool clipped = was_done(self, clip), copied = was_done(self, copy);
    if (clipped && copied)
        return result;
    self->can_copy = false; /* a smaller screen is no error for CopyArea: it cannot do it at all */
    return X11_REPLY_ERROR;
}

/* Asks for rows of the screen to be written where they are in the image. Returns a sequence number. */
static unsigned ask_for_rows(struct x11_source *self, int y, int height)
{
    uint32_t offset = (uint32_t)y * (uint32_t)self->area.width * 4;
    return xcb_shm_get_image(self->connection, self->root, (int16_t)self->area.x, (int16_t)(self->area.y + y),
                             (uint16_t)self->area.width, (uint16_t)height, ~0u, XCB_IMAGE_FORMAT_Z_PIXMAP,
                             self->shm.segment, offset)
        .sequence;
}

static enum x11_reply await_rows(struct x11_source *self, unsigned asked, int64_t until_ns)
{
    void *answer = NULL;
    enum x11_reply result = x11_wait(self, asked, until_ns, &answer);
    free(answer);
    return result;
}

static enum x11_reply worse(enum x11_reply a, enum x11_reply b)
{
    return a > b ? a : b;
}

/* One journey. */
static enum x11_reply read_all(struct x11_source *self, int64_t until_ns, struct region *ret_drawn)
{
    unsigned taken = take_damage(self);
    unsigned rows = ask_for_rows(self, 0, self->area.height);
    enum x11_reply result = await_region(self, taken, ask_for_region(self), until_ns, ret_drawn);
    return result == X11_REPLY_DEAD ? result : worse(result, await_rows(self, rows, until_ns));
}

/* Reads the bands of rows that `drawn` touches. */
static enum x11_reply read_bands(struct x11_source *self, int64_t until_ns, const struct region *drawn)
{
    struct region bands = {.count = 0};
    unsigned asked[REGION_MAX_RECTS];
    for (int i = 0; i < drawn->count; i++)
        region_add(&bands, (struct rect){0, drawn->rects[i].y, self->area.width, drawn->rects[i].height});
    for (int i = 0; i < bands.count; i++)
        asked[i] = ask_for_rows(self, bands.rects[i].y, bands.rects[i].height);
    enum x11_reply result = X11_REPLY_OK;
    for (int i = 0; i < bands.count && result != X11_REPLY_DEAD; i++)
        result = worse(result, await_rows(self, asked[i], until_ns));
    return result;
}

/* Two journeys. */
static enum x11_reply read_drawn(struct x11_source *self, int64_t until_ns, struct region *ret_drawn)
{
    unsigned taken = take_damage(self);
    enum x11_reply result = await_region(self, taken, ask_for_region(self), until_ns, ret_drawn);
    return result == X11_REPLY_OK ? read_bands(self, until_ns, ret_drawn) : result;
}

static bool is_nearly_all(const struct x11_source *self, const struct region *drawn)
{
    return region_area(drawn) * 5 > (int64_t)self->area.width * self->area.height * 4;
}

enum x11_reply x11_read(struct x11_source *self, int64_t until_ns, struct region *ret_drawn)
{
    struct region drawn = {.count = 0};
    enum x11_reply result = X11_REPLY_OK;
    if (self->all_new || (self->damaged && self->expects_all))
        result = read_all(self, until_ns, &drawn);
    else if (self->damaged)
        result = self->can_copy ? copy_drawn(self, until_ns, &drawn) : read_drawn(self, until_ns, &drawn);
    else
        return X11_REPLY_OK;
    if (result != X11_REPLY_OK)
        return result;
    self->expects_all = is_nearly_all(self, &drawn);
    if (self->all_new)
        region_add(&drawn, (struct rect){0, 0, self->area.width, self->area.height});
    *ret_drawn = drawn;
    return X11_REPLY_OK;
}
