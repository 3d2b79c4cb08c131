/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/libraries.h"

#include <stdint.h>
#include <stdio.h>
#ifdef HAVE_LAVC
#include <libavcodec/avcodec.h>
#endif
#ifdef HAVE_NVENC
#include <ffnvcodec/nvEncodeAPI.h>
#endif
#ifdef HAVE_X264
#include <x264.h>
#endif

int libraries_list(struct library ret_libraries[LIBRARIES_MAX])
{
    int count = 0;
    (void)ret_libraries; /* there may be none */
#ifdef HAVE_LAVC
    unsigned version = avcodec_version(); /* of the one that is loaded */
    ret_libraries[count].name = "libavcodec";
    snprintf(ret_libraries[count++].version, sizeof(ret_libraries->version), "%u.%u.%u", version >> 16,
             version >> 8 & 255, version & 255);
#endif
#ifdef HAVE_NVENC
    ret_libraries[count].name = "NVENC API";
    snprintf(ret_libraries[count++].version, sizeof(ret_libraries->version), "%d.%d", NVENCAPI_MAJOR_VERSION,
             NVENCAPI_MINOR_VERSION);
#endif
#ifdef HAVE_X264
    ret_libraries[count].name = "libx264";
    snprintf(ret_libraries[count++].version, sizeof(ret_libraries->version), "%s", X264_POINTVER);
#endif
    return count;
}
