/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams, each a length byte and its bytes, as they may come to the receiver of `earthshine bench`. */
#include "host/bench_receiver.h"

#include <assert.h>

enum { FRAMES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bench_frame frames[FRAMES];
    size_t count = 0, bytes = 0, taken = 0;
    for (size_t at = 0; at < size;) {
        size_t length = data[at++];
        length = length < size - at ? length : size - at;
        if (bench_frame_take(frames, FRAMES, &count, data + at, length, 1000))
            taken += length;
        at += length;
    }
    assert(count <= FRAMES);
    for (size_t i = 0; i < count; i++) {
        assert(frames[i].blocks >= 1 && frames[i].blocks <= BENCH_BLOCKS_MAX);
        assert(frames[i].completed_ns == 0 || frames[i].completed_ns == 1000);
        bytes += frames[i].bytes;
    }
    assert(bytes == taken);
    return 0;
}
