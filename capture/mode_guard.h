/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_guard: judges a wished mode against what an output says it can do, before the server is asked: a monitor that
 * is sent something it cannot show goes black, and nobody who streams is there to see it. Pure.
 */
#pragma once

#include "capture/mode_timing.h"

/* What a monitor's EDID says; 0: not said. */
struct mode_limits {
    int max_clock_mhz;
    int min_fps, max_fps;
    int min_hsync_khz, max_hsync_khz;
};
/* False: not an EDID, or one without range limits; `*ret_limits` is left alone. */
bool mode_limits_from_edid(const uint8_t *edid, size_t size, struct mode_limits *ret_limits);
/* For a monitor that tells no limits: no more is asked of it than the most that its own modes do. */
void mode_limits_from_modes(const struct mode_line *modes, int mode_count, struct mode_limits *ret_limits);

struct mode_facts {
    const char *output;            /* its name, for the sentences */
    const struct mode_line *modes; /* what it offers */
    int mode_count;
    const struct mode_line *current;
    struct mode_limits limits; /* for modes it does not offer */
    const char *takes_no_new;  /* NULL: new modes may be tried; else why not, as a sentence */
};

enum mode_verdict {
    MODE_KEEP,   /* what it shows will do */
    MODE_USE,    /* `line` is one it offers */
    MODE_MAKE,   /* `line` is new */
    MODE_REFUSE, /* the sentence says why */
};
struct mode_choice {
    enum mode_verdict verdict;
    struct mode_line line;
    char sentence[160]; /* refused: why; else what is not quite as wished, or "" */
};

/*
 * A mode of exactly this size. Of those offered the one with the nearest rate that is not lower (half a percent is not
 * lower: 59.94 is 60), else a new one, at a lower rate when the limits ask for it, else the fastest offered.
 */
void mode_guard_choose(const struct mode_facts *facts, int width, int height, int fps_x100,
                       struct mode_choice *ret_choice);

/* Whether a screen that holds all outputs may be so large; false: the sentence says why not. */
struct mode_screen_limits {
    int min_width, min_height, max_width, max_height;
};
bool mode_guard_fits_screen(const struct mode_screen_limits *limits, int width, int height, char *ret_sentence,
                            size_t sentence_size);
