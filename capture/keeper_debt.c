/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keeper_debt.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEAD "earthshine mode 1\n"

bool keeper_debt_write(const struct keeper_debt *self, char *ret_note, size_t size)
{
    if (strchr(self->display, '\n') || strchr(self->xauthority, '\n') || strchr(self->identity, '\n'))
        return false;
    int length = snprintf(ret_note, size, HEAD "display %s\nxauthority %s\nowner %" PRId64 "\nserver %s\n%s",
                          self->display, self->xauthority, self->owner, self->identity, self->owed);
    return length >= 0 && (size_t)length < size;
}

/* The rest of a line that begins with `key`; NULL: it is another, or too long. Else what follows it. */
static const char *read_line(const char *text, const char *key, char *ret_value, size_t size)
{
    size_t length = strlen(key);
    if (!text || strncmp(text, key, length) != 0)
        return NULL;
    const char *end = strchr(text, '\n');
    if (!end || (size_t)(end - text) - length >= size)
        return NULL;
    snprintf(ret_value, size, "%.*s", (int)(end - text - (ptrdiff_t)length), text + length);
    return end + 1;
}

bool keeper_debt_read(const char *note, struct keeper_debt *ret_debt)
{
    struct keeper_debt debt = {0};
    char owner[16];
    if (strncmp(note, HEAD, strlen(HEAD)) != 0)
        return false;
    const char *text = note + strlen(HEAD);
    text = read_line(text, "display ", debt.display, sizeof(debt.display));
    text = read_line(text, "xauthority ", debt.xauthority, sizeof(debt.xauthority));
    text = read_line(text, "owner ", owner, sizeof(owner));
    text = read_line(text, "server ", debt.identity, sizeof(debt.identity));
    if (!text || !*text || !text_parse_i64(owner, strlen(owner), -1, UINT32_MAX, &debt.owner) ||
        !text_copy(debt.owed, sizeof(debt.owed), text))
        return false;
    *ret_debt = debt;
    return true;
}

bool keeper_debt_is_of_boot(const struct keeper_debt *self, const char *boot)
{
    size_t length = strlen(boot);
    return strncmp(self->identity, boot, length) == 0 && self->identity[length] == ' ';
}
