/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/video_packet.h"

#include "base/bytes.h"
#include "base/text.h"
#include "plain_fec.h"

#include <jansson.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_MAX = 1 << 20 };

static json_t *vectors(const char *path)
{
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name)); /* 0 when absent */
}

static const char *string(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static size_t from_hex(const char *hex, uint8_t *ret_bytes, size_t capacity)
{
    size_t size = strlen(hex) / 2;
    assert_true(size <= capacity && text_unhex(hex, 2 * size, ret_bytes, size));
    return size;
}

static void assert_sha256(const uint8_t *bytes, size_t size, const char *hex)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256(bytes, size, digest);
    text_hex(digest, sizeof(digest), text);
    assert_memory_equal(text, hex, sizeof(text) - 1);
}

/* The access unit of a case: written out, or by its rule. */
static size_t frame_of(const json_t *vector, uint8_t *ret_frame)
{
    if (string(vector, "frame"))
        return from_hex(string(vector, "frame"), ret_frame, FRAME_MAX);
    const json_t *rule = json_object_get(vector, "frame_rule");
    size_t size = (size_t)number(rule, "total_len"), prefix = from_hex(string(rule, "prefix"), ret_frame, FRAME_MAX);
    unsigned seed = 7 * (unsigned)number(vector, "frameIndex");
    for (unsigned x = 0; prefix + x < size; x++)
        ret_frame[prefix + x] = (uint8_t)(31 * x + 17 * (x >> 8) + seed) | 128;
    assert_sha256(ret_frame, size, string(vector, "frame_sha256"));
    return size;
}

static struct video_packetiser *packetiser_for(const json_t *vector)
{
    uint8_t key[16];
    bool encrypted = json_is_true(json_object_get(vector, "encrypted"));
    if (encrypted) {
        assert_int_equal(from_hex(string(vector, "key"), key, sizeof(key)), sizeof(key));
        assert_int_equal(number(vector, "first_gcm_counter"), number(vector, "first_seq"));
    }
    struct video_packetiser *packetiser = video_packetiser_create(&(struct video_packetiser_config){
        .packet_size = (int)number(vector, "packetSize"),
        .fec_percent = (int)number(vector, "fec_percent"),
        .min_parity = (int)number(vector, "min_parity"),
        .key = encrypted ? key : NULL,
        .first_frame = (uint32_t)number(vector, "frameIndex"),
        .first_packet = (uint64_t)number(vector, "first_seq"),
    });
    assert_non_null(packetiser);
    return packetiser;
}

/* We always send full packets; one vector leaves out the zeros at the end of the last one. */
static void assert_packet(const uint8_t *packet, size_t size, const char *hex)
{
    static uint8_t expected[4096];
    size_t expected_size = from_hex(hex, expected, sizeof(expected));
    assert_true(expected_size <= size);
    assert_memory_equal(packet, expected, expected_size);
    for (size_t i = expected_size; i < size; i++)
        assert_int_equal(packet[i], 0);
}

static void assert_packet_digest(const uint8_t *packet, size_t size, const char *header_and_digest)
{
    uint8_t header[32];
    const char *digest = strchr(header_and_digest, ' ');
    assert_non_null(digest);
    assert_true(text_unhex(header_and_digest, 64, header, sizeof(header)));
    assert_memory_equal(packet, header, sizeof(header));
    assert_sha256(packet, size, digest + 1);
}

static void check_packets(const json_t *vector, const struct video_datagrams *datagrams, size_t first)
{
    const json_t *packets = json_object_get(vector, "packets");
    const json_t *digests = json_object_get(vector, "packets_header32_and_sha256");
    assert_true(packets || digests);
    for (int i = 0; i < datagrams->count; i++) {
        const uint8_t *packet = datagrams->base + (size_t)i * datagrams->size;
        if (packets)
            assert_packet(packet, datagrams->size, json_string_value(json_array_get(packets, first + (size_t)i)));
        else
            assert_packet_digest(packet, datagrams->size,
                                 json_string_value(json_array_get(digests, first + (size_t)i)));
    }
}

static int load_whole(struct video_packetiser *packetiser, const uint8_t *data, size_t size,
                      const struct video_frame_info *info)
{
    video_packetiser_begin(packetiser);
    return video_packetiser_load(packetiser, data, size, 0, 1, info);
}

static void check_case(const json_t *vector)
{
    static uint8_t frame[FRAME_MAX];
    struct video_packetiser *packetiser = packetiser_for(vector);
    size_t size = frame_of(vector, frame), sent = 0;
    struct video_frame_info info = {
        .type = (int)number(vector, "frame_type"),
        .latency_100us = (uint16_t)number(vector, "latency_100us"),
        .timestamp_90khz = (uint32_t)number(vector, "rtp_timestamp"),
        .long_term_reference = number(vector, "extraFlags") == 1,
    };
    const json_t *blocks = json_object_get(vector, "blocks");
    assert_int_equal(load_whole(packetiser, frame, size, &info), json_array_size(blocks));
    memset(frame, 0xee, size); /* not read any more */
    for (size_t b = 0; b < json_array_size(blocks); b++) {
        const json_t *block = json_array_get(blocks, b);
        struct video_datagrams datagrams;
        assert_true(video_packetiser_build(packetiser, (int)b, &datagrams));
        assert_int_equal(datagrams.count, number(block, "k") + number(block, "m"));
        assert_int_equal(datagrams.parity, number(block, "m"));
        check_packets(vector, &datagrams, sent);
        sent += (size_t)datagrams.count;
    }
    assert_int_equal(video_packetiser_next_packet(packetiser), number(vector, "next_seq"));
    assert_int_equal(video_packetiser_frame(packetiser), number(vector, "frameIndex"));
    video_packetiser_destroy(packetiser);
}

static void packets_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors(VECTORS_DIR "/video.json"), *vector;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, vector) check_case(vector);
    assert_int_equal(i, 13);
    json_decref(root);
}

static void parity_counts_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors(VECTORS_DIR "/fec.json"), *vector;
    size_t i;
    json_array_foreach(json_object_get(root, "parity_count"), i, vector)
    {
        int percent;
        int m = video_parity_count((int)number(vector, "k"), (int)number(vector, "percent"),
                                   (int)number(vector, "min_parity"), &percent);
        assert_int_equal(m, number(vector, "m"));
        assert_int_equal(percent, number(vector, "fecInfo_percent"));
    }
    json_decref(root);
}

static void layouts_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors(VECTORS_DIR "/fec.json"), *vector;
    size_t i;
    json_array_foreach(json_object_get(root, "block_split"), i, vector)
    {
        struct video_layout layout;
        assert_true(
            video_layout_split((int)number(vector, "total_data_packets"), (int)number(vector, "percent"), 2, &layout));
        assert_int_equal(layout.blocks, number(vector, "blocks"));
        assert_int_equal(layout.percent, number(vector, "percent_used"));
        for (int b = 0; b < layout.blocks; b++) {
            const struct video_block *block = &layout.block[b];
            assert_int_equal(block->data, json_integer_value(json_array_get(json_object_get(vector, "k"), (size_t)b)));
            assert_int_equal(block->parity,
                             json_integer_value(json_array_get(json_object_get(vector, "m"), (size_t)b)));
            assert_int_equal(block->first, json_integer_value(
                                               json_array_get(json_object_get(vector, "first_seq_offset"), (size_t)b)));
        }
    }
    json_decref(root);
}

/* What a client relies on, for any block. */
static void assert_layout_is_legal(const struct video_layout *layout, int total)
{
    int data = 0, packets = 0;
    assert_in_range(layout->blocks, 1, VIDEO_BLOCKS_MAX);
    for (int b = 0; b < layout->blocks; b++) {
        const struct video_block *block = &layout->block[b];
        assert_in_range(block->data, 1, VIDEO_BLOCK_DATA_MAX);
        assert_in_range(block->percent, 0, 255);
        assert_int_equal(block->first, packets);
        assert_int_equal(block->parity, (block->data * block->percent + 99) / 100);
        if (block->parity)
            assert_true(block->data + block->parity <= 255);
        data += block->data;
        packets += block->data + block->parity;
    }
    assert_int_equal(data, total);
    assert_true(packets <= VIDEO_FRAME_DATA_MAX);
}

static void every_layout_is_legal(void **state)
{
    (void)state;
    static const int percents[] = {0, 1, 2, 5, 10, 20, 33, 50, 100, 200, 255}, minima[] = {0, 1, 2, 3, 7, 40, 255};
    struct video_layout layout;
    for (size_t p = 0; p < sizeof(percents) / sizeof(percents[0]); p++) {
        for (size_t m = 0; m < sizeof(minima) / sizeof(minima[0]); m++) {
            for (int total = 1; total <= 1200; total += total < 300 ? 1 : 7) {
                assert_true(video_layout_fit(total, percents[p], minima[m], &layout));
                assert_layout_is_legal(&layout, total);
            }
        }
    }
}

static void the_share_of_parity_is_lowered_before_it_is_given_up(void **state)
{
    (void)state;
    struct video_layout layout;
    assert_true(video_layout_fit(848, 20, 2, &layout));
    assert_int_equal(layout.percent, 20);
    assert_true(video_layout_fit(849, 20, 2, &layout)); /* 4 * floor(25500 / 119) = 856 */
    assert_int_equal(layout.percent, 19);
    assert_true(video_layout_fit(1008, 20, 2, &layout));
    assert_int_equal(layout.percent, 1);
    assert_true(layout.block[3].parity > 0);
    assert_true(video_layout_fit(1009, 20, 2, &layout));
    assert_int_equal(layout.percent, 0);
    assert_int_equal(layout.block[3].parity, 0);
    assert_true(video_layout_fit(4092, 20, 2, &layout));
    assert_false(video_layout_fit(4093, 20, 2, &layout));
}

static void an_access_unit_that_does_not_fit_uses_no_number(void **state)
{
    (void)state;
    struct video_packetiser *packetiser =
        video_packetiser_create(&(struct video_packetiser_config){.packet_size = 48, .fec_percent = 20});
    assert_non_null(packetiser);
    size_t largest = 4092 * 32 - 8;
    uint8_t *data = calloc(1, largest + 1);
    assert_non_null(data);
    struct video_frame_info info = {.type = 1};
    assert_int_equal(load_whole(packetiser, data, 0, &info), -1);
    assert_int_equal(load_whole(packetiser, data, largest + 1, &info), -1);
    assert_int_equal(load_whole(packetiser, data, SIZE_MAX, &info), -1);
    assert_int_equal(video_packetiser_frame(packetiser), 0);
    assert_int_equal(video_packetiser_next_packet(packetiser), 0);
    assert_int_equal(load_whole(packetiser, data, largest, &info), 4);
    assert_int_equal(video_packetiser_frame(packetiser), 1);
    assert_int_equal(video_packetiser_next_packet(packetiser), 4092);
    struct video_datagrams datagrams;
    for (int b = 0; b < 4; b++)
        assert_true(video_packetiser_build(packetiser, b, &datagrams));
    assert_int_equal(bytes_get_u32le(datagrams.base + 28) >> 22, 1023);
    free(data);
    video_packetiser_destroy(packetiser);
}

static void counters_wrap_as_the_fields_are_wide(void **state)
{
    (void)state;
    struct video_packetiser *packetiser = video_packetiser_create(&(struct video_packetiser_config){
        .packet_size = 48, .fec_percent = 0, .first_frame = UINT32_MAX, .first_packet = 0x1fffffe});
    assert_non_null(packetiser);
    static const uint8_t data[100];
    struct video_datagrams datagrams;
    assert_int_equal(load_whole(packetiser, data, sizeof(data), &(struct video_frame_info){.type = 1}), 1);
    assert_true(video_packetiser_build(packetiser, 0, &datagrams));
    static const uint16_t sequence[] = {0xfffe, 0xffff, 0, 1};
    static const uint32_t index[] = {0xfffffe00, 0xffffff00, 0, 0x100};
    assert_int_equal(datagrams.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bytes_get_u16be(datagrams.base + (size_t)i * datagrams.size + 2), sequence[i]);
        assert_int_equal(bytes_get_u32le(datagrams.base + (size_t)i * datagrams.size + 16), index[i]);
    }
    assert_int_equal(bytes_get_u32le(datagrams.base + 20), UINT32_MAX);
    video_packetiser_destroy(packetiser);
}

/* The columns a client takes from recovered packets: stream index, flags, payload. */
static void lost_packets_are_recovered_from_any_enough_others(void **state)
{
    (void)state;
    enum { SHARD = 144, COUNT = 7 + 2 };
    struct video_packetiser *packetiser = video_packetiser_create(
        &(struct video_packetiser_config){.packet_size = 128, .fec_percent = 20, .min_parity = 2});
    assert_non_null(packetiser);
    uint8_t data[700], copy[COUNT * SHARD];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i + 3);
    struct video_datagrams datagrams;
    assert_int_equal(load_whole(packetiser, data, sizeof(data), &(struct video_frame_info){.type = 1}), 1);
    assert_true(video_packetiser_build(packetiser, 0, &datagrams));
    assert_int_equal(datagrams.count, COUNT);
    assert_int_equal(datagrams.size, SHARD);
    for (int a = 0; a < COUNT; a++) {
        for (int b = a + 1; b < COUNT; b++) {
            bool present[COUNT];
            uint8_t *shards[COUNT];
            memcpy(copy, datagrams.base, sizeof(copy));
            for (int i = 0; i < COUNT; i++) {
                present[i] = i != a && i != b;
                shards[i] = copy + i * SHARD;
                if (!present[i])
                    memset(shards[i], 0xee, SHARD);
            }
            assert_true(plain_fec_recover(7, 2, SHARD, shards, present));
            for (int i = 0; i < 7; i++) {
                const uint8_t *sent = datagrams.base + i * SHARD;
                assert_memory_equal(shards[i] + 16, sent + 16, 4);
                assert_memory_equal(shards[i] + 24, sent + 24, 2);
                assert_memory_equal(shards[i] + 32, sent + 32, SHARD - 32);
            }
        }
    }
    video_packetiser_destroy(packetiser);
}

/*
 * Frames in parts. The rig looks at blocks as a client does: each packet by itself, against the text of the protocol.
 */
enum { PARTS_PACKET_SIZE = 128, PARTS_SHARD = 144, PARTS_PAYLOAD = 112, PARTS_BYTES_MAX = 1500 * PARTS_PAYLOAD };

struct parts_rig {
    struct video_packetiser *packetiser;
    int percent;
    bool moderate; /* frames small enough for all of that in each block */
    uint32_t frame;
    uint64_t packet;   /* the next one's counter */
    int blocks, total; /* as the first packet said; data packets so far */
    int packets;       /* with parity */
    size_t size;
    uint8_t received[PARTS_BYTES_MAX];
};

static void check_header(struct parts_rig *rig, const uint8_t *shard, int index, int k, int m, int block)
{
    uint32_t fec = bytes_get_u32le(shard + 28);
    assert_int_equal(bytes_get_u16be(shard), 0x9000);
    assert_int_equal(bytes_get_u16be(shard + 2), rig->packet & 0xffff);
    assert_int_equal(bytes_get_u32be(shard + 4), 4711);
    assert_int_equal(bytes_get_u32le(shard + 20), rig->frame);
    assert_int_equal(shard[27], block << 4 | (rig->blocks - 1) << 6);
    assert_int_equal(fec >> 22, k);
    assert_int_equal(fec >> 12 & 1023, index);
    assert_int_equal((k * (int)(fec >> 4 & 255) + 99) / 100, m);
    if (index < k) {
        assert_int_equal(bytes_get_u32le(shard + 16), (uint32_t)(rig->packet << 8));
        assert_int_equal(shard[24], 1 | (index == k - 1 ? 2 : 0) | (index == 0 ? 4 : 0));
        assert_int_equal(bytes_get_u16le(shard + 25), 0x1000);
    }
    rig->packet++;
}

/* Loses as many packets as there is parity, from the one at `from` on, and takes the payload of what comes back. */
static void take_block(struct parts_rig *rig, int block, int from)
{
    static uint8_t copy[1023 * PARTS_SHARD];
    uint8_t *shards[1023];
    bool present[1023];
    struct video_datagrams datagrams;
    assert_true(video_packetiser_build(rig->packetiser, block, &datagrams));
    assert_int_equal(datagrams.size, PARTS_SHARD);
    int m = datagrams.parity, k = datagrams.count - m;
    if (block == 0)
        rig->blocks = (datagrams.base[27] >> 6) + 1;
    memcpy(copy, datagrams.base, (size_t)datagrams.count * PARTS_SHARD);
    for (int i = 0; i < k + m; i++) {
        shards[i] = copy + i * PARTS_SHARD;
        check_header(rig, shards[i], i, k, m, block);
        present[i] = (i - from % k + k + m) % (k + m) >= m;
        if (!present[i])
            memset(shards[i], 0xee, PARTS_SHARD);
    }
    bool full_share = m * 100 >= k * rig->percent;
    assert_true(full_share || !rig->moderate);
    assert_true(!m || (k + m <= 255 && m >= 2 && (full_share || k > 25500 / (100 + rig->percent))));
    assert_true(!m || plain_fec_recover(k, m, PARTS_SHARD, shards, present));
    for (int i = 0; i < k; i++, rig->size += PARTS_PAYLOAD)
        memcpy(rig->received + rig->size, shards[i] + 32, PARTS_PAYLOAD);
    rig->total += k;
    rig->packets += k + m;
}

static struct parts_rig *parts_rig_create(int percent)
{
    struct parts_rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->percent = percent;
    rig->packetiser = video_packetiser_create(&(struct video_packetiser_config){
        .packet_size = PARTS_PACKET_SIZE, .fec_percent = percent, .min_parity = 2, .first_packet = 65000});
    assert_non_null(rig->packetiser);
    rig->packet = 65000;
    return rig;
}

static void parts_rig_destroy(struct parts_rig *rig)
{
    video_packetiser_destroy(rig->packetiser);
    free(rig);
}

static const struct video_frame_info parts_info = {.type = 5, .latency_100us = 77, .timestamp_90khz = 4711};

static int load_part(struct parts_rig *rig, const uint8_t *data, size_t size, int part, int parts)
{
    if (part == 0)
        video_packetiser_begin(rig->packetiser);
    return video_packetiser_load(rig->packetiser, data, size, part, parts, &parts_info);
}

/* Each block is taken as soon as it is there, and what has been handed over is overwritten. */
static void send_in_parts(struct parts_rig *rig, const uint8_t *data, const size_t *sizes, int parts)
{
    static uint8_t part[PARTS_BYTES_MAX];
    int taken = 0;
    rig->size = 0;
    rig->total = rig->packets = 0;
    rig->frame++;
    for (int i = 0; i < parts; data += sizes[i++]) {
        memcpy(part, data, sizes[i]);
        int blocks = load_part(rig, part, sizes[i], i, parts);
        assert_in_range(blocks, taken, 4);
        memset(part, 0xdd, sizes[i]);
        for (; taken < blocks; taken++)
            take_block(rig, taken, (int)rig->frame * 7);
    }
    assert_int_equal(taken, rig->blocks);
    assert_int_equal(video_packetiser_frame(rig->packetiser), rig->frame);
    assert_int_equal(video_packetiser_next_packet(rig->packetiser), rig->packet);
}

static void assert_received(const struct parts_rig *rig, const uint8_t *data, size_t size)
{
    static const uint8_t zeros[PARTS_BYTES_MAX];
    uint8_t header[8] = {1, 77, 0, 5};
    size_t last = (8 + size) % PARTS_PAYLOAD;
    bytes_put_u16le(header + 4, rig->blocks > 1 || !last ? PARTS_PAYLOAD : (uint16_t)last);
    assert_memory_equal(rig->received, header, 8);
    assert_memory_equal(rig->received + 8, data, size);
    assert_memory_equal(rig->received + 8 + size, zeros, rig->size - 8 - size);
}

static uint8_t *make_bytes(size_t size)
{
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * i / 7 + i + 1);
    return data;
}

/* 20 packets a part and 50 bytes. Of the 21 that are there after the third one waits, as 20 % of 20 are exactly 4. */
static void parts_leave_as_they_come(void **state)
{
    (void)state;
    struct parts_rig *rig = parts_rig_create(20);
    const size_t part = 20 * PARTS_PAYLOAD + 50;
    uint8_t *data = make_bytes(4 * part);
    static const int cut[] = {1, 2, 3, 4}, count[] = {24, 24, 24, 27};
    for (int i = 0; i < 4; i++) {
        struct video_datagrams datagrams;
        assert_int_equal(load_part(rig, data + (size_t)i * part, part, i, 4), cut[i]);
        assert_true(video_packetiser_build(rig->packetiser, i, &datagrams));
        assert_int_equal(datagrams.count, count[i]);
        assert_int_equal(datagrams.base[27], i << 4 | 3 << 6);
    }
    free(data);
    parts_rig_destroy(rig);
}

/* What is not worth several blocks leaves byte for byte as it would in one piece. */
static void a_small_frame_in_parts_is_as_a_whole(void **state)
{
    (void)state;
    static const size_t sizes[][4] = {{1, 1, 1, 1}, {700, 3, 4, 5}, {700, 112, 112, 112}};
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        struct parts_rig *parts = parts_rig_create(20), *whole = parts_rig_create(20);
        size_t size = sizes[n][0] + sizes[n][1] + sizes[n][2] + sizes[n][3];
        uint8_t *data = make_bytes(size);
        send_in_parts(parts, data, sizes[n], 4);
        send_in_parts(whole, data, &size, 1);
        assert_int_equal(parts->blocks, 1);
        assert_int_equal(parts->packets, whole->packets);
        assert_int_equal(parts->size, whole->size);
        assert_memory_equal(parts->received, whole->received, whole->size);
        free(data);
        parts_rig_destroy(parts);
        parts_rig_destroy(whole);
    }
}

/* All sizes and shares, some of them wild; each block loses all that its parity can give back. */
static void every_frame_in_parts_arrives(void **state)
{
    (void)state;
    static const int percents[] = {20, 1, 5, 10, 33, 50, 100, 255, 0};
    uint8_t *data = make_bytes(PARTS_BYTES_MAX);
    unsigned seed = 7;
    for (size_t p = 0; p < sizeof(percents) / sizeof(percents[0]); p++) {
        struct parts_rig *rig = parts_rig_create(percents[p]);
        for (int n = 0; n < 25; n++) {
            size_t sizes[6], sum = 0, most = (size_t)PARTS_PAYLOAD << (rand_r(&seed) % 7);
            int parts = 1 + rand_r(&seed) % 6;
            for (int i = 0; i < parts; i++)
                sum += sizes[i] = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 3 ? most : 5);
            send_in_parts(rig, data, sizes, parts);
            assert_received(rig, data, sum);
        }
        parts_rig_destroy(rig);
    }
    free(data);
}

/* What has its full share of parity in one piece has it in parts, too. */
static void a_surprise_keeps_its_parity(void **state)
{
    (void)state;
    enum { P = PARTS_PAYLOAD };
    static const size_t sizes[][4] = {
        {9, 9, 300 * P, 100 * P},            /* more than a block at once */
        {5 * P, 3 * P, 3 * P, 3 * P},        /* little */
        {60 * P, 100 * P, 100 * P, 100 * P}, /* and then much */
        {5 * P, 3 * P, 3 * P, 3 * P},
        {60 * P, 220 * P, 100 * P, 100 * P},
    };
    struct parts_rig *rig = parts_rig_create(20);
    uint8_t *data = make_bytes(PARTS_BYTES_MAX);
    rig->moderate = true;
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        send_in_parts(rig, data, sizes[n], 4);
        assert_memory_equal(rig->received + 8, data, sizes[n][0] + sizes[n][1] + sizes[n][2] + sizes[n][3]);
    }
    free(data);
    parts_rig_destroy(rig);
}

/* Slices of about the same size, as most pictures have: at most one packet more a block than in one piece, and of all
 * such pictures together not one in thirty. */
static void parts_cost_few_packets(void **state)
{
    (void)state;
    struct parts_rig *parts = parts_rig_create(20), *whole = parts_rig_create(20);
    uint8_t *data = make_bytes(PARTS_BYTES_MAX);
    long more = 0, all = 0;
    unsigned seed = 1;
    for (int n = 0; n < 120; n++) {
        size_t sizes[4], sum = 0, share = (size_t)(3 + n / 2) * PARTS_PAYLOAD;
        for (int i = 0; i < 4; i++)
            sum += sizes[i] = share * 3 / 4 + (size_t)rand_r(&seed) % (share / 2);
        send_in_parts(parts, data, sizes, 4);
        send_in_parts(whole, data, &sum, 1);
        assert_in_range(parts->packets, whole->packets - 4, whole->packets + parts->blocks);
        more += parts->packets - whole->packets;
        all += whole->packets;
    }
    assert_true(more * 30 <= all);
    free(data);
    parts_rig_destroy(parts);
    parts_rig_destroy(whole);
}

/* Three slices in which hardly anything changes would be two packets of parity each. */
static void what_changes_in_one_slice_only_goes_in_one_part(void **state)
{
    (void)state;
    struct parts_rig *rig = parts_rig_create(20);
    uint8_t *data = make_bytes(PARTS_BYTES_MAX);
    static const size_t sizes[][4] = {{30 * 112, 9, 9, 9}, {9, 30 * 112, 9, 9}, {9, 9, 30 * 112, 9}};
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        send_in_parts(rig, data, sizes[n], 4); /* this one came as a surprise */
        for (int i = 0; i < 3; i++) {
            send_in_parts(rig, data, sizes[n], 4);
            assert_int_equal(rig->blocks, 1);
            assert_int_equal(rig->packets, 31 + 7);
        }
    }
    send_in_parts(rig, data, (const size_t[]){3000, 3000, 3000, 3000}, 4);
    send_in_parts(rig, data, (const size_t[]){3000, 3000, 3000, 3000}, 4);
    assert_int_equal(rig->blocks, 4);
    free(data);
    parts_rig_destroy(rig);
}

/* An encoder that fails in a picture: what nobody has seen takes no number, else the client must learn of a loss. */
static void a_frame_that_is_given_up_takes_a_number_if_a_block_was_cut(void **state)
{
    (void)state;
    struct parts_rig *rig = parts_rig_create(20);
    uint8_t *data = make_bytes(PARTS_BYTES_MAX);
    assert_int_equal(load_part(rig, data, 5 * PARTS_PAYLOAD, 0, 3), 0);
    assert_int_equal(video_packetiser_frame(rig->packetiser), 0);
    assert_int_equal(load_part(rig, data, 15 * PARTS_PAYLOAD, 0, 3), 1);
    assert_int_equal(video_packetiser_frame(rig->packetiser), 1);
    assert_int_equal(video_packetiser_next_packet(rig->packetiser), 65000 + 18);
    rig->frame = 1;
    rig->packet = 65000 + 18;
    send_in_parts(rig, data, (const size_t[]){5000}, 1);
    assert_received(rig, data, 5000);
    free(data);
    parts_rig_destroy(rig);
}

static void a_part_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct parts_rig *rig = parts_rig_create(20);
    size_t most = 4 * 1023 * PARTS_PAYLOAD;
    uint8_t *data = calloc(1, most);
    assert_non_null(data);
    assert_int_equal(load_part(rig, data, 100 * PARTS_PAYLOAD, 0, 2), 1);
    assert_int_equal(load_part(rig, data, 1024 * PARTS_PAYLOAD, 1, 2), -1);
    assert_int_equal(load_part(rig, data, most, 0, 2), -1);
    assert_int_equal(load_part(rig, data, most - 8, 0, 2), 0); /* too large for a block: to be laid out as a whole */
    assert_int_equal(load_part(rig, data, 1, 1, 2), -1);
    assert_int_equal(load_part(rig, data, 2046 * PARTS_PAYLOAD - 8, 0, 2), 0);
    assert_int_equal(load_part(rig, data, 10, 1, 2), 4);
    free(data);
    parts_rig_destroy(rig);
}

static void impossible_settings_are_refused(void **state)
{
    (void)state;
    static const struct video_packetiser_config bad[] = {
        {.packet_size = 0},
        {.packet_size = -16},
        {.packet_size = 32},
        {.packet_size = 1400},
        {.packet_size = 8208},
        {.packet_size = 1392, .fec_percent = 256},
        {.packet_size = 1392, .fec_percent = -1},
        {.packet_size = 1392, .min_parity = -1},
        {.packet_size = 1392, .min_parity = 256},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(video_packetiser_create(&bad[i]));
    video_packetiser_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_those_of_the_vectors),
        cmocka_unit_test(parity_counts_are_those_of_the_vectors),
        cmocka_unit_test(layouts_are_those_of_the_vectors),
        cmocka_unit_test(every_layout_is_legal),
        cmocka_unit_test(the_share_of_parity_is_lowered_before_it_is_given_up),
        cmocka_unit_test(an_access_unit_that_does_not_fit_uses_no_number),
        cmocka_unit_test(counters_wrap_as_the_fields_are_wide),
        cmocka_unit_test(lost_packets_are_recovered_from_any_enough_others),
        cmocka_unit_test(parts_leave_as_they_come),
        cmocka_unit_test(a_small_frame_in_parts_is_as_a_whole),
        cmocka_unit_test(every_frame_in_parts_arrives),
        cmocka_unit_test(a_surprise_keeps_its_parity),
        cmocka_unit_test(parts_cost_few_packets),
        cmocka_unit_test(what_changes_in_one_slice_only_goes_in_one_part),
        cmocka_unit_test(a_frame_that_is_given_up_takes_a_number_if_a_block_was_cut),
        cmocka_unit_test(a_part_that_does_not_fit_is_refused),
        cmocka_unit_test(impossible_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
