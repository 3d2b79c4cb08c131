/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/audio_packet.h"

#include "base/bytes.h"
#include "base/text.h"
#include "protocol/crypto.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *vectors(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static int number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

static size_t unhex(const json_t *text, uint8_t *ret_bytes, size_t capacity)
{
    const char *hex = json_string_value(text);
    assert_non_null(hex);
    size_t size = strlen(hex) / 2;
    assert_true(size <= capacity && text_unhex(hex, strlen(hex), ret_bytes, size));
    return size;
}

static void assert_hex(const uint8_t *bytes, size_t size, const json_t *text)
{
    char hex[2 * AUDIO_DATAGRAM_MAX + 1];
    assert_true(size <= AUDIO_DATAGRAM_MAX);
    text_hex(bytes, size, hex);
    assert_string_equal(hex, json_string_value(text));
}

static void assert_sha256(uint8_t shards[][AUDIO_DATAGRAM_MAX], int count, size_t size, const json_t *text)
{
    uint8_t digest[32], all[4 * AUDIO_DATAGRAM_MAX];
    for (int i = 0; i < count; i++)
        memcpy(all + (size_t)i * size, shards[i], size);
    assert_true(crypto_sha256(all, (size_t)count * size, digest));
    assert_hex(digest, sizeof(digest), text);
}

/* Brings the stream to `sequence`: blocks of one size each, as they were before the recorded one. */
static void skip_to(struct audio_packetiser *self, int sequence, size_t size)
{
    uint8_t opus[AUDIO_OPUS_MAX] = {0};
    struct audio_datagrams out;
    for (int i = 0; i < sequence; i++)
        assert_true(audio_packetiser_add(self, opus, size, &out));
}

static void is_block(const json_t *block)
{
    uint8_t key[16], opus[AUDIO_OPUS_MAX];
    bool encrypted = json_is_true(json_object_get(block, "encrypted"));
    struct audio_packetiser_config config = {.packet_ms = number(block, "packet_duration_ms")};
    if (encrypted) {
        assert_int_equal(unhex(json_object_get(block, "key"), key, 16), 16);
        config.key = key;
        config.key_id = (uint32_t)json_integer_value(json_object_get(block, "rikeyid_decimal"));
    }
    struct audio_packetiser *self = audio_packetiser_create(&config);
    assert_non_null(self);
    memset(key, 0xee, sizeof(key)); /* it was copied */
    json_t *frames = json_object_get(block, "frames"), *data = json_object_get(block, "data_packets"),
           *parity = json_object_get(block, "fec_packets");
    assert_int_equal(json_array_size(frames), AUDIO_BLOCK_DATA);
    assert_int_equal(json_array_size(parity), AUDIO_BLOCK_PARITY);
    skip_to(self, number(block, "base_seq"), 60);
    struct audio_datagrams out;
    for (size_t i = 0; i < AUDIO_BLOCK_DATA; i++) {
        json_t *frame = json_array_get(frames, i), *plain = json_object_get(frame, encrypted ? "opus" : "payload");
        size_t size = unhex(plain, opus, sizeof(opus));
        if (i)
            assert_false(audio_packetiser_parity(self, &out));
        assert_true(audio_packetiser_add(self, opus, size, &out));
        assert_int_equal(out.count, 1);
        assert_int_equal(out.size, AUDIO_DATA_HEADER + number(block, "shard_len"));
        assert_hex(out.base, out.size, json_array_get(data, i));
    }
    assert_true(audio_packetiser_parity(self, &out));
    assert_int_equal(out.count, AUDIO_BLOCK_PARITY);
    for (size_t j = 0; j < AUDIO_BLOCK_PARITY; j++)
        assert_hex(out.base + j * out.size, out.size, json_array_get(parity, j));
    audio_packetiser_destroy(self);
}

static void recorded_blocks_are_made_again_byte_for_byte(void **state)
{
    (void)state;
    json_t *root = vectors("audio.json"), *blocks = json_object_get(root, "blocks");
    assert_int_equal(json_array_size(blocks), 6);
    for (size_t i = 0; i < json_array_size(blocks); i++)
        is_block(json_array_get(blocks, i));
    json_decref(root);
}

static void is_parity(const json_t *sample, uint8_t data[][AUDIO_DATAGRAM_MAX])
{
    size_t size = (size_t)number(sample, "len");
    struct audio_packetiser *self = audio_packetiser_create(&(struct audio_packetiser_config){.packet_ms = 5});
    assert_non_null(self);
    struct audio_datagrams out;
    for (int i = 0; i < AUDIO_BLOCK_DATA; i++)
        assert_true(audio_packetiser_add(self, data[i], size, &out));
    assert_true(audio_packetiser_parity(self, &out));
    uint8_t parity[AUDIO_BLOCK_PARITY][AUDIO_DATAGRAM_MAX];
    for (int j = 0; j < AUDIO_BLOCK_PARITY; j++)
        memcpy(parity[j], out.base + (size_t)j * out.size + AUDIO_PARITY_HEADER, size);
    json_t *whole = json_object_get(sample, "parity");
    for (size_t j = 0; whole && j < AUDIO_BLOCK_PARITY; j++)
        assert_hex(parity[j], size, json_array_get(whole, j));
    for (size_t j = 0; !whole && j < AUDIO_BLOCK_PARITY; j++)
        assert_sha256(parity + j, 1, size, json_array_get(json_object_get(sample, "parity_sha256"), j));
    audio_packetiser_destroy(self);
}

static void parity_of_all_recorded_lengths_is_made_again(void **state)
{
    (void)state;
    json_t *root = vectors("fec.json"), *cases = json_object_get(json_object_get(root, "audio"), "cases");
    assert_int_equal(json_array_size(cases), 10);
    for (size_t n = 0; n < json_array_size(cases); n++) {
        json_t *sample = json_array_get(cases, n), *whole = json_object_get(sample, "data");
        uint8_t data[AUDIO_BLOCK_DATA][AUDIO_DATAGRAM_MAX];
        int size = number(sample, "len");
        for (int i = 0; i < AUDIO_BLOCK_DATA; i++) {
            for (int b = 0; b < size; b++)
                data[i][b] = (uint8_t)(167 * i + 13 * b + 7 * ((i ^ b) & 255) + 29 * (b >> 8) + 5);
            if (whole)
                assert_hex(data[i], (size_t)size, json_array_get(whole, (size_t)i));
        }
        if (!whole)
            assert_sha256(data, AUDIO_BLOCK_DATA, (size_t)size, json_object_get(sample, "data_sha256"));
        is_parity(sample, data);
    }
    json_decref(root);
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (int bit = 0; bit < 8; bit++)
        product ^= b >> bit & 1 ? (unsigned)a << bit : 0;
    for (int bit = 14; bit >= 8; bit--)
        product ^= product >> bit & 1 ? 0x11Du << (bit - 8) : 0;
    return (uint8_t)product;
}

static void parity_agrees_with_plain_arithmetic_at_every_length(void **state)
{
    (void)state;
    static const uint8_t rows[2][4] = {{0x77, 0x40, 0x38, 0x0e}, {0xc7, 0xa7, 0x0d, 0x6c}};
    struct audio_packetiser *self = audio_packetiser_create(&(struct audio_packetiser_config){.packet_ms = 5});
    uint8_t data[4][AUDIO_OPUS_MAX];
    uint32_t seed = 1;
    for (size_t size = 1; size <= AUDIO_OPUS_MAX; size += size < 70 ? 1 : 43) {
        struct audio_datagrams out;
        for (int i = 0; i < 4; i++) {
            for (size_t b = 0; b < size; b++)
                data[i][b] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
            assert_true(audio_packetiser_add(self, data[i], size, &out)); /* blocks may differ in size */
        }
        assert_true(audio_packetiser_parity(self, &out));
        for (int j = 0; j < 2; j++) {
            for (size_t b = 0; b < size; b++) {
                uint8_t sum = 0;
                for (int i = 0; i < 4; i++)
                    sum ^= multiply(rows[j][i], data[i][b]);
                assert_int_equal(out.base[(size_t)j * out.size + AUDIO_PARITY_HEADER + b], sum);
            }
        }
    }
    audio_packetiser_destroy(self);
}

static void numbers_wrap_and_count_on(void **state)
{
    (void)state;
    struct audio_packetiser *self = audio_packetiser_create(&(struct audio_packetiser_config){.packet_ms = 10});
    uint8_t opus[4] = {1, 2, 3, 4};
    struct audio_datagrams out;
    for (uint32_t n = 0; n < 65536 * 2 + 5; n++) {
        assert_true(audio_packetiser_add(self, opus, sizeof(opus), &out));
        assert_int_equal(bytes_get_u16be(out.base + 2), n & 0xffff);
        assert_int_equal(bytes_get_u32be(out.base + 4), n * 10);
        bool complete = audio_packetiser_parity(self, &out);
        assert_int_equal(complete, n % 4 == 3);
        if (complete) {
            assert_int_equal(bytes_get_u16be(out.base + 14), (n - 3) & 0xffff);
            assert_int_equal(bytes_get_u32be(out.base + 16), (n - 3) * 10);
        }
    }
    audio_packetiser_destroy(self);
}

static void a_packet_that_cannot_be_sent_uses_no_number(void **state)
{
    (void)state;
    uint8_t key[16] = {7}, opus[AUDIO_OPUS_MAX + 1] = {0};
    struct audio_packetiser *self =
        audio_packetiser_create(&(struct audio_packetiser_config){.packet_ms = 5, .key = key});
    struct audio_datagrams out;
    assert_false(audio_packetiser_parity(self, &out)); /* nothing came yet */
    assert_false(audio_packetiser_add(self, opus, 0, &out));
    assert_false(audio_packetiser_add(self, opus, AUDIO_OPUS_MAX + 1, &out));
    assert_true(audio_packetiser_add(self, opus, 60, &out));
    assert_int_equal(bytes_get_u16be(out.base + 2), 0);
    assert_false(audio_packetiser_add(self, opus, 64, &out));
    assert_true(audio_packetiser_add(self, opus, 63, &out)); /* padded, as long as the first */
    assert_int_equal(bytes_get_u16be(out.base + 2), 1);
    assert_int_equal(out.size, AUDIO_DATA_HEADER + 64);
    audio_packetiser_destroy(self);

    self = audio_packetiser_create(&(struct audio_packetiser_config){.packet_ms = 5, .key = key});
    for (int i = 0; i < 4; i++)
        assert_true(audio_packetiser_add(self, opus, AUDIO_OPUS_MAX, &out));
    assert_true(audio_packetiser_parity(self, &out));
    assert_true(out.size <= AUDIO_DATAGRAM_MAX);
    audio_packetiser_destroy(self);
    audio_packetiser_destroy(NULL);
}

static void what_was_encrypted_opens_with_key_and_number_alone(void **state)
{
    (void)state;
    uint8_t key[16] = {1, 2, 3}, opus[100], plain[128], iv[16] = {0};
    struct audio_packetiser_config config = {.packet_ms = 5, .key = key, .key_id = 0xfffffffe};
    struct audio_packetiser *self = audio_packetiser_create(&config);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    for (uint32_t n = 0; n < 12; n++) {
        struct audio_datagrams out;
        int size = 0, rest = 0;
        memset(opus, (int)n, sizeof(opus));
        assert_true(audio_packetiser_add(self, opus, sizeof(opus), &out));
        bytes_put_u32be(iv, 0xfffffffe + n);
        assert_int_equal(EVP_DecryptInit_ex(context, EVP_aes_128_cbc(), NULL, key, iv), 1);
        assert_int_equal(EVP_DecryptUpdate(context, plain, &size, out.base + 12, (int)out.size - 12), 1);
        assert_int_equal(EVP_DecryptFinal_ex(context, plain + size, &rest), 1);
        assert_int_equal(size + rest, sizeof(opus));
        assert_memory_equal(plain, opus, sizeof(opus));
    }
    EVP_CIPHER_CTX_free(context);
    audio_packetiser_destroy(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_blocks_are_made_again_byte_for_byte),
        cmocka_unit_test(parity_of_all_recorded_lengths_is_made_again),
        cmocka_unit_test(parity_agrees_with_plain_arithmetic_at_every_length),
        cmocka_unit_test(numbers_wrap_and_count_on),
        cmocka_unit_test(a_packet_that_cannot_be_sent_uses_no_number),
        cmocka_unit_test(what_was_encrypted_opens_with_key_and_number_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
