/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_encode_row: what one encoder makes of one scene at one size: painted in memory, encoded, decoded again. Only
 * the encoding is timed, one picture after the other; the encoder's clock says that they come at 60 a second.
 */
#pragma once

#include "encode/encoder.h"
#include "host/bench_scene.h"
#include "host/bench_words.h"
#include "host/config.h"

struct bench_encode_job {
    const struct encoder_report *report; /* a usable one */
    enum frame_format format;            /* one it takes */
    enum bench_scene_kind scene;
    struct bench_size size;
    int bitrate_kbps;  /* as a client asks for it */
    int pictures;      /* at most; the first is an IDR */
    int64_t enough_ns; /* monotonic; no more pictures then, unless it is fewer than BENCH_ENCODE_PICTURES_MIN */
    const struct config *config;
};

enum { BENCH_ENCODE_PICTURES_MIN = 6, BENCH_ENCODE_PICTURES_MAX = 1 + 1000, BENCH_ENCODE_NOTE_MAX = 256 };

enum bench_encode_outcome {
    BENCH_ENCODE_FINE,
    BENCH_ENCODE_LEFT_OUT, /* nothing was measured: refused at this size, or no memory */
    BENCH_ENCODE_FAULTY,   /* it failed, or its pictures are wrong; figures are of what there was */
};

/* A figure that is not known is NAN. */
struct bench_encode_row {
    enum bench_encode_outcome outcome;
    char note[BENCH_ENCODE_NOTE_MAX]; /* why it is not fine */
    int pictures;                     /* encoded */
    int asked_kbps;                   /* of the encoder: the client's wish less parity and sound */
    double first_ms;                  /* the IDR */
    double p50_ms, p95_ms, p99_ms;    /* all but the first, as is the next */
    double fps;                       /* how many a second of encoding alone */
    double kbps, psnr;                /* second half of the pictures; PSNR in dB, mean over them */
    double psnr_min;                  /* of all */
};

/* `ret_row`: always filled; but if a driver hangs, the process ends (host/bench_alarm.h). */
void bench_encode_measure(const struct bench_encode_job *job, struct bench_encode_row *ret_row);
