/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planar: a picture as encoders in software take it: each component in a plane of its own, of ten bits the value itself
 * instead of at the top of its word. What is not so in the frame is kept here from picture to picture, so that only
 * what changed is converted. One thread at a time.
 */
#pragma once

#include "capture/frame.h"

struct planar {
    uint8_t *memory;
    uint8_t *planes[FRAME_PLANES_MAX]; /* NULL: the frame's own will do */
    int strides[FRAME_PLANES_MAX];     /* bytes */
    bool filled;
};

/* For pictures of this layout, not FRAME_BGR0. Rows are aligned to 64 bytes. False: out of memory, not logged. */
bool planar_init(struct planar *ret, const struct frame_layout *layout);
void planar_finish(struct planar *self); /* one of zeros is fine */
/* `damage`: what changed since the picture given last; of the first one all is taken. */
void planar_update(struct planar *self, const struct frame *frame, const struct region *damage);
