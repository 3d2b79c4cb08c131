/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_encode_report.h"

#include "encode/libraries.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

enum { SIZE_TEXT = 24 };

/* The figures of a row: keys in JSON, and how they stand in the table. */
static const struct column {
    size_t offset; /* of a double in struct bench_encode_row */
    const char *key, *over, *under;
    int width, digits;
} columns[] = {
    {offsetof(struct bench_encode_row, first_ms), "first_ms", "first", "ms", 8, 1},
    {offsetof(struct bench_encode_row, p50_ms), "p50_ms", "ms each", "p50", 9, 2},
    {offsetof(struct bench_encode_row, p95_ms), "p95_ms", "", "p95", 9, 2},
    {offsetof(struct bench_encode_row, p99_ms), "p99_ms", "", "p99", 9, 2},
    {offsetof(struct bench_encode_row, fps), "fps", "", "fps", 7, 0},
    {offsetof(struct bench_encode_row, kbps), "kbps", "kbit/s", "got", 8, 0},
    {offsetof(struct bench_encode_row, psnr), "psnr_db", "PSNR", "mean", 7, 1},
    {offsetof(struct bench_encode_row, psnr_min), "psnr_min_db", "dB", "least", 7, 1},
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static double figure(const struct bench_encode_row *row, const struct column *column)
{
    return *(const double *)(const void *)((const char *)row + column->offset);
}

static const char *const outcomes[] = {
    [BENCH_ENCODE_FINE] = "fine", [BENCH_ENCODE_LEFT_OUT] = "left out", [BENCH_ENCODE_FAULTY] = "FAULTY"};

static void make_size(const struct bench_size *size, char ret_text[SIZE_TEXT])
{
    snprintf(ret_text, SIZE_TEXT, "%dx%d", size->width, size->height);
}

/* --- text --- */

void bench_encode_print_machine(const struct bench_encode_site *site)
{
    const struct bench_machine *machine = &site->machine;
    struct library libraries[LIBRARIES_MAX];
    int count = libraries_list(libraries);
    printf("earthshine %s, %s; %s, %d cores, %d MB\n", EARTHSHINE_VERSION, machine->kernel, machine->cpu,
           machine->cores, machine->memory_mb);
    for (int i = 0; i < count; i++)
        printf("%s%s %s", i ? ", " : "", libraries[i].name, libraries[i].version);
    printf("%s", count ? "\n" : "");
    fflush(stdout);
}

static void print_gpu(const struct bench_encode_site *site)
{
    char sentence[GPU_SENTENCE_MAX];
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    int count = gpu_find(&site->gpu, site->reports, site->count, findings);
    gpu_sentence(&site->gpu, sentence);
    printf("GPU: %s\n", sentence);
    for (int i = 0; i < count; i++)
        printf("GPU: %s %s\n", findings[i].what, findings[i].todo);
}

/* Those that it takes. */
static void print_formats(const struct encoder_report *report)
{
    for (int i = 0; i < FRAME_FORMATS; i++)
        if (report->takes[i])
            printf(" %s", bench_encode_format_word((enum frame_format)i));
    printf("\n");
}

void bench_encode_print_encoders(const struct bench_encode_site *site)
{
    print_gpu(site);
    for (int i = 0; i < site->count; i++) {
        const struct encoder_report *report = &site->reports[i];
        printf("%s %s %s%s", report->name, bench_encode_codec_word(report->codec),
               report->usable ? "works:" : "cannot be used: ", report->reason);
        print_formats(report);
    }
    fflush(stdout);
}

void bench_encode_print_heading(void)
{
    printf("\n%-11s%-6s%-8s%-11s%-8s%6s%9s", "", "", "", "", "", "", "kbit/s");
    for (int i = 0; i < COLUMNS; i++)
        printf("%*s", columns[i].width, columns[i].over);
    printf("\n%-11s%-6s%-8s%-11s%-8s%6s%9s", "encoder", "codec", "format", "size", "scene", "count", "asked");
    for (int i = 0; i < COLUMNS; i++)
        printf("%*s", columns[i].width, columns[i].under);
    printf("\n");
}

void bench_encode_print_job(const struct bench_encode_job *job)
{
    char size[SIZE_TEXT];
    make_size(&job->size, size);
    printf("%-11s%-6s%-8s%-11s%-8s", job->report->name, bench_encode_codec_word(job->report->codec),
           bench_encode_format_word(job->format), size, bench_scene_name(job->scene));
    fflush(stdout);
}

static void print_figures(const struct bench_encode_row *row)
{
    printf("%6d%9d", row->pictures, row->asked_kbps);
    for (int i = 0; i < COLUMNS; i++) {
        double value = figure(row, &columns[i]);
        if (isnan(value))
            printf("%*s", columns[i].width, "-");
        else
            printf("%*.*f", columns[i].width, columns[i].digits, value);
    }
}

void bench_encode_print_row(const struct bench_encode_row *row)
{
    if (row->outcome != BENCH_ENCODE_LEFT_OUT)
        print_figures(row);
    if (row->outcome != BENCH_ENCODE_FINE)
        printf("  %s: %s", outcomes[row->outcome], row->note);
    printf("\n");
    fflush(stdout);
}

/* --- JSON --- */

static json_t *machine_json(const struct bench_machine *machine)
{
    return json_pack("{ss si si ss}", "cpu", machine->cpu, "cores", machine->cores, "memory_mb", machine->memory_mb,
                     "kernel", machine->kernel);
}

static json_t *gpu_json(const struct bench_encode_site *site)
{
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    return gpu_to_json(&site->gpu, findings, gpu_find(&site->gpu, site->reports, site->count, findings));
}

static json_t *libraries_json(void)
{
    struct library libraries[LIBRARIES_MAX];
    json_t *object = json_object();
    int count = libraries_list(libraries);
    for (int i = 0; i < count; i++)
        json_object_set_new(object, libraries[i].name, json_string(libraries[i].version));
    return object;
}

static json_t *formats_json(const struct encoder_report *report)
{
    json_t *list = json_array();
    for (int i = 0; i < FRAME_FORMATS; i++)
        if (report->takes[i])
            json_array_append_new(list, json_string(bench_encode_format_word((enum frame_format)i)));
    return list;
}

static json_t *encoders_json(const struct encoder_report *reports, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{ss ss so sb sb ss}", "name", reports[i].name, "codec",
                                              bench_encode_codec_word(reports[i].codec), "formats",
                                              formats_json(&reports[i]), "hardware", reports[i].hardware, "usable",
                                              reports[i].usable, "reason", reports[i].reason));
    return list;
}

json_t *bench_encode_document(const struct bench_encode_options *options, const struct bench_encode_site *site)
{
    return json_pack("{ss ss so so so so si si s[]}", "command", "bench encode", "version", EARTHSHINE_VERSION,
                     "machine", machine_json(&site->machine), "gpu", gpu_json(site), "libraries", libraries_json(),
                     "encoders", encoders_json(site->reports, site->count), "seconds", options->seconds, "fps",
                     BENCH_ENCODE_FPS, "results");
}

void bench_encode_begin(json_t *document, const struct bench_encode_job *job)
{
    char size[SIZE_TEXT];
    make_size(&job->size, size);
    json_object_set_new(document, "under_way",
                        json_sprintf("%s %s %s %s %s", job->report->name, bench_encode_codec_word(job->report->codec),
                                     bench_encode_format_word(job->format), size, bench_scene_name(job->scene)));
}

bool bench_encode_add(json_t *document, const struct bench_encode_job *job, const struct bench_encode_row *row)
{
    char size[SIZE_TEXT];
    make_size(&job->size, size);
    json_t *object =
        json_pack("{ss ss ss ss ss ss ss si si}", "encoder", job->report->name, "codec",
                  bench_encode_codec_word(job->report->codec), "format", bench_encode_format_word(job->format), "size",
                  size, "scene", bench_scene_name(job->scene), "outcome", outcomes[row->outcome], "note", row->note,
                  "pictures", row->pictures, "asked_kbps", row->asked_kbps);
    for (int i = 0; i < COLUMNS; i++) {
        double value = figure(row, &columns[i]);
        json_object_set_new(object, columns[i].key, isnan(value) ? json_null() : json_real(value));
    }
    json_object_del(document, "under_way");
    return json_array_append_new(json_object_get(document, "results"), object) == 0;
}
