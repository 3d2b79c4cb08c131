/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/hevc_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What libx265 makes with its defaults, in short: the information SEI stands in front of the slice. */
static const uint8_t idr[] = {
    0, 0, 0, 1,    0x46, 0x01, 0x50,             /* AUD */
    0, 0, 0, 1,    0x40, 0x01, 0x0c,             /* VPS */
    0, 0, 0, 1,    0x42, 0x01, 0x01, 0x60,       /* SPS */
    0, 0, 0, 1,    0x44, 0x01, 0xc1,             /* PPS */
    0, 0, 1, 0x4e, 0x01, 0x05, 0x10,             /* prefix SEI */
    0, 0, 0, 1,    0x26, 0x01, 0xaf, 0x00, 0x80, /* IDR_W_RADL slice */
    0, 0, 1, 0x26, 0x01, 0x11,                   /* the second one */
};
static const uint8_t tidy[] = {
    0, 0, 0, 1,    0x40, 0x01, 0x0c,             /* VPS */
    0, 0, 0, 1,    0x42, 0x01, 0x01, 0x60,       /* SPS */
    0, 0, 0, 1,    0x44, 0x01, 0xc1,             /* PPS */
    0, 0, 0, 1,    0x26, 0x01, 0xaf, 0x00, 0x80, /* the slices, as they were */
    0, 0, 1, 0x26, 0x01, 0x11,
};

static bool finish(const uint8_t *bytes, size_t size, uint8_t *ret_bytes, size_t *ret_size, enum part_type *ret_type)
{
    uint8_t *data = malloc(size + HEVC_SPS_GROWTH_MAX);
    struct au_part part;
    assert_non_null(data);
    memcpy(data, bytes, size);
    bool done = hevc_unit_finish(data, size, &part);
    if (done) {
        assert_true(part.data >= data && part.data + part.size == data + size);
        memcpy(ret_bytes, part.data, part.size);
        *ret_size = part.size;
        *ret_type = part.type;
    }
    free(data);
    return done;
}

static void in_front_of_an_idr_only_its_parameter_sets_stay(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(idr)];
    size_t size;
    enum part_type type;
    assert_true(finish(idr, sizeof(idr), bytes, &size, &type));
    assert_int_equal(type, PART_IDR);
    assert_int_equal(size, sizeof(tidy));
    assert_memory_equal(bytes, tidy, sizeof(tidy));
}

static void a_predicted_picture_is_left_alone(void **state)
{
    (void)state;
    static const uint8_t predicted[] = {0, 0, 0, 1, 0x02, 0x01, 0xd0, 0x09, 0, 0, 1, 0x02, 0x01, 0x33};
    uint8_t bytes[sizeof(predicted)];
    size_t size;
    enum part_type type;
    assert_true(finish(predicted, sizeof(predicted), bytes, &size, &type));
    assert_int_equal(type, PART_PREDICTED);
    assert_int_equal(size, sizeof(predicted));
    assert_memory_equal(bytes, predicted, size);
}

/* Each picture without another one's help is a key for clients, and needs all three sets in order. */
static void a_key_picture_without_its_sets_is_refused(void **state)
{
    (void)state;
    static const uint8_t sets[][3] = {{0x42, 0x44, 0},    {0x40, 0x44, 0}, {0x40, 0x42, 0}, {0x42, 0x40, 0x44},
                                      {0x40, 0x44, 0x42}, {0x44, 0, 0},    {0, 0, 0},       {0x40, 0x42, 0x44}};
    size_t cases = sizeof(sets) / sizeof(sets[0]);
    for (int nal_type = 16; nal_type <= 22; nal_type++)
        for (size_t i = 0; i < cases; i++) {
            uint8_t unit[64] = {0}, bytes[64];
            size_t size = 0;
            enum part_type type;
            for (int n = 0; n < 4; n++) {
                uint8_t header = n < 3 ? sets[i][n] : (uint8_t)(nal_type << 1);
                const uint8_t nal[] = {0, 0, 1, header, 1, 0x77};
                if (n < 3 && !header)
                    continue;
                memcpy(unit + size, nal, sizeof(nal));
                size += sizeof(nal);
            }
            bool key = nal_type <= 21;
            assert_int_equal(finish(unit, size, bytes, &size, &type), !key || i == cases - 1);
        }
}

static void every_truncation_and_flipped_bit_stays_inside_the_data(void **state)
{
    (void)state;
    for (size_t size = 0; size <= sizeof(idr); size++)
        for (size_t bit = 0; bit <= size * 8; bit++) {
            uint8_t damaged[sizeof(idr)], bytes[sizeof(idr)];
            size_t rest;
            enum part_type type;
            memcpy(damaged, idr, sizeof(idr));
            if (bit < size * 8)
                damaged[bit / 8] ^= (uint8_t)(1U << bit % 8);
            finish(damaged, size, bytes, &rest, &type);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_front_of_an_idr_only_its_parameter_sets_stay),
        cmocka_unit_test(a_predicted_picture_is_left_alone),
        cmocka_unit_test(a_key_picture_without_its_sets_is_refused),
        cmocka_unit_test(every_truncation_and_flipped_bit_stays_inside_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
