/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x11_keeper: what the files of the keeper's X11 backend share. x11_keeper.c has the connection, x11_modes.c modes and
 * outputs (RandR), x11_awake.c screen saver and DPMS, x11_clip.c the walls around the streamed output.
 */
#pragma once

#include "base/clock.h"
#include "base/region.h"
#include "capture/keeper_backend.h"
#include "capture/mode_guard.h"
#include "capture/mode_layout.h"
#include "capture/x11.h"

#define X11_KEEPER_LIMIT_NS (500 * CLOCK_MS_NS)
#define X11_SWITCH_LIMIT_NS (3 * CLOCK_SECOND_NS) /* a real card trains its links */

enum { X11_OUTPUTS_MAX = 64 };

/* What RandR says, at one moment. */
struct x11_outputs {
    xcb_randr_get_screen_resources_current_reply_t *resources;
    xcb_randr_get_output_info_reply_t *infos[X11_OUTPUTS_MAX]; /* in the order of the resources */
    int output_count;
    struct mode_line *lines; /* all the server knows */
    int line_count;
    struct mode_screen_limits screen;
    struct mode_layout layout;
    int active_count;

    /* The streamed output; 0: none shows anything. */
    xcb_randr_output_t streamed;
    xcb_randr_crtc_t streamed_crtc;
    char streamed_name[32];
    struct rect area;    /* what it shows of the screen */
    bool is_transformed; /* its picture is not as large as its mode */
};

struct x11_keeper {
    struct keeper_backend base;
    struct x11_connect *connect;
    xcb_connection_t *connection;
    char display[32], output[64], identity[KEEPER_IDENTITY_SIZE];
    xcb_window_t root;
    bool has_randr, has_barriers, has_suspend, has_dpms;
    uint8_t randr_event; /* number of its first event */
    bool changed;
    int width_mm, height_mm; /* of the screen, which only the greeting and events tell */

    struct mode_layout from, to; /* the last plan */
    bool is_suspended;
    xcb_xfixes_barrier_t walls[4];
    int wall_count;
    struct rect walled;
};

struct x11_keeper *x11_keeper_of(const struct keeper_backend *base);
/* Waits for the reply of a request while taking in events. `*ret_reply` is the caller's on X11_REPLY_OK. */
enum x11_reply x11_keeper_wait(struct x11_keeper *self, unsigned sequence, int64_t limit_ns, void **ret_reply);
/* Waits until a *checked* request without a reply was carried out, and all before it; 0: just these. */
enum x11_reply x11_keeper_check(struct x11_keeper *self, unsigned sequence, int64_t limit_ns);

/* KEEPER_DONE, KEEPER_REFUSED (no RandR, or nothing like it) or KEEPER_GONE; to be freed in any case. */
enum keeper_answer x11_outputs_read(struct x11_keeper *self, struct x11_outputs *ret_outputs, char *ret_sentence,
                                    size_t sentence_size);
void x11_outputs_free(struct x11_outputs *outputs);
/* The mode that a place tells of, preferably of its first output's own. NULL: the server has none such. */
const struct mode_line *x11_outputs_find_line(const struct x11_outputs *outputs, const struct mode_place *place);

/* The members of keeper_backend_ops. */
enum keeper_answer x11_modes_plan(struct keeper_backend *base, const char *owed, int width, int height, int fps_x100,
                                  struct keeper_plan *ret_plan);
enum keeper_answer x11_modes_switch(struct keeper_backend *base, char *ret_sentence, size_t sentence_size);
enum keeper_answer x11_modes_put_back(struct keeper_backend *base, const char *owed, char *ret_sentence,
                                      size_t sentence_size);
enum keeper_answer x11_modes_compare(struct keeper_backend *base, const char *owed, char *ret_sentence,
                                     size_t sentence_size);
enum keeper_answer x11_awake_keep(struct keeper_backend *base, bool awake);
enum keeper_answer x11_clip_set(struct keeper_backend *base, bool clip, bool *ret_clipped);
