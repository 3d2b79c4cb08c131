/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_encode_row.h"

#include "base/clock.h"
#include "base/stats.h"
#include "host/bench_alarm.h"
#include "host/bench_encode_options.h"
#include "host/bench_eye.h"
#include "host/bench_source.h"
#include "host/bench_wish.h"
#include "host/stream_settings.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Painted pixels, frame and decoder take 10, libx264 10 more, libx265 60 more (two cores, 3840x2160). */
enum { BYTES_PER_PIXEL = 100 };

struct run {
    const struct bench_encode_job *job;
    struct bench_encode_row *row;
    struct bench_source source;
    struct encoder *encoder;
    struct bench_eye *eye; /* NULL: nothing is decoded, any more */
    int64_t total_ns;      /* all but the first picture */
    struct stats_samples samples;
    size_t bytes[BENCH_ENCODE_PICTURES_MAX];
    double psnr[BENCH_ENCODE_PICTURES_MAX]; /* NAN: not known */
};

static void note(struct run *run, enum bench_encode_outcome outcome, const char *text)
{
    run->row->outcome = outcome;
    snprintf(run->row->note, sizeof(run->row->note), "%s", text);
}

/* --- before --- */

/* MemAvailable; 0: not known. */
static int64_t available_bytes(void)
{
    char line[128];
    long kb = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && !kb && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %ld", &kb) != 1)
            kb = 0;
    if (file)
        fclose(file);
    return (int64_t)kb * 1024;
}

static bool has_memory(struct run *run)
{
    int64_t needed = (int64_t)run->job->size.width * run->job->size.height * BYTES_PER_PIXEL;
    int64_t available = available_bytes();
    char text[BENCH_ENCODE_NOTE_MAX];
    if (!available || needed < available)
        return true;
    snprintf(text, sizeof(text), "it would need about %lld MB of memory, %lld are available", (long long)needed >> 20,
             (long long)available >> 20);
    note(run, BENCH_ENCODE_LEFT_OUT, text);
    return false;
}

static bool open_encoder(struct run *run)
{
    const struct bench_encode_job *job = run->job;
    char reason[BENCH_ENCODE_NOTE_MAX];
    struct sdp_announce wish = bench_wish(&job->size, BENCH_ENCODE_FPS, job->bitrate_kbps);
    struct stream_config settings = stream_settings(job->config, &wish);
    settings.encoder.codec = job->report->codec;
    settings.encoder.layout = run->source.frame->layout;
    settings.encoder.fps_x100 = BENCH_ENCODE_FPS * 100;
    run->row->asked_kbps = settings.encoder.bitrate_kbps;
    bench_alarm_set();
    run->encoder = encoder_open(job->report->name, &settings.encoder, reason, sizeof(reason));
    if (!run->encoder)
        note(run, BENCH_ENCODE_LEFT_OUT, reason);
    return run->encoder != NULL;
}

static bool start(struct run *run)
{
    const struct frame_layout layout = {.width = run->job->size.width,
                                        .height = run->job->size.height,
                                        .format = run->job->format,
                                        .colour_space = FRAME_BT709};
    if (!has_memory(run))
        return false;
    if (!bench_source_init(&run->source, run->job->scene, &layout, BENCH_ENCODE_FPS, CLOCK_SECOND_NS)) {
        note(run, BENCH_ENCODE_LEFT_OUT, "out of memory");
        return false;
    }
    run->eye = bench_eye_create(run->job->report->codec);
    return open_encoder(run);
}

/* --- pictures --- */

static void look_at(struct run *run, const struct au_part *part)
{
    static const char *const faults[] = {
        [BENCH_EYE_WRONG] = "the decoder shows something else than picture %d: %.1f dB",
        [BENCH_EYE_NOTHING] = "the decoder does not show picture %d",
        [BENCH_EYE_SIZE] = "the decoder shows picture %d in another size or format",
    };
    char text[BENCH_ENCODE_NOTE_MAX];
    double psnr = (double)NAN;
    enum bench_eye_result result = bench_eye_see(run->eye, part, run->source.frame, &psnr);
    run->psnr[run->row->pictures] = psnr;
    if (run->row->outcome != BENCH_ENCODE_FINE || result == BENCH_EYE_SEEN)
        return;
    snprintf(text, sizeof(text), faults[result], run->row->pictures + 1, psnr);
    note(run, BENCH_ENCODE_FAULTY, text);
    if (result != BENCH_EYE_WRONG) { /* what follows refers to it */
        bench_eye_destroy(run->eye);
        run->eye = NULL;
    }
}

static void add_duration(struct run *run, int64_t took_ns)
{
    if (run->row->pictures == 0) {
        run->row->first_ms = (double)took_ns / 1e6;
        return;
    }
    run->total_ns += took_ns;
    run->samples.us[run->samples.count++] = (uint32_t)(took_ns / CLOCK_US_NS);
}

static bool encode_one(struct run *run)
{
    const struct frame *frame = run->source.frame;
    struct au_part part;
    bench_alarm_set();
    int64_t begin_ns = clock_now_ns();
    if (encoder_encode(run->encoder, frame, &frame->damage, frame->captured_ns, false, &part) != ENCODE_OK) {
        note(run, BENCH_ENCODE_FAULTY, "the encoder failed, see stderr");
        return false;
    }
    add_duration(run, clock_now_ns() - begin_ns);
    run->bytes[run->row->pictures] = part.size;
    run->psnr[run->row->pictures] = (double)NAN;
    if (run->eye)
        look_at(run, &part);
    run->row->pictures++;
    return true;
}

static bool is_enough(const struct run *run)
{
    int pictures = run->row->pictures;
    bool late = pictures >= BENCH_ENCODE_PICTURES_MIN && clock_now_ns() >= run->job->enough_ns;
    return late || pictures == run->job->pictures;
}

static void encode_all(struct run *run)
{
    int64_t interval_ns = CLOCK_SECOND_NS / BENCH_ENCODE_FPS;
    while (encode_one(run) && !is_enough(run))
        bench_source_step(&run->source, run->source.frame->captured_ns + interval_ns);
}

/* --- after --- */

static void fill_times(const struct run *run, struct bench_encode_row *row)
{
    struct stats_summary summary = stats_summarise(&run->samples);
    if (!summary.count)
        return;
    row->p50_ms = summary.p50_us / 1000.0;
    row->p95_ms = summary.p95_us / 1000.0;
    row->p99_ms = summary.p99_us / 1000.0;
    row->fps = summary.count * 1e9 / (double)run->total_ns;
}

static void fill_pictures(const struct run *run, struct bench_encode_row *row)
{
    int first = (row->pictures + 1) / 2, count = row->pictures - first;
    double bits = 0, sum = 0;
    for (int i = 0; i < row->pictures; i++)
        row->psnr_min = fmin(row->psnr_min, run->psnr[i]); /* a NAN does not count */
    for (int i = first; i < row->pictures; i++) {
        bits += (double)run->bytes[i] * 8;
        sum += run->psnr[i];
    }
    if (!count)
        return;
    row->kbps = bits * BENCH_ENCODE_FPS / count / 1000;
    row->psnr = sum / count;
}

static void finish(struct run *run)
{
    bench_eye_destroy(run->eye);
    bench_alarm_set();
    encoder_destroy(run->encoder);
    bench_alarm_clear();
    bench_source_finish(&run->source);
}

void bench_encode_measure(const struct bench_encode_job *job, struct bench_encode_row *ret_row)
{
    const double unknown = (double)NAN;
    struct run *run = calloc(1, sizeof(*run));
    assert(job->pictures >= BENCH_ENCODE_PICTURES_MIN && job->pictures <= BENCH_ENCODE_PICTURES_MAX);
    *ret_row = (struct bench_encode_row){.outcome = BENCH_ENCODE_LEFT_OUT,
                                         .note = "out of memory",
                                         .first_ms = unknown,
                                         .p50_ms = unknown,
                                         .p95_ms = unknown,
                                         .p99_ms = unknown,
                                         .fps = unknown,
                                         .kbps = unknown,
                                         .psnr = unknown,
                                         .psnr_min = unknown};
    if (!run)
        return;
    run->job = job;
    run->row = ret_row;
    note(run, BENCH_ENCODE_FINE, "");
    if (start(run)) {
        encode_all(run);
        fill_times(run, ret_row);
        fill_pictures(run, ret_row);
    }
    finish(run);
    free(run);
}
