/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/h264_sps.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t once[H264_SPS_MAX + H264_SPS_GROWTH_MAX], again[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    size_t made = h264_sps_restrict(data, size, once);
    if (made > sizeof(once) || (made && made <= H264_SPS_MAX && h264_sps_restrict(once, made, again)))
        abort(); /* what it made must say all it should */
    h264_sps_loosen(data, size, once);
    made = h264_sps_widen(data, size, once);
    if (made > sizeof(once) || (made && made <= H264_SPS_MAX && h264_sps_widen(once, made, again)))
        abort();
    return 0;
}
