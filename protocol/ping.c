/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/ping.h"

#include "protocol/crypto.h"

#include <string.h>

bool ping_matches(const uint8_t *data, size_t size, const char *payload, bool legacy)
{
    if (size >= PING_PAYLOAD_SIZE)
        return crypto_compare(data, payload, PING_PAYLOAD_SIZE) == 0;
    return legacy && size == 4 && memcmp(data, "PING", 4) == 0;
}
