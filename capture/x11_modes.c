/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switching modes by RandR. Modes that we make carry our name at the end of theirs, so that also those of a run that
 * did not end well are found and removed.
 */
#include "capture/x11_keeper.h"

#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUR_MARK "-earthshine"

static enum keeper_answer answer_of(enum x11_reply result)
{
    return result == X11_REPLY_OK ? KEEPER_DONE : result == X11_REPLY_ERROR ? KEEPER_REFUSED : KEEPER_GONE;
}

static bool is_ours(const char *name)
{
    size_t length = strlen(name), mark = strlen(OUR_MARK);
    return length > mark && strcmp(name + length - mark, OUR_MARK) == 0;
}

/* --- what can be had --- */

/* The lines that the streamed output offers; the caller frees them. */
static struct mode_line *offered_lines(const struct x11_outputs *outputs, int *ret_count)
{
    const xcb_randr_output_t *ids = xcb_randr_get_screen_resources_current_outputs(outputs->resources);
    struct mode_line *lines = calloc((size_t)outputs->line_count + 1, sizeof(*lines));
    *ret_count = 0;
    for (int i = 0; lines && i < outputs->output_count; i++) {
        if (ids[i] != outputs->streamed)
            continue;
        const xcb_randr_mode_t *modes = xcb_randr_get_output_info_modes(outputs->infos[i]);
        int count = xcb_randr_get_output_info_modes_length(outputs->infos[i]);
        for (int k = 0; k < outputs->line_count; k++) {
            bool offered = false;
            for (int m = 0; m < count; m++)
                offered |= modes[m] == outputs->lines[k].id;
            if (offered)
                lines[(*ret_count)++] = outputs->lines[k];
        }
    }
    return lines;
}

/* The limits of the monitor. A virtual one, which tells nothing of itself, has none. */
static enum x11_reply read_limits(struct x11_keeper *self, xcb_randr_output_t output, struct mode_facts *facts)
{
    static const char name[] = "EDID";
    void *answer = NULL;
    enum x11_reply result = x11_keeper_wait(
        self, xcb_intern_atom(self->connection, true, sizeof(name) - 1, name).sequence, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_atom_t atom = ((xcb_intern_atom_reply_t *)answer)->atom;
    free(answer);
    if (atom == XCB_NONE)
        return X11_REPLY_OK;
    unsigned asked =
        xcb_randr_get_output_property(self->connection, output, atom, XCB_ATOM_ANY, 0, 128, false, false).sequence;
    result = x11_keeper_wait(self, asked, X11_KEEPER_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    xcb_randr_get_output_property_reply_t *property = answer;
    int size = xcb_randr_get_output_property_data_length(property);
    if (property->format == 8 && size > 0 &&
        x11_reply_reaches(property, xcb_randr_get_output_property_data(property) + size) &&
        !mode_limits_from_edid(xcb_randr_get_output_property_data(property), (size_t)size, &facts->limits))
        mode_limits_from_modes(facts->modes, facts->mode_count, &facts->limits);
    free(answer);
    return X11_REPLY_OK;
}

/* --- making modes --- */

static enum x11_reply create_mode(struct x11_keeper *self, const struct mode_line *line, xcb_randr_mode_t *ret_mode)
{
    size_t length = strlen(line->name);
    xcb_randr_mode_info_t info = {.width = (uint16_t)line->width,
                                  .height = (uint16_t)line->height,
                                  .dot_clock = line->clock_hz,
                                  .hsync_start = (uint16_t)line->hsync_start,
                                  .hsync_end = (uint16_t)line->hsync_end,
                                  .htotal = (uint16_t)line->htotal,
                                  .vsync_start = (uint16_t)line->vsync_start,
                                  .vsync_end = (uint16_t)line->vsync_end,
                                  .vtotal = (uint16_t)line->vtotal,
                                  .name_len = (uint16_t)length,
                                  .mode_flags = line->flags};
    void *answer = NULL;
    unsigned asked = xcb_randr_create_mode(self->connection, self->root, info, (uint32_t)length, line->name).sequence;
    enum x11_reply result = x11_keeper_wait(self, asked, X11_KEEPER_LIMIT_NS, &answer);
    if (result == X11_REPLY_OK) {
        *ret_mode = ((xcb_randr_create_mode_reply_t *)answer)->mode;
        free(answer);
    }
    return result;
}

/* Offers a new mode on the streamed output. X11_REPLY_ERROR: the driver does not take it. */
static enum x11_reply make_mode(struct x11_keeper *self, const struct x11_outputs *outputs,
                                const struct mode_line *line)
{
    xcb_randr_mode_t mode = XCB_NONE;
    for (int i = 0; i < outputs->line_count; i++) {
        if (strcmp(outputs->lines[i].name, line->name) == 0)
            mode = outputs->lines[i].id; /* made before, for another output */
    }
    bool is_new = mode == XCB_NONE;
    enum x11_reply result = is_new ? create_mode(self, line, &mode) : X11_REPLY_OK;
    if (result != X11_REPLY_OK)
        return result;
    result =
        x11_keeper_check(self, xcb_randr_add_output_mode_checked(self->connection, outputs->streamed, mode).sequence,
                         X11_KEEPER_LIMIT_NS);
    if (result == X11_REPLY_ERROR && is_new)
        xcb_randr_destroy_mode(self->connection, mode);
    return result;
}

static bool is_shown(const struct x11_outputs *outputs, const struct mode_line *line)
{
    for (int i = 0; i < outputs->layout.count; i++) {
        if (mode_place_has_line(&outputs->layout.places[i], line))
            return true;
    }
    return false;
}

/* Removes all modes of ours that are not shown. */
static enum x11_reply sweep(struct x11_keeper *self)
{
    struct x11_outputs outputs;
    char sentence[KEEPER_SENTENCE_SIZE];
    enum keeper_answer answer = x11_outputs_read(self, &outputs, sentence, sizeof(sentence));
    for (int i = 0; answer == KEEPER_DONE && i < outputs.line_count; i++) {
        const struct mode_line *line = &outputs.lines[i];
        if (!is_ours(line->name) || is_shown(&outputs, line))
            continue;
        const xcb_randr_output_t *ids = xcb_randr_get_screen_resources_current_outputs(outputs.resources);
        for (int k = 0; k < outputs.output_count; k++) {
            const xcb_randr_mode_t *modes = outputs.infos[k] ? xcb_randr_get_output_info_modes(outputs.infos[k]) : NULL;
            for (int m = 0; modes && m < xcb_randr_get_output_info_modes_length(outputs.infos[k]); m++) {
                if (modes[m] == line->id)
                    xcb_randr_delete_output_mode(self->connection, ids[k], line->id);
            }
        }
        xcb_randr_destroy_mode(self->connection, line->id);
    }
    x11_outputs_free(&outputs);
    return answer == KEEPER_GONE ? X11_REPLY_DEAD : x11_keeper_check(self, 0, X11_KEEPER_LIMIT_NS);
}

/* --- planning --- */

/* What the layout is with all that is owed put back. */
static struct mode_layout settled(const struct mode_layout *now, const char *owed)
{
    struct mode_layout before, after, layout = *now;
    if (*owed && mode_layout_read(owed, &before, &after))
        mode_layout_merge(now, &before, &after, &layout);
    return layout;
}

/* Whether the output can have another mode at all. */
static bool can_switch(const struct x11_keeper *self, const struct x11_outputs *outputs, struct keeper_plan *plan)
{
    if (!outputs->streamed || !mode_layout_find(&outputs->layout, outputs->streamed_crtc))
        snprintf(plan->sentence, sizeof(plan->sentence), "The output \"%s\" of %s shows nothing: it is off.",
                 self->output, self->display);
    else if (strcmp(self->output, "all") == 0 && outputs->layout.count > 1)
        snprintf(plan->sentence, sizeof(plan->sentence),
                 "All %d outputs are streamed, so none is given the client's mode. The picture is scaled instead.",
                 outputs->layout.count);
    else if (outputs->is_transformed)
        snprintf(plan->sentence, sizeof(plan->sentence),
                 "The output %s is scaled or turned by somebody, so its mode is left alone.", outputs->streamed_name);
    else
        return true;
    return false;
}

/* The wish in the words of the mode: a turned output has its sides swapped. */
struct wish {
    int width, height, fps_x100;
};

static enum keeper_answer choose(struct x11_keeper *self, const struct x11_outputs *outputs,
                                 const struct mode_layout *base, struct wish wish, struct keeper_plan *plan)
{
    const struct mode_place *place = mode_layout_find(base, outputs->streamed_crtc);
    const struct mode_line *current = x11_outputs_find_line(outputs, place);
    char takes_no_new[KEEPER_SENTENCE_SIZE];
    struct mode_facts facts = {.output = outputs->streamed_name, .current = current};
    struct mode_line *offered = offered_lines(outputs, &facts.mode_count);
    facts.modes = offered;
    enum x11_reply result = offered ? read_limits(self, outputs->streamed, &facts) : X11_REPLY_ERROR;
    struct mode_choice choice = {.verdict = MODE_REFUSE};
    while (result != X11_REPLY_DEAD) {
        mode_guard_choose(&facts, wish.width, wish.height, wish.fps_x100, &choice);
        self->to = *base;
        if (choice.verdict == MODE_USE || choice.verdict == MODE_MAKE)
            mode_layout_switch(base, outputs->streamed_crtc, &choice.line, &self->to);
        text_copy(plan->sentence, sizeof(plan->sentence), choice.sentence);
        if (choice.verdict != MODE_REFUSE && choice.verdict != MODE_KEEP &&
            !mode_guard_fits_screen(&outputs->screen, self->to.width, self->to.height, plan->sentence,
                                    sizeof(plan->sentence)))
            choice.verdict = MODE_REFUSE;
        if (choice.verdict != MODE_MAKE)
            break;
        result = make_mode(self, outputs, &choice.line);
        if (result != X11_REPLY_ERROR)
            break;
        snprintf(takes_no_new, sizeof(takes_no_new),
                 "The X server takes no new mode %dx%d for %s, and it has none of that size. The picture is scaled "
                 "instead.",
                 wish.width, wish.height, outputs->streamed_name);
        facts.takes_no_new = takes_no_new;
    }
    free(offered);
    plan->fps_x100 = mode_line_fps_x100(&choice.line);
    if (result == X11_REPLY_DEAD)
        return KEEPER_GONE;
    return choice.verdict == MODE_REFUSE ? KEEPER_REFUSED : KEEPER_DONE;
}

enum keeper_answer x11_modes_plan(struct keeper_backend *base, const char *owed, int width, int height, int fps_x100,
                                  struct keeper_plan *ret_plan)
{
    struct x11_keeper *self = x11_keeper_of(base);
    struct x11_outputs outputs;
    *ret_plan = (struct keeper_plan){.width = width, .height = height};
    enum keeper_answer answer = x11_outputs_read(self, &outputs, ret_plan->sentence, sizeof(ret_plan->sentence));
    if (answer == KEEPER_DONE && !can_switch(self, &outputs, ret_plan))
        answer = KEEPER_REFUSED;
    struct mode_layout before = {0};
    if (answer == KEEPER_DONE) {
        self->from = outputs.layout;
        before = settled(&outputs.layout, owed);
        const struct mode_place *place = mode_layout_find(&before, outputs.streamed_crtc);
        bool upright = mode_rotation_is_upright(place->rotation);
        struct wish wish = {upright ? width : height, upright ? height : width, fps_x100};
        answer = choose(self, &outputs, &before, wish, ret_plan);
    }
    x11_outputs_free(&outputs);
    if (answer != KEEPER_DONE)
        return answer;
    if (mode_layout_equal(&before, &self->to))
        return KEEPER_NOTHING;
    if (mode_layout_write(&before, &self->to, ret_plan->owed, sizeof(ret_plan->owed)))
        return KEEPER_DONE;
    text_copy(ret_plan->sentence, sizeof(ret_plan->sentence), "There are too many outputs to note how they were.");
    return KEEPER_REFUSED;
}

/* --- doing --- */

static enum x11_reply set_screen(struct x11_keeper *self, int width, int height, const struct mode_layout *like)
{
    int width_mm = like->width_mm * width / (like->width ? like->width : 1);
    int height_mm = like->height_mm * height / (like->height ? like->height : 1);
    return x11_keeper_check(self,
                            xcb_randr_set_screen_size_checked(self->connection, self->root, (uint16_t)width,
                                                              (uint16_t)height, (uint32_t)(width_mm > 0 ? width_mm : 1),
                                                              (uint32_t)(height_mm > 0 ? height_mm : 1))
                                .sequence,
                            X11_SWITCH_LIMIT_NS);
}

static enum x11_reply set_place(struct x11_keeper *self, const struct x11_outputs *outputs,
                                const struct mode_place *place)
{
    const struct mode_line *line = x11_outputs_find_line(outputs, place);
    if (!line)
        return X11_REPLY_ERROR;
    void *answer = NULL;
    unsigned asked =
        xcb_randr_set_crtc_config(self->connection, place->crtc, XCB_CURRENT_TIME, outputs->resources->config_timestamp,
                                  (int16_t)place->x, (int16_t)place->y, line->id, (uint16_t)place->rotation,
                                  (uint32_t)place->output_count, place->outputs)
            .sequence;
    enum x11_reply result = x11_keeper_wait(self, asked, X11_SWITCH_LIMIT_NS, &answer);
    if (result != X11_REPLY_OK)
        return result;
    bool set = ((xcb_randr_set_crtc_config_reply_t *)answer)->status == XCB_RANDR_SET_CONFIG_SUCCESS;
    free(answer);
    return set ? X11_REPLY_OK : X11_REPLY_ERROR;
}

/* All places that differ, on a screen large enough for what is and what will be. */
static enum x11_reply set_places(struct x11_keeper *self, const struct x11_outputs *outputs,
                                 const struct mode_layout *from, const struct mode_layout *to)
{
    int width = from->width > to->width ? from->width : to->width;
    int height = from->height > to->height ? from->height : to->height;
    enum x11_reply result = X11_REPLY_OK;
    if (width != from->width || height != from->height)
        result = set_screen(self, width, height, from);
    for (int i = 0; result == X11_REPLY_OK && i < to->count; i++) {
        const struct mode_place *now = mode_layout_find(from, to->places[i].crtc);
        if (now && !mode_place_equal(now, &to->places[i]))
            result = set_place(self, outputs, &to->places[i]);
    }
    if (result == X11_REPLY_OK && (width != to->width || height != to->height))
        result = set_screen(self, to->width, to->height, to);
    return result;
}

/*
 * From one layout to another, in the eyes of others at once: they are held up meanwhile. A wait that passes its limit
 * ends the connection, and the grab with it.
 */
static enum x11_reply change(struct x11_keeper *self, const struct x11_outputs *outputs, const struct mode_layout *to)
{
    if (mode_layout_equal(&outputs->layout, to))
        return X11_REPLY_OK;
    xcb_grab_server(self->connection);
    enum x11_reply result = set_places(self, outputs, &outputs->layout, to);
    if (result == X11_REPLY_ERROR) {
        /* What is set by now is not known: from what we wanted, back to what was. */
        struct mode_layout halfway = *to;
        halfway.width = outputs->layout.width > to->width ? outputs->layout.width : to->width;
        halfway.height = outputs->layout.height > to->height ? outputs->layout.height : to->height;
        if (set_places(self, outputs, &halfway, &outputs->layout) == X11_REPLY_DEAD)
            result = X11_REPLY_DEAD;
    }
    xcb_ungrab_server(self->connection);
    xcb_flush(self->connection);
    return result;
}

enum keeper_answer x11_modes_switch(struct keeper_backend *base, char *ret_sentence, size_t sentence_size)
{
    struct x11_keeper *self = x11_keeper_of(base);
    struct x11_outputs outputs;
    enum keeper_answer answer = x11_outputs_read(self, &outputs, ret_sentence, sentence_size);
    if (answer == KEEPER_DONE && !mode_layout_equal(&outputs.layout, &self->from)) {
        answer = KEEPER_NOTHING;
    } else if (answer == KEEPER_DONE) {
        answer = answer_of(change(self, &outputs, &self->to));
        if (answer == KEEPER_REFUSED)
            snprintf(ret_sentence, sentence_size,
                     "The X server refused to switch the output %s. The picture is scaled instead.",
                     outputs.streamed_name);
        if (answer == KEEPER_DONE && sweep(self) == X11_REPLY_DEAD) /* a former wish's mode */
            answer = KEEPER_GONE;
    }
    x11_outputs_free(&outputs);
    return answer;
}

enum keeper_answer x11_modes_put_back(struct keeper_backend *base, const char *owed, char *ret_sentence,
                                      size_t sentence_size)
{
    struct x11_keeper *self = x11_keeper_of(base);
    struct x11_outputs outputs;
    if (!self->has_randr)
        return KEEPER_DONE;
    enum keeper_answer answer = x11_outputs_read(self, &outputs, ret_sentence, sentence_size);
    if (answer == KEEPER_DONE) {
        struct mode_layout to = settled(&outputs.layout, owed);
        answer = answer_of(change(self, &outputs, &to));
        if (answer == KEEPER_REFUSED)
            snprintf(ret_sentence, sentence_size, "The X server refused to put the mode of %s back.",
                     outputs.streamed_name);
    }
    x11_outputs_free(&outputs);
    if (answer != KEEPER_GONE && sweep(self) == X11_REPLY_DEAD)
        answer = KEEPER_GONE;
    return answer;
}

/* The place that a switch gave another mode. */
static const struct mode_place *switched_place(const struct mode_layout *before, const struct mode_layout *after)
{
    for (int i = 0; i < after->count; i++) {
        const struct mode_place *was = mode_layout_find(before, after->places[i].crtc);
        struct mode_place there = was ? *was : after->places[i];
        there.x = after->places[i].x;
        there.y = after->places[i].y;
        if (was && !mode_place_equal(&there, &after->places[i]))
            return &after->places[i];
    }
    return NULL;
}

enum keeper_answer x11_modes_compare(struct keeper_backend *base, const char *owed, char *ret_sentence,
                                     size_t sentence_size)
{
    struct x11_keeper *self = x11_keeper_of(base);
    struct mode_layout before, after;
    const struct mode_place *set = NULL;
    if (mode_layout_read(owed, &before, &after))
        set = switched_place(&before, &after);
    if (!set)
        return KEEPER_NOTHING;
    struct x11_outputs outputs;
    enum keeper_answer answer = x11_outputs_read(self, &outputs, ret_sentence, sentence_size);
    if (answer == KEEPER_DONE) {
        const struct mode_place *now = mode_layout_find(&outputs.layout, set->crtc);
        const struct mode_line *line = now ? x11_outputs_find_line(&outputs, now) : NULL;
        if (outputs.streamed && outputs.streamed_crtc != set->crtc) {
            answer = KEEPER_REFUSED;
        } else if (now && line && mode_place_has_line(set, line) && now->rotation == set->rotation) {
            answer = KEEPER_NOTHING;
        } else if (now && line) {
            snprintf(ret_sentence, sentence_size, "Somebody else has set %dx%d at %d Hz meanwhile. It is left so.",
                     mode_place_width(now), mode_place_height(now), (mode_line_fps_x100(line) + 50) / 100);
        } else {
            snprintf(ret_sentence, sentence_size, "Somebody else has switched the output off meanwhile.");
        }
    } else if (answer == KEEPER_REFUSED) {
        answer = KEEPER_NOTHING;
    }
    x11_outputs_free(&outputs);
    return answer;
}
