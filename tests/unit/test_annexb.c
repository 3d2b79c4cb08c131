/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/annexb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* AUD, SPS, PPS with a long start code; SEI between them and the slice. */
static const uint8_t unit[] = {
    0, 0, 0, 1,    0x09, 0xf0,             /* AUD */
    0, 0, 0, 1,    0x67, 0x64, 0x00, 0x28, /* SPS */
    0, 0, 0, 1,    0x68, 0xee,             /* PPS */
    0, 0, 1, 0x06, 5,    1,    2,          /* SEI */
    0, 0, 0, 1,    0x65, 0x88, 0x80,       /* IDR slice */
    0, 0, 1, 0x65, 0x11,                   /* second slice */
};
static const uint8_t tidy[] = {
    0, 0, 0, 1, 0x67, 0x64, 0x00, 0x28, 0, 0, 0, 1, 0x68, 0xee, 0, 0, 0, 1, 0x65, 0x88, 0x80, 0, 0, 1, 0x65, 0x11,
};

static void sei_and_delimiter_are_taken_out_and_slices_stay_in_place(void **state)
{
    (void)state;
    uint8_t data[sizeof(unit)];
    struct annexb_unit result;
    memcpy(data, unit, sizeof(unit));
    assert_true(annexb_h264_tidy(data, sizeof(data), &result));
    assert_true(result.idr);
    assert_int_equal(sizeof(data) - result.start, sizeof(tidy));
    assert_memory_equal(data + result.start, tidy, sizeof(tidy));
    assert_int_equal(data[result.start + result.first_slice], 0x65);
}

static void a_predicted_unit_without_extras_is_left_alone(void **state)
{
    (void)state;
    uint8_t data[] = {0, 0, 1, 0x41, 0x9a, 0, 0, 1, 0x41, 7}, before[sizeof(data)];
    struct annexb_unit result;
    memcpy(before, data, sizeof(data));
    assert_true(annexb_h264_tidy(data, sizeof(data), &result));
    assert_false(result.idr);
    assert_int_equal(result.start, 0);
    assert_int_equal(result.first_slice, 3);
    assert_memory_equal(data, before, sizeof(data));
}

static void data_without_start_code_or_slice_are_refused_untouched(void **state)
{
    (void)state;
    struct annexb_unit result = {.start = 99};
    uint8_t no_code[] = {1, 0, 0, 1, 0x65}, no_slice[] = {0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x06, 2};
    uint8_t before[sizeof(no_slice)], many[17 * 4 + 4];
    memcpy(before, no_slice, sizeof(no_slice));
    assert_false(annexb_h264_tidy(no_code, sizeof(no_code), &result));
    assert_false(annexb_h264_tidy(no_slice, sizeof(no_slice), &result));
    assert_memory_equal(no_slice, before, sizeof(no_slice));
    assert_false(annexb_h264_tidy(no_slice, 0, &result));
    for (size_t i = 0; i < sizeof(many); i += 4)
        memcpy(many + i, i + 4 < sizeof(many) ? "\0\0\1\x06" : "\0\0\1\x65", 4);
    assert_false(annexb_h264_tidy(many, sizeof(many), &result));
    assert_true(annexb_h264_tidy(many + 4, sizeof(many) - 4, &result));
    assert_int_equal(result.start, 16 * 4);
}

/* Exact heap copies, so that the sanitizer sees a byte read too far. */
static void every_truncation_and_flipped_bit_stays_inside_the_data(void **state)
{
    (void)state;
    for (size_t size = 0; size <= sizeof(unit); size++)
        for (size_t bit = 0; bit <= size * 8; bit++) {
            uint8_t *data = malloc(size ? size : 1);
            struct annexb_unit result;
            struct annexb_nal nal = {0};
            assert_non_null(data);
            memcpy(data, unit, size);
            if (bit < size * 8)
                data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            while (annexb_next(data, size, nal.end, &nal))
                assert_true(nal.start < nal.head && nal.head < nal.end && nal.end <= size);
            if (annexb_h264_tidy(data, size, &result))
                assert_true(result.start + result.first_slice < size);
            free(data);
        }
}

static void walking_finds_each_unit_with_its_whole_start_code(void **state)
{
    (void)state;
    static const uint8_t types[] = {9, 7, 8, 6, 5, 5};
    struct annexb_nal nal = {0};
    size_t count = 0, end = 0;
    for (; annexb_next(unit, sizeof(unit), end, &nal); count++) {
        assert_int_equal(nal.start, end);
        assert_int_equal(unit[nal.head] & 31, types[count]);
        end = nal.end;
    }
    assert_int_equal(count, sizeof(types));
    assert_int_equal(end, sizeof(unit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sei_and_delimiter_are_taken_out_and_slices_stay_in_place),
        cmocka_unit_test(a_predicted_unit_without_extras_is_left_alone),
        cmocka_unit_test(data_without_start_code_or_slice_are_refused_untouched),
        cmocka_unit_test(every_truncation_and_flipped_bit_stays_inside_the_data),
        cmocka_unit_test(walking_finds_each_unit_with_its_whole_start_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
