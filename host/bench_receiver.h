/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_receiver: a socket on 127.0.0.1 and a thread that notes which frames arrive there, and when, by the kernel's
 * time stamps. Nothing is decoded or repaired.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_BLOCKS_MAX = 4 };

struct bench_frame {
    uint32_t number;
    bool is_repeat;       /* of the picture before */
    int64_t captured_ns;  /* monotonic, to 0.1 ms: arrival of the first packet less the latency it tells of */
    int64_t completed_ns; /* monotonic: its last data packet arrived; 0: some are missing */
    size_t bytes;         /* of UDP payload, parity included */
    int blocks;           /* FEC blocks; 0: not known yet */
    uint16_t data[BENCH_BLOCKS_MAX], got[BENCH_BLOCKS_MAX]; /* data packets of each block */
};

/* Takes one datagram of the video stream, unsealed, that arrived at that time; `frames[0..*count)` are those so far.
 * False: it is none, or there is no room for another frame. Pure. */
bool bench_frame_take(struct bench_frame *frames, size_t capacity, size_t *count, const uint8_t *data, size_t size,
                      int64_t arrived_ns);

struct bench_receiver;

struct bench_receiver *bench_receiver_create(size_t frames_max); /* NULL: said on stderr */
void bench_receiver_stop(struct bench_receiver *self);           /* ends the thread; twice is fine */
void bench_receiver_destroy(struct bench_receiver *self);        /* stops; NULL is fine */

void bench_receiver_address(const struct bench_receiver *self, struct address *ret_address);
int64_t bench_receiver_first_ns(struct bench_receiver *self);     /* when the first frame was complete; 0: not yet */
int64_t bench_receiver_cpu_ns(const struct bench_receiver *self); /* while it runs: what its thread has used */
/* After stop; the receiver's. */
const struct bench_frame *bench_receiver_frames(const struct bench_receiver *self, size_t *ret_count);
