/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/hevc_unit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct au_part part;
    size_t room = size + HEVC_SPS_GROWTH_MAX;
    uint8_t *bytes = malloc(room); /* its end is watched by the sanitizer */
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    if (hevc_unit_finish(bytes, size, &part) &&
        (!part.size || part.data < bytes || part.data + part.size > bytes + room))
        abort();
    free(bytes);
    return 0;
}
