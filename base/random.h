/* SPDX-License-Identifier: Apache-2.0 */
/* random: bytes of the operating system's generator. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* False (logged) when the generator fails: refuse the request that needed it. */
bool random_bytes(void *ret_data, size_t size);
