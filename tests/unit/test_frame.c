/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct frame_layout nv12 = {.width = 130, .height = 34, .format = FRAME_NV12};

static void rows_are_aligned_and_inside_the_frame(void **state)
{
    (void)state;
    static const int pixel_bytes[FRAME_FORMATS] = {1, 4, 2, 1, 2};
    static const int rows[FRAME_FORMATS][3] = {{34, 17}, {34}, {34, 17}, {34, 34, 34}, {34, 34, 34}};
    for (int format = 0; format < FRAME_FORMATS; format++) {
        struct frame_layout layout = nv12;
        layout.format = (enum frame_format)format;
        struct frame_pool *pool = frame_pool_create(&layout, 3);
        for (int i = 0; i < 3; i++) {
            struct frame *frame = frame_pool_take(pool);
            for (int plane = 0; plane < 3; plane++) {
                assert_int_equal((uintptr_t)frame->planes[plane] % 64, 0);
                assert_int_equal(frame->strides[plane] % 64, 0);
                assert_int_equal(frame->planes[plane] != NULL, rows[format][plane] > 0);
                for (int y = 0; y < rows[format][plane]; y++) /* the sanitizer watches */
                    memset(frame->planes[plane] + y * frame->strides[plane], plane + 1,
                           (size_t)(130 * pixel_bytes[format]));
            }
            for (int plane = 0; plane < 3 && rows[format][plane]; plane++) /* none lies in another */
                for (int y = 0; y < 34; y++)
                    assert_int_equal(*frame_at(frame, plane, 129, y), plane + 1);
            frame_unref(frame);
        }
        frame_pool_unref(pool);
    }
}

static void a_frame_comes_back_with_its_last_reference(void **state)
{
    (void)state;
    struct frame_pool *pool = frame_pool_create(&nv12, 2);
    struct frame *a = frame_pool_take(pool), *b = frame_pool_take(pool);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(frame_pool_take(pool));
    frame_ref(a);
    frame_unref(a);
    assert_null(frame_pool_take(pool));
    frame_unref(a);
    assert_ptr_equal(frame_pool_take(pool), a);
    frame_unref(a);
    frame_unref(b);
    frame_unref(NULL);
    frame_pool_unref(pool);
}

static void a_frame_outlives_the_owner_of_its_pool(void **state)
{
    (void)state;
    struct frame_pool *pool = frame_pool_create(&nv12, 1);
    struct frame *frame = frame_pool_take(pool);
    frame_pool_unref(pool);
    memset(frame->planes[0], 5, (size_t)frame->strides[0] * 34);
    frame_unref(frame);
}

static void odd_sizes_are_refused(void **state)
{
    (void)state;
    static const int sizes[][2] = {{0, 2}, {2, 0}, {3, 2}, {2, 3}, {-2, 2}, {20000, 2}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct frame_layout layout = {.width = sizes[i][0], .height = sizes[i][1]};
        assert_null(frame_pool_create(&layout, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_aligned_and_inside_the_frame),
        cmocka_unit_test(a_frame_comes_back_with_its_last_reference),
        cmocka_unit_test(a_frame_outlives_the_owner_of_its_pool),
        cmocka_unit_test(odd_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
