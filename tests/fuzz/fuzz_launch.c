/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/nvhttp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_slice query = {(const char *)data, size};
    struct nvhttp_launch launch, resumed;
    const char *why = NULL;
    char text[NVHTTP_DOCUMENT_MAX];
    nvhttp_not_authorised(query, text, sizeof(text));
    if (!nvhttp_launch_parse(query, false, NULL, &launch, &why))
        return 0;
    if (!launch.app_id || launch.width < 0 || launch.height < 0 || launch.fps_x100 < 0)
        abort();
    nvhttp_launch_parse(query, true, &launch, &resumed, &why);
    return 0;
}
