/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: which versions of others' work the encoders of this process are made of, for reports. Any thread. */
#pragma once

enum { LIBRARIES_MAX = 4 };

struct library {
    const char *name; /* "libavcodec" */
    char version[64];
};

int libraries_list(struct library ret_libraries[LIBRARIES_MAX]); /* how many */
