/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing a connection, and which part of the screen is captured. */
#include "base/clock.h"
#include "base/text.h"
#include "capture/x11.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <xcb/xinput.h>

static bool fail(struct x11_source *self, const char *what)
{
    snprintf(self->base.sentence, sizeof(self->base.sentence), "The X server %s %s.", self->display, what);
    return false;
}

static bool is_bgrx(const xcb_setup_t *setup, const xcb_screen_t *screen)
{
    bool packed = false;
    for (xcb_format_iterator_t it = xcb_setup_pixmap_formats_iterator(setup); it.rem; xcb_format_next(&it)) {
        if (it.data->depth == screen->root_depth)
            packed = it.data->bits_per_pixel == 32;
    }
    for (xcb_depth_iterator_t depth = xcb_screen_allowed_depths_iterator(screen); depth.rem; xcb_depth_next(&depth)) {
        for (xcb_visualtype_iterator_t it = xcb_depth_visuals_iterator(depth.data); it.rem; xcb_visualtype_next(&it)) {
            if (it.data->visual_id == screen->root_visual)
                return packed && setup->image_byte_order == XCB_IMAGE_ORDER_LSB_FIRST &&
                       it.data->red_mask == 0xff0000 && it.data->green_mask == 0xff00 && it.data->blue_mask == 0xff;
        }
    }
    return false;
}

static const xcb_query_extension_reply_t *extension(struct x11_source *self, xcb_extension_t *id)
{
    const xcb_query_extension_reply_t *data = xcb_get_extension_data(self->connection, id);
    return data && data->present ? data : NULL;
}

static bool passes_descriptors(struct x11_source *self, const xcb_shm_query_version_reply_t *version)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    bool local = getsockname(xcb_get_file_descriptor(self->connection), (struct sockaddr *)&address, &size) == 0 &&
                 address.ss_family == AF_UNIX;
    return local && (version->major_version > 1 || (version->major_version == 1 && version->minor_version >= 2));
}

/* Whether a pixmap of the root window's depth has packed rows, whatever its width. */
static bool packs_rows(const xcb_setup_t *setup, uint8_t depth)
{
    for (xcb_format_iterator_t it = xcb_setup_pixmap_formats_iterator(setup); it.rem; xcb_format_next(&it)) {
        if (it.data->depth == depth)
            return it.data->bits_per_pixel == 32 && it.data->scanline_pad <= 32;
    }
    return false;
}

static void setup_copy(struct x11_source *self, const xcb_shm_query_version_reply_t *version)
{
    static const uint32_t values[] = {XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS, 0};
    self->can_copy = version->shared_pixmaps && version->pixmap_format == XCB_IMAGE_FORMAT_Z_PIXMAP &&
                     packs_rows(xcb_get_setup(self->connection), self->root_depth);
    self->copy_gc = xcb_generate_id(self->connection);
    xcb_create_gc(self->connection, self->copy_gc, self->root, XCB_GC_SUBWINDOW_MODE | XCB_GC_GRAPHICS_EXPOSURES,
                  values);
}

static bool setup_shm(struct x11_source *self)
{
    if (!extension(self, &xcb_shm_id))
        return fail(self, "offers no shared memory (MIT-SHM)");
    xcb_shm_query_version_reply_t *version =
        xcb_shm_query_version_reply(self->connection, xcb_shm_query_version(self->connection), NULL);
    if (!version)
        return fail(self, "went away");
    self->can_pass_fd = passes_descriptors(self, version);
    setup_copy(self, version);
    free(version);
    return true;
}

static bool setup_damage(struct x11_source *self)
{
    const xcb_query_extension_reply_t *damage = extension(self, &xcb_damage_id);
    const xcb_query_extension_reply_t *xfixes = extension(self, &xcb_xfixes_id);
    if (!damage || !xfixes)
        return fail(self, "lacks DAMAGE or XFIXES");
    self->damage_event = damage->first_event;
    self->xfixes_event = xfixes->first_event;
    free(xcb_damage_query_version_reply(self->connection, xcb_damage_query_version(self->connection, 1, 1), NULL));
    free(xcb_xfixes_query_version_reply(self->connection, xcb_xfixes_query_version(self->connection, 5, 0), NULL));
    self->damage = xcb_generate_id(self->connection);
    xcb_damage_create(self->connection, self->damage, self->root, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
    self->region = xcb_generate_id(self->connection);
    xcb_xfixes_create_region(self->connection, self->region, 0, NULL);
    xcb_xfixes_select_cursor_input(self->connection, self->root, XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
    return true;
}

static void setup_modes(struct x11_source *self)
{
    const xcb_query_extension_reply_t *randr = extension(self, &xcb_randr_id);
    uint32_t mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
    xcb_change_window_attributes(self->connection, self->root, XCB_CW_EVENT_MASK, &mask);
    if (!randr)
        return;
    xcb_randr_query_version_reply_t *version =
        xcb_randr_query_version_reply(self->connection, xcb_randr_query_version(self->connection, 1, 3), NULL);
    self->has_randr = version && (version->major_version > 1 || version->minor_version >= 3);
    free(version);
    if (!self->has_randr)
        return;
    self->randr_event = randr->first_event;
    xcb_randr_select_input(self->connection, self->root,
                           XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE | XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
                               XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
}

bool x11_output_info_is_whole(const xcb_randr_get_output_info_reply_t *info)
{
    return x11_reply_reaches(info, info + 1) &&
           x11_reply_reaches(info, xcb_randr_get_output_info_name(info) + xcb_randr_get_output_info_name_length(info));
}

/* Its root window is black: the windows are on the Wayland compositor's screen. It names its outputs itself. */
static bool is_xwayland(struct x11_source *self)
{
    xcb_randr_get_screen_resources_current_reply_t *resources = NULL;
    bool found = false;
    if (self->has_randr)
        resources = xcb_randr_get_screen_resources_current_reply(
            self->connection, xcb_randr_get_screen_resources_current(self->connection, self->root), NULL);
    if (!resources)
        return false;
    if (xcb_randr_get_screen_resources_current_outputs_length(resources) > 0 &&
        x11_reply_reaches(resources, xcb_randr_get_screen_resources_current_outputs(resources) + 1)) {
        xcb_randr_output_t output = xcb_randr_get_screen_resources_current_outputs(resources)[0];
        xcb_randr_get_output_info_reply_t *info = xcb_randr_get_output_info_reply(
            self->connection, xcb_randr_get_output_info(self->connection, output, XCB_CURRENT_TIME), NULL);
        found = info && x11_output_info_is_whole(info) && xcb_randr_get_output_info_name_length(info) >= 8 &&
                memcmp(xcb_randr_get_output_info_name(info), "XWAYLAND", 8) == 0;
        free(info);
    }
    free(resources);
    return found;
}

static void setup_motion(struct x11_source *self)
{
    const xcb_query_extension_reply_t *xinput = extension(self, &xcb_input_id);
    if (!xinput)
        return;
    xcb_input_xi_query_version_reply_t *version =
        xcb_input_xi_query_version_reply(self->connection, xcb_input_xi_query_version(self->connection, 2, 2), NULL);
    if (version && version->major_version >= 2)
        self->xinput_opcode = xinput->major_opcode;
    free(version);
}

bool x11_setup(struct x11_source *self)
{
    static xcb_extension_t *const used[] = {&xcb_shm_id,   &xcb_damage_id, &xcb_xfixes_id,
                                            &xcb_randr_id, &xcb_input_id,  &xcb_sync_id};
    const xcb_setup_t *setup = xcb_get_setup(self->connection);
    xcb_screen_iterator_t screens = xcb_setup_roots_iterator(setup);
    if (!screens.rem)
        return fail(self, "has no screen");
    if (!is_bgrx(setup, screens.data))
        return fail(self, "has a screen of unusual colours: 24 bits per pixel are needed");
    self->root = screens.data->root;
    self->root_depth = screens.data->root_depth;
    self->root_width = screens.data->width_in_pixels;
    self->root_height = screens.data->height_in_pixels;
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        xcb_prefetch_extension_data(self->connection, used[i]);
    if (!setup_shm(self) || !setup_damage(self))
        return false;
    setup_modes(self);
    if (is_xwayland(self))
        return fail(self, "is Xwayland of a Wayland session: its screen cannot be read. Log in with an X11 session, or "
                          "set virtual_display");
    setup_motion(self);
    x11_alarms_setup(self);
    return x11_is_alive(self);
}

/* One output. Sets `*ret_area` when it shows something and is the wished one. */
static enum x11_reply look_at_output(struct x11_source *self, xcb_randr_output_t output, const char *wish,
                                     int64_t until_ns, struct rect *ret_area, char *ret_name, size_t name_size)
{
    void *answer = NULL;
    unsigned sequence = xcb_randr_get_output_info(self->connection, output, XCB_CURRENT_TIME).sequence;
    enum x11_reply result = x11_wait(self, sequence, until_ns, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_get_output_info_reply_t *info = answer;
    if (!x11_output_info_is_whole(info)) {
        free(answer);
        return X11_REPLY_ERROR;
    }
    char name[64];
    int length = xcb_randr_get_output_info_name_length(info);
    snprintf(name, sizeof(name), "%.*s", length, (const char *)xcb_randr_get_output_info_name(info));
    text_make_printable(name);
    xcb_randr_crtc_t crtc = info->crtc;
    free(answer);
    if (crtc == XCB_NONE || (wish && strcmp(name, wish) != 0))
        return X11_REPLY_ERROR;
    result =
        x11_wait(self, xcb_randr_get_crtc_info(self->connection, crtc, XCB_CURRENT_TIME).sequence, until_ns, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_get_crtc_info_reply_t *place = answer;
    struct rect area = {place->x, place->y, place->width, place->height};
    free(answer);
    *ret_area = rect_intersect(area, (struct rect){0, 0, self->root_width, self->root_height});
    if (rect_is_empty(*ret_area))
        return X11_REPLY_ERROR;
    text_copy(ret_name, name_size, name);
    return X11_REPLY_OK;
}

static enum x11_reply read_root_size(struct x11_source *self, int64_t until_ns)
{
    void *answer = NULL;
    enum x11_reply result = x11_wait(self, xcb_get_geometry(self->connection, self->root).sequence, until_ns, &answer);
    if (result == X11_REPLY_OK) {
        xcb_get_geometry_reply_t *geometry = answer;
        self->root_width = geometry->width;
        self->root_height = geometry->height;
        free(answer);
    }
    return result;
}

static xcb_randr_output_t read_primary(struct x11_source *self, int64_t until_ns)
{
    void *answer = NULL;
    if (x11_wait(self, xcb_randr_get_output_primary(self->connection, self->root).sequence, until_ns, &answer) !=
        X11_REPLY_OK)
        return XCB_NONE;
    xcb_randr_output_t primary = ((xcb_randr_get_output_primary_reply_t *)answer)->output;
    free(answer);
    return primary;
}

/* The wished output, or for "auto" the primary, else the first that shows something. */
static enum x11_reply find_output(struct x11_source *self, const char *wish, int64_t until_ns, struct rect *ret_area,
                                  char *ret_name, size_t name_size)
{
    xcb_randr_output_t primary = wish ? XCB_NONE : read_primary(self, until_ns);
    enum x11_reply result = X11_REPLY_ERROR;
    if (primary != XCB_NONE)
        result = look_at_output(self, primary, NULL, until_ns, ret_area, ret_name, name_size);
    if (result != X11_REPLY_ERROR)
        return result;
    void *answer = NULL;
    unsigned sequence = xcb_randr_get_screen_resources_current(self->connection, self->root).sequence;
    result = x11_wait(self, sequence, until_ns, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_get_screen_resources_current_reply_t *resources = answer;
    const xcb_randr_output_t *outputs = xcb_randr_get_screen_resources_current_outputs(resources);
    int count = xcb_randr_get_screen_resources_current_outputs_length(resources);
    result = X11_REPLY_ERROR;
    if (!x11_reply_reaches(resources, outputs + count))
        count = 0;
    for (int i = 0; i < count && result == X11_REPLY_ERROR; i++)
        result = look_at_output(self, outputs[i], wish, until_ns, ret_area, ret_name, name_size);
    free(answer);
    return result;
}

bool x11_choose_area(struct x11_source *self, int64_t until_ns)
{
    bool is_auto = strcmp(self->output, "auto") == 0, is_all = strcmp(self->output, "all") == 0;
    char name[sizeof(self->output)] = "screen";
    if (read_root_size(self, until_ns) == X11_REPLY_DEAD)
        return false;
    struct rect area = {0, 0, self->root_width, self->root_height};
    if (!is_all) {
        enum x11_reply result = X11_REPLY_ERROR;
        if (self->has_randr)
            result = find_output(self, is_auto ? NULL : self->output, until_ns, &area, name, sizeof(name));
        if (result == X11_REPLY_DEAD)
            return false;
        if (result == X11_REPLY_ERROR && !is_auto) {
            snprintf(self->base.sentence, sizeof(self->base.sentence), "The display %s has no active output \"%s\".",
                     self->display, self->output);
            return false;
        }
    }
    self->area = area;
    self->base.x = area.x;
    self->base.y = area.y;
    self->base.width = area.width;
    self->base.height = area.height;
    self->base.screen_width = self->root_width;
    self->base.screen_height = self->root_height;
    snprintf(self->base.place, sizeof(self->base.place), "x11 %.20s %.38s", self->display, is_all ? "all" : name);
    return true;
}
