/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted must come back the same after being written. */
#include "host/state_data.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct state_data first, second;
    const char *why = NULL;
    if (state_data_parse((const char *)data, size, &first, &why) != STATE_DATA_OK)
        return 0;
    char *text = state_data_serialise(&first);
    if (!text || state_data_parse(text, strlen(text), &second, &why) != STATE_DATA_OK)
        abort();
    if (first.client_count != second.client_count || strcmp(first.uniqueid, second.uniqueid) != 0)
        abort();
    free(text);
    state_data_finish(&first);
    state_data_finish(&second);
    return 0;
}
