/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference: what a usual streaming host makes of libx264, to compare with. `superfast`, `zerolatency`, constant
 * bitrate, endless GOP, no knowledge of what changed. One thread at a time.
 *
 * Its VBV buffer is four frame shares, the burst that our own sender allows. Sunshine gives 1.5 when there are several
 * slices (rc_buffer_size in its src/video.cpp, seen 2026-11); libx264 then leaves a quarter of the rate unused and
 * loses up to 4 dB, so that would be a comparison at another rate (quality --vbv 150).
 *
 * One thread, whatever the slices: with sliced threads and VBV, libx264's rows look at how far the other threads have
 * come, and no two runs are the same.
 */
#pragma once

#include "capture/frame.h"
#include "encode/part.h"

enum { REFERENCE_VBV_PERCENT = 400 };

struct reference_config {
    struct frame_layout layout; /* NV12 */
    int fps, bitrate_kbps, slices;
    int vbv_percent; /* size of the VBV buffer, of a frame share */
};

struct reference;

struct reference *reference_create(const struct reference_config *config); /* NULL: said on stderr */
void reference_destroy(struct reference *self);
/* The bytes in *ret_part are valid until the next call. */
bool reference_encode(struct reference *self, const struct frame *frame, struct au_part *ret_part);
