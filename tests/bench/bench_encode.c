/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_encode: milliseconds per picture and kbit/s of the software encoder.
 * usage: bench_encode [THREADS] [PICTURES] [ENCODER]
 * Painting the picture is not measured; PSNR is left to the tests.
 */
#include "base/clock.h"
#include "encode/encoder.h"
#include "tests/unit/nv12_scene.h"

#include <stdio.h>
#include <stdlib.h>

enum { PICTURES_MAX = 2000, BITRATE_KBPS = 20000, FPS = 60 };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool measure(const char *name, int threads, int pictures, int width, int height, enum nv12_kind kind)
{
    static const char *const kinds[] = {"static", "type", "scroll", "video"};
    int64_t durations[PICTURES_MAX], idr_ns = 0;
    size_t bytes = 0, idr_bytes = 0, largest = 0;
    struct nv12_scene scene;
    struct encoder_config config = {.fps_x100 = FPS * 100,
                                    .bitrate_kbps = BITRATE_KBPS,
                                    .slices = 1,
                                    .threads = threads,
                                    .max_reference_frames = 1};
    nv12_scene_init(&scene, width, height, kind);
    config.layout = scene.frame.layout;
    struct encoder *encoder = encoder_create(name, &config);
    bool fine = encoder != NULL;
    int64_t cpu = 0;
    for (int i = 0; fine && i <= pictures; i++) {
        struct au_part part;
        int64_t cpu_start = clock_process_cpu_ns(), start = clock_now_ns();
        fine = encoder_encode(encoder, &scene.frame, &scene.frame.damage, (i + 1) * INT64_C(16666667), false, &part) ==
               ENCODE_OK;
        int64_t took = clock_now_ns() - start;
        if (fine && i == 0) {
            idr_ns = took, idr_bytes = part.size;
        } else if (fine) {
            durations[i - 1] = took;
            cpu += clock_process_cpu_ns() - cpu_start;
            bytes += part.size;
            largest = part.size > largest ? part.size : largest;
        }
        nv12_scene_step(&scene);
    }
    if (fine) {
        qsort(durations, (size_t)pictures, sizeof(durations[0]), compare);
        printf(
            "%s %dx%d %-6s threads %d: p50 %5.1f p99 %5.1f ms, cpu %5.1f ms; IDR %5.1f ms %4zu kB, then %6.0f kbit/s, "
            "largest %zu kB\n",
            name, width, height, kinds[kind], threads, (double)durations[pictures / 2] / 1e6,
            (double)durations[pictures * 99 / 100] / 1e6, (double)cpu / pictures / 1e6, (double)idr_ns / 1e6,
            idr_bytes / 1000, (double)bytes * 8 * FPS / pictures / 1000, largest / 1000);
        fflush(stdout);
    }
    encoder_destroy(encoder);
    nv12_scene_finish(&scene);
    return fine;
}

int main(int argc, char **argv)
{
    static const int sizes[][2] = {{1920, 1080}, {2560, 1440}};
    int threads = argc > 1 ? atoi(argv[1]) : 2, pictures = argc > 2 ? atoi(argv[2]) : 240;
    const char *name = argc > 3 ? argv[3] : "x264";
    if (threads < 0 || pictures < 1 || pictures > PICTURES_MAX) {
        fprintf(stderr, "usage: bench_encode [THREADS] [PICTURES 1..%d] [ENCODER]\n", PICTURES_MAX);
        return 2;
    }
    for (int size = 0; size < 2; size++)
        for (int kind = NV12_STATIC; kind <= NV12_VIDEO; kind++)
            if (!measure(name, threads, pictures, sizes[size][0], sizes[size][1], (enum nv12_kind)kind))
                return 1;
    return 0;
}
