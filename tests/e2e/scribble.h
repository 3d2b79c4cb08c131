/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribble: what the files of the random painter share. scribble.c has the run, scribble_draw.c what changes pixels,
 * scribble_windows.c windows and the pointer, scribble_shot.c the picture that a client should see.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

enum { SCRIBBLE_WINDOWS = 12, SCRIBBLE_CURSORS = 8, SCRIBBLE_TILE_PX = 256 };

struct scribble_window {
    xcb_window_t id; /* 0: no such window */
    int parent;      /* index; -1: the root window */
    int width, height;
    bool mapped;
};

struct scribble {
    xcb_connection_t *connection;
    xcb_window_t root;
    int width, height; /* of the root window */
    uint64_t state;    /* of the random numbers */
    xcb_gcontext_t gc; /* its function, colours and subwindow mode are set by each operation */
    xcb_pixmap_t tile; /* SCRIBBLE_TILE_PX square of noise, also the source of copies */
    xcb_shm_seg_t segment;
    uint32_t *shared; /* of the segment: SCRIBBLE_TILE_PX square */
    struct scribble_window windows[SCRIBBLE_WINDOWS];
    xcb_cursor_t cursors[SCRIBBLE_CURSORS];
    uint32_t argb; /* picture format of the Render extension; 0: cursors have no alpha */
    bool has_shape;
};

/* Random numbers; the seed decides all of them. */
uint32_t scribble_random(struct scribble *self);
int scribble_between(struct scribble *self, int first, int last); /* both included */
bool scribble_chance(struct scribble *self, int percent);
/* Strong ones: corners of the colour cube, and pairs of equal luma that only chroma tells apart. */
uint32_t scribble_colour(struct scribble *self);

/* One operation of its kind, random in everything. */
void scribble_draw(struct scribble *self);
void scribble_move_windows(struct scribble *self);
void scribble_move_pointer(struct scribble *self);

bool scribble_draw_init(struct scribble *self);
bool scribble_pointer_init(struct scribble *self);

/* A drawable of this run, its size. */
struct scribble_target {
    xcb_window_t id;
    int width, height;
};
struct scribble_target scribble_target(struct scribble *self);

/* The whole screen with the pointer over it as PPM. False: said on stderr. */
bool scribble_shot(struct scribble *self, const char *path);
