/* SPDX-License-Identifier: Apache-2.0 */
/* report: rates and the cost of an encode from one report to the next. The linker hands us the stream's (--wrap). */
#include "host/report.h"

#include "base/clock.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS CLOCK_MS_NS

static struct stream_report next;

void __wrap_stream_take_report(struct stream *stream, struct stream_report *ret_report);
void __wrap_stream_take_report(struct stream *stream, struct stream_report *ret_report)
{
    (void)stream;
    *ret_report = next;
}

static int samples_logged, lines_logged;

void __wrap_log_write(enum log_level level, const char *format, ...);
void __wrap_log_write(enum log_level level, const char *format, ...)
{
    char text[1024]; /* as long as a line may be */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (level != LOG_LEVEL_DEBUG)
        return;
    char *at = strstr(text, "us");
    assert_non_null(at);
    for (at = strchr(at, ' '); at; at = strchr(at + 1, ' '))
        assert_int_equal(strtoul(at, NULL, 10), next.latencies.us[samples_logged++]);
    lines_logged++;
}

static int start(void **state)
{
    static struct report report;
    report = (struct report){0};
    next = (struct stream_report){.encoder = "x264", .software = true};
    report_update(&report, NULL, 0, CLOCK_SECOND_NS);
    *state = &report;
    return 0;
}

/* A second later, with so many encodes of this duration. */
static void second_with(struct report *report, int pictures, int repeats, int64_t each_ns)
{
    next.pictures += (uint64_t)pictures;
    next.repeats += (uint64_t)repeats;
    next.encode_ns += (pictures + repeats) * each_ns;
    next.sender.frames += (uint64_t)(pictures + repeats);
    report_update(report, NULL, report->lost_packets, report->taken_ns + CLOCK_SECOND_NS);
}

static void rates_are_of_the_time_between_two_reports(void **state)
{
    struct report *report = *state;
    next.sender.frames = 30;
    next.sender.packets = 200;
    next.sender.bytes = 250000;
    report_update(report, NULL, 10, report->taken_ns + CLOCK_SECOND_NS / 2);
    assert_int_equal(report->fps, 60);
    assert_int_equal(report->kbps, 4000);
    assert_int_equal(report->loss_percent, 5);
}

static void a_late_report_of_losses_is_no_more_than_all(void **state)
{
    struct report *report = *state;
    next.sender.packets = 10;
    report_update(report, NULL, 50, report->taken_ns + CLOCK_SECOND_NS);
    assert_int_equal(report->loss_percent, 100);
}

static void the_cost_is_known_after_a_second_of_motion(void **state)
{
    struct report *report = *state;
    second_with(report, 60, 0, 8 * MS);
    assert_int_equal(report->encode_ns, 8 * MS);
}

static void repeats_of_a_still_picture_are_no_cost_to_begin_with(void **state)
{
    struct report *report = *state;
    for (int i = 0; i < 30; i++)
        second_with(report, 0, 1, 2 * MS);
    assert_int_equal(report->encode_ns, 0);
}

static void nor_do_they_change_it_much(void **state)
{
    struct report *report = *state;
    second_with(report, 60, 0, 8 * MS);
    for (int i = 0; i < 5; i++)
        second_with(report, 0, 1, 2 * MS);
    assert_in_range(report->encode_ns, 7 * MS, 8 * MS);
}

static void few_encodes_that_take_long_are_a_cost(void **state)
{
    struct report *report = *state;
    second_with(report, 6, 0, 120 * MS);
    assert_int_equal(report->encode_ns, 120 * MS);
}

static void a_new_cost_counts_half_after_a_second_of_motion(void **state)
{
    struct report *report = *state;
    second_with(report, 60, 0, 4 * MS);
    second_with(report, 60, 0, 8 * MS);
    assert_in_range(report->encode_ns, 5 * MS, 7 * MS);
    for (int i = 0; i < 10; i++)
        second_with(report, 60, 0, 8 * MS);
    assert_in_range(report->encode_ns, 8 * MS - MS / 10, 8 * MS);
}

static void the_rate_made_rises_at_once_and_fades(void **state)
{
    struct report *report = *state;
    assert_int_equal(report->made_fps_x100, 0);
    second_with(report, 0, 1, 2 * MS);
    assert_int_equal(report->made_fps_x100, 101);
    second_with(report, 58, 2, 8 * MS);
    assert_int_equal(report->made_fps_x100, 6001);
    second_with(report, 0, 0, 0);
    assert_in_range(report->made_fps_x100, 4000, 5000);
    for (int i = 0; i < 60; i++)
        second_with(report, 0, 0, 0);
    assert_int_equal(report->made_fps_x100, 1); /* 0 would mean unknown */
}

static void nothing_encoded_changes_nothing(void **state)
{
    struct report *report = *state;
    second_with(report, 60, 0, 8 * MS);
    second_with(report, 0, 0, 0);
    assert_int_equal(report->encode_ns, 8 * MS);
}

static void latency_is_null_while_nothing_new_is_shown(void **state)
{
    struct report *report = *state;
    json_t *object = json_object();
    report_to_json(report, object);
    assert_true(json_is_null(json_object_get(object, "latency_p50_ms")));
    assert_string_equal(json_string_value(json_object_get(object, "encoder")), "x264");
    next.latency = (struct stats_summary){.count = 1, .p50_us = 9000};
    second_with(report, 1, 0, 8 * MS);
    report_to_json(report, object);
    assert_int_equal(json_real_value(json_object_get(object, "latency_p50_ms")), 9);
    json_decref(object);
}

static void every_latency_is_logged_for_a_bench(void **state)
{
    struct report *report = *state;
    samples_logged = lines_logged = 0;
    report_log(report, "1a2b");
    assert_int_equal(lines_logged, 0);
    next.latencies.count = 161;
    for (uint32_t i = 0; i < 161; i++)
        next.latencies.us[i] = UINT32_MAX - i;
    second_with(report, 60, 0, 8 * MS);
    report_log(report, "1a2b");
    assert_int_equal(samples_logged, 161);
    assert_int_equal(lines_logged, 3);
}

#define STARTED(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STARTED(rates_are_of_the_time_between_two_reports),
        STARTED(a_late_report_of_losses_is_no_more_than_all),
        STARTED(the_cost_is_known_after_a_second_of_motion),
        STARTED(repeats_of_a_still_picture_are_no_cost_to_begin_with),
        STARTED(nor_do_they_change_it_much),
        STARTED(few_encodes_that_take_long_are_a_cost),
        STARTED(a_new_cost_counts_half_after_a_second_of_motion),
        STARTED(the_rate_made_rises_at_once_and_fades),
        STARTED(nothing_encoded_changes_nothing),
        STARTED(latency_is_null_while_nothing_new_is_shown),
        STARTED(every_latency_is_logged_for_a_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
