/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/av1_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As libaom begins a stream, with short contents. */
static const uint8_t key[] = {
    0x12, 0,                                                                      /* temporal delimiter */
    0x0a, 11,   0,    0,    0,    0x42, 0xa6, 0x7f, 0xd9, 0xe6, 0xd7, 0xc8, 0x02, /* sequence header */
    0x32, 0x84, 0x00, 0x10, 0x00, 0xd4, 0xee, /* frame: key, shown; its size in two bytes */
};
static const uint8_t predicted[] = {
    0x12, 0,                   /* temporal delimiter */
    0x32, 3, 0x30, 0x03, 0x80, /* frame: inter, shown */
};

/* In exact memory, so that the sanitizer sees a byte read too far. */
static bool finish(const uint8_t *bytes, size_t size, struct au_part *ret_part)
{
    uint8_t *data = malloc(size ? size : 1);
    assert_non_null(data);
    memcpy(data, bytes, size);
    bool done = av1_unit_finish(data, size, ret_part);
    if (done) {
        assert_ptr_equal(ret_part->data, data);
        assert_int_equal(ret_part->size, size);
    }
    free(data);
    return done;
}

static void a_key_picture_is_told_from_a_predicted_one(void **state)
{
    (void)state;
    struct au_part part;
    assert_true(finish(key, sizeof(key), &part));
    assert_int_equal(part.type, PART_IDR);
    assert_true(finish(key + 2, sizeof(key) - 2, &part)); /* a delimiter is not needed */
    assert_int_equal(part.type, PART_IDR);
    assert_true(finish(predicted, sizeof(predicted), &part));
    assert_int_equal(part.type, PART_PREDICTED);
}

static void what_a_client_could_not_show_is_refused(void **state)
{
    (void)state;
    static const uint8_t hidden[] = {0x12, 0, 0x32, 2, 0x20, 0x03};
    static const uint8_t two[] = {0x32, 2, 0x30, 0x03, 0x1a, 1, 0x80};
    static const uint8_t empty_frame[] = {0x12, 0, 0x32, 0};
    static const uint8_t without_size[] = {0x12, 0, 0x30, 0x30, 0x03};
    static const uint8_t forbidden[] = {0x12, 0, 0xb2, 1, 0x30};
    static const uint8_t endless_size[] = {0x32, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x30, 0x30};
    struct au_part part;
    assert_false(finish(key, 2, &part));                           /* nothing to show */
    assert_false(finish(key + 15, sizeof(key) - 15, &part));       /* without its sequence header */
    assert_false(finish(predicted, sizeof(predicted) - 1, &part)); /* cut off */
    assert_false(finish(hidden, sizeof(hidden), &part));
    assert_false(finish(two, sizeof(two), &part));
    assert_false(finish(empty_frame, sizeof(empty_frame), &part));
    assert_false(finish(without_size, sizeof(without_size), &part));
    assert_false(finish(forbidden, sizeof(forbidden), &part));
    assert_false(finish(endless_size, sizeof(endless_size), &part));
    assert_false(finish(key, 0, &part));
}

static void an_older_picture_may_be_shown_again(void **state)
{
    (void)state;
    static const uint8_t existing[] = {0x12, 0, 0x1a, 1, 0x88};
    struct au_part part;
    assert_true(finish(existing, sizeof(existing), &part));
    assert_int_equal(part.type, PART_PREDICTED);
}

static void every_truncation_and_flipped_bit_stays_inside_the_data(void **state)
{
    (void)state;
    for (size_t size = 0; size <= sizeof(key); size++)
        for (size_t bit = 0; bit <= size * 8; bit++) {
            uint8_t damaged[sizeof(key)];
            struct au_part part;
            memcpy(damaged, key, sizeof(key));
            if (bit < size * 8)
                damaged[bit / 8] ^= (uint8_t)(1U << bit % 8);
            finish(damaged, size, &part);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_picture_is_told_from_a_predicted_one),
        cmocka_unit_test(what_a_client_could_not_show_is_refused),
        cmocka_unit_test(an_older_picture_may_be_shown_again),
        cmocka_unit_test(every_truncation_and_flipped_bit_stays_inside_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
