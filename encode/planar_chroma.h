/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planar_chroma: U and V of an NV12 picture in planes of their own, for encoders that take no interleaved ones. Kept
 * from picture to picture, so that only what changed is split. One thread at a time.
 */
#pragma once

#include "capture/frame.h"

struct planar_chroma {
    uint8_t *planes[2]; /* U, V; NULL: not made */
    int stride;         /* bytes, of both */
    bool filled;
};

/* Memory for pictures of this size, rows aligned to 64 bytes. False: out of memory, not logged. */
bool planar_chroma_init(struct planar_chroma *ret, int width, int height);
void planar_chroma_finish(struct planar_chroma *self); /* one of zeros is fine */
/* `damage`: what changed since the picture given last; of the first one all is taken. */
void planar_chroma_update(struct planar_chroma *self, const struct frame *frame, const struct region *damage);
