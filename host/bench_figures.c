/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL_MAX = 32, SCENE_COLUMN = 11 };

/* Two lines of heading; in the order of the table. */
static const struct column {
    enum bench_figure figure;
    const char *over, *under;
    int width, digits;
} columns[] = {
    {BENCH_PAINTED_FPS, "painted", "/s", 8, 1},
    {BENCH_SHARE, "received", "share", 9, 2},
    {BENCH_HOST_P50, "host ms", "p50", 8, 1},
    {BENCH_HOST_P95, "", "p95", 6, 1},
    {BENCH_HOST_P99, "", "p99", 6, 1},
    {BENCH_AGE_P50, "age ms", "p50", 7, 1},
    {BENCH_GAPS, "", "gaps", 5, 0},
    {BENCH_CORES, "CPU s", "per s", 6, 2},
    {BENCH_MEMORY_MB, "memory", "MB", 7, 0},
    {BENCH_FIRST_MS, "first", "ms", 6, 0},
    {BENCH_KBPS, "", "kbit/s", 7, 0},
    {BENCH_FETCH, "| fetch", "p50 ms", 9, 2},
    {BENCH_CONVERT, "convert", "ms", 8, 2},
    {BENCH_ENCODE, "encode", "ms", 7, 2},
    {BENCH_SEND, "send", "ms", 6, 2},
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* Keys in JSON: those of tests/bench/run.py where the figure is the same. */
static const char *const keys[BENCH_FIGURES] = {
    [BENCH_PAINTED_FPS] = "painted_fps",
    [BENCH_RECEIVED_FPS] = "received_fps",
    [BENCH_SHARE] = "share",
    [BENCH_HOST_P50] = "host_p50",
    [BENCH_HOST_P95] = "host_p95",
    [BENCH_HOST_P99] = "host_p99",
    [BENCH_AGE_P50] = "age_p50",
    [BENCH_GAPS] = "gaps",
    [BENCH_CORES] = "cores",
    [BENCH_MEMORY_MB] = "memory_mb",
    [BENCH_FIRST_MS] = "first_ms",
    [BENCH_KBPS] = "kbps",
    [BENCH_FETCH] = "fetch_p50",
    [BENCH_CONVERT] = "convert_p50",
    [BENCH_ENCODE] = "encode_p50",
    [BENCH_SEND] = "send_p50",
    [BENCH_LOST] = "lost",
};

/* --- the table --- */

void bench_print_machine(const struct bench_machine *machine, const struct bench_options *options)
{
    printf("\n%s, %d cores; encoder %s; earthshine %s; %d pictures/s, %d kbit/s, %d s each\n", machine->cpu,
           machine->cores, machine->encoder[0] ? machine->encoder : "none", EARTHSHINE_VERSION, options->fps,
           options->bitrate_kbps, options->seconds);
}

void bench_print_heading(const struct bench_size *size)
{
    char name[CELL_MAX];
    snprintf(name, sizeof(name), "%dx%d", size->width, size->height);
    printf("\n%-*s", SCENE_COLUMN, name);
    for (int i = 0; i < COLUMNS; i++)
        printf("%*s", columns[i].width, columns[i].over);
    printf("\n%-*s", SCENE_COLUMN, "");
    for (int i = 0; i < COLUMNS; i++)
        printf("%*s", columns[i].width, columns[i].under);
    printf("\n");
    fflush(stdout);
}

static void print_cell(const struct column *column, double value, int digits)
{
    if (isnan(value))
        printf("%*s", column->width, "-");
    else
        printf("%*.*f", column->width, digits, value);
}

static double old_value(const json_t *old, enum bench_figure figure)
{
    const json_t *value = json_object_get(old, keys[figure]);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

void bench_print_row(enum bench_scene_kind scene, const struct bench_figures *figures, const json_t *old)
{
    printf("%-*s", SCENE_COLUMN, bench_scene_name(scene));
    for (int i = 0; i < COLUMNS; i++)
        print_cell(&columns[i], figures->values[columns[i].figure], columns[i].digits);
    printf("\n");
    if (old) {
        printf("%-*s", SCENE_COLUMN, "  new/old");
        for (int i = 0; i < COLUMNS; i++) {
            double before = old_value(old, columns[i].figure);
            print_cell(&columns[i], before > 0 ? figures->values[columns[i].figure] / before : (double)NAN, 2);
        }
        printf("\n");
    }
    fflush(stdout);
}

/* --- JSON --- */

static void make_key(enum bench_scene_kind scene, const struct bench_size *size, char ret_key[CELL_MAX])
{
    snprintf(ret_key, CELL_MAX, "%s %dx%d", bench_scene_name(scene), size->width, size->height);
}

bool bench_add_result(json_t *results, enum bench_scene_kind scene, const struct bench_size *size,
                      const struct bench_figures *figures)
{
    char key[CELL_MAX];
    json_t *row = json_object();
    for (int i = 0; i < BENCH_FIGURES; i++) {
        double value = figures->values[i];
        json_object_set_new(row, keys[i], isnan(value) ? json_null() : json_real(value));
    }
    make_key(scene, size, key);
    return json_object_set_new(results, key, row) == 0;
}

json_t *bench_document(const struct bench_machine *machine, const struct bench_options *options, json_t *results)
{
    return json_pack("{s:s s:{s:s s:i s:s} s:i s:i s:i s:O}", "version", EARTHSHINE_VERSION, "machine", "cpu",
                     machine->cpu, "cores", machine->cores, "encoder", machine->encoder, "seconds", options->seconds,
                     "fps", options->fps, "bitrate_kbps", options->bitrate_kbps, "results", results);
}

json_t *bench_load_document(const char *path)
{
    json_error_t error;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!document) {
        fprintf(stderr, "earthshine: cannot compare with %s: %s\n", path, error.text);
        return NULL;
    }
    if (json_is_object(json_object_get(document, "results")))
        return document;
    fprintf(stderr, "earthshine: cannot compare with %s: it was not written by bench --json\n", path);
    json_decref(document);
    return NULL;
}

void bench_tell_differences(const json_t *document, const struct bench_machine *machine,
                            const struct bench_options *options)
{
    const json_t *old = json_object_get(document, "machine");
    const char *cpu = json_string_value(json_object_get(old, "cpu"));
    if (!cpu || strcmp(cpu, machine->cpu) != 0 || json_integer_value(json_object_get(old, "cores")) != machine->cores)
        fprintf(stderr, "earthshine: compared with another machine: %s\n", cpu ? cpu : "unknown");
    if (json_integer_value(json_object_get(document, "fps")) != options->fps ||
        json_integer_value(json_object_get(document, "bitrate_kbps")) != options->bitrate_kbps)
        fprintf(stderr, "earthshine: compared with other pictures per second, or another bitrate\n");
}

const json_t *bench_old_figures(const json_t *document, enum bench_scene_kind scene, const struct bench_size *size)
{
    char key[CELL_MAX];
    make_key(scene, size, key);
    return json_object_get(json_object_get(document, "results"), key);
}
