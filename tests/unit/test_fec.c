/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/fec.h"

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

enum { SIZE_MAX_BYTES = 1500 };

struct block { /* k + m shards of `size` bytes, at odd addresses */
    uint8_t *memory;
    uint8_t *shards[FEC_SHARDS_MAX];
};

static struct block block_create(int count, size_t size)
{
    struct block block = {.memory = calloc((size_t)count, size + 3)};
    assert_non_null(block.memory);
    for (int i = 0; i < count; i++)
        block.shards[i] = block.memory + (size_t)i * (size + 3) + 1;
    return block;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static json_t *vectors(void)
{
    json_t *root = json_load_file(VECTORS_DIR "/fec.json", 0, NULL);
    assert_non_null(root);
    return root;
}

static int number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    char text[2 * SIZE_MAX_BYTES + 1];
    size_t size = strlen(hex) / 2;
    assert_true(size <= SIZE_MAX_BYTES);
    text_hex(bytes, size, text);
    assert_string_equal(text, hex);
}

static void assert_sha256(uint8_t *const *shards, int count, size_t size, const char *hex)
{
    uint8_t digest[SHA256_DIGEST_LENGTH], *all = malloc((size_t)count * size);
    assert_non_null(all);
    for (int i = 0; i < count; i++)
        memcpy(all + (size_t)i * size, shards[i], size);
    SHA256(all, (size_t)count * size, digest);
    free(all);
    assert_hex(digest, hex);
}

static void the_field_is_the_one_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors();
    size_t i;
    json_t *sample;
    json_array_foreach(json_object_get(root, "gf_samples"), i, sample)
    {
        uint8_t a, b, product;
        assert_true(text_unhex(json_string_value(json_object_get(sample, "a")), 2, &a, 1));
        assert_true(text_unhex(json_string_value(json_object_get(sample, "b")), 2, &b, 1));
        assert_true(text_unhex(json_string_value(json_object_get(sample, "mul")), 2, &product, 1));
        assert_int_equal(plain_gf_multiply(a, b), product);
    }
    json_decref(root);
}

static void matrices_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors();
    size_t i, j;
    json_t *matrix, *row;
    json_array_foreach(json_object_get(root, "matrices"), i, matrix)
    {
        static uint8_t rows[FEC_SHARDS_MAX * FEC_SHARDS_MAX];
        int k = number(matrix, "k");
        fec_matrix(k, number(matrix, "m"), rows);
        json_array_foreach(json_object_get(matrix, "rows"), j, row)
            assert_hex(rows + j * (size_t)k, json_string_value(row));
    }
    json_decref(root);
}

static void check_case(struct fec *fec, const json_t *vector)
{
    int k = number(vector, "k"), m = number(vector, "m"), size = number(vector, "len");
    struct block block = block_create(k + m, (size_t)size);
    for (int i = 0; i < k; i++) {
        for (int b = 0; b < size; b++)
            block.shards[i][b] = (uint8_t)(167 * i + 13 * b + 7 * ((i ^ b) & 255) + 29 * (b >> 8) + 5);
    }
    uint8_t **parity = block.shards + k;
    assert_sha256(block.shards, k, (size_t)size, json_string_value(json_object_get(vector, "data_sha256")));
    fec_encode(fec, k, m, (size_t)size, block.shards, parity);

    size_t j;
    json_t *row;
    json_array_foreach(json_object_get(vector, "parity"), j, row) assert_hex(parity[j], json_string_value(row));
    const char *first = json_string_value(json_object_get(vector, "parity_first16_row0"));
    const char *last = json_string_value(json_object_get(vector, "parity_first16_last_row"));
    const char *digest = json_string_value(json_object_get(vector, "parity_sha256"));
    if (first)
        assert_hex(parity[0], first);
    if (last)
        assert_hex(parity[m - 1], last);
    if (digest)
        assert_sha256(parity, m, (size_t)size, digest);
    assert_true(digest || json_object_get(vector, "parity"));
    free(block.memory);
}

static void parity_is_that_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors();
    struct fec *fec = fec_create();
    assert_non_null(fec);
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "cases"), i, vector) check_case(fec, vector);
    fec_destroy(fec);
    json_decref(root);
}

static void check_random_case(struct fec *fec, int k, int m, size_t size, uint32_t *seed)
{
    struct block fast = block_create(k + m, size), plain = block_create(k + m, size);
    for (int i = 0; i < k; i++) {
        for (size_t b = 0; b < size; b++)
            fast.shards[i][b] = plain.shards[i][b] = (uint8_t)next_random(seed);
    }
    fec_encode(fec, k, m, size, fast.shards, fast.shards + k);
    plain_fec_parity(k, m, size, plain.shards, plain.shards + k);
    for (int i = 0; i < k + m; i++)
        assert_memory_equal(fast.shards[i], plain.shards[i], size);
    free(fast.memory);
    free(plain.memory);
}

static void parity_equals_plain_code_on_random_blocks(void **state)
{
    (void)state;
    struct fec *fec = fec_create();
    assert_non_null(fec);
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        int k = 1 + (int)(next_random(&seed) % 254);
        int m = 1 + (int)(next_random(&seed) % (uint32_t)(255 - k));
        check_random_case(fec, k, m, 1 + next_random(&seed) % 70, &seed);
    }
    fec_destroy(fec);
}

static void the_matrix_follows_its_formula_for_every_pair(void **state)
{
    (void)state;
    static uint8_t rows[FEC_SHARDS_MAX * FEC_SHARDS_MAX];
    uint8_t inverse[256];
    for (int a = 1; a < 256; a++) {
        inverse[a] = plain_gf_inverse((uint8_t)a);
        assert_int_equal(plain_gf_multiply(inverse[a], (uint8_t)a), 1);
    }
    for (int k = 1; k < FEC_SHARDS_MAX; k++) {
        for (int m = 1; k + m <= FEC_SHARDS_MAX; m++) {
            fec_matrix(k, m, rows);
            int wrong = 0;
            for (int j = 0; j < m; j++) {
                for (int i = 0; i < k; i++)
                    wrong += rows[j * k + i] != inverse[(m + i) ^ j];
            }
            assert_int_equal(wrong, 0);
        }
    }
}

static void tables_pushed_out_of_the_cache_are_made_again(void **state)
{
    (void)state;
    struct fec *fec = fec_create();
    assert_non_null(fec);
    uint32_t seed = 7;
    for (int round = 0; round < 3; round++) {
        for (int k = 1; k <= 11; k++) {
            check_random_case(fec, k, 2, 33, &seed);
            check_random_case(fec, 5, 2, 33, &seed); /* used all the time: stays */
        }
    }
    fec_destroy(fec);
}

static void plain_code_recovers_any_lost_shards(void **state)
{
    (void)state;
    struct fec *fec = fec_create();
    assert_non_null(fec);
    uint32_t seed = 3;
    enum { K = 9, M = 4, SIZE = 40 };
    for (int pattern = 0; pattern < 60; pattern++) {
        struct block block = block_create(K + M, SIZE);
        uint8_t before[K][SIZE];
        bool present[K + M];
        for (int i = 0; i < K; i++) {
            for (int b = 0; b < SIZE; b++)
                before[i][b] = block.shards[i][b] = (uint8_t)next_random(&seed);
        }
        fec_encode(fec, K, M, SIZE, block.shards, block.shards + K);
        memset(present, true, sizeof(present));
        for (int lost = 0; lost < M; lost++)
            present[next_random(&seed) % (K + M)] = false;
        for (int i = 0; i < K + M; i++) {
            if (!present[i])
                memset(block.shards[i], 0xee, SIZE);
        }
        assert_true(plain_fec_recover(K, M, SIZE, block.shards, present));
        for (int i = 0; i < K; i++)
            assert_memory_equal(block.shards[i], before[i], SIZE);
        free(block.memory);
    }
    fec_destroy(fec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_field_is_the_one_of_the_vectors),
        cmocka_unit_test(matrices_are_those_of_the_vectors),
        cmocka_unit_test(the_matrix_follows_its_formula_for_every_pair),
        cmocka_unit_test(parity_is_that_of_the_vectors),
        cmocka_unit_test(parity_equals_plain_code_on_random_blocks),
        cmocka_unit_test(tables_pushed_out_of_the_cache_are_made_again),
        cmocka_unit_test(plain_code_recovers_any_lost_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
