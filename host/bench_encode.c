/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_encode.h"

#include "base/clock.h"
#include "base/process.h"
#include "host/bench_encode_options.h"
#include "host/bench_encode_report.h"
#include "host/bench_encode_row.h"
#include "host/cli.h"
#include "host/driver_thread.h"
#include "host/gpu_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const enum bench_scene_kind scenes[] = {BENCH_SCENE_TYPE, BENCH_SCENE_SCROLL, BENCH_SCENE_VIDEO};
enum { SCENES = sizeof(scenes) / sizeof(scenes[0]), END_LIMIT_S = 5 };

struct bench_encode {
    const struct config *config;
    struct bench_encode_options options;
    struct bench_encode_site site; /* its reports: those of the codecs asked for */
    json_t *document;
    int64_t end_ns; /* monotonic */
    int rows_left, rows_cut;
    bool faulty;
};

/* --- which encoders --- */

/* Each has its own time to answer in; who hangs is one of those that cannot be used. */
static bool ask_drivers(struct bench_encode *self)
{
    struct driver_thread *drivers = driver_thread_create(NULL);
    struct encoders encoders = {.drivers = drivers};
    struct gpu_watch gpu = {.root = "", .drivers = drivers};
    if (!drivers)
        return false;
    encoders_probe(&encoders, self->options.encoder);
    gpu_watch_read(&gpu);
    driver_thread_destroy(drivers);
    self->site.gpu = gpu.facts;
    for (int i = 0; i < encoders.count; i++)
        if (self->options.codecs[encoders.reports[i].codec])
            self->site.reports[self->site.count++] = encoders.reports[i];
    return true;
}

static int count_usable(const struct bench_encode *self)
{
    int usable = 0;
    for (int i = 0; i < self->site.count; i++)
        usable += self->site.reports[i].usable;
    return usable;
}

/* --- rows --- */

/* What is left of the time is shared among the rows that are left. */
static int64_t enough_ns(const struct bench_encode *self)
{
    int64_t now_ns = clock_now_ns();
    return now_ns + (self->end_ns > now_ns ? (self->end_ns - now_ns) / self->rows_left : 0);
}

static bool write_document(const struct bench_encode *self)
{
    if (!self->options.json || json_dump_file(self->document, self->options.json, JSON_INDENT(2)) == 0)
        return true;
    fprintf(stderr, "earthshine: cannot write %s: %s\n", self->options.json, strerror(errno));
    return false;
}

/* The file is written before and after: if the driver hangs, it says where. */
static bool measure_row(struct bench_encode *self, const struct encoder_report *report, enum frame_format format,
                        const struct bench_size *size, enum bench_scene_kind scene)
{
    struct bench_encode_row row;
    const struct bench_encode_job job = {
        .report = report,
        .format = format,
        .scene = scene,
        .size = *size,
        .bitrate_kbps = bench_encode_bitrate_kbps(&self->options, size),
        .pictures = 1 + self->options.seconds * BENCH_ENCODE_FPS,
        .enough_ns = enough_ns(self),
        .config = self->config,
    };
    bench_encode_print_job(&job);
    bench_encode_begin(self->document, &job);
    if (!write_document(self))
        return false;
    bench_encode_measure(&job, &row);
    bench_encode_print_row(&row);
    self->rows_left--;
    self->rows_cut += row.outcome == BENCH_ENCODE_FINE && row.pictures < job.pictures;
    self->faulty |= row.outcome == BENCH_ENCODE_FAULTY;
    return bench_encode_add(self->document, &job, &row);
}

static bool measure_encoder(struct bench_encode *self, const struct encoder_report *report, enum frame_format format)
{
    bool good = true;
    for (int i = 0; good && i < self->options.size_count; i++)
        for (int j = 0; good && j < SCENES; j++)
            good = measure_row(self, report, format, &self->options.sizes[i], scenes[j]);
    return good;
}

static bool is_wanted(const struct bench_encode *self, int report, int format)
{
    return self->site.reports[report].usable &&
           bench_encode_wants(&self->options, &self->site.reports[report], (enum frame_format)format);
}

static int count_rows(const struct bench_encode *self)
{
    int wanted = 0;
    for (int i = 0; i < self->site.count; i++)
        for (int format = 0; format < FRAME_FORMATS; format++)
            wanted += is_wanted(self, i, format);
    return wanted * self->options.size_count * SCENES;
}

static bool measure_all(struct bench_encode *self)
{
    int limit_s = self->options.seconds * BENCH_ENCODE_LIMIT_S_PER_SECOND;
    bool good = true;
    self->end_ns = clock_now_ns() + limit_s * CLOCK_SECOND_NS;
    self->rows_left = count_rows(self);
    printf("%d rows, at most %d s in all\n", self->rows_left, limit_s);
    bench_encode_print_heading();
    for (int i = 0; good && i < self->site.count; i++)
        for (int format = 0; good && format < FRAME_FORMATS; format++)
            if (is_wanted(self, i, format))
                good = measure_encoder(self, &self->site.reports[i], (enum frame_format)format);
    if (self->rows_cut)
        printf("\nIn %d rows time was up before all %d pictures were measured.\n", self->rows_cut,
               1 + self->options.seconds * BENCH_ENCODE_FPS);
    return good;
}

/* --- the command --- */

/* What there is goes into the file also if no encoder works: that is what is to be reported then. */
static bool run(struct bench_encode *self)
{
    bench_machine_read(&self->site.machine);
    bench_encode_print_machine(&self->site);
    if (!ask_drivers(self))
        return false;
    if (!self->site.count) {
        fprintf(stderr, "earthshine: this build has no encoder \"%s\" for these codecs\n", self->options.encoder);
        return false;
    }
    bench_encode_print_encoders(&self->site);
    self->document = bench_encode_document(&self->options, &self->site);
    bool usable = count_usable(self) > 0;
    bool good = self->document && (!usable || measure_all(self));
    good = good && write_document(self);
    json_decref(self->document);
    if (!usable)
        fprintf(stderr, "earthshine: no encoder works\n");
    if (self->faulty)
        fprintf(stderr, "earthshine: an encoder is faulty, see the table\n");
    return good && usable && !self->faulty;
}

int bench_encode_run(const struct config *config, int count, char **arguments)
{
    struct bench_encode self = {.config = config};
    switch (bench_encode_options_parse(count, arguments, &self.options)) {
    case BENCH_WORDS_OK:
        break;
    case BENCH_WORDS_HELP:
        return EXIT_FINE;
    case BENCH_WORDS_WRONG:
        return EXIT_USAGE;
    }
    if (config->log_level != LOG_LEVEL_DEBUG)
        log_set_level(LOG_LEVEL_ERROR); /* the table is what was asked for */
    process_return_freed_memory();      /* as the host does */
    if (self.options.json && !bench_words_can_write(self.options.json))
        return EXIT_FAILED;
    bool good = run(&self);
    process_end_within(END_LIMIT_S); /* a driver that hangs may do so at the exit, too */
    return good ? EXIT_FINE : EXIT_FAILED;
}
