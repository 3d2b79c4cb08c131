/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    char error[CONFIG_ERROR_MAX] = "";
    config_init(&config);
    if (!config_parse(&config, "fuzz.conf", (const char *)data, size, error) && !error[0])
        abort(); /* a refusal says why */
    config_finish(&config);
    return 0;
}
