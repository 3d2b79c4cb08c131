/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

bool random_bytes(void *ret_data, size_t size)
{
    uint8_t *at = ret_data;
    while (size) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log_error("random: the system's generator failed: %s", strerror(errno));
            return false;
        }
        at += got;
        size -= (size_t)got;
    }
    return true;
}
