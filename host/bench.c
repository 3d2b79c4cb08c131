/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench.h"

#include "base/log.h"
#include "base/process.h"
#include "host/bench_measure.h"
#include "host/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The usable encoders of `self->options`, taken from the reports. False: said on stderr, with the reasons. */
static bool find_encoders(struct bench_measure *self, const struct encoder_report *reports, int count)
{
    for (int i = 0; i < count && self->encoder_count < STREAM_ENCODERS_MAX; i++)
        if (reports[i].usable && reports[i].codec == ENCODER_H264)
            self->encoders[self->encoder_count++] = &reports[i];
    if (self->encoder_count)
        return true;
    if (!count)
        fprintf(stderr, "earthshine: this build has no encoder \"%s\"\n", self->options->encoder);
    for (int i = 0; i < count; i++)
        if (reports[i].codec == ENCODER_H264)
            fprintf(stderr, "earthshine: %s cannot be used: %s\n", reports[i].name, reports[i].reason);
    return false;
}

static bool write_json(const struct bench_machine *machine, const struct bench_options *options, json_t *results)
{
    json_t *document = bench_document(machine, options, results);
    bool good = document && json_dump_file(document, options->json, JSON_INDENT(2)) == 0;
    json_decref(document);
    if (!good)
        fprintf(stderr, "earthshine: cannot write %s: %s\n", options->json, strerror(errno));
    return good;
}

static bool measure_size(const struct bench_measure *self, const struct bench_size *size, const json_t *old,
                         struct bench_machine *machine, json_t *results)
{
    if (!bench_site_show(self->site, size->width, size->height))
        return false;
    bench_print_heading(size);
    for (int i = 0; i < self->options->scene_count; i++) {
        enum bench_scene_kind scene = self->options->scenes[i];
        struct bench_figures figures;
        if (!bench_measure_scene(self, scene, size, &figures, machine))
            return false;
        bench_print_row(scene, &figures, bench_old_figures(old, scene, size));
        if (!bench_add_result(results, scene, size, &figures))
            return false;
    }
    return true;
}

static bool measure_all(struct bench_measure *self, const json_t *old)
{
    const struct bench_options *options = self->options;
    struct bench_machine machine;
    json_t *results = json_object();
    bool good = (self->site = bench_site_create()) != NULL;
    bench_machine_read(&machine);
    if (old)
        bench_tell_differences(old, &machine, options);
    for (int i = 0; good && i < options->size_count; i++)
        good = measure_size(self, &options->sizes[i], old, &machine, results);
    bench_site_destroy(self->site);
    if (good) {
        bench_print_machine(&machine, options);
        good = !options->json || write_json(&machine, options, results);
    }
    json_decref(results);
    return good;
}

int bench_run(const struct config *config, int count, char **arguments)
{
    struct bench_options options;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    switch (bench_options_parse(count, arguments, config->encoder, &options)) {
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
    json_t *old = options.compare ? bench_load_document(options.compare) : NULL;
    if ((options.compare && !old) || (options.json && !bench_words_can_write(options.json))) {
        json_decref(old);
        return EXIT_FAILED;
    }
    struct bench_measure measure = {.config = config, .options = &options};
    bool good = find_encoders(&measure, reports, encoder_probe(options.encoder, reports)) && measure_all(&measure, old);
    json_decref(old);
    return good ? EXIT_FINE : EXIT_FAILED;
}
