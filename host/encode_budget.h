/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_budget: how many pictures per second each session may have, so that the software encodes of all fit the cores.
 * The first session keeps its rate; those after it share what is left. What counts is what a session makes of late, not
 * what it may: a desktop that stands still leaves the cores to others. Pure: time comes in as an argument.
 *
 * An encode is counted in core time, estimated from its duration: the CPU time of libx264's threads belongs to a pool
 * and cannot be read per encoder. On two cores an encode uses 1.3 times its duration (tests/bench/bench_encode: CPU
 * time over the median duration, eight scenes, 1.0 to 1.5), which is taken as 0.3 for each thread beyond the first.
 * Encodes that wait for each other's cores take longer and so count more. That errs on the side of a lower rate, and
 * might make a session's rate swing: lowered, it fits; raised, it does not. So an increase that was taken back is tried
 * again only after twice the time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENCODE_BUDGET_FPS_X100_MIN = 1000, ENCODE_BUDGET_REASON_MAX = 192 };

struct encode_budget_entry {
    bool software;
    int64_t pixels; /* of a picture of 4:2:0; one of 4:4:4 has as many samples as twice its pixels */
    int wished_fps_x100;
    int held_fps_x100; /* what the encoder is known to hold of such pictures; 0: not known */
    int64_t encode_ns; /* duration of an encode; 0: not known yet */
    int made_fps_x100; /* encodes per second of late; 0: not known yet, taken as all it may */

    int fps_x100;        /* the result, and the last one: 0 in the first call for a session */
    int room_fps_x100;   /* ours, as are the next three: what would have fitted since room_ns */
    int64_t room_ns;     /* 0: no room */
    int64_t raised_ns;   /* when fps_x100 was last raised; 0: never */
    int64_t patience_ns; /* how long there must be room before it is raised; 0: the usual */
};

/* `entries` in order of start. Decreases come at once, increases after 5 s of room. */
void encode_budget_share(struct encode_budget_entry *entries, size_t count, int cores, int64_t now_ns);

/* Why `entry`, one of these, has less than it wished, for people; "" when it has all. */
void encode_budget_reason(const struct encode_budget_entry *entry, const struct encode_budget_entry *entries,
                          size_t count, int cores, char ret_text[ENCODE_BUDGET_REASON_MAX]);
