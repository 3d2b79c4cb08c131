/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/av1_unit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct au_part part;
    uint8_t *bytes = malloc(size ? size : 1); /* its end is watched by the sanitizer */
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    if (av1_unit_finish(bytes, size, &part) && (part.data != bytes || part.size != size || !size))
        abort();
    free(bytes);
    return 0;
}
