/* SPDX-License-Identifier: Apache-2.0 */
#include "net/discovery.h"

#include "base/text.h"

#include <stdbool.h>

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

void discovery_instance_name(const char *hostname, char ret_name[DISCOVERY_NAME_MAX])
{
    size_t used = 0;
    for (; *hostname && used < DISCOVERY_NAME_MAX - 1; hostname++) {
        char c = *hostname == ' ' ? '-' : *hostname;
        if (!is_plain(c))
            break;
        ret_name[used++] = c;
    }
    ret_name[used] = 0;
    if (!used)
        text_copy(ret_name, DISCOVERY_NAME_MAX, "Earthshine");
}
