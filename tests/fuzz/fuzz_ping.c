/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/ping.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool strict = ping_matches(data, size, "0123456789ABCDEF", false);
    assert(!strict || size >= PING_PAYLOAD_SIZE);
    assert(ping_matches(data, size, "0123456789ABCDEF", true) == strict || size == 4);
    return 0;
}
