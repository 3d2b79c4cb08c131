/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Painter and receiver share the process with what is measured: their threads' time and the painter's pixels are taken
 * off. The X server is another process and does not count.
 *
 * A picture's age needs no decoding: the receiver knows when its frame was captured, and what the X server had been
 * told to paint by then is on it, for it does one thing after the other. The bench of the tests (tests/bench/run.py)
 * reads the time code from the decoded picture instead: exact, but with a decoder's work.
 */
#include "host/bench_measure.h"

#include "base/clock.h"
#include "base/text.h"
#include "host/bench_painter.h"
#include "host/bench_receiver.h"
#include "host/bench_wish.h"
#include "host/stream_settings.h"
#include "net/gso.h"
#include "net/udp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP_S = 1, FIRST_LIMIT_S = 10, SPARE_S = 10 };

struct run {
    const struct bench_measure *measure;
    struct bench_painter *painter;
    struct bench_receiver *receiver;
    struct udp_socket *socket;
    struct gso_policy *gso;
    struct display *display;
    struct stream *stream;
    int64_t asked_ns; /* for the stream */
    int64_t begin_ns, end_ns, begin_cpu_ns, end_cpu_ns;
    double memory_mb;
    struct stream_report report; /* of what lies between begin and end */
};

static void on_stream_failed(void *ctx)
{
    bench_site_fail(ctx, "no encoder is left that works");
}

/* --- start and end --- */

static bool start_ends(struct run *run, enum bench_scene_kind scene)
{
    const struct bench_options *options = run->measure->options;
    int seconds_max = options->seconds + WARM_UP_S + FIRST_LIMIT_S + SPARE_S;
    const struct bench_painter_config painter = {
        .display = bench_site_display(run->measure->site),
        .xauthority = bench_site_xauthority(run->measure->site),
        .kind = scene,
        .fps = options->fps,
        .seconds_max = seconds_max,
    };
    run->painter = bench_painter_create(&painter);
    run->receiver = bench_receiver_create((size_t)seconds_max * 2 * (size_t)(options->fps + 10));
    return run->painter && run->receiver;
}

static bool start_host(struct run *run)
{
    const struct bench_site *site = run->measure->site;
    const struct display_config display = {.name = "", .output = "auto"};
    struct address local;
    run->display = display_create(&display);
    if (!run->display || !address_parse("127.0.0.1", 0, &local))
        return false;
    display_point(run->display, bench_site_display(site), bench_site_xauthority(site), "");
    run->socket = udp_socket_create(&local);
    run->gso = gso_policy_create(NULL, 0);
    return run->socket && run->gso;
}

static bool start_stream(struct run *run, const struct bench_size *size)
{
    const struct bench_measure *measure = run->measure;
    struct address destination;
    const struct address source = {0};
    struct sdp_announce wish = bench_wish(size, measure->options->fps, measure->options->bitrate_kbps);
    struct stream_config config = stream_settings(measure->config, &wish);
    config.display = run->display;
    memcpy(config.encoders, measure->encoders, sizeof(config.encoders));
    config.encoder_count = measure->encoder_count;
    config.sender.socket = run->socket;
    config.sender.gso = run->gso;
    config.failed = on_stream_failed;
    config.ctx = measure->site;
    bench_receiver_address(run->receiver, &destination);
    run->asked_ns = clock_now_ns();
    run->stream = stream_create(&config);
    return run->stream && stream_start(run->stream, &destination, &source);
}

/* What is half started, too. */
static void end_run(struct run *run)
{
    bench_painter_destroy(run->painter);
    stream_destroy(run->stream);
    display_destroy(run->display);
    bench_receiver_destroy(run->receiver);
    udp_socket_destroy(run->socket);
    gso_policy_destroy(run->gso);
}

/* --- the measured time --- */

static int64_t host_cpu_ns(const struct run *run)
{
    return clock_process_cpu_ns() - bench_painter_cpu_ns(run->painter) - bench_receiver_cpu_ns(run->receiver);
}

/* RssAnon + RssShmem without the painter's pixels. */
static double host_memory_mb(const struct run *run)
{
    char line[128];
    long kb, sum_kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "RssAnon: %ld", &kb) == 1 || sscanf(line, "RssShmem: %ld", &kb) == 1)
            sum_kb += kb;
    if (file)
        fclose(file);
    return (double)sum_kb / 1024 - (double)bench_painter_memory_bytes(run->painter) / (1024 * 1024);
}

static bool await_first(struct run *run)
{
    int64_t limit_ns = run->asked_ns + FIRST_LIMIT_S * CLOCK_SECOND_NS;
    while (!bench_receiver_first_ns(run->receiver)) {
        if (clock_now_ns() >= limit_ns) {
            fprintf(stderr, "earthshine: bench: no picture arrived within %d s\n", FIRST_LIMIT_S);
            return false;
        }
        if (!bench_site_wait(run->measure->site, clock_now_ns() + 20 * CLOCK_MS_NS))
            return false;
    }
    return true;
}

static bool measure_steady(struct run *run)
{
    struct bench_site *site = run->measure->site;
    if (!bench_site_wait(site, clock_now_ns() + WARM_UP_S * CLOCK_SECOND_NS))
        return false;
    stream_take_report(run->stream, &run->report); /* its durations start anew */
    run->begin_cpu_ns = host_cpu_ns(run);
    run->begin_ns = clock_now_ns();
    if (!bench_site_wait(site, run->begin_ns + run->measure->options->seconds * CLOCK_SECOND_NS))
        return false;
    run->end_ns = clock_now_ns();
    run->end_cpu_ns = host_cpu_ns(run);
    run->memory_mb = host_memory_mb(run);
    stream_take_report(run->stream, &run->report);
    bench_painter_stop(run->painter);
    bench_receiver_stop(run->receiver);
    return true;
}

/* --- figures --- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return count ? values[count / 2] : (double)NAN;
}

static double ms(const struct stats_summary *summary, uint32_t us)
{
    return summary->count ? us / 1000.0 : (double)NAN;
}

static bool is_inside(const struct run *run, int64_t at_ns)
{
    return at_ns >= run->begin_ns && at_ns < run->end_ns;
}

static size_t count_painted(const struct run *run)
{
    size_t count, painted = 0;
    const int64_t *stamps_ns = bench_painter_stamps(run->painter, &count);
    for (size_t i = 0; i < count; i++)
        painted += is_inside(run, stamps_ns[i]);
    return painted;
}

/* Of the newest picture that one captured then can show; they are asked for in order. 0: none. */
static int64_t stamp_shown(const int64_t *stamps_ns, size_t count, int64_t captured_ns, size_t *at)
{
    while (*at < count && stamps_ns[*at] <= captured_ns)
        (*at)++;
    return *at ? stamps_ns[*at - 1] : 0;
}

struct arrivals {
    size_t pictures, gaps, lost, bytes;
    double age_p50; /* ms */
};

static void count_frame(const struct run *run, const struct bench_frame *frame, int64_t *last_ns,
                        struct arrivals *arrivals)
{
    int64_t gap_ns = CLOCK_SECOND_NS * 3 / 2 / run->measure->options->fps;
    arrivals->bytes += frame->bytes;
    if (frame->is_repeat)
        return;
    arrivals->pictures++;
    arrivals->gaps += *last_ns && frame->completed_ns - *last_ns > gap_ns;
    *last_ns = frame->completed_ns;
}

/* False: no memory. */
static bool count_arrivals(const struct run *run, struct arrivals *ret_arrivals)
{
    size_t frame_count, stamp_count, at = 0, age_count = 0;
    const struct bench_frame *frames = bench_receiver_frames(run->receiver, &frame_count);
    const int64_t *stamps_ns = bench_painter_stamps(run->painter, &stamp_count);
    double *ages = calloc(frame_count + 1, sizeof(*ages));
    int64_t last_ns = 0;
    *ret_arrivals = (struct arrivals){0};
    for (size_t i = 0; ages && i < frame_count; i++) {
        int64_t stamped_ns = stamp_shown(stamps_ns, stamp_count, frames[i].captured_ns, &at);
        if (!frames[i].completed_ns)
            ret_arrivals->lost += is_inside(run, frames[i].captured_ns);
        if (!is_inside(run, frames[i].completed_ns))
            continue;
        count_frame(run, &frames[i], &last_ns, ret_arrivals);
        if (!frames[i].is_repeat && stamped_ns)
            ages[age_count++] = (double)(frames[i].completed_ns - stamped_ns) / 1e6;
    }
    if (ages)
        ret_arrivals->age_p50 = median(ages, age_count);
    free(ages);
    return ages != NULL;
}

static void fill_figures(const struct run *run, enum bench_scene_kind scene, const struct arrivals *arrivals,
                         struct bench_figures *ret_figures)
{
    const struct stream_report *report = &run->report;
    double seconds = (double)(run->end_ns - run->begin_ns) / 1e9, painted = (double)count_painted(run);
    bool moves = scene != BENCH_SCENE_STILL && scene != BENCH_SCENE_STATIC;
    *ret_figures = (struct bench_figures){{
        [BENCH_PAINTED_FPS] = painted / seconds,
        [BENCH_RECEIVED_FPS] = (double)arrivals->pictures / seconds,
        [BENCH_SHARE] = painted > 0 ? (double)arrivals->pictures / painted : (double)NAN,
        [BENCH_HOST_P50] = ms(&report->latency, report->latency.p50_us),
        [BENCH_HOST_P95] = ms(&report->latency, report->latency.p95_us),
        [BENCH_HOST_P99] = ms(&report->latency, report->latency.p99_us),
        [BENCH_AGE_P50] = arrivals->age_p50,
        [BENCH_GAPS] = moves ? (double)arrivals->gaps : (double)NAN,
        [BENCH_CORES] = (double)(run->end_cpu_ns - run->begin_cpu_ns) / 1e9 / seconds,
        [BENCH_MEMORY_MB] = run->memory_mb,
        [BENCH_FIRST_MS] = (double)(bench_receiver_first_ns(run->receiver) - run->asked_ns) / 1e6,
        [BENCH_KBPS] = (double)arrivals->bytes * 8 / 1000 / seconds,
        [BENCH_FETCH] = ms(&report->fetch, report->fetch.p50_us),
        [BENCH_CONVERT] = ms(&report->convert, report->convert.p50_us),
        [BENCH_ENCODE] = ms(&report->encode, report->encode.p50_us),
        [BENCH_SEND] = ms(&report->send, report->packetise.p50_us + report->send.p50_us),
        [BENCH_LOST] = (double)arrivals->lost,
    }};
}

bool bench_measure_scene(const struct bench_measure *self, enum bench_scene_kind scene, const struct bench_size *size,
                         struct bench_figures *ret_figures, struct bench_machine *ret_machine)
{
    struct run run = {.measure = self};
    struct arrivals arrivals;
    bool good = start_ends(&run, scene) && start_host(&run) && start_stream(&run, size) && await_first(&run) &&
                measure_steady(&run) && count_arrivals(&run, &arrivals);
    if (good) {
        fill_figures(&run, scene, &arrivals, ret_figures);
        text_copy(ret_machine->encoder, sizeof(ret_machine->encoder), run.report.encoder);
    }
    end_run(&run);
    return good;
}
