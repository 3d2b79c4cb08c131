/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/crew.h"
#include "base/file.h"
#include "base/region.h"
#include "base/stats.h"
#include "base/text.h"
#include "base/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void integers_are_parsed_strictly(void **state)
{
    (void)state;
    int64_t value = 77;
    assert_true(text_parse_i64("-12", 3, -100, 100, &value));
    assert_int_equal(value, -12);
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "0x1", "1e3", "101", "9999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_parse_i64(bad[i], strlen(bad[i]), -100, 100, &value));
    assert_int_equal(value, -12);
}

static void signals_before_a_wait_are_one(void **state)
{
    (void)state;
    struct wake wake;
    int64_t start_ns = clock_now_ns();
    assert_true(wake_init(&wake));
    wake_signal(&wake);
    wake_signal(&wake);
    wake_wait(&wake, -1, INT64_MAX);
    wake_wait(&wake, -1, start_ns + 20 * CLOCK_MS_NS); /* nothing is left of the second one */
    assert_true(clock_now_ns() - start_ns >= 20 * CLOCK_MS_NS);
    wake_finish(&wake);
    wake_signal(&wake); /* nobody is there */
}

static void hex_goes_there_and_back(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x9f, 0xff};
    char text[7];
    uint8_t back[3];
    text_hex(bytes, sizeof(bytes), text);
    assert_string_equal(text, "009fff");
    assert_true(text_unhex("009FfF", 6, back, 3));
    assert_memory_equal(bytes, back, 3);
    assert_false(text_unhex("009ff", 5, back, 3));
    assert_false(text_unhex("009ffg", 6, back, 3));
}

static void a_reader_past_its_end_fails_for_good(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3};
    struct byte_reader reader;
    byte_reader_init(&reader, bytes, sizeof(bytes));
    assert_int_equal(byte_reader_u16be(&reader), 0x0102);
    assert_int_equal(byte_reader_u16le(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(byte_reader_u8(&reader), 0);
}

static void a_region_never_covers_less_than_was_added(void **state)
{
    (void)state;
    enum { SIZE = 128 };
    srand(7);
    for (int round = 0; round < 200; round++) {
        static bool wanted[SIZE][SIZE];
        memset(wanted, 0, sizeof(wanted));
        struct region region = {0};
        for (int n = 0; n < 3 * REGION_MAX_RECTS; n++) {
            struct rect r = {rand() % 124, rand() % 124, rand() % 5, rand() % 5};
            region_add(&region, r);
            for (int y = r.y; y < r.y + r.height && y < SIZE; y++)
                for (int x = r.x; x < r.x + r.width && x < SIZE; x++)
                    wanted[y][x] = true;
        }
        assert_true(region.count <= REGION_MAX_RECTS);
        for (int y = 0; y < SIZE; y++) {
            for (int x = 0; x < SIZE; x++) {
                bool covered = false;
                for (int i = 0; i < region.count; i++)
                    covered |= !rect_is_empty(rect_intersect(region.rects[i], (struct rect){x, y, 1, 1}));
                assert_true(covered || !wanted[y][x]);
            }
        }
    }
}

static void forty_changes_here_and_there_are_not_united(void **state)
{
    (void)state;
    struct region region = {0};
    for (int i = 0; i < 40; i++)
        region_add(&region, (struct rect){i % 8 * 300, i / 8 * 200 + i % 3, 64, 16});
    assert_int_equal(region_area(&region), 40 * 64 * 16);
}

static void summaries_are_percentiles_of_the_window(void **state)
{
    (void)state;
    struct stats stats;
    stats_init(&stats);
    for (int i = 100; i >= 1; i--)
        stats_add_ns(&stats, i * 1000);
    struct stats_summary summary = stats_take(&stats);
    assert_int_equal(summary.count, 100);
    assert_int_equal(summary.p50_us, 51);
    assert_int_equal(summary.p99_us, 100);
    assert_int_equal(summary.max_us, 100);
    assert_int_equal(stats_take(&stats).count, 0);
    stats_finish(&stats);
}

static void samples_are_those_of_the_window(void **state)
{
    (void)state;
    struct stats stats;
    struct stats_samples samples;
    stats_init(&stats);
    for (int i = 0; i < 3; i++)
        stats_add_ns(&stats, (30 - i) * 1000);
    stats_take_samples(&stats, &samples);
    assert_int_equal(stats_summarise(&samples).p50_us, 29);
    assert_int_equal(samples.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(samples.us[i], 30 - i); /* summing up left them alone */
    stats_take_samples(&stats, &samples);
    assert_int_equal(samples.count, 0);
    for (int i = 0; i < STATS_CAPACITY + 1; i++)
        stats_add_ns(&stats, i * 1000);
    stats_take_samples(&stats, &samples);
    assert_int_equal(samples.us[0], STATS_CAPACITY); /* instead of the oldest */
    assert_int_equal(stats_summarise(&samples).count, STATS_CAPACITY + 1);
    stats_finish(&stats);
}

static void a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/earthshine-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state", folder);
    assert_true(file_write_atomic(path, "old", 3, 0600));
    char *data;
    size_t size;
    assert_int_equal(file_read(path, 2, &data, &size), FILE_FAILED);
    assert_int_equal(file_read(path, 3, &data, &size), FILE_OK);
    assert_string_equal(data, "old");
    free(data);
    unlink(path);
    assert_int_equal(file_read(path, 3, &data, &size), FILE_MISSING);
    rmdir(folder);
    assert_false(file_write_atomic(path, "new", 3, 0600));
}

static void what_a_program_printed_is_made_printable(void **state)
{
    (void)state;
    static const struct {
        const char *printed, *shown;
    } rows[] = {
        {"plain\ttext\n", "plain\ttext\n"},
        {"\x1b[31mred\x07\x7f", "?[31mred??"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d"},
        {"\xc3", "?"},                /* cut short */
        {"\xe2\x82", "??"},           /* cut short */
        {"\xc0\xaf", "??"},           /* overlong */
        {"\xe0\x80\xaf", "???"},      /* overlong */
        {"\xed\xa0\x80", "???"},      /* surrogate */
        {"\xf4\x90\x80\x80", "????"}, /* beyond the last character */
        {"\xff\xfe a", "?? a"},       /* never in UTF-8 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[64];
        text_copy(text, sizeof(text), rows[i].printed);
        text_make_printable(text);
        assert_string_equal(text, rows[i].shown);
    }
}

struct tally {
    int times[40]; /* each written by one thread only, if the crew is right */
};

static void count_once(void *arg, int index)
{
    struct tally *tally = arg;
    tally->times[index]++;
}

static void a_crew_does_each_piece_once_and_all_before_it_returns(void **state)
{
    (void)state;
    for (int threads = 0; threads <= 3; threads++) {
        struct crew crew;
        crew_init(&crew, "crew", threads);
        for (int run = 0; run < 2000; run++) {
            struct tally tally = {.times = {0}};
            int count = run % 40;
            crew_run(&crew, count, count_once, &tally);
            for (int i = 0; i < 40; i++)
                assert_int_equal(tally.times[i], i < count);
        }
        crew_finish(&crew);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_parsed_strictly),
        cmocka_unit_test(signals_before_a_wait_are_one),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(a_reader_past_its_end_fails_for_good),
        cmocka_unit_test(a_region_never_covers_less_than_was_added),
        cmocka_unit_test(a_crew_does_each_piece_once_and_all_before_it_returns),
        cmocka_unit_test(forty_changes_here_and_there_are_not_united),
        cmocka_unit_test(summaries_are_percentiles_of_the_window),
        cmocka_unit_test(samples_are_those_of_the_window),
        cmocka_unit_test(a_failed_write_keeps_the_old_file),
        cmocka_unit_test(what_a_program_printed_is_made_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
