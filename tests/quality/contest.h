/* SPDX-License-Identifier: Apache-2.0 */
/* contest: our encoder and the reference side by side, over the same pictures. One thread. */
#pragma once

#include "encode/encoder.h"
#include "tests/quality/judge.h"
#include "tests/quality/reference.h"

enum { CONTEST_BUCKET_SHARES = 4 }; /* of the sender's token bucket, net/pacer.h */

enum contestant { CONTEST_OURS, CONTEST_REFERENCE, CONTESTANTS };

struct contest_config {
    struct frame_layout layout; /* NV12 */
    int fps, bitrate_kbps, threads;
    int vbv_percent; /* of a frame share, the reference's */
};

/* How closely to look at a picture. All are decoded. */
enum contest_look {
    CONTEST_PASS,  /* not at all: the run is warming up */
    CONTEST_COUNT, /* its bits */
    CONTEST_SCORE, /* its bits and pixels */
};

struct contest_tally {
    int64_t bytes;        /* of the whole run */
    int pictures, scored; /* counted; counted and scored */
    int64_t counted_bytes, largest_bytes;
    int late;               /* counted, and still being sent when the next picture was due */
    struct judge_score sum; /* over the scored ones, as is the next */
    double psnr_y_min;
};

/* When the bytes have left, if the sender spends the rate on them: its bucket is full at the start. */
struct contest_link {
    double tokens;      /* bits; negative: still to be sent */
    int64_t last_ns;    /* of the picture before */
    int64_t arrived_ns; /* when the last picture is there */
};

struct contest {
    struct contest_config config;
    struct contest_link links[CONTESTANTS];
    struct encoder *ours;
    struct reference *reference;
    struct judge *judges[CONTESTANTS];
    struct contest_tally tallies[CONTESTANTS];
    bool refining; /* what our encoder said of the last picture: a repeat would look better */
};

const char *contest_name(enum contestant who);
/* False: said; finish is fine then too. */
bool contest_init(struct contest *self, const struct contest_config *config);
void contest_finish(struct contest *self);
/* `area` is what psnr_y_area is taken of. `ret_scores`, unless NULL: with CONTEST_SCORE, those of this picture. */
bool contest_show(struct contest *self, const struct frame *frame, struct rect area, enum contest_look look,
                  struct judge_score ret_scores[CONTESTANTS]);
