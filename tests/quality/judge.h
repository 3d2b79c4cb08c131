/* SPDX-License-Identifier: Apache-2.0 */
/* judge: decodes a stream of access units and says how far each picture is from what was painted. One thread. */
#pragma once

#include "capture/frame.h"
#include "encode/part.h"

struct judge;

struct judge_score {
    double psnr_y, psnr_c; /* dB; chroma: both planes together */
    double psnr_y_area;    /* of the area asked for */
    double ssim;           /* of luma */
    double qp;             /* mean of all macroblocks, skipped ones with what they inherit */
};

struct judge *judge_create(void); /* NULL: said on stderr */
void judge_destroy(struct judge *self);
/*
 * Each access unit must come out at once, as a picture of the frame's size. `ret_score` NULL: it is decoded only.
 * `area` lies within the frame. False: said on stderr.
 */
bool judge_see(struct judge *self, const struct au_part *part, const struct frame *painted, struct rect area,
               struct judge_score *ret_score);
