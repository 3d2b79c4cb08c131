/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qp_control: the quantiser (QP) of each picture of an encoder that takes one per picture, so that the stream keeps to
 * its rate. Pure: time comes in as an argument. One thread at a time.
 *
 * Tokens: the rate fills a bucket of four frame shares, what is sent empties it, as the sender's pacer counts
 * (net/pacer.h), in bits on the wire when it is known what the sender makes of a picture: one that finds its bits there
 * leaves at once. Moving pictures aim at a half-full bucket, reached within 250 ms; a sudden change may take all but
 * one share; a still picture is refined with what is left over. An IDR may take 100 ms of the rate that are not
 * counted, unless there was such a one in the last second: then it gets what the bucket holds.
 *
 * Bits are foretold: of what goes on moving, from what the last such pictures took; of a sudden change, from its
 * activity (mb_map.h), and of an IDR also from how much of it is not smooth; of refinement, from how much more bits the
 * finer QP would have taken. Each has a factor that is learned.
 *
 * A QP that falls makes x264 look at every macroblock again, also at those that did not change, because "unchanged"
 * only counts for it while the QP is not lower than in the picture before. So it falls while the screen rests, and
 * otherwise only by a worthwhile step and not often.
 */
#pragma once

#include "encode/encoder.h"
#include "encode/mb_map.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    QP_CONTROL_MIN = 12, /* looks lossless: 45 dB on small text */
    QP_CONTROL_MAX = 51,
    QP_CONTROL_MOVING_MAX = 44, /* above, there is nothing left to refer to: the next takes more bits, and so on */
};

struct qp_control_config {
    int bitrate_kbps, fps_x100;
    int burst_kbit;  /* no picture should be larger; 0: no such limit */
    int macroblocks; /* of a picture */
    struct encoder_wire wire;
};

enum { QP_CONTROL_KINDS = 3 }; /* of moving pictures: little, some, or most of it changes */

struct qp_control {
    struct qp_control_config config;
    double rate;        /* bits per ns, on the wire */
    double tokens;      /* bits on the wire; negative: overdrawn */
    double interval_ns; /* between pictures, mean of the last ones */
    int64_t last_ns;    /* time of the last picture; 0: none yet */
    int64_t exempt_ns;  /* time of the last IDR that was not counted; 0: none yet */
    int64_t fell_ns;    /* when the QP last fell while something changed */
    int qp;             /* of the last picture */
    int rests;          /* pictures since something changed */

    double moving_bits[QP_CONTROL_KINDS]; /* learned, as are the next: bits of a macroblock at QP 26 */
    int64_t moved_ns[QP_CONTROL_KINDS];   /* 0: never */
    double refine_factor, sudden_factor, idr_factor;

    int tries; /* of an IDR that were too large */
    bool idr;  /* the picture in hand, as are the next */
    bool exempt;
    int kind;
    double moving, sudden, refined, fixed; /* bits foretold */
};

void qp_control_init(struct qp_control *self, const struct qp_control_config *config);
/* From the next picture on; the two of the configuration. */
void qp_control_set_rate(struct qp_control *self, int bitrate_kbps, int wire_kbps);
/* The picture that mb_map_mark() has just looked at. */
int qp_control_choose(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change, bool idr,
                      int64_t now_ns);
/* It took so many bits. True: an IDR that is too large; choose again and encode it again, as an IDR: at the fourth time
 * it is as small as can be, whatever was foretold. */
bool qp_control_coded(struct qp_control *self, const struct mb_map_change *change, int64_t bits);
/* Whether a picture of so many bits, made without a quantiser, leaves enough for what comes next; always, if any other
 * would cost as much on the wire. */
bool qp_control_admits(const struct qp_control *self, int64_t bits, int64_t now_ns);
/* It was made instead of one with a quantiser. */
void qp_control_coded_raw(struct qp_control *self, const struct mb_map_change *change, int64_t bits, int64_t now_ns);
