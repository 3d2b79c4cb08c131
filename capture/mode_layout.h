/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_layout: which mode is shown where on the screen, what a switch makes of it, and how it is put back. Putting back
 * is a merge: only what still is as we have set it goes back, so what somebody else has changed since stays. Pure.
 */
#pragma once

#include "capture/mode_timing.h"

enum { MODE_LAYOUT_PLACES = 16, MODE_LAYOUT_OUTPUTS = 8 };

/* One CRTC that shows something. Ids are the server's. */
struct mode_place {
    uint32_t crtc;
    uint32_t outputs[MODE_LAYOUT_OUTPUTS];
    int output_count;
    int x, y;
    unsigned rotation; /* as RandR's bits: 1, 2, 4, 8 for 0, 90, 180, 270 degrees; more for mirrored */
    /* The mode, told by what it is: its id does not outlive it. */
    char name[MODE_NAME_SIZE];
    int width, height, htotal, vtotal;
    uint32_t clock_hz;
};
struct mode_layout {
    struct mode_place places[MODE_LAYOUT_PLACES];
    int count;
    int width, height, width_mm, height_mm; /* of the screen */
};

bool mode_rotation_is_upright(unsigned rotation); /* false: width and height are swapped in the picture */
int mode_place_width(const struct mode_place *self);
int mode_place_height(const struct mode_place *self);
void mode_place_set_line(struct mode_place *self, const struct mode_line *line);
bool mode_place_has_line(const struct mode_place *self, const struct mode_line *line);
bool mode_place_equal(const struct mode_place *a, const struct mode_place *b);
const struct mode_place *mode_layout_find(const struct mode_layout *self, uint32_t crtc); /* NULL: shows nothing */
bool mode_layout_equal(const struct mode_layout *a, const struct mode_layout *b);

/* `now` with all that is as in `after` made as in `before`. */
void mode_layout_merge(const struct mode_layout *now, const struct mode_layout *before, const struct mode_layout *after,
                       struct mode_layout *ret_layout);

/* `before` with another mode on one CRTC. Others move right or down only if they would be covered, and then all that
 * are there, to keep their arrangement. The screen becomes what holds all. */
void mode_layout_switch(const struct mode_layout *before, uint32_t crtc, const struct mode_line *line,
                        struct mode_layout *ret_after);

/* Both as lines of text, for a note; false: they do not fit. And back; false: not such a text. */
bool mode_layout_write(const struct mode_layout *before, const struct mode_layout *after, char *ret_text, size_t size);
bool mode_layout_read(const char *text, struct mode_layout *ret_before, struct mode_layout *ret_after);
