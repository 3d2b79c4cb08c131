/* SPDX-License-Identifier: Apache-2.0 */
/* decode: the recorded stream through libavcodec after the run: pictures counted, looked at, written as PPM or Y4M. */
#pragma once

#include "tests/client/recording.h"

struct decode_config {
    const char *ppm_last;   /* file, or NULL */
    const char *ppm_folder; /* with ppm_every: FOLDER/<frame number>.ppm */
    int ppm_every;
    const char *rest_folder; /* with rest_ms: FOLDER/<frame number>.y4m of each picture after so long a pause */
    int rest_ms;
    bool timecodes;
    int cell_px; /* size of a cell of the time code, 16 unless scaled */
};

struct decode_result {
    int decoded, errors, width, height, held_max; /* held_max: pictures the decoder kept back at most */
    int colorspace, range, primaries, transfer;   /* H.273; range 1 limited, 2 full */
    int timecodes;
    bool chroma444;
    int bits; /* of a sample */
    char error[96];
};

/* Fills in `decoded`, `luma` and the age of the recording's entries. False: `error` says why. */
bool decode_recording(struct recording *recording, enum depacketise_codec codec, const struct decode_config *config,
                      struct decode_result *ret_result);
