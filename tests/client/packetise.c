/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/packetise.h"

#include "base/bytes.h"

#include <stdlib.h>

enum { MAX_BLOCKS = 4, HEADER = 32, FRAME_HEADER = 8 };

struct layout {
    size_t shard_size, payload_size;
    int data_packets, blocks, per_block;
};

static void write_payload(const struct packetise_config *config, const struct layout *layout, const uint8_t *data,
                          size_t size, uint8_t *ret_payload)
{
    size_t total = size + FRAME_HEADER, last = total % layout->payload_size;
    ret_payload[0] = 1;
    bytes_put_u16le(ret_payload + 1, config->latency_100us);
    ret_payload[3] = config->type;
    bytes_put_u16le(ret_payload + 4, (uint16_t)(last ? last : layout->payload_size));
    memcpy(ret_payload + FRAME_HEADER, data, size);
}

static void write_parity(const struct fec *fec, uint8_t *block, int k, int m, size_t shard_size)
{
    for (int j = 0; j < m; j++)
        for (int i = 0; i < k; i++) {
            uint8_t factor = fec_coefficient(fec, m, j, i);
            for (size_t b = 0; b < shard_size; b++)
                block[(size_t)(k + j) * shard_size + b] ^= fec_multiply(fec, factor, block[(size_t)i * shard_size + b]);
        }
}

static void write_headers(const struct packetise_config *config, const struct layout *layout, uint8_t *block, int index,
                          int k, int m, int percent, uint32_t seq)
{
    for (int i = 0; i < k + m; i++) {
        uint8_t *shard = block + (size_t)i * layout->shard_size;
        shard[0] = 0x90;
        bytes_put_u16be(shard + 2, (uint16_t)(seq + (uint32_t)i));
        bytes_put_u32be(shard + 4, config->timestamp);
        bytes_put_u32le(shard + 20, config->frame);
        shard[27] = (uint8_t)(index << 4 | (layout->blocks - 1) << 6);
        bytes_put_u32le(shard + 28, (uint32_t)k << 22 | (uint32_t)i << 12 | (uint32_t)percent << 4);
    }
}

/* One block from its payload; returns its number of packets. */
static int write_block(const struct fec *fec, const struct packetise_config *config, const struct layout *layout,
                       int index, const uint8_t *payload, uint32_t seq, uint8_t *block)
{
    int first = index * layout->per_block, k = layout->data_packets - first, percent = config->fec_percent;
    if (k > layout->per_block)
        k = layout->per_block;
    int m = (k * percent + 99) / 100;
    if (percent && m < config->min_parity) {
        m = config->min_parity;
        percent = 100 * m / k;
    }
    for (int i = 0; i < k; i++) {
        uint8_t *shard = block + (size_t)i * layout->shard_size;
        bytes_put_u32le(shard + 16, ((seq + (uint32_t)i) & 0xFFFFFF) << 8);
        shard[24] = (uint8_t)(1 | (i ? 0 : 4) | (i == k - 1 ? 2 : 0));
        shard[25] = config->extra_flags;
        shard[26] = 0x10;
        memcpy(shard + HEADER, payload + (size_t)(first + i) * layout->payload_size, layout->payload_size);
    }
    write_parity(fec, block, k, m, layout->shard_size);
    write_headers(config, layout, block, index, k, m, percent, seq);
    return k + m;
}

uint8_t *packetise_frame(const struct fec *fec, const struct packetise_config *config, const uint8_t *data, size_t size,
                         size_t *ret_count)
{
    struct layout layout = {.shard_size = (size_t)config->packet_size + 16,
                            .payload_size = (size_t)config->packet_size - 16};
    int most = 25500 / (100 + config->fec_percent), count = 0;
    layout.data_packets = (int)((size + FRAME_HEADER + layout.payload_size - 1) / layout.payload_size);
    layout.blocks = (layout.data_packets + most - 1) / most;
    layout.per_block = (layout.data_packets + layout.blocks - 1) / layout.blocks;
    uint8_t *payload = calloc((size_t)layout.data_packets, layout.payload_size);
    uint8_t *shards = calloc(MAX_BLOCKS * FEC_MAX_SHARDS, layout.shard_size);
    if (!payload || !shards || layout.blocks > MAX_BLOCKS) {
        free(payload);
        free(shards);
        return NULL;
    }
    write_payload(config, &layout, data, size, payload);
    for (int b = 0; b < layout.blocks; b++)
        count += write_block(fec, config, &layout, b, payload, config->first_seq + (uint32_t)count,
                             shards + (size_t)count * layout.shard_size);
    free(payload);
    *ret_count = (size_t)count;
    return shards;
}
