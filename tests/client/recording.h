/* SPDX-License-Identifier: Apache-2.0 */
/* recording: complete access units with their arrival, kept in a file until the run is over. */
#pragma once

#include "tests/client/depacketise.h"

#include <stdio.h>

struct recording_entry {
    uint32_t number, timestamp;
    uint8_t type;
    bool idr, recovered, delivered, decoded, timecode_valid;
    uint16_t latency_100us;
    int packets, blocks;
    uint64_t shard_bytes;
    size_t size;
    long offset; /* in the record; -1: not kept */
    int64_t first_ns, last_ns;
    double age_ms, luma; /* of the decoded picture */
};

struct recording {
    FILE *file; /* NULL: nothing is kept but the entries */
    struct recording_entry *entries;
    size_t count, capacity;
    bool failed;
};

/* `path` NULL: a temporary file when `keep`, else none. */
bool recording_open(struct recording *self, const char *path, bool keep);
void recording_add(struct recording *self, const struct depacketise_frame *frame);
void recording_close(struct recording *self);
/* The entry came at least `pause_ms` after the one before, by the host's time stamps: nothing changed in between. */
bool recording_rested(const struct recording *self, size_t index, int pause_ms);
/* One JSON object a line, one line an entry. */
bool recording_write_index(const struct recording *self, const char *path);
