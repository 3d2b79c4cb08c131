/* SPDX-License-Identifier: Apache-2.0 */
/* nv12_scene: repeatable moving NV12 pictures in memory, with their damage, for tests and benches of encoders. */
#pragma once

#include "capture/frame.h"

#include <stdint.h>

enum nv12_kind { NV12_STATIC, NV12_TYPE, NV12_SCROLL, NV12_VIDEO };

struct nv12_scene {
    struct frame frame; /* the picture; damage holds what the last step changed */
    enum nv12_kind kind;
    uint32_t seed;
    int step;
};

/* A desktop: gradient, panel, a window of text. BT.709, limited range. Asserts on lack of memory. */
void nv12_scene_init(struct nv12_scene *self, int width, int height, enum nv12_kind kind);
void nv12_scene_step(struct nv12_scene *self);
void nv12_scene_finish(struct nv12_scene *self);
