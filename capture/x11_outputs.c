/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what RandR says about outputs and modes. Many small questions, so they are asked together. */
#include "capture/x11_keeper.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum x11_reply read_screen(struct x11_keeper *self, struct x11_outputs *outputs)
{
    unsigned range = xcb_randr_get_screen_size_range(self->connection, self->root).sequence;
    unsigned resources = xcb_randr_get_screen_resources_current(self->connection, self->root).sequence;
    unsigned geometry = xcb_get_geometry(self->connection, self->root).sequence;
    void *answer = NULL;
    enum x11_reply result = x11_keeper_wait(self, range, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_get_screen_size_range_reply_t *sizes = answer;
    outputs->screen =
        (struct mode_screen_limits){sizes->min_width, sizes->min_height, sizes->max_width, sizes->max_height};
    free(answer);
    result = x11_keeper_wait(self, resources, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    outputs->resources = answer;
    if (!x11_reply_reaches(answer, xcb_randr_get_screen_resources_current_names(answer) +
                                       xcb_randr_get_screen_resources_current_names_length(answer)))
        return X11_REPLY_ERROR;
    result = x11_keeper_wait(self, geometry, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_get_geometry_reply_t *root = answer;
    outputs->layout.width = root->width;
    outputs->layout.height = root->height;
    outputs->layout.width_mm = self->width_mm;
    outputs->layout.height_mm = self->height_mm;
    free(answer);
    return X11_REPLY_OK;
}

static bool take_lines(struct x11_outputs *outputs)
{
    const xcb_randr_mode_info_t *modes = xcb_randr_get_screen_resources_current_modes(outputs->resources);
    const char *names = (const char *)xcb_randr_get_screen_resources_current_names(outputs->resources);
    int names_left = xcb_randr_get_screen_resources_current_names_length(outputs->resources);
    int count = xcb_randr_get_screen_resources_current_modes_length(outputs->resources);
    outputs->lines = calloc(count > 0 ? (size_t)count : 1, sizeof(*outputs->lines));
    if (!outputs->lines)
        return false;
    for (int i = 0; i < count; i++) {
        const xcb_randr_mode_info_t *m = &modes[i];
        if (m->name_len > names_left)
            break;
        struct mode_line *line = &outputs->lines[outputs->line_count++];
        *line = (struct mode_line){.id = m->id,
                                   .width = m->width,
                                   .height = m->height,
                                   .clock_hz = m->dot_clock,
                                   .hsync_start = m->hsync_start,
                                   .hsync_end = m->hsync_end,
                                   .htotal = m->htotal,
                                   .vsync_start = m->vsync_start,
                                   .vsync_end = m->vsync_end,
                                   .vtotal = m->vtotal,
                                   .flags = m->mode_flags};
        snprintf(line->name, sizeof(line->name), "%.*s", m->name_len, names);
        text_make_printable(line->name); /* it will be in a note */
        names += m->name_len;
        names_left -= m->name_len;
    }
    return true;
}

static const struct mode_line *line_of(const struct x11_outputs *outputs, uint32_t id)
{
    for (int i = 0; i < outputs->line_count; i++) {
        if (outputs->lines[i].id == id)
            return &outputs->lines[i];
    }
    return NULL;
}

static enum x11_reply read_outputs(struct x11_keeper *self, struct x11_outputs *outputs)
{
    unsigned asked[X11_OUTPUTS_MAX];
    const xcb_randr_output_t *ids = xcb_randr_get_screen_resources_current_outputs(outputs->resources);
    int count = xcb_randr_get_screen_resources_current_outputs_length(outputs->resources);
    outputs->output_count = count < X11_OUTPUTS_MAX ? count : X11_OUTPUTS_MAX;
    for (int i = 0; i < outputs->output_count; i++)
        asked[i] = xcb_randr_get_output_info(self->connection, ids[i], outputs->resources->config_timestamp).sequence;
    for (int i = 0; i < outputs->output_count; i++) {
        void *answer = NULL;
        if (x11_keeper_wait(self, asked[i], X11_KEEPER_LIMIT_NS, &answer) == X11_REPLY_DEAD)
            return X11_REPLY_DEAD;
        outputs->infos[i] = answer; /* NULL: it has just gone */
        if (answer && !x11_output_info_is_whole(answer)) {
            free(answer);
            outputs->infos[i] = NULL;
        }
    }
    return X11_REPLY_OK;
}

/* False: more than can be told in a note. */
static bool take_place(struct x11_outputs *outputs, xcb_randr_crtc_t crtc, xcb_randr_get_crtc_info_reply_t *info)
{
    struct mode_layout *layout = &outputs->layout;
    const struct mode_line *line = line_of(outputs, info->mode);
    int count = xcb_randr_get_crtc_info_outputs_length(info);
    if (!line || count < 1)
        return true;
    if (layout->count == MODE_LAYOUT_PLACES || count > MODE_LAYOUT_OUTPUTS ||
        !x11_reply_reaches(info, xcb_randr_get_crtc_info_outputs(info) + count))
        return false;
    struct mode_place *place = &layout->places[layout->count++];
    *place = (struct mode_place){
        .crtc = crtc, .x = info->x, .y = info->y, .rotation = info->rotation, .output_count = count};
    memcpy(place->outputs, xcb_randr_get_crtc_info_outputs(info), (size_t)count * sizeof(place->outputs[0]));
    mode_place_set_line(place, line);
    if (outputs->streamed_crtc == crtc) {
        struct rect screen = {0, 0, layout->width, layout->height};
        outputs->area = rect_intersect((struct rect){info->x, info->y, info->width, info->height}, screen);
        outputs->is_transformed = info->width != mode_place_width(place) || info->height != mode_place_height(place);
    }
    return true;
}

static enum x11_reply read_places(struct x11_keeper *self, struct x11_outputs *outputs)
{
    unsigned asked[X11_OUTPUTS_MAX];
    const xcb_randr_crtc_t *ids = xcb_randr_get_screen_resources_current_crtcs(outputs->resources);
    int count = xcb_randr_get_screen_resources_current_crtcs_length(outputs->resources);
    count = count < X11_OUTPUTS_MAX ? count : X11_OUTPUTS_MAX;
    bool fits = true;
    for (int i = 0; i < count; i++)
        asked[i] = xcb_randr_get_crtc_info(self->connection, ids[i], outputs->resources->config_timestamp).sequence;
    for (int i = 0; i < count; i++) {
        void *answer = NULL;
        enum x11_reply result = x11_keeper_wait(self, asked[i], X11_KEEPER_LIMIT_NS, &answer);
        if (result == X11_REPLY_DEAD)
            return result;
        fits = fits && (result != X11_REPLY_OK || take_place(outputs, ids[i], answer));
        free(answer);
    }
    return fits ? X11_REPLY_OK : X11_REPLY_ERROR;
}

static xcb_randr_output_t read_primary(struct x11_keeper *self)
{
    void *answer = NULL;
    if (x11_keeper_wait(self, xcb_randr_get_output_primary(self->connection, self->root).sequence, X11_KEEPER_LIMIT_NS,
                        &answer) != X11_REPLY_OK)
        return XCB_NONE;
    xcb_randr_output_t primary = ((xcb_randr_get_output_primary_reply_t *)answer)->output;
    free(answer);
    return primary;
}

/* The same choice as the capture's: by name, else the primary, else the first that shows something. */
static void choose_streamed(struct x11_keeper *self, struct x11_outputs *outputs)
{
    bool any = strcmp(self->output, "auto") == 0 || strcmp(self->output, "all") == 0;
    const xcb_randr_output_t *ids = xcb_randr_get_screen_resources_current_outputs(outputs->resources);
    xcb_randr_output_t primary = any ? read_primary(self) : XCB_NONE;
    for (int i = 0; i < outputs->output_count; i++) {
        xcb_randr_get_output_info_reply_t *info = outputs->infos[i];
        char name[sizeof(outputs->streamed_name)];
        if (!info || !info->crtc)
            continue;
        outputs->active_count++;
        snprintf(name, sizeof(name), "%.*s", xcb_randr_get_output_info_name_length(info),
                 (const char *)xcb_randr_get_output_info_name(info));
        text_make_printable(name);
        bool chosen = any ? !outputs->streamed || ids[i] == primary : strcmp(name, self->output) == 0;
        if (!chosen)
            continue;
        outputs->streamed = ids[i];
        outputs->streamed_crtc = info->crtc;
        memcpy(outputs->streamed_name, name, sizeof(name));
    }
}

enum keeper_answer x11_outputs_read(struct x11_keeper *self, struct x11_outputs *ret_outputs, char *ret_sentence,
                                    size_t sentence_size)
{
    memset(ret_outputs, 0, sizeof(*ret_outputs));
    if (!self->has_randr) {
        snprintf(ret_sentence, sentence_size, "The X server %s cannot change modes (no RandR 1.3).", self->display);
        return KEEPER_REFUSED;
    }
    enum x11_reply result = read_screen(self, ret_outputs);
    if (result == X11_REPLY_OK && !take_lines(ret_outputs))
        result = X11_REPLY_ERROR;
    if (result == X11_REPLY_OK)
        result = read_outputs(self, ret_outputs);
    if (result == X11_REPLY_OK) {
        choose_streamed(self, ret_outputs);
        result = read_places(self, ret_outputs);
    }
    if (result == X11_REPLY_ERROR)
        snprintf(ret_sentence, sentence_size, "The X server %s has outputs in a way that is not understood.",
                 self->display);
    return result == X11_REPLY_OK ? KEEPER_DONE : result == X11_REPLY_ERROR ? KEEPER_REFUSED : KEEPER_GONE;
}

void x11_outputs_free(struct x11_outputs *outputs)
{
    for (int i = 0; i < outputs->output_count; i++)
        free(outputs->infos[i]);
    free(outputs->resources);
    free(outputs->lines);
    memset(outputs, 0, sizeof(*outputs));
}

const struct mode_line *x11_outputs_find_line(const struct x11_outputs *outputs, const struct mode_place *place)
{
    const xcb_randr_output_t *ids = xcb_randr_get_screen_resources_current_outputs(outputs->resources);
    for (int i = 0; i < outputs->output_count; i++) {
        if (!outputs->infos[i] || ids[i] != place->outputs[0])
            continue;
        const xcb_randr_mode_t *modes = xcb_randr_get_output_info_modes(outputs->infos[i]);
        for (int k = 0; k < xcb_randr_get_output_info_modes_length(outputs->infos[i]); k++) {
            const struct mode_line *line = line_of(outputs, modes[k]);
            if (line && mode_place_has_line(place, line))
                return line;
        }
    }
    return NULL;
}
