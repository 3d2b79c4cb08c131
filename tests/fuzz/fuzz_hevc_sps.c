/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/hevc_sps.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t once[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX], again[HEVC_SPS_MAX + HEVC_SPS_GROWTH_MAX];
    size_t made = hevc_sps_restrict(data, size, once);
    if (made > sizeof(once) || (made && made <= HEVC_SPS_MAX && hevc_sps_restrict(once, made, again)))
        abort(); /* what it made must say all it should */
    return 0;
}
