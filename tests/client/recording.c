/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/recording.h"

#include <inttypes.h>
#include <stdlib.h>

bool recording_open(struct recording *self, const char *path, bool keep)
{
    *self = (struct recording){0};
    if (path)
        self->file = fopen(path, "w+b");
    else if (keep)
        self->file = tmpfile();
    return self->file || (!path && !keep);
}

void recording_close(struct recording *self)
{
    if (self->file)
        fclose(self->file);
    free(self->entries);
    *self = (struct recording){0};
}

void recording_add(struct recording *self, const struct depacketise_frame *frame)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 4096;
        struct recording_entry *more = realloc(self->entries, capacity * sizeof(*more));
        if (!more) {
            self->failed = true;
            return;
        }
        self->entries = more;
        self->capacity = capacity;
    }
    struct recording_entry entry = {
        .number = frame->number,
        .timestamp = frame->timestamp,
        .type = frame->type,
        .idr = frame->idr,
        .recovered = frame->recovered,
        .delivered = frame->delivered,
        .latency_100us = frame->latency_100us,
        .packets = frame->packets,
        .blocks = frame->blocks,
        .shard_bytes = frame->shard_bytes,
        .size = frame->size,
        .offset = -1,
        .first_ns = frame->first_ns,
        .last_ns = frame->last_ns,
    };
    if (self->file && frame->delivered) {
        entry.offset = ftell(self->file);
        self->failed |= fwrite(frame->data, 1, frame->size, self->file) != frame->size;
    }
    self->entries[self->count++] = entry;
}

bool recording_rested(const struct recording *self, size_t index, int pause_ms)
{
    enum { TICKS_PER_MS = 90 };
    const struct recording_entry *entry = &self->entries[index];
    return index > 0 && (int32_t)(entry->timestamp - entry[-1].timestamp) >= pause_ms * TICKS_PER_MS;
}

bool recording_write_index(const struct recording *self, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    for (size_t i = 0; i < self->count; i++) {
        const struct recording_entry *e = &self->entries[i];
        fprintf(file,
                "{\"frame\": %u, \"type\": %u, \"idr\": %s, \"recovered\": %s, \"delivered\": %s, "
                "\"latency_100us\": %u, \"bytes\": %zu, \"packets\": %d, \"blocks\": %d, \"timestamp\": %u, "
                "\"first_ns\": %" PRId64 ", \"last_ns\": %" PRId64,
                e->number, e->type, e->idr ? "true" : "false", e->recovered ? "true" : "false",
                e->delivered ? "true" : "false", e->latency_100us, e->size, e->packets, e->blocks, e->timestamp,
                e->first_ns, e->last_ns);
        if (e->decoded)
            fprintf(file, ", \"luma\": %.2f", e->luma);
        if (e->timecode_valid)
            fprintf(file, ", \"age_ms\": %.2f", e->age_ms);
        fprintf(file, "}\n");
    }
    return fclose(file) == 0;
}
