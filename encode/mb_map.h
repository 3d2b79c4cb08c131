/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mb_map: what is known of each macroblock (16x16 px) of a picture before it is encoded: whether it changed, how hard
 * it is to code, how well the decoder shows it. One thread at a time; nothing allocates after init.
 *
 * Activity: how much neighbouring luma samples differ, on sampled rows; a measure of the bits of coding it without
 * prediction from other pictures.
 */
#pragma once

#include "capture/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum { MB_MAP_PX = 16, MB_MAP_QPS = 52, MB_MAP_UNSEEN = MB_MAP_QPS - 1 };

enum mb_map_state {
    MB_MAP_CHANGED = 0, /* x264 wants 0 for these and 1 for the others */
    MB_MAP_CONSTANT = 1,
};

struct mb_map {
    int columns, rows, count;  /* of macroblocks */
    int width, height;         /* px */
    uint8_t *constant;         /* [count] enum mb_map_state of this picture */
    uint8_t *before;           /* [count] the same of the picture before: after a repeat nothing moves on */
    uint16_t *activity;        /* [count] */
    uint8_t *qp;               /* [count] the quantiser it was coded with last; MB_MAP_UNSEEN: never */
    int64_t by_qp[MB_MAP_QPS]; /* activity of all with this qp; after mb_map_mark() of those that did not change */
    uint32_t number;           /* of this picture, counted from 1 */
    uint32_t *touched;         /* [count] the last picture in which it changed or got better; 0: none */
    uint32_t lost_from;        /* what this picture and later ones touched is to change; 0: nothing */
};

bool mb_map_init(struct mb_map *self, int width, int height); /* false: out of memory, not logged */
void mb_map_finish(struct mb_map *self);

struct mb_map_change {
    int count, moving;        /* macroblocks that changed, and those of them that also changed in the picture before */
    int64_t activity, sudden; /* of those that changed, and of those that did not in the picture before */
    int busy;                 /* not smooth, of those that changed; by mb_map_look() only */
};
/* Marks what `damage` touches, all of it for an IDR, and looks at it. */
struct mb_map_change mb_map_mark(struct mb_map *self, const struct frame *frame, const struct region *damage, bool idr);
/* Looks anew at what goes on changing. The change as if it were sudden. */
struct mb_map_change mb_map_look(struct mb_map *self, const struct frame *frame);
/* The newest `count` pictures, all since the last IDR, are referred to no more: what they touched changes in the next.
 */
void mb_map_forget(struct mb_map *self, int count);
/* The picture marked last was coded with `qp`; so were all that did not change and were worse. */
void mb_map_coded(struct mb_map *self, int qp);
/* What changed was sent without loss, and nothing else. */
void mb_map_coded_raw(struct mb_map *self);
